from __future__ import annotations

from forensics.artifacts.browser_extensions import ARTIFACT
from tests.artifacts.autorun_inputs import SOFTWARE, at, found, key, klass, quiet, software, survives

PLACE = "Microsoft\\Windows\\CurrentVersion\\Explorer\\Browser Helper Objects"
STOCK, EVIL = "{1FD49718-1D00-4B19-AF5F-070AF6D5D54C}", "{00000000-0000-0000-0000-00000000BAD0}"
EDGE = "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\120.0.2210.61\\BHO\\ie_to_edge_bho_64.dll"


def test_stock_entries_score_nothing() -> None:
    toolbar = {"{C55BBCD6-41AD-48AD-9953-3609C48EACC7}": "", "Locked": 1}
    content = software(
        key(f"{PLACE}\\{STOCK}", NoExplorer=1),
        klass(STOCK, EDGE),
        at("Microsoft\\Internet Explorer\\Toolbar", dict(toolbar)),
        klass("{C55BBCD6-41AD-48AD-9953-3609C48EACC7}", "C:\\Windows\\System32\\ieframe.dll"),
    )
    quiet(ARTIFACT, content, SOFTWARE, 2)


def test_planted_entries() -> None:
    content = software(key(f"{PLACE}\\{EVIL}"), klass(EVIL, "C:\\Users\\Public\\bho.dll"))
    (entry,) = found(ARTIFACT, content, SOFTWARE).values()
    assert (entry.name, entry.command, entry.score > 40) == (EVIL, "C:\\Users\\Public\\bho.dll", True)
    assert entry.attack == ("T1176",)
    survives(ARTIFACT, content, SOFTWARE)
