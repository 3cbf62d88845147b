from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.artifacts.feature_usage import ARTIFACT
from forensics.formats.hive import Hive
from forensics.times import to_filetime
from testdata.writers.hive import REG_BINARY, REG_DWORD, REG_QWORD
from testdata.writers.registry_blobs import Values
from tests.artifacts.mru_inputs import EXPLORER, WHEN, cuts, survives_cuts, written
from tests.artifacts.registry_inputs import NTUSER, run

USAGE = f"{EXPLORER}\\FeatureUsage"
SINCE = datetime(2024, 11, 2, 9, 0, 0, tzinfo=UTC)
CLIENT = "{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\WindowsSandboxClient.exe"
KEYS: dict[str, Values] = {
    USAGE: [("KeyCreationTime", REG_QWORD, to_filetime(SINCE))],
    f"{USAGE}\\AppSwitched": [(CLIENT, REG_DWORD, 7), ("Chrome", REG_DWORD, 90)],
    f"{USAGE}\\AppLaunch": [("MicrosoftWindows.WindowsSandbox_cw5n1h2txyewy!App", REG_DWORD, 2)],
    f"{USAGE}\\TrayButtonClicked": [("StartButton", REG_DWORD, 8), ("SearchBox", REG_DWORD, 1)],
}
HIVE = written(KEYS)


def test_counts() -> None:
    facts, problems = run(ARTIFACT, Hive.open(HIVE), NTUSER)
    assert problems == []
    said = [
        (
            fact.fields["taskbar_action"],
            fact.fields.get("executable") or fact.fields["taskbar_button"],
            fact.fields["use_count"],
            fact.context,
        )
        for fact in facts
    ]
    assert said == [
        ("AppLaunch", "MicrosoftWindows.WindowsSandbox_cw5n1h2txyewy!App", 2, False),
        ("AppSwitched", "%SystemRoot%\\System32\\WindowsSandboxClient.exe", 7, False),
        ("AppSwitched", "Chrome", 90, True),
        ("TrayButtonClicked", "StartButton", 8, True),
        ("TrayButtonClicked", "SearchBox", 1, True),
    ]
    assert {fact.fields["counted_since"] for fact in facts} == {"2024-11-02T09:00:00.000000+00:00"}


def test_only_a_count_alone_in_its_key_has_a_time() -> None:
    facts, _ = run(ARTIFACT, Hive.open(HIVE), NTUSER)
    assert facts[0].times == {"Content Modification Time": WHEN}
    assert facts[1].times == {}
    assert facts[1].fields["key_written"] == WHEN.isoformat()
    assert "whichever count changed last" in facts[1].no_times["Content Modification Time"]


def test_a_count_that_is_none_is_a_problem() -> None:
    keys = {f"{USAGE}\\AppSwitched": [("x.exe", REG_BINARY, b"12345"), ("y.exe", REG_DWORD, b"\1"), *_sound()]}
    facts, problems = run(ARTIFACT, Hive.open(written(keys)), NTUSER)
    assert [fact.fields["executable"] for fact in facts] == ["z.exe"]
    assert len(problems) == 2
    assert "counted_since" not in facts[0].fields


def _sound() -> Values:
    return [("z.exe", REG_DWORD, 1)]


def test_a_cut_hive() -> None:
    survives_cuts(ARTIFACT, HIVE, NTUSER, cuts(HIVE))


@pytest.mark.samples
def test_real_users(samples: Path) -> None:
    hives = samples / "hives"
    facts, problems = run(ARTIFACT, Hive.open((hives / "NTUSER_with_winscp.DAT").read_bytes()), NTUSER)
    assert problems == []
    assert len(facts) == 72
    counts = {(fact.fields["taskbar_action"], fact.fields.get("executable")): fact for fact in facts}
    assert counts["AppSwitched", "%SystemRoot%\\System32\\cmd.exe"].fields["use_count"] == 210
    assert facts[0].fields["counted_since"].startswith("2022-02-14T")  # type: ignore[union-attr]
    facts, problems = run(ARTIFACT, Hive.open((hives / "NTUSER-WSL.DAT").read_bytes()), NTUSER)
    assert (len(facts), problems) == (10, [])
    assert all(fact.context for fact in facts)
