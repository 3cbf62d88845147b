"""The data of the autostart places: what is known as Windows' own, and which place a logged value belongs to."""

from __future__ import annotations

import time

import pytest

from forensics.rules import load
from forensics.rules.autoruns import dated_by_key, mechanism_of, mechanisms, stock
from forensics.rules.engine import hits, rules_of, total

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


def points(mechanism: str, name: str, command: str, location: str = "x", **more: object) -> int:
    facts = {"mechanism": mechanism, "name": name, "command": command, "location": location, **more}
    return 0 if stock(mechanism, location, name, command) else total(hits(rules_of("autoruns"), facts))


@pytest.mark.parametrize(
    ("mechanism", "name", "command", "location"),
    [
        ("lsa", "evilpw", "evilpw", "x\\Lsa\\Notification Packages"),
        ("lsa", "password_sync_dll", "password_sync_dll", "x\\Lsa\\Security Packages"),
        ("app_cert", "x", "evil.dll", "x"),
        ("app_init", "evil.dll", "evil.dll", "x"),
        ("netsh_helper", "x", "evil.dll", "x"),
        ("print_monitor", "Canon Monitor", "evil.dll", "x"),
        ("print_monitor", "x", "hpmlm135.dll", "x"),
        ("print_monitor", "HP Monitor", "C:\\Users\\Public\\hpmlm135.dll", "x"),
        ("time_provider", "vmwTimeProvider", "C:\\ProgramData\\vmwTimeProvider.dll", "x"),
        ("network_provider", "PnSson", "C:\\Program Files\\Citrix\\..\\x\\pnsson.dll", "x"),
        ("boot_execute", "x", "pdboot evil", "x"),
        ("lsa_extension", "evil.dll", "evil.dll", "x"),
        ("winsock", "AutodialDLL", "evil.dll", "HKLM\\SYSTEM\\ControlSet001\\Services\\WinSock2\\Parameters"),
    ],
)
def test_planted_ones_stand_out(mechanism: str, name: str, command: str, location: str) -> None:
    assert points(mechanism, name, command, location) > 40


@pytest.mark.parametrize(
    ("mechanism", "name", "command", "location"),
    [
        ("print_monitor", "HP Universal Port Monitor", "hpmlm135.dll", "x"),
        ("print_monitor", "Canon BJ Language Monitor MG5200 series", "CNMLMA5.DLL", "x"),
        ("print_monitor", "RICOH Language Monitor2", "C:\\Windows\\System32\\rc4mon64.dll", "x"),
        ("print_monitor", "EPSON XP-202 203 206 Series 64MonitorBE", "E_ILMJGE.DLL", "x"),
        ("print_monitor", "KONICA MINOLTA Language Monitor", "KOAXJJ_L.DLL", "x"),
        ("time_provider", "vmwTimeProvider",
         "C:\\Program Files\\VMware\\VMware Tools\\vmwTimeProvider\\vmwTimeProvider.dll", "x"),
        ("network_provider", "PnSson", "C:\\Program Files (x86)\\Citrix\\ICA Client\\pnsson.dll", "x"),
        ("boot_execute", "sdnclean64.exe", "sdnclean64.exe", "x"),
        ("lsa", "password_sync_dll", "password_sync_dll", "x\\Lsa\\Notification Packages"),
        ("winsock", "AutodialDLL", "C:\\Windows\\System32\\rasadhlp.dll", "x\\WinSock2\\Parameters"),
    ],
)  # fmt: skip
def test_known_products_in_rare_places(mechanism: str, name: str, command: str, location: str) -> None:
    assert points(mechanism, name, command, location) <= 25


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
