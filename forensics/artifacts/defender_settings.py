r"""What Windows Defender was told to pass, and what of it is switched off, in the SOFTWARE hive.

An exclusion is where an attacker's files lie in peace: the folder that a sandbox maps, `C:\ProgramData`, a process.
Each is one value of `Exclusions\Paths`, `Processes`, `Extensions`, `IpAddresses` or `TemporaryPaths` below Defender's
own key or that of its policies, its name being what is passed. `DisableAntiSpyware`, `DisableRealtimeMonitoring` and
others with 1 switch protection off, `TamperProtection` 0 or 4 the protection of these settings. Deleted values are
looked for as well: an exclusion that was removed after use. The time is the key's last write. Values without effect
are not told. Administrators and installers exclude folders too.

https://learn.microsoft.com/defender-endpoint/configure-exclusions-microsoft-defender-antivirus; what the values of
TamperProtection mean is from memory [M].
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._registry import place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key, RegValue
from forensics.model import Fact, make_fact

_ROOTS = {"Microsoft\\Windows Defender": "setting", "Policies\\Microsoft\\Windows Defender": "policy"}
_EXCLUSIONS = {
    "Paths": "path", "Processes": "process", "Extensions": "extension", "IpAddresses": "address",
    "TemporaryPaths": "temporary path",
}  # fmt: skip
_OFF = frozenset(
    {
        *("disableantispyware", "disableantivirus", "disablerealtimemonitoring", "disablebehaviormonitoring"),
        *("disableonaccessprotection", "disableioavprotection", "disablescriptscanning"),
        *("disablescanonrealtimeenable", "disableblockatfirstseen", "disableintrusionpreventionsystem"),
    }
)
_TAMPER = "tamperprotection"
_PLACES = ("", "\\Real-Time Protection", "\\Spynet", "\\Features")
_WRITTEN = "Content Modification Time"


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every exclusion and for every protection that is switched off."""
    for root, origin in _ROOTS.items():
        for name, what in _EXCLUSIONS.items():
            key = hive.key(f"{root}\\Exclusions\\{name}")
            for value in key.values() if key else ():
                if value.name:
                    yield _exclusion(given, key, value, (what, origin))
        for below in _PLACES:
            key = hive.key(root + below)
            for value in key.values() if key else ():
                yield from _switch(given, key, value, origin)


def _exclusion(given: FileInput, key: Key | None, value: RegValue, about: tuple[str, str]) -> Fact:
    assert key is not None  # its value was just read
    return make_fact(
        "antivirus.exclusion",
        place(given, key, value.name),
        {_WRITTEN: key.last_write},
        {
            "excluded": value.name,
            "exclusion_kind": about[0],
            "setting_origin": about[1],
            "key_path": key.path,
            "value_name": value.name,
        },
    )


def _switch(given: FileInput, key: Key | None, value: RegValue, origin: str) -> Iterator[Fact]:
    assert key is not None  # its value was just read
    name, text = value.name.casefold(), value.text()
    if (name in _OFF and text == "1") or (name == _TAMPER and text in ("0", "4")):
        yield make_fact(
            "antivirus.protection_off",
            place(given, key, value.name),
            {_WRITTEN: key.last_write},
            {
                "protection": value.name,
                "value_data": text,
                "setting_origin": origin,
                "key_path": key.path,
                "value_name": value.name,
            },
            context=name == _TAMPER,  # off by default on servers and managed machines
        )


ARTIFACT = RegistryArtifact(
    name="defender_settings",
    hives=frozenset({"SOFTWARE"}),
    parse=parse,
    emits={
        "antivirus.exclusion": Kind(
            "Defender passes the {exclusion_kind} {excluded} ({setting_origin})",
            {"excluded": str, "exclusion_kind": str, "setting_origin": str, "key_path": str, "value_name": str},
        ),
        "antivirus.protection_off": Kind(
            "Defender: {protection} is {value_data} ({setting_origin})",
            {"protection": str, "value_data": str, "setting_origin": str, "key_path": str, "value_name": str},
        ),
    },
    deleted=True,
)
