from __future__ import annotations

import pytest

from forensics.artifacts.app_init_dlls import ARTIFACT
from tests.artifacts.autorun_inputs import (
    SOFTWARE,
    SYSTEM,
    VERSION,
    at,
    found,
    key,
    quiet,
    run,
    software,
    survives,
    system,
)

WINDOWS, CERT = f"{VERSION}\\Windows", "Control\\Session Manager\\AppCertDlls"


def test_stock_entries_score_nothing() -> None:
    stock = software(_windows({"AppInit_DLLs": "", "LoadAppInit_DLLs": 0, "IconServiceLib": "IconCodecService.dll"}))
    assert _named(stock) == ["IconServiceLib"]
    quiet(ARTIFACT, stock, SOFTWARE, 1)


@pytest.mark.parametrize(("load", "least", "most"), [(1, 41, 100), (0, 10, 40)])
def test_libraries_one_by_one_with_their_switch(load: int, least: int, most: int) -> None:
    texts = {"AppInit_DLLs": "C:\\PROGRA~1\\a.dll,evil.dll  c.dll", "LoadAppInit_DLLs": load}
    rows = found(ARTIFACT, software(_windows(texts)), SOFTWARE)
    assert {name for _, name in rows} == {"C:\\PROGRA~1\\a.dll", "evil.dll", "c.dll"}
    assert all(least <= entry.score <= most for entry in rows.values())
    switched_off = [any(reason.startswith("switched off") for reason in entry.reasons) for entry in rows.values()]
    assert all(switched_off) is not bool(load)
    assert all("T1546.010" in entry.attack for entry in rows.values())


def test_without_the_switch_nothing_is_said_of_it() -> None:
    facts, _ = run(ARTIFACT, software(_windows({"AppInit_DLLs": "a.dll"})), SOFTWARE)
    assert "enabled" not in facts[0].fields


def test_appcert() -> None:
    content = system(key(CERT, one="C:\\Windows\\System32\\cert.dll"))
    rows = found(ARTIFACT, content, SYSTEM)
    entry = rows["AppCertDlls", "one"]
    assert entry.score > 40
    assert entry.attack == ("T1546.009",)
    survives(ARTIFACT, content, SYSTEM)


def _windows(values: dict[str, str | int]) -> dict[str, object]:
    return at(WINDOWS, dict(values))


def _named(content: dict[str, object]) -> list[object]:
    return [fact.fields["entry_name"] for fact in run(ARTIFACT, content, SOFTWARE)[0]]
