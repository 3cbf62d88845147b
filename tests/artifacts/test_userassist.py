from __future__ import annotations

import codecs
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from forensics.artifacts.userassist import ARTIFACT
from forensics.formats.hive import Hive
from tests.artifacts.registry_inputs import NTUSER, SID, merged, nested, run
from tests.formats.crafted_hives import Tree, Value

KEY = (
    "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\UserAssist\\{CEBFF5CD-ACE2-4F4F-9178-9926F41749EA}\\Count"
)
TICKS = 133_777_404_610_000_000
SYSTEM32 = "{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}"


def entry(name: str, count: int = 1, milliseconds: int = 65_000, ticks: int = TICKS) -> Value:
    raw = struct.pack("<IIII", 0, count, 2, milliseconds).ljust(60, b"\0") + struct.pack("<QI", ticks, 0)
    return (codecs.encode(name, "rot13"), 3, raw)


def hive(*values: Value) -> Tree:
    return merged({"Environment": {}}, nested(KEY, {"": list(values)}))


def test_a_sandbox_started_by_hand() -> None:
    (fact,), problems = run(ARTIFACT, hive(entry(f"{SYSTEM32}\\WindowsSandbox.exe", 3)), NTUSER)
    assert problems == []
    assert fact.fields == {
        "executable": "%SystemRoot%\\System32\\WindowsSandbox.exe",
        "executable_name": "WindowsSandbox.exe",
        "run_count": 3,
        "focus_seconds": 65,
        "profile_user": "田中",
        "user_sid": SID,
        "key_path": KEY,
        "value_name": "{1NP14R77-02R7-4R5Q-O744-2RO1NR5198O7}\\JvaqbjfFnaqobk.rkr",
    }
    assert fact.times == {"Last Time Executed": datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)}
    assert not fact.context


def test_names_counters_and_times() -> None:
    facts, problems = run(
        ARTIFACT,
        hive(
            entry("UEME_CTLSESSION"),
            entry("UEME_CTLCUACount:ctor"),
            entry("{12345678-0000-0000-0000-000000000000}\\x.exe"),
            entry("UEME_RUNPATH:C:\\old.exe"),
            entry("MicrosoftWindows.WindowsSandbox_cw5n1h2txyewy!App"),
            entry("C:\\never.exe", 0, 0, 0),
        ),
        NTUSER,
    )
    assert problems == []
    assert [(fact.fields["executable"], fact.context) for fact in facts] == [
        ("{12345678-0000-0000-0000-000000000000}\\x.exe", True),
        ("C:\\old.exe", True),
        ("MicrosoftWindows.WindowsSandbox_cw5n1h2txyewy!App", False),
        ("C:\\never.exe", True),
    ]
    assert facts[-1].no_times["Last Time Executed"].startswith("zero: never set")
    assert facts[-1].fields["run_count"] == 0


def test_entries_of_16_bytes_count_from_5() -> None:
    old = (codecs.encode("UEME_RUNPATH:C:\\a.exe", "rot13"), 3, struct.pack("<IIQ", 1, 7, TICKS))
    (fact,), _ = run(ARTIFACT, hive(old), NTUSER)
    assert fact.fields["run_count"] == 2
    assert "focus_seconds" not in fact.fields


def test_an_entry_of_another_size_is_a_problem() -> None:
    cut = (codecs.encode("C:\\a.exe", "rot13"), 3, bytes(20))
    facts, problems = run(ARTIFACT, hive(cut, entry("C:\\b.exe")), NTUSER)
    assert [fact.fields["executable"] for fact in facts] == ["C:\\b.exe"]
    assert [problem.fault for problem in problems] == ["bad_record"]


@pytest.mark.samples
def test_a_user_who_ran_the_sandbox(samples: Path) -> None:
    opened = Hive.open((samples / "hives" / "NTUSER_with_winscp.DAT").read_bytes())
    facts, problems = run(ARTIFACT, opened, "C:/Users/tony/NTUSER.DAT")
    assert problems == []
    assert len(facts) == 136
    sandbox = {str(fact.fields["executable"]): fact for fact in facts if not fact.context}
    assert sorted(sandbox) == [
        "%SystemRoot%\\System32\\OptionalFeatures.exe",  # where the feature is switched on
        "%SystemRoot%\\System32\\WindowsSandbox.exe",
        "%SystemRoot%\\System32\\WindowsSandboxClient.exe",
        "C:\\Users\\tony\\Desktop\\WindowsSandbox.lnk",
    ]
    launcher = sandbox["%SystemRoot%\\System32\\WindowsSandbox.exe"]
    assert launcher.fields["run_count"] == 1
    moment = launcher.times["Last Time Executed"]
    assert abs(moment - datetime(2022, 2, 28, 9, 10, 14, tzinfo=UTC)) < timedelta(seconds=1)


@pytest.mark.samples
def test_a_user_who_only_has_the_association(samples: Path) -> None:
    opened = Hive.open((samples / "hives" / "NTUSER-WSL.DAT").read_bytes())
    facts, problems = run(ARTIFACT, opened, "C:/Users/admin/NTUSER.DAT")
    assert problems == []
    assert len(facts) == 34
    assert not [fact for fact in facts if "sandbox" in str(fact.fields).lower()]
    assert {str(fact.fields["executable"]).rpartition("\\")[2] for fact in facts if not fact.context} == {
        "OptionalFeatures.exe"
    }
