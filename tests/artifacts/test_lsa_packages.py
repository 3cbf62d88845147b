from __future__ import annotations

from pathlib import Path

import pytest

from forensics.artifacts.lsa_packages import ARTIFACT
from forensics.formats.hive import Hive
from tests.artifacts.autorun_inputs import SYSTEM, entries, found, key, merged, quiet, run, survives, system

LSA = "Control\\Lsa"
STOCK = merged(
    key(
        LSA, Authentication_Packages=("msv1_0",), Notification_Packages=("scecli", "rassfm"), Security_Packages=('""',)
    ),
    key(f"{LSA}\\OSConfig", Security_Packages=("kerberos", "msv1_0", "schannel", "wdigest", "tspkg", "pku2u")),
    key("Control\\SecurityProviders", SecurityProviders="credssp.dll"),
    key("Control\\LsaExtensionConfig\\LsaSrv", Extensions=("lsasrv.dll", "efslsaext.dll")),
)
PLANTED = merged(
    key(LSA, Notification_Packages=("scecli", "mrsastealer"), Authentication_Packages=("msv1_0", "C:\\x\\auth.dll")),
    key(f"{LSA}\\OSConfig", Security_Packages=("mimilib",)),
    key("Control\\SecurityProviders", SecurityProviders="credssp.dll, evilssp.dll"),
    key("Services\\NTDS", LsaDbExtPt="ext.dll"),
)


def test_stock_entries_score_nothing() -> None:
    quiet(ARTIFACT, system(STOCK), SYSTEM, 12)


def test_planted_libraries_stand_beside_stock_ones() -> None:
    rows = found(ARTIFACT, system(PLANTED), SYSTEM)
    assert {place for place, entry in rows.items() if entry.score > 40} == {
        ("Notification Packages", "mrsastealer"), ("Authentication Packages", "C:\\x\\auth.dll"),
        ("Security Packages", "mimilib"), ("SecurityProviders", "evilssp.dll"), ("NTDS", "LsaDbExtPt"),
    }  # fmt: skip
    assert {place for place, entry in rows.items() if entry.score <= 40} == {
        ("Notification Packages", "scecli"), ("Authentication Packages", "msv1_0"),
        ("SecurityProviders", "credssp.dll"),
    }  # fmt: skip
    assert "T1556.002" in rows["Notification Packages", "mrsastealer"].attack


def test_the_place_is_exact() -> None:
    facts, _ = run(ARTIFACT, system(PLANTED), SYSTEM)
    fact = next(fact for fact in facts if fact.fields["entry_name"] == "mrsastealer")
    assert fact.source.locator == "ControlSet001\\Control\\Lsa\\Notification Packages"
    assert fact.fields["key_path"] == "ControlSet001\\Control\\Lsa"
    assert fact.fields["value_name"] == "Notification Packages"
    assert fact.fields["control_set"] == "ControlSet001"


def test_another_control_set_only_where_it_differs() -> None:
    content = system(PLANTED, current=2, ControlSet002=STOCK)
    facts, _ = run(ARTIFACT, content, SYSTEM)
    assert [fact.fields["control_set"] for fact in facts][:12] == ["ControlSet002"] * 12
    older = {fact.fields["entry_name"] for fact in facts[12:]}
    assert older == {"mrsastealer", "C:\\x\\auth.dll", "mimilib", "evilssp.dll", "ext.dll", "LsaDbExtPt"} - {"ext.dll"}


def test_a_list_of_a_wrong_type() -> None:
    facts, _ = run(ARTIFACT, system(key(LSA, Notification_Packages="evil")), SYSTEM)
    assert [fact.fields["command_line"] for fact in facts] == ["evil"]


def test_broken_hives() -> None:
    survives(ARTIFACT, system(PLANTED), SYSTEM)


@pytest.mark.samples
def test_a_real_machine(samples: Path) -> None:
    folder = samples / "hives"
    logs = [(folder / f"SYSTEM_B.LOG{number}").read_bytes() for number in (1, 2)]
    facts, problems = run(ARTIFACT, Hive.open((folder / "SYSTEM_B").read_bytes(), logs), SYSTEM)
    assert problems == []
    rows = entries(facts)
    assert {entry.score for entry in rows.values()} == {0}
    packages = {"scecli", "msv1_0", "credssp.dll"}
    assert {name for _, name in rows} == packages | {"lsasrv.dll", "efslsaext.dll", "1001", "1002"}
