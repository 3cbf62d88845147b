from __future__ import annotations

from pathlib import Path

import pytest

from forensics.artifacts.file_exts import ARTIFACT
from forensics.formats.hive import Hive
from testdata.writers.hive import REG_NONE, REG_SZ
from testdata.writers.registry_blobs import Values
from tests.artifacts.mru_inputs import EXPLORER, USRCLASS, WHEN, cuts, survives_cuts, written
from tests.artifacts.registry_inputs import NTUSER, run

WSB = f"{EXPLORER}\\FileExts\\.wsb"
CHOICE: Values = [("ProgId", REG_SZ, "Windows.Sandbox"), ("Hash", REG_SZ, "BC88Ml4gevM=")]
OPENED: Values = [("a", REG_SZ, "notepad.exe"), ("b", REG_SZ, "Code.exe"), ("MRUList", REG_SZ, "ba")]
OFFERED: Values = [("Windows.Sandbox", REG_NONE, b""), ("Other.Program", REG_NONE, b"")]
HIVE = written(
    {
        f"{WSB}\\UserChoice": CHOICE,
        f"{WSB}\\OpenWithList": OPENED,
        f"{WSB}\\OpenWithProgids": OFFERED,
        f"{EXPLORER}\\FileExts\\.txt\\OpenWithList": OPENED,
    }
)


def test_the_stock_choice_is_only_context_and_an_editor_is_kept() -> None:
    facts, problems = run(ARTIFACT, Hive.open(HIVE), NTUSER)
    assert problems == []
    said = [
        (fact.kind, fact.fields.get("prog_id") or fact.fields.get("executable"), bool(fact.times), fact.context)
        for fact in facts
    ]
    assert said == [
        ("association.user_choice", "Windows.Sandbox", True, True),
        ("association.open_with", "notepad.exe", False, False),
        ("association.open_with", "Code.exe", True, False),
        ("association.offered", "Windows.Sandbox", False, True),
        ("association.offered", "Other.Program", False, False),
    ]
    assert facts[0].fields["choice_hash"] == "BC88Ml4gevM="
    assert facts[0].times == {"Content Modification Time": WHEN}
    assert facts[1].fields["key_written"] == WHEN.isoformat()
    assert "order" not in facts[0].fields


def test_another_choice_is_kept_in_old_and_new_place() -> None:
    keys: dict[str, Values] = {
        f"{WSB}\\UserChoice": [("ProgId", REG_SZ, "Applications\\evil.exe")],
        f"{WSB}\\UserChoiceLatest": [("Hash", REG_SZ, "x=")],
        f"{WSB}\\UserChoiceLatest\\ProgId": [("ProgId", REG_SZ, "AppX0123")],
    }
    facts, _ = run(ARTIFACT, Hive.open(written(keys)), NTUSER)
    assert [(fact.fields["prog_id"], fact.context) for fact in facts] == [
        ("Applications\\evil.exe", False),
        ("AppX0123", True),
    ]


CLASSES: dict[str, Values] = {
    ".wsb": [("", REG_SZ, "Windows.Sandbox")],
    ".wsb\\OpenWithProgids": [("AppX0123456789abcdef", REG_NONE, b"")],
    "Windows.Sandbox\\shell\\open\\command": [("", REG_SZ, 'C:\\Users\\Public\\x.exe "%1"')],
    "Windows.SandboxOther": [("", REG_SZ, "not this one")],
}


@pytest.mark.parametrize("place", ["usrclass", "ntuser"])
def test_classes_of_the_users_own(place: str) -> None:
    if place == "usrclass":
        data, path = written(CLASSES, "S-1-5-21-1-2-3-1001_Classes"), USRCLASS
    else:
        data, path = written({f"Software\\Classes\\{key}": values for key, values in CLASSES.items()}), NTUSER
    facts, problems = run(ARTIFACT, Hive.open(data), path)
    assert problems == []
    assert {fact.kind for fact in facts} == {"association.override"}
    assert [(fact.fields.get("command_line"), fact.context) for fact in facts] == [
        (None, False),
        (None, True),
        ('C:\\Users\\Public\\x.exe "%1"', False),
    ]
    assert facts[0].fields["value_name"] == "(Default)"
    assert facts[2].fields["profile_user"] == "田中"
    assert facts[2].times == {"Content Modification Time": WHEN}


def test_a_cut_hive() -> None:
    survives_cuts(ARTIFACT, HIVE, NTUSER, cuts(HIVE))


@pytest.mark.samples
@pytest.mark.parametrize(
    ("name", "choice_hash"), [("NTUSER-WSL.DAT", "BC88Ml4gevM="), ("NTUSER_with_winscp.DAT", "h9WSCGUdHwU=")]
)
def test_real_users_who_only_have_the_association(samples: Path, name: str, choice_hash: str) -> None:
    (fact,), problems = run(ARTIFACT, Hive.open((samples / "hives" / name).read_bytes()), "C:/Users/x/NTUSER.DAT")
    assert problems == []
    assert (fact.kind, fact.fields["choice_hash"], fact.context) == ("association.user_choice", choice_hash, True)


@pytest.mark.samples
def test_a_real_class_hive_without_overrides(samples: Path) -> None:
    data, *logs = [(samples / "hives" / f"UsrClass.dat{end}").read_bytes() for end in ("", ".LOG1", ".LOG2")]
    assert run(ARTIFACT, Hive.open(data, logs), USRCLASS) == ([], [])
