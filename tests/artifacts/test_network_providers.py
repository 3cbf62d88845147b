from __future__ import annotations

from pathlib import Path

import pytest

from forensics.artifacts.network_providers import ARTIFACT
from forensics.formats.hive import Hive
from tests.artifacts.autorun_inputs import SYSTEM, entries, found, key, quiet, run, survives, system

ORDER = "Control\\NetworkProvider\\Order"


def provider(service: str, path: str, number: int = 0) -> dict[str, object]:
    return key(f"Services\\{service}\\NetworkProvider", ProviderPath=path, Class=number)


STOCK = (provider("RDPNP", "%SystemRoot%\\System32\\drprov.dll"), provider("LanmanWorkstation", "ntlanman.dll"))
PLANTED = system(
    *STOCK,
    key(ORDER, ProviderOrder="RDPNP,LanmanWorkstation,NPPSpy,Gone"),
    provider("NPPSpy", "%SystemRoot%\\System32\\NPPSpy.dll", 2),
    provider("Left", "C:\\left.dll"),
)


def test_stock_entries_score_nothing() -> None:
    quiet(ARTIFACT, system(*STOCK, key(ORDER, ProviderOrder="RDPNP,LanmanWorkstation")), SYSTEM, 2)


def test_planted_entries() -> None:
    facts, _ = run(ARTIFACT, PLANTED, SYSTEM)
    told = {str(fact.fields["entry_name"]): fact.fields for fact in facts}
    assert list(told) == ["RDPNP", "LanmanWorkstation", "NPPSpy", "Gone", "Left"]
    assert told["NPPSpy"]["reason"] == "asks to be told of logons, with the password"
    assert told["Gone"]["reason"] == "no library is registered for it"
    assert told["Left"]["enabled"] is False
    rows = found(ARTIFACT, PLANTED, SYSTEM)
    spy = rows["Order", "NPPSpy"]
    assert (spy.command, spy.score > 40, spy.attack) == ("%SystemRoot%\\System32\\NPPSpy.dll", True, ("T1556.008",))
    assert rows["NetworkProvider", "Left"].score <= 40


def test_broken_hives() -> None:
    survives(ARTIFACT, PLANTED, SYSTEM)


@pytest.mark.samples
def test_a_real_machine(samples: Path) -> None:
    facts, _ = run(ARTIFACT, Hive.open((samples / "hives" / "SYSTEM_B").read_bytes()), SYSTEM)
    assert [fact.fields["entry_name"] for fact in facts] == ["RDPNP", "LanmanWorkstation", "webclient"] * 2
    assert {entry.score for entry in entries(facts).values()} == {0}
