from __future__ import annotations

from pathlib import Path

import pytest

from forensics.artifacts.mui_cache import ARTIFACT
from forensics.formats.hive import Hive
from testdata.writers.hive import REG_BINARY, REG_SZ
from testdata.writers.registry_blobs import Values
from tests.artifacts.mru_inputs import USRCLASS, WHEN, cuts, survives_cuts, written
from tests.artifacts.registry_inputs import NTUSER, run

SANDBOX = "C:\\Windows\\System32\\WindowsSandbox.exe"
VALUES: Values = [
    ("LangID", REG_BINARY, b"\x11\x04"),
    (f"{SANDBOX}.FriendlyAppName", REG_SZ, "Windows サンドボックス"),
    (f"{SANDBOX}.ApplicationCompany", REG_SZ, "Microsoft Corporation"),
    ("C:\\Users\\Public\\svc.exe.ApplicationCompany", REG_SZ, "Other"),
    ("@C:\\Windows\\System32\\WindowsSandbox.exe,-101", REG_SZ, "a text, no program"),
]
CACHE = "Local Settings\\Software\\Microsoft\\Windows\\Shell\\MuiCache"
HIVE = written({CACHE: VALUES}, "S-1-5-21-1-2-3-1001_Classes")


def test_programs_with_name_and_company() -> None:
    facts, problems = run(ARTIFACT, Hive.open(HIVE), USRCLASS)
    assert problems == []
    assert [(fact.fields["executable"], fact.fields.get("display_name"), fact.context) for fact in facts] == [
        (SANDBOX, "Windows サンドボックス", False),
        ("C:\\Users\\Public\\svc.exe", None, True),
    ]
    assert facts[0].fields["company_name"] == "Microsoft Corporation"
    assert facts[0].fields["profile_user"] == "田中"
    assert facts[0].times == {}
    assert facts[0].no_times == {"Content Modification Time": "the key changes with every entry"}
    assert facts[0].fields["key_written"] == WHEN.isoformat()
    assert facts[0].source.locator == f"{CACHE}\\{SANDBOX}.FriendlyAppName"


def test_a_renamed_program_is_known_by_what_it_says_of_itself() -> None:
    values: Values = [("C:\\x\\update.exe.FriendlyAppName", REG_SZ, "code-tunnel")]
    (fact,), _ = run(ARTIFACT, Hive.open(written({CACHE: values}, "X_Classes")), USRCLASS)
    assert not fact.context


def test_the_old_place() -> None:
    values: Values = [("C:\\tools\\code-tunnel.exe", REG_SZ, "code"), ("LangID", REG_BINARY, b"\x09\x04")]
    data = written({"Software\\Microsoft\\Windows\\ShellNoRoam\\MUICache": values})
    (fact,), problems = run(ARTIFACT, Hive.open(data), NTUSER)
    assert problems == []
    assert (fact.fields["executable"], fact.fields["display_name"]) == ("C:\\tools\\code-tunnel.exe", "code")


def test_a_cut_hive() -> None:
    survives_cuts(ARTIFACT, HIVE, USRCLASS, cuts(HIVE))


@pytest.mark.samples
def test_a_real_hive(samples: Path) -> None:
    data, *logs = [(samples / "hives" / f"UsrClass.dat{end}").read_bytes() for end in ("", ".LOG1", ".LOG2")]
    facts, problems = run(ARTIFACT, Hive.open(data, logs), "C:/Users/x/UsrClass.dat")
    assert problems == []
    programs = {fact.fields["executable"]: fact.fields for fact in facts}
    assert len(programs) == len(facts) == 19
    assert programs["C:\\Windows\\Explorer.exe"]["display_name"] == "Windows Explorer"
    assert all(fact.context for fact in facts)
