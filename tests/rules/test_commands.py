"""The normal form of command lines, and what wrappers finally start."""

from __future__ import annotations

import time

import pytest

from forensics.rules import load
from forensics.rules.commands import LONGEST, chain, finally_started, foreign, normal, started_by, taken_apart

HOME = "C:\\Users\\bob"
EVIL = "C:\\Users\\Public\\evil.exe"


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("\\\\?\\C:\\Users\\Public\\evil.exe", EVIL),
        ("\\??\\C:\\Users\\Public\\evil.exe", EVIL),
        ("\\\\.\\C:\\Users\\Public\\evil.exe", EVIL),
        ("//?/C:/Users/Public/evil.exe", EVIL),
        ("\\\\?\\GLOBALROOT\\Device\\HarddiskVolume3\\Users\\Public\\evil.exe", EVIL),
        ("\\Device\\HarddiskVolume3\\Users\\Public\\evil.exe", EVIL),
        ("\\\\?\\UNC\\host\\share\\a.exe", "\\\\host\\share\\a.exe"),
        ("\\\\localhost\\C$\\Users\\Public\\evil.exe", EVIL),
        ("C:/Users/Public/evil.exe", EVIL),
        ("C:\\\\Users\\\\Public\\\\evil.exe", EVIL),
        ("C:\\Windows\\..\\Users\\.\\Public\\evil.exe", EVIL),
        ("C:\\Program Files\\..\\Users\\Public\\evil.exe", EVIL),
        ("C:\\..\\..\\Users\\Public\\evil.exe", EVIL),
        ("C:\\Windows\\System32\\..\\..\\Users\\Public\\evil.exe /x", f"{EVIL} /x"),
        ("%SystemDrive%/Users/Public/evil.exe", EVIL),
        ("%PUBLIC%\\evil.exe", EVIL),
        ("%USERPROFILE%\\..\\Public\\evil.exe", EVIL),
        ("C:\\Documents and Settings\\Public\\evil.exe", EVIL),
        ("C:\\PROGRA~3\\evil.exe", "C:\\ProgramData\\evil.exe"),
        # Signs that become longer when folded.
        ("C:\\Users\\Groß\\Local Settings\\Temp\\a.exe", "C:\\Users\\Groß\\AppData\\Local\\Temp\\a.exe"),
        ("C:\\Users\\İsmail\\LOCALS~1\\Temp\\a.exe", "C:\\Users\\İsmail\\AppData\\Local\\Temp\\a.exe"),
        ("C:\\ﬃ\\PROGRA~3\\LOCALS~1\\a.exe", "C:\\ﬃ\\ProgramData\\Local Settings\\a.exe"),
        ("C:\\ßßß\\cmd.exe/c a", "C:\\ßßß\\cmd.exe /c a"),
        ("\\\\?\\Volume{01234567-89ab-cdef-0123-456789abcdef}\\Users\\Public\\evil.exe", EVIL),
        ("\\\\?\\GLOBALROOT\\DosDevices\\C:\\Users\\Public\\evil.exe", EVIL),
        ("\\\\?\\GLOBALROOT\\GLOBAL??\\C:\\Users\\Public\\evil.exe", EVIL),
        ("cmd /c ^  a ^ ^ b", "cmd /c a b"),
        ("powershell –enc $env:PUBLIC\\a.ps1", "powershell -enc C:\\Users\\Public\\a.ps1"),
        ("pwsh ―c ${env:ProgramFiles(x86)}\\a $env:other", "pwsh -c C:\\Program Files (x86)\\a $env:other"),
        ("notepad – a", "notepad – a"),
        ("C:\\PROGRA~2\\a\\b.exe", "C:\\Program Files (x86)\\a\\b.exe"),
        ("C:\\Users\\All Users\\evil.exe", "C:\\ProgramData\\evil.exe"),
        ("C:\\Users\\Public.\\evil.exe", EVIL),
        ("file:///C:/Users/Public/evil.exe", EVIL),
        ("file://host/a/evil.exe", "\\\\host\\a\\evil.exe"),
        ("\\SystemRoot\\System32\\drivers\\d.sys", "C:\\Windows\\System32\\drivers\\d.sys"),
        ("system32\\drivers\\d.sys", "C:\\Windows\\system32\\drivers\\d.sys"),
        ("p^ower^shell -c \"a ^ b\"", 'powershell -c "a ^ b"'),
        ("regsvr32 /i:\\\\10.0.0.5\\a\\x.sct scrobj.dll", "regsvr32 /i:\\\\10.0.0.5\\a\\x.sct scrobj.dll"),
        ("a.exe https://x.example/y//z", "a.exe https://x.example/y//z"),
        ('"C:/Program Files/A B/x.exe" /c D:/a/b', '"C:\\Program Files\\A B\\x.exe" /c D:\\a\\b'),
        ("%unknown%\\a.exe", "%unknown%\\a.exe"),
        ("", ""),
    ],
)  # fmt: skip
def test_one_place_has_one_form(command: str, wanted: str) -> None:
    assert normal(command, HOME) == wanted


