"""The machine itself: name, Windows version, time zone, when it was installed and last shut down.

Every other row leans on these: an investigator has to know which host this is, in which zone its local log times are,
and whether the hive that says so was brought up to date with its transaction logs.
https://learn.microsoft.com/windows/win32/sysinfo/registry-hives
"""

from __future__ import annotations

import struct

from forensics.artifacts._registry import place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats import hostinfo
from forensics.formats.hive import Hive
from forensics.model import make_fact
from forensics.times import Moment, NoTime, from_filetime, from_unix

_ABSENT = NoTime("not in the hive", "")


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for the SYSTEM hive, one for the SOFTWARE hive."""
    yield from _system(hive, given) if hive.control_sets() else _software(hive, given)


def _system(hive: Hive, given: FileInput) -> Output:
    sets = hive.control_sets()
    path = f"{sets[0]}\\Control\\Windows" if sets else ""
    zone, bias = hostinfo.time_zone(hive)
    described = zone if zone or bias is None else f"UTC bias {bias} min"
    yield make_fact(
        "host.described",
        place(given, path, "ShutdownTime" if path else None),
        {"Last Shutdown Time": _shutdown(hive, path)},
        {
            "computer_name": hostinfo.computer_name(hive),
            "time_zone": described,
            "control_set": sets[0] if sets else None,
            "hive_state": hive.state,
            "registry_kind": _kind(hive, "SYSTEM"),
        },
    )


def _kind(hive: Hive, expected: str) -> str:
    """The hive's kind, by its name where its content does not tell (a small or damaged one)."""
    return expected if hive.kind == "UNKNOWN" else hive.kind


def _shutdown(hive: Hive, path: str) -> Moment:
    key = hive.key(path) if path else None
    value = key.value("ShutdownTime") if key else None
    if value is None or len(value.raw) < 8:
        return _ABSENT
    return from_filetime(struct.unpack_from("<Q", value.raw)[0])


def _software(hive: Hive, given: FileInput) -> Output:
    os_name, build = hostinfo.windows_version(hive)
    name, moment = _installed(hive)
    yield make_fact(
        "host.described",
        place(given, hostinfo.CURRENT_VERSION, name),
        {"Installation Time": moment},
        {"os_name": os_name, "os_build": build, "hive_state": hive.state, "registry_kind": _kind(hive, "SOFTWARE")},
    )


def _installed(hive: Hive) -> tuple[str, Moment]:
    """InstallTime (FILETIME, Windows 10) or InstallDate (seconds); a feature update sets both anew."""
    key = hive.key(hostinfo.CURRENT_VERSION)
    ticks = hostinfo.number_of(key, "InstallTime")
    if ticks:
        return "InstallTime", from_filetime(ticks)
    seconds = hostinfo.number_of(key, "InstallDate")
    return "InstallDate", _ABSENT if seconds is None else from_unix(seconds)


ARTIFACT = RegistryArtifact(
    name="host",
    hives=frozenset({"SYSTEM", "SOFTWARE"}),
    parse=parse,
    emits={
        "host.described": Kind(
            "{registry_kind} hive ({hive_state})[, host {computer_name}][, zone {time_zone}][, {os_name}][, build "
            "{os_build}]",
            {
                "computer_name": str,
                "os_name": str,
                "os_build": str,
                "time_zone": str,
                "control_set": str,
                "hive_state": str,
                "registry_kind": str,
            },
        )
    },
)
