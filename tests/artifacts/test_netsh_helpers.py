from __future__ import annotations

from forensics.artifacts.netsh_helpers import ARTIFACT
from tests.artifacts.autorun_inputs import SOFTWARE, at, found, merged, quiet, software, survives

PLACE = "Microsoft\\NetSh"
NAMES = ("authfwcfg", "dhcpcmonitor", "dot3cfg", "fwcfg", "hnetmon", "ifmon", "napmontr", "netiohlp", "nettrace")
NAMES += ("nshhttp", "nshipsec", "nshwfp", "p2pnetsh", "peerdistsh", "rasmontr", "rpcnsh", "wcnnetsh", "whhelper")
STOCK = at(PLACE, {name: f"{name}.dll" for name in (*NAMES, "wlancfg", "wshelper", "wwancfg")})


def test_stock_entries_score_nothing() -> None:
    quiet(ARTIFACT, software(STOCK), SOFTWARE, 21)


def test_planted_entries() -> None:
    planted = at(PLACE, {"NetshHelper": "C:\\Windows\\System32\\evil.dll", "ifmon2": "..\\ifmon.dll"})
    content = software(merged(STOCK, planted))
    rows = found(ARTIFACT, content, SOFTWARE)
    assert {name for (_, name), entry in rows.items() if entry.score > 40} == {"NetshHelper", "ifmon2"}
    assert rows["NetSh", "NetshHelper"].attack == ("T1546.007",)
    survives(ARTIFACT, content, SOFTWARE)
