from __future__ import annotations

from pathlib import Path

import pytest

from forensics.artifacts.network_providers import ARTIFACT
from forensics.formats.hive import Hive
from tests.artifacts.autorun_inputs import SYSTEM, entries, found, key, quiet, run, survives, system
from tests.formats.crafted_hives import hive

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


def without_key(data: bytes, name: str) -> bytes:
    """A hive whose key of this name is overwritten."""
    at = data.index(name.encode("latin-1")) - 0x4C
    assert data[at : at + 2] == b"nk"
    return data[:at] + b"\xff\xff" + data[at + 2 :]


def test_what_a_damaged_hive_lost_is_not_known() -> None:
    content = system(*STOCK, provider("Odd", "odd.dll"), key(ORDER, ProviderOrder="RDPNP,LanmanWorkstation,Odd"))
    damaged = Hive.open(without_key(without_key(hive(content), "RDPNP"), "Odd"))
    facts, _ = run(ARTIFACT, damaged, SYSTEM)
    told = {str(fact.fields["entry_name"]): fact.fields for fact in facts}
    assert set(told) == {"RDPNP", "LanmanWorkstation", "Odd"}
    assert str(told["RDPNP"]["reason"]).startswith("not known: ")
    rows = {name: entry for (_, name), entry in entries(facts).items()}
    assert 0 < rows["RDPNP"].score <= 20
    assert "not known" in rows["RDPNP"].reasons[0]
    assert rows["LanmanWorkstation"].score == 0
    assert rows["Odd"].score > 40, "a name that is not Windows' own is looked at all the same"


def test_broken_hives() -> None:
    survives(ARTIFACT, PLANTED, SYSTEM)


@pytest.mark.samples
def test_a_real_machine(samples: Path) -> None:
    facts, _ = run(ARTIFACT, Hive.open((samples / "hives" / "SYSTEM_B").read_bytes()), SYSTEM)
    assert [fact.fields["entry_name"] for fact in facts] == ["RDPNP", "LanmanWorkstation", "webclient"] * 2
    assert {entry.score for entry in entries(facts).values()} == {0}
