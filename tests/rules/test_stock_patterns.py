"""What is known as harmless stays so for nothing but itself: no `..`, no second program, no foreign argument."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from forensics.rules import load
from forensics.rules.autoruns import expanded, stock
from forensics.sessions.persistence_scored import known_entry
from tests.rules.patterns import samples

EVIL = "C:\\Users\\Public\\evil.exe"
TAILS = (f" & {EVIL}", f"&{EVIL}", f" | {EVIL}", f" {EVIL}", f' "{EVIL}"', f",{EVIL}", f"\n{EVIL}", f" /x:{EVIL}",
         " \\\\192.0.2.7\\a\\b.dll", " http://192.0.2.7/a")  # fmt: skip
UP = "\\..\\..\\Users\\Public\\"
SYS = "C:\\Windows\\System32\\"
EDGE = "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\130.0.2849.80"
OFFICE = "C:\\Program Files\\Microsoft Office\\root"
ITEMS = [(kind, item) for kind, items in load("autoruns_stock")["stock"].items() for item in items]


def changed(command: str) -> Iterator[str]:
    """The command as somebody would have it who hides behind it."""
    yield from (command + tail for tail in TAILS)
    yield f"{EVIL} & {command}"
    for at, sign in enumerate(command):
        if sign == "\\" and at and command[at - 1] != "\\":
            yield command[:at] + UP + command[at + 1 :]


def examples(item: dict[str, str | list[str]]) -> list[str]:
    """Commands that fit an item of the table."""
    if libraries := item.get("libraries"):
        return [f"%SystemRoot%\\system32\\{libraries[0]}.dll", libraries[0]]
    return samples(expanded(str(item["command"])))


def placed(item: dict[str, str | list[str]]) -> tuple[str, str]:
    """A location and a name that fit an item."""
    place = samples(str(item.get("place", ""))) or [""]
    entry = samples(str(item.get("entry", ""))) or [""]
    return place[0], entry[0]


@pytest.mark.parametrize(("kind", "item"), ITEMS, ids=lambda part: part["what"] if isinstance(part, dict) else part)
def test_nothing_can_be_added_to_what_is_stock(kind: str, item: dict[str, str | list[str]]) -> None:
    location, name = placed(item)
    fitting = [command for command in examples(item) if stock(kind, location, name, command)]
    assert fitting, "the pattern's own text fits"
    for command in fitting:
        assert [text for text in changed(command) if stock(kind, location, name, text)] == []


@pytest.mark.parametrize("item", load("persistence")["known"], ids=lambda item: item["name"])
def test_nothing_can_be_added_to_what_is_known(item: dict[str, dict[str, str]]) -> None:
    facts = item["example"]
    for text in changed(facts["command"]):
        assert known_entry({**facts, "command": text}) is None, text


def test_no_pattern_of_a_known_command_takes_anything_whatever() -> None:
    known = [str(item.get("command", "")) for _, item in ITEMS]
    known += [str(item["command"]) for item in load("persistence")["known"]]
    assert [pattern for pattern in known if ".*" in pattern or ".+" in pattern] == []


@pytest.mark.parametrize(
    ("kind", "place", "command"),
    [
        ("active_setup", "x", "rundll32.exe shell32.dll,ShellExec_RunDLL C:\\Users\\bob\\evil.exe"),
        ("active_setup", "x", "rundll32.exe advpack.dll,LaunchINFSection C:\\Users\\Public\\evil.inf"),
        ("active_setup", "x", "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\mscorsvw.exe & C:\\evil.exe"),
        ("active_setup", "x", "regsvr32.exe evil.dll"),
        ("ifeo", "x\\Debugger", "C:\\Program Files\\Windows Kits\\..\\..\\Users\\Public\\windbg.exe"),
        ("ifeo", "x\\Debugger", '"C:\\Program Files\\Windows Kits\\10\\windbg.exe" C:\\Users\\Public\\evil.exe'),
        ("app_init", "x", "C:\\PROGRA~1\\nvidia\\..\\..\\x\\nvinit.dll"),
        ("accessibility", "x\\ATs\\x", "rundll32.exe evil.dll,x"),
        ("crash_debugger", "x", '"C:\\Program Files\\x\\windbg.exe" -p %ld -e %ld -c ".shell C:\\evil.exe"'),
    ],
)
def test_what_attackers_would_write(kind: str, place: str, command: str) -> None:
    assert stock(kind, place, "x", command) is None


@pytest.mark.parametrize(
    ("kind", "place", "command"),
    [
        ("ifeo", "x\\Debugger", '"C:\\Program Files (x86)\\Windows Kits\\10\\Debuggers\\x64\\windbg.exe" -g'),
        ("active_setup", "x", f'"{SYS}rundll32.exe" "{SYS}iedkcs32.dll",BrandIEActiveSetup SIGNUP'),
        ("active_setup", "x", f"{SYS}Rundll32.exe {SYS}mscories.dll,Install"),
        ("active_setup", "x", "rundll32.exe advpack.dll,LaunchINFSection C:\\WINDOWS\\INF\\msmsgs.inf,BLC.PerUser"),
        ("active_setup", "x", "%SystemRoot%\\system32\\regsvr32.exe /s /n /i:/UserInstall themeui.dll"),
        ("active_setup", "x", f'"{EDGE}\\Installer\\setup.exe" --configure-user-settings --msedge --channel=stable'),
        ("active_setup", "x", f"{SYS}unregmp2.exe /FirstLogon /Shortcuts /RegBrowsers /ResetMUI"),
        ("crash_debugger", "x", f'"{SYS}vsjitdebugger.exe" -p %ld -e %ld -j 0x%p'),
        ("app_init", "x", "C:\\PROGRA~1\\NVIDIA~1\\NVSTRE~1\\nvinit.dll"),
        ("protocol_handler", "x", "C:\\PROGRA~1\\COMMON~1\\MICROS~1\\OFFICE16\\MSOXMLMF.DLL"),
        ("browser_helper", "x", f"{OFFICE}\\VFS\\ProgramFilesX64\\Microsoft Office\\Office16\\OCHelper.dll"),
        ("available_shell", "x",
         'cmd.exe /c "cd /d "%USERPROFILE%" & start cmd.exe /k runonce.exe /AlternateShellStartup"'),
    ],
)  # fmt: skip
def test_what_windows_and_products_write_stays_stock(kind: str, place: str, command: str) -> None:
    assert stock(kind, place, "x", command)
