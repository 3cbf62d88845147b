from __future__ import annotations

from pathlib import Path

import pytest

from forensics.artifacts.winlogon import ARTIFACT
from tests.artifacts.autorun_inputs import (
    NTUSER,
    SOFTWARE,
    VERSION,
    entries,
    found,
    key,
    merged,
    quiet,
    run,
    software,
    survives,
    user,
)
from tests.artifacts.event_logs import facts_of

LOGON = f"{VERSION}\\Winlogon"
STOCK = software(
    key(
        LOGON,
        Shell="explorer.exe",
        Userinit="C:\\Windows\\system32\\userinit.exe,",
        VMApplet="SystemPropertiesPerformance.exe /pagefile",
        AutoRestartShell=1,
        ReportBootOk="1",
    ),
    key(f"{LOGON}\\GPExtensions\\{{827D319E-6EAC-11D2-A4EA-00C04F79F83A}}", DllName="scecli.dll"),
    key(f"Wow6432Node\\{LOGON}", Shell="explorer.exe", Userinit="userinit.exe"),
)


def test_stock_entries_score_nothing() -> None:
    quiet(ARTIFACT, STOCK, SOFTWARE, 6)


def test_planted_entries() -> None:
    content = software(
        key(
            LOGON,
            Shell="explorer.exe, C:\\Users\\Public\\a.exe",
            Userinit='C:\\Windows\\system32\\userinit.exe,"C:\\Windows\\Temp\\b,c.exe" -x',
            Taskman="C:\\Windows\\d.exe",
        ),
        key(f"{LOGON}\\Notify\\evil", DllName="evil.dll", Logon="Start"),
        key(f"{LOGON}\\GPExtensions\\{{1}}", DllName="C:\\ProgramData\\gp.dll"),
    )
    rows = found(ARTIFACT, content, SOFTWARE)
    scores = {place: entry.score for place, entry in rows.items()}
    assert scores.pop(("Shell", "explorer.exe")) == scores.pop(("Userinit", "C:\\Windows\\system32\\userinit.exe")) == 0
    assert set(scores) == {
        ("Shell", "C:\\Users\\Public\\a.exe"), ("Userinit", '"C:\\Windows\\Temp\\b,c.exe" -x'),
        ("Winlogon", "Taskman"), ("evil", "evil"), ("{1}", "{1}"),
    }  # fmt: skip
    assert min(scores.values()) > 40, scores
    assert "T1547.004" in rows["Winlogon", "Taskman"].attack


def test_a_users_shell_is_the_users() -> None:
    facts, _ = run(ARTIFACT, user(key(LOGON, Shell="C:\\Users\\Public\\sh.exe")), NTUSER)
    (fact,) = facts
    assert fact.fields["location"] == f"HKCU\\Software\\{LOGON}\\Shell"
    assert fact.source.locator == f"Software\\{LOGON}\\Shell"
    (entry,) = found(ARTIFACT, user(key(LOGON, Shell="C:\\Users\\Public\\sh.exe")), NTUSER).values()
    assert entry.user == "田中"
    assert entry.score > 40


def test_a_name_with_nul_is_tagged() -> None:
    shells = f"{LOGON}\\AlternateShells\\AvailableShells"
    content = merged(STOCK, key(shells, **{"\x0030000": "cmd.exe"}))
    facts, _ = run(ARTIFACT, content, SOFTWARE)
    assert [fact.fields["value_name"] for fact in facts if "hidden_name" in fact.tags] == ["\x0030000"]


@pytest.mark.samples
def test_a_logged_shell_of_a_user(samples: Path) -> None:
    log = samples / "evtx" / "attack-samples" / "Persistence" / "sysmon_13_1_persistence_via_winlogon_shell.evtx"
    facts = facts_of(log.read_bytes(), tolerant=True)
    (entry,) = [entry for entry in entries(facts).values() if entry.mechanism == "winlogon"]
    assert (entry.name, entry.score > 40) == ("Shell", True)
    assert (entry.command or "").endswith('BRE6BgE2JubB.exe",explorer.exe')


def test_broken_hives() -> None:
    survives(ARTIFACT, STOCK, SOFTWARE)
