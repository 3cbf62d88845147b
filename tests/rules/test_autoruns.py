"""The data of the autostart places: what is known as Windows' own, and which place a logged value belongs to."""

from __future__ import annotations

import time

import pytest

from forensics.rules import load
from forensics.rules.autoruns import dated_by_key, mechanism_of, mechanisms, stock

OPTIONS = "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Image File Execution Options"
PIECES = (
    " -a", "/a ", "\\\\", "a\\", "a.", ",1 ", " serverdll=winsrv:userserverdllinitialization,3", "\\program files\\a",
    "ie4uinit.exe -a", "%systemroot%\\system32\\", "c:\\program files\\microsoft office\\a", " /S \\??\\a", "{a}",
)  # fmt: skip


@pytest.mark.parametrize("mechanism", sorted(load("autoruns_stock")["stock"]))
def test_no_command_takes_long(mechanism: str) -> None:
    begin = time.monotonic()
    for piece in PIECES:
        for head in ("", "ie4uinit.exe", "autocheck autochk", "C:\\Program Files\\Microsoft Office"):
            for tail in ("", "&", "!.dll"):
                stock(mechanism, "x", "x", (head + piece * 2048)[:2000] + tail)
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize(
    ("mechanism", "place", "name", "command"),
    [
        ("winlogon", "HKLM\\x\\Winlogon\\Shell", "explorer.exe", "C:\\Users\\Public\\explorer.exe"),
        ("winlogon", "HKLM\\x\\Winlogon\\Userinit", "x", "C:\\Windows\\system32\\..\\userinit.exe"),
        ("winlogon", "HKLM\\x\\Winlogon", "Taskman", "explorer.exe"),
        ("lsa", "x\\Lsa\\Notification Packages", "msv1_0x", "msv1_0x"),
        ("lsa", "x\\Lsa\\Notification Packages", "scecli", "C:\\Users\\Public\\scecli.dll"),
        ("print_monitor", "x", "Local Port", "localspl.dll.evil"),
        ("time_provider", "x", "NtpClient", "C:\\Windows\\Temp\\w32time.dll"),
        ("active_setup", "x", "x", "ie4uinit.exe -UserConfig & calc.exe"),
        ("active_setup", "x", "x", "rundll32.exe C:\\ProgramData\\mscories.dll,Install"),
        ("boot_execute", "x\\BootExecute", "x", "autocheck autochk * & x"),
        ("known_dll", "x", "DllDirectory", "C:\\Users\\Public\\system32"),
        ("netsh_helper", "x", "ifmon", "ifmon.dll\nevil.dll"),
        ("winlogon", "HKLM\\x\\Winlogon\\Shell", "explorer.exe", "explorer.exe" + " " * 5000 + "x"),
    ],
)
def test_what_only_looks_like_windows_own_is_not_known(mechanism: str, place: str, name: str, command: str) -> None:
    assert stock(mechanism, place, name, command) is None


@pytest.mark.parametrize(
    ("key", "value", "mechanism"),
    [
        ("HKLM\\System\\CurrentControlSet\\Control\\Lsa", "Security Packages", "lsa"),
        ("HKLM\\System\\ControlSet001\\Control\\Lsa", "LsaPid", None),
        ("HKLM\\System\\CurrentControlSet\\Control\\Print\\Monitors\\x", "Driver", "print_monitor"),
        ("HKLM\\System\\CurrentControlSet\\Control\\Print\\Monitors\\x\\y", "Driver", None),
        ("HKU\\S-1-5-21-1\\Software\\Microsoft\\Command Processor", "AutoRun", "command_processor"),
        ("HKLM\\SOFTWARE\\WOW6432Node\\Microsoft\\NetSh", "x", "netsh_helper"),
        (
            f"{OPTIONS}\\a.exe",
            "Debugger",
            "ifeo",
        ),
        (
            f"{OPTIONS}\\a.exe",
            "UseFilter",
            None,
        ),
        ("HKLM\\SOFTWARE\\Vendor", "Shell", None),
    ],
)
def test_the_place_of_a_logged_value(key: str, value: str, mechanism: str | None) -> None:
    assert mechanism_of(key, value) == mechanism


def test_times_of_keys() -> None:
    assert dated_by_key("lsa")
    assert dated_by_key("run_key")
    assert not dated_by_key("scheduled_task")
    assert {"network_provider", "silent_process_exit", "winlogon"} <= mechanisms()
