from __future__ import annotations

from forensics.artifacts.accessibility_programs import ARTIFACT
from tests.artifacts.autorun_inputs import NTUSER, SOFTWARE, VERSION, found, key, quiet, software, survives, user

PLACE = f"{VERSION}\\Accessibility"


def test_stock_entries_score_nothing() -> None:
    content = software(
        key(f"{PLACE}\\ATs\\osk", StartExe="%SystemRoot%\\System32\\osk.exe", Profile="x"),
        key(f"{PLACE}\\ATs\\Narrator", StartExe="C:\\Windows\\System32\\Narrator.exe"),
        key(f"{PLACE}\\ATs\\filterkeys", Description="no program"),
    )
    quiet(ARTIFACT, content, SOFTWARE, 2)
    quiet(ARTIFACT, user(key(PLACE, Configuration="osk,stickykeys")), NTUSER, 2)


def test_planted_entries() -> None:
    content = software(key(f"{PLACE}\\ATs\\Helper", StartExe="C:\\Users\\Public\\h.exe"))
    (entry,) = found(ARTIFACT, content, SOFTWARE).values()
    assert (entry.name, entry.command, entry.score > 40) == ("Helper", "C:\\Users\\Public\\h.exe", True)
    assert entry.attack == ("T1546.008",)
    survives(ARTIFACT, content, SOFTWARE)
    rows = found(ARTIFACT, user(key(PLACE, Configuration="osk,Helper")), NTUSER)
    assert rows["Configuration", "Helper"].score == 20
    assert rows["Configuration", "Helper"].user == "田中"
