"""Services and drivers: programs that Windows starts by itself, mostly as SYSTEM.

A service is a classic way of coming back, and older VS Code builds registered the tunnel as a service `code_tunnel`.
For a shared host process (svchost) the code is in `ServiceDll`, which counts as much as the command line.
Wrappers (NSSM, srvany) run what `Parameters\\Application` and `AppParameters` say: that is then the command line, and
the service's own program is told as `wrapper_command_line`; NSSM's `AppStdout` is where the output goes.
`FailureCommand` is a program that starts, mostly as SYSTEM, whenever the service is made to fail.
A stock Windows has some 700 entries. Those whose program and DLL lie directly in a folder of Windows, and which are no
interpreter, become context; that is a judgement by path, not by content.
The time is the key's last write: any later change of the entry moves it. A removed service is recovered from free cells
unless a control set still has the very same; a key of unknown place counts as a service when it has a start type.
https://learn.microsoft.com/windows-hardware/drivers/install/hklm-system-currentcontrolset-services-registry-tree
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from forensics.artifacts._registry import RECOVERED, looks_stock, place, recovered_values
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.formats.hostinfo import number_of, text_of
from forensics.model import Fact, make_fact
from forensics.rules import load
from forensics.rules.watch import is_watched

_START = {0: "boot", 1: "system", 2: "auto", 3: "demand", 4: "disabled"}
_OWN_PROCESS, _KERNEL, _FILE_SYSTEM = 0x30, 0x1, 0x2


@dataclass(frozen=True, slots=True)
class _Service:
    """What is compared between control sets: the same entry in an older set is not told twice."""

    name: str
    image: str | None
    library: str | None
    wrapped: str | None
    account: str | None
    start: str | None


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every service of the current control set, and those of other sets that differ from it.

    Then what was recovered of unknown place.
    """
    seen = {service for _, _, service in _services(hive.live)} if hive.deleted else set()
    for control_set, key, service in _services(hive):
        if service not in seen:
            seen.add(service)
            yield from _row(given, key, service, control_set)
    for key in hive.unplaced():
        found = _read(key)
        if found and found.start:
            yield from _row(given, key, found, None)
        else:
            yield from recovered_values(given, key)


def _services(hive: Hive) -> Iterator[tuple[str, Key, _Service]]:
    for control_set in hive.control_sets():
        listing = hive.key(f"{control_set}\\Services")
        for key in listing.subkeys() if listing else ():
            service = _read(key)
            if service is not None:
                yield control_set, key, service


def _read(key: Key) -> _Service | None:
    """The entry, None for a key that starts nothing (performance counters, settings of drivers)."""
    image = text_of(key, "ImagePath")
    parameters = key.subkey("Parameters")
    library = text_of(parameters, "ServiceDll") or text_of(key, "ServiceDll")
    if image is None and library is None:
        return None
    start = number_of(key, "Start")
    label = None if start is None else _START.get(start, str(start))
    if label == "auto" and number_of(key, "DelayedAutostart"):
        label = "auto (delayed)"
    return _Service(key.name, image, library, _wrapped(parameters), text_of(key, "ObjectName"), label)


def _wrapped(parameters: Key | None) -> str | None:
    """What a wrapper starts in the service's stead, the path quoted where it has to be."""
    program, arguments = text_of(parameters, "Application"), text_of(parameters, "AppParameters")
    if not program:
        return None
    quoted = f'"{program}"' if " " in program and not program.startswith('"') else program
    return f"{quoted} {arguments}" if arguments else quoted


def _row(given: FileInput, key: Key, service: _Service, control_set: str | None) -> Iterator[Fact]:
    programs = (service.image, service.library, service.wrapped)
    stock = all(looks_stock(path) for path in programs if path)
    watched = is_watched(service.name, *(path or "" for path in programs))
    wrapper = key.subkey("Parameters") if service.wrapped else None
    yield make_fact(
        "service.configured",
        place(given, key),
        {"Content Modification Time": key.last_write},
        {
            "mechanism": "service",
            "location": f"HKLM\\SYSTEM\\{key.path}",
            "entry_name": service.name,
            "service_name": service.name,
            "service_display_name": text_of(key, "DisplayName"),
            "command_line": service.wrapped or service.image,
            "wrapper_command_line": service.image if service.wrapped else None,
            "working_directory": text_of(wrapper, "AppDirectory"),
            "output_path": text_of(wrapper, "AppStdout") or text_of(wrapper, "AppStderr"),
            "target_path": service.library,
            "start_type": service.start,
            "service_account": service.account,
            "service_type": _type(number_of(key, "Type")),
            "control_set": control_set,
            "key_path": key.path,
        },
        context=stock and not watched and not _silenced(service),
    )


def _silenced(service: _Service) -> bool:
    """Whether it is a service that records or protects, and is to start no more."""
    return service.start == _START[4] and service.name.casefold() in load("antiforensics")["guards"]


def _type(number: int | None) -> str | None:
    if number is None:
        return None
    if number & _KERNEL:
        return "kernel driver"
    if number & _FILE_SYSTEM:
        return "file system driver"
    return "service" if number & _OWN_PROCESS else f"0x{number:x}"


ARTIFACT = RegistryArtifact(
    name="services",
    hives=frozenset({"SYSTEM"}),
    parse=parse,
    emits={
        "service.configured": Kind(
            "Service {service_name}[ ({start_type})][ runs {command_line}][ with {target_path}][ as {service_account}]"
            "[, through {wrapper_command_line}][, output to {output_path}]",
            {
                "mechanism": str,
                "location": str,
                "entry_name": str,
                "service_name": str,
                "service_display_name": str,
                "command_line": str,
                "wrapper_command_line": str,
                "working_directory": str,
                "output_path": str,
                "target_path": str,
                "start_type": str,
                "service_account": str,
                "service_type": str,
                "control_set": str,
                "key_path": str,
            },
            data_type="windows:registry:service",
        ),
        **RECOVERED,
    },
    deleted=True,
)
