from __future__ import annotations

from pathlib import Path

import pytest

from forensics.artifacts.winsock_providers import ARTIFACT
from forensics.formats.hive import Hive
from tests.artifacts.autorun_inputs import SYSTEM, found, key, quiet, run, survives, system

PLACE = "Services\\WinSock2\\Parameters"
PROTOCOLS, NAMES = f"{PLACE}\\Protocol_Catalog9\\Catalog_Entries64", f"{PLACE}\\NameSpace_Catalog5\\Catalog_Entries64"


def packed(path: str) -> bytes:
    """A catalogue entry as Windows packs it: the path in 260 bytes, then a protocol structure."""
    return path.encode("ascii").ljust(260, b"\x00") + bytes(range(256)) + bytes(372)


STOCK = (
    key(f"{PROTOCOLS}\\000000000001", PackedCatalogItem=packed("%SystemRoot%\\system32\\mswsock.dll")),
    key(f"{PROTOCOLS}\\000000000002", PackedCatalogItem=packed("%SystemRoot%\\system32\\mswsock.dll")),
    key(f"{NAMES}\\000000000001", LibraryPath="%SystemRoot%\\System32\\mswsock.dll", Enabled=1),
    key(PLACE, AutodialDLL="C:\\Windows\\System32\\rasadhlp.dll"),
)


def test_stock_entries_score_nothing() -> None:
    quiet(ARTIFACT, system(*STOCK), SYSTEM, 3)


def test_a_layered_provider_and_a_name_space() -> None:
    content = system(
        *STOCK,
        key(f"{PROTOCOLS}\\000000000003", PackedCatalogItem=packed("C:\\ProgramData\\lsp.dll")),
        key(f"{NAMES}\\000000000002", LibraryPath="C:\\Users\\Public\\ns.dll", Enabled=1),
        key(f"{NAMES}\\000000000003", LibraryPath="C:\\Windows\\System32\\off.dll", Enabled=0),
    )
    facts, problems = run(ARTIFACT, content, SYSTEM)
    assert problems == []
    reasons = {str(fact.fields["location"])[-50:]: fact.fields["reason"] for fact in facts if "reason" in fact.fields}
    assert list(reasons.values()) == ["and 1 more entries of its catalogue"]
    rows = found(ARTIFACT, content, SYSTEM)
    assert {name for (_, name), entry in rows.items() if entry.score > 40} == {"lsp.dll", "ns.dll"}
    assert rows["000000000003", "off.dll"].score == 15
    survives(ARTIFACT, content, SYSTEM)


@pytest.mark.samples
def test_a_real_machine(samples: Path) -> None:
    facts, _ = run(ARTIFACT, Hive.open((samples / "hives" / "SYSTEM_B").read_bytes()), SYSTEM)
    assert len(facts) == 15
    assert all(fact.context for fact in facts)
    assert {str(fact.fields["entry_name"]).lower() for fact in facts} == {
        "mswsock.dll", "napinsp.dll", "pnrpnsp.dll", "nlaapi.dll", "winrnr.dll", "wshbth.dll", "autodialdll",
    }  # fmt: skip
