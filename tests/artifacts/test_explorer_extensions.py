from __future__ import annotations

from forensics.artifacts.explorer_extensions import ARTIFACT
from tests.artifacts.autorun_inputs import NTUSER, SOFTWARE, at, found, key, klass, quiet, run, software, survives, user

PLACE = "Microsoft\\Windows\\CurrentVersion"
STOCK, EVIL, NET = (f"{{E6FB5E20-DE35-11CF-9C87-00AA005127E{number}}}" for number in "DEF")
PLANTED = software(
    key(f"{PLACE}\\ShellServiceObjectDelayLoad", WebCheck=STOCK, Evil=EVIL, Word="no class"),
    at(f"{PLACE}\\Explorer\\SharedTaskScheduler", {NET: "task"}),
    at(f"{PLACE}\\Explorer\\ShellExecuteHooks", {EVIL: ""}),
    klass(STOCK, "C:\\Windows\\System32\\webcheck.dll"),
    klass(EVIL, "C:\\ProgramData\\a.dll"),
    klass(NET, "mscoree.dll"),
    key(f"Classes\\CLSID\\{NET}\\InprocServer32", CodeBase="file:///C:/Users/Public/n.dll"),
)


def test_stock_entries_score_nothing() -> None:
    content = software(
        key(f"{PLACE}\\ShellServiceObjectDelayLoad", WebCheck=STOCK),
        key(f"{PLACE}\\Explorer\\ShellServiceObjects\\{EVIL}", AutoStart=""),
        klass(STOCK, "%SystemRoot%\\system32\\webcheck.dll"),
        klass(EVIL, "stobject.dll"),
        key(f"Wow6432Node\\{PLACE}\\ShellServiceObjectDelayLoad", WebCheck=STOCK),
        klass(STOCK, "%SystemRoot%\\SysWOW64\\webcheck.dll", twin="Wow6432Node\\"),
    )
    quiet(ARTIFACT, content, SOFTWARE, 3)


def test_planted_entries() -> None:
    rows = found(ARTIFACT, PLANTED, SOFTWARE)
    assert {place: entry.command for place, entry in rows.items()} == {
        ("ShellServiceObjectDelayLoad", "WebCheck"): "C:\\Windows\\System32\\webcheck.dll",
        ("ShellServiceObjectDelayLoad", "Evil"): "C:\\ProgramData\\a.dll",
        ("ShellServiceObjectDelayLoad", "Word"): "no class",
        ("SharedTaskScheduler", NET): "mscoree.dll",
        ("ShellExecuteHooks", EVIL): "C:\\ProgramData\\a.dll",
    }
    assert rows["ShellServiceObjectDelayLoad", "Evil"].score > 40
    assert rows["ShellExecuteHooks", EVIL].score > 40
    assert rows["SharedTaskScheduler", NET].score >= 20
    facts, _ = run(ARTIFACT, PLANTED, SOFTWARE)
    targets = {fact.fields["entry_name"]: fact.fields.get("target_path") for fact in facts}
    assert targets[NET] == "file:///C:/Users/Public/n.dll"


def test_a_users_class_is_not_in_this_hive() -> None:
    content = user(at(f"{PLACE}\\Explorer\\ShellExecuteHooks", {EVIL: ""}))
    (entry,) = found(ARTIFACT, content, NTUSER).values()
    assert (entry.command, entry.score, entry.user) == (EVIL, 10, "田中")


def test_broken_hives() -> None:
    survives(ARTIFACT, PLANTED, SOFTWARE)