@pytest.mark.parametrize(
    ("command", "executable", "arguments", "name"),
    [
        ("cmd /c C:\\a\\evil.exe", "cmd", "/c C:\\a\\evil.exe", "cmd.exe"),
        ("cmd.exe/c C:\\a\\evil.exe", "cmd.exe", "/c C:\\a\\evil.exe", "cmd.exe"),
        ("cmd/c a", "cmd", "/c a", "cmd.exe"),
        ("%COMSPEC% /c a", "C:\\Windows\\System32\\cmd.exe", "/c a", "cmd.exe"),
        ("C:\\Windows\\System32\\cmd /c a.exe", "C:\\Windows\\System32\\cmd", "/c a.exe", "cmd.exe"),
        ("regsvr32 /s C:\\a b\\c.dll", "regsvr32", "/s C:\\a b\\c.dll", "regsvr32.exe"),
        ("C:\\Program Files\\A B\\x.exe -k", "C:\\Program Files\\A B\\x.exe", "-k", "x.exe"),
        ("C:\\Program Files\\A - B\\x.exe -k", "C:\\Program Files\\A - B\\x.exe", "-k", "x.exe"),
        ("C:\\tools\\run -x C:\\b.exe", "C:\\tools\\run", "-x C:\\b.exe", "run"),
        ('"C:\\a b\\x.exe" -k', "C:\\a b\\x.exe", "-k", "x.exe"),
        ("C:\\a\\x.exe.", "C:\\a\\x.exe", "", "x.exe"),
        ("C:\\Windows\\etc\\hosts:evil.exe", "C:\\Windows\\etc\\hosts:evil.exe", "", "hosts:evil.exe"),
        ("odbcconf /a {REGSVR C:\\a.dll}", "odbcconf", "/a {REGSVR C:\\a.dll}", "odbcconf.exe"),
        ("autocheck autochk *", "autocheck", "autochk *", "autocheck"),
    ],
)  # fmt: skip
def test_the_program_is_told_from_its_arguments(command: str, executable: str, arguments: str, name: str) -> None:
    found = taken_apart(command)
    assert (found.executable, found.arguments, found.name) == (executable, arguments, name)


@pytest.mark.parametrize(
    "command",
    [
        f"cmd /c {EVIL}", f"%comspec% /d /s /c \"{EVIL}\"", f"cmd /c start \"\" /b {EVIL}",
        f"cmd /c cmd /k call {EVIL}",
        f"conhost.exe --headless {EVIL}", f"pcalua.exe -a {EVIL}", f'forfiles /p c:\\ /m x /c "cmd /c {EVIL}"',
        f"rundll32 shell32.dll,ShellExec_RunDLL {EVIL}", f"rundll32 url.dll,FileProtocolHandler {EVIL}",
        f"explorer.exe {EVIL}", f'runas /user:x "{EVIL}"', f"cmd /c if exist C:\\x {EVIL}",
        f'wmic process call create "{EVIL}"', f'cmd /c "for /l %i in (1,1,2) do {EVIL}"', f"start /min {EVIL}",
    ],
)  # fmt: skip
def test_what_is_finally_started(command: str) -> None:
    assert finally_started(command).executable == EVIL
    assert chain(command)[-1].executable == EVIL
    assert chain(command)[0].told == command


@pytest.mark.parametrize("item", load("commands")["wrappers"], ids=lambda item: item["names"][0])
def test_each_wrapper_finds_its_example(item: dict[str, list[str]]) -> None:
    arguments, inner = item["example"]
    for name in item["names"]:
        assert started_by(taken_apart(f"{name} {arguments}"))[0].strip() == inner.strip()


def test_every_command_of_a_shell_is_found() -> None:
    started = [item.executable for item in chain(f"cmd /c a.exe && b.exe | {EVIL}")]
    assert started == ["cmd", "a.exe", "b.exe", EVIL]
    assert [item.executable for item in chain(f"C:\\a\\b.exe & {EVIL}")] == ["C:\\a\\b.exe", EVIL]


def test_depth_and_number_are_bounded() -> None:
    assert len(chain("cmd /c " * 500 + EVIL)) <= 6
    assert len(chain("cmd /c " + "a & " * 1000)) <= 16


@pytest.mark.parametrize(
    "text",
    ["a & b", "a|b", "C:\\a\\..\\b.exe", "..\\a.dll", "a > b", "a\nb", "x C:/a/../b", '"C:\\a\\.."'],
)
def test_what_no_stock_command_holds(text: str) -> None:
    assert foreign(text)


def test_what_stock_commands_hold() -> None:
    assert not foreign("%windir%\\system32\\a.b.c.exe -k ..a x... (1) /d:1.2")


def test_padding_hides_neither_end() -> None:
    text = normal("powershell -c 1 " + "# " * LONGEST + EVIL)
    assert len(text) <= LONGEST
    assert text.startswith("powershell")
    assert text.endswith(EVIL)
    assert normal("cmd /c" + " " * 100000 + EVIL) == f"cmd /c {EVIL}"


@pytest.mark.parametrize(
    "piece",
    ["\\", "..\\", "a\\..\\", "%tmp%", "C:/", '"', "^", "\\progra~1", "cmd /c ", "&a", "start /b ", '"a" ', "file:",
     " -", ".exe/", "\\\\?\\", "C:\\a b "],
)  # fmt: skip
def test_no_line_takes_long(piece: str) -> None:
    begin = time.perf_counter()
    chain((piece * 100000)[:200000])
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize(
    "text", ["cmd /c ^  a", 'a ^ "b ^  c" ^ d', "\\\\?\\C:\\PROGRA~3\\PROGRA~1\\x", "pwsh –w $env:TEMP\\a ^ b"]
)
def test_a_normal_form_is_its_own(text: str) -> None:
    once = normal(text, HOME)
    assert normal(once, HOME) == once
