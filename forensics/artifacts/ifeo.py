"""Image File Execution Options: a program that starts in another's stead, or when another ends.

`Debugger` below the name of a program is started with that program's command line instead of it; for the programs of
the logon screen (sethc, utilman, osk) that is a way in without a password, for a security program a way to keep it
from starting. `VerifierDlls` loads libraries into it. `GlobalFlag` with 0x200 watches its end:
`SilentProcessExit\\<program>` names in `MonitorProcess` what runs then, in effect when `ReportingMode` has bit 1 as
well; 0x100 switches the verifier on. Other flags debug heaps and are left out. A program's key may have keys below
it, each for one full path of the program.
https://learn.microsoft.com/windows-hardware/drivers/debugger/gflags-overview
https://learn.microsoft.com/windows-hardware/drivers/debugger/registry-entries-for-silent-process-exit
https://attack.mitre.org/techniques/T1546/012/
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._autorun import Base, Entry, autorun
from forensics.formats.hive import Key, RegValue

_VERSION = "Microsoft\\Windows NT\\CurrentVersion"
_OPTIONS = f"{_VERSION}\\Image File Execution Options"
_EXIT = f"{_VERSION}\\SilentProcessExit"
_ON_EXIT, _VERIFIER, _LAUNCHES = 0x200, 0x100, 0x1


def flags(base: Base) -> Iterator[Entry]:
    """Programs whose end is watched or that are checked by libraries of choice."""
    for twin in ("", "Wow6432Node\\"):
        for pattern in (f"{twin}{_OPTIONS}\\*", f"{twin}{_OPTIONS}\\*\\*"):
            for key in base.keys(pattern):
                number = _number(key.value("GlobalFlag"))
                if number and number & (_ON_EXIT | _VERIFIER):
                    yield Entry("ifeo", key, "GlobalFlag", key.name, f"0x{number:x}", "\\GlobalFlag")


def on_exit(base: Base) -> Iterator[Entry]:
    """What is started when a program ends."""
    for twin in ("", "Wow6432Node\\"):
        for key in base.keys(f"{twin}{_EXIT}\\*"):
            value = key.value("MonitorProcess")
            if value is not None:
                on = _in_effect(base, twin, key)
                yield Entry("silent_process_exit", key, "MonitorProcess", key.name, value.text(), enabled=on)


def _in_effect(base: Base, twin: str, key: Key) -> bool:
    """Both numbers as they are now; without one of them nothing is started."""
    options, mode = base.live(f"{twin}{_OPTIONS}\\{key.name}"), base.live(f"{twin}{_EXIT}\\{key.name}")
    flag = _number(options.value("GlobalFlag")) if options else 0
    reporting = _number(mode.value("ReportingMode")) if mode else 0
    return bool(flag & _ON_EXIT and reporting & _LAUNCHES)


def _number(value: RegValue | None) -> int:
    """A flag as a number; gflags also writes it as a text in hex."""
    data = value.data if value else 0
    if isinstance(data, str):
        try:
            return int(data, 16)
        except ValueError:
            return 0
    return data if isinstance(data, int) else 0


ARTIFACT = autorun("ifeo", flags, on_exit, hives=frozenset({"SOFTWARE", "NTUSER"}))
