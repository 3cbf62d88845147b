from __future__ import annotations

from forensics.artifacts.ifeo import ARTIFACT
from tests.artifacts.autorun_inputs import SOFTWARE, VERSION, found, key, run, software, survives

OPTIONS, EXIT = f"{VERSION}\\Image File Execution Options", f"{VERSION}\\SilentProcessExit"
PLANTED = software(
    key(f"{OPTIONS}\\sethc.exe", Debugger="C:\\Windows\\System32\\cmd.exe"),
    key(f"{OPTIONS}\\MsMpEng.exe", Debugger="systray.exe"),
    key(f"{OPTIONS}\\winword.exe", VerifierDlls="evil.dll C:\\Users\\Public\\e.dll", GlobalFlag=0x100),
    key(f"{OPTIONS}\\chrome.exe", UseFilter=1),
    key(f"{OPTIONS}\\chrome.exe\\0", FilterFullPath="C:\\chrome.exe", Debugger="C:\\Users\\Public\\f.exe"),
    key(f"{OPTIONS}\\notepad.exe", GlobalFlag="0x00000200"),
    key(f"{EXIT}\\notepad.exe", ReportingMode=1, MonitorProcess="C:\\Windows\\Temp\\m.exe"),
    key(f"{EXIT}\\calc.exe", ReportingMode=1, MonitorProcess="C:\\dumper.exe"),
    key(f"Wow6432Node\\{OPTIONS}\\osk.exe", Debugger="cmd.exe"),
)


def test_planted_entries() -> None:
    rows = found(ARTIFACT, PLANTED, SOFTWARE)
    assert {place: (entry.mechanism, entry.command) for place, entry in rows.items()} == {
        ("Debugger", "sethc.exe"): ("ifeo", "C:\\Windows\\System32\\cmd.exe"),
        ("Debugger", "MsMpEng.exe"): ("ifeo", "systray.exe"),
        ("VerifierDlls", "winword.exe"): ("ifeo", "evil.dll C:\\Users\\Public\\e.dll"),
        ("GlobalFlag", "winword.exe"): ("ifeo", "0x100"),
        ("Debugger", "0"): ("ifeo", "C:\\Users\\Public\\f.exe"),
        ("GlobalFlag", "notepad.exe"): ("ifeo", "0x200"),
        ("notepad.exe", "notepad.exe"): ("silent_process_exit", "C:\\Windows\\Temp\\m.exe"),
        ("calc.exe", "calc.exe"): ("silent_process_exit", "C:\\dumper.exe"),
        ("32:Debugger", "osk.exe"): ("ifeo", "cmd.exe"),
    }
    low = {place for place, entry in rows.items() if entry.score <= 40}
    assert low == {("GlobalFlag", "winword.exe"), ("GlobalFlag", "notepad.exe"), ("calc.exe", "calc.exe")}
    assert rows["Debugger", "sethc.exe"].score >= 80
    assert set(rows["32:Debugger", "osk.exe"].attack) == {"T1546.008", "T1546.012"}


def test_only_both_numbers_switch_silent_process_exit_on() -> None:
    facts, _ = run(ARTIFACT, PLANTED, SOFTWARE)
    states = {
        str(fact.fields["entry_name"]): fact.fields["enabled"]
        for fact in facts
        if fact.fields["mechanism"] == "silent_process_exit"
    }
    assert states == {"notepad.exe": True, "calc.exe": False}


def test_what_is_no_way_to_start_anything_is_no_entry() -> None:
    content = software(
        key(f"{OPTIONS}\\DllNXOptions", x=1),
        key(f"{OPTIONS}\\svchost.exe", MinimumStackCommitInBytes=32768, GlobalFlag=0x2),
        key(f"{OPTIONS}\\odd.exe", GlobalFlag="no number"),
    )
    assert run(ARTIFACT, content, SOFTWARE) == ([], [])


def test_a_known_debugger_stays_quiet() -> None:
    tool = '"C:\\Program Files\\Microsoft Visual Studio\\2022\\Common7\\IDE\\vsjitdebugger.exe" -p'
    content = software(
        key(f"{OPTIONS}\\app.exe", Debugger=tool),
        key(f"{OPTIONS}\\taskmgr.exe", Debugger='"C:\\Program Files\\Sysinternals\\procexp64.exe"'),
    )
    rows = found(ARTIFACT, content, SOFTWARE)
    assert rows["Debugger", "app.exe"].score == 0
    assert 0 < rows["Debugger", "taskmgr.exe"].score <= 40


def test_broken_hives() -> None:
    survives(ARTIFACT, PLANTED, SOFTWARE)
