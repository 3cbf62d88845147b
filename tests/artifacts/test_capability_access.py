from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.artifacts.capability_access import ARTIFACT
from forensics.formats.hive import Hive
from testdata.writers import registry_blobs as blobs
from testdata.writers.hive import REG_BINARY, REG_QWORD, REG_SZ, HiveWriter
from tests.artifacts.mru_inputs import BOOT, cuts, survives_cuts, written
from tests.artifacts.registry_inputs import NTUSER, run

STORE = "Microsoft\\Windows\\CurrentVersion\\CapabilityAccessManager\\ConsentStore"
START = datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)
STOP = datetime(2024, 12, 3, 23, 40, 0, tzinfo=UTC)
CLIENT = "C:#Windows#System32#WindowsSandboxClient.exe"
PACKAGE = "MicrosoftWindows.WindowsSandbox_cw5n1h2txyewy"
KEYS = {
    f"Software\\{STORE}\\microphone\\NonPackaged\\{CLIENT}": blobs.last_use(START, STOP),
    f"Software\\{STORE}\\microphone\\{PACKAGE}": blobs.last_use(START, None, "Prompt"),
    f"Software\\{STORE}\\webcam\\NonPackaged\\C:#Apps#Code.exe": blobs.last_use(START, STOP),
    f"Software\\{STORE}\\webcam\\NonPackaged\\C:#Apps#zoom.exe": blobs.last_use(START, STOP),
    f"Software\\{STORE}\\location\\Microsoft.WindowsMaps_8wekyb3d8bbwe": [("Value", REG_SZ, "Allow")],
    f"Software\\{STORE}\\location\\Never_1": blobs.last_use(None, None),
}
HIVE = written(KEYS)


def test_uses_of_a_user() -> None:
    facts, problems = run(ARTIFACT, Hive.open(HIVE), NTUSER)
    assert problems == []
    said = {
        fact.fields["executable"]: (fact.fields["capability"], fact.fields["is_packaged"], fact.context)
        for fact in facts
    }
    assert said == {
        "C:\\Windows\\System32\\WindowsSandboxClient.exe": ("microphone", False, False),
        PACKAGE: ("microphone", True, False),
        "C:\\Apps\\Code.exe": ("webcam", False, False),
        "C:\\Apps\\zoom.exe": ("webcam", False, True),
        "Never_1": ("location", True, True),
    }


def test_start_and_end() -> None:
    facts = {fact.fields["executable_name"]: fact for fact in run(ARTIFACT, Hive.open(HIVE), NTUSER)[0]}
    client = facts["WindowsSandboxClient.exe"]
    assert client.times == {"Start Time": START, "End Time": STOP}
    assert "inferred" in str(client.fields["reason"])
    assert client.source.locator.endswith(f"NonPackaged\\{CLIENT}")
    assert facts[PACKAGE].times == {"Start Time": START}
    assert facts[PACKAGE].no_times == {"End Time": "zero: in use when the key was written"}
    assert facts[PACKAGE].fields["consent_state"] == "Prompt"
    assert facts["Never_1"].no_times["End Time"].startswith("zero: never set")
    assert "reason" not in facts["Code.exe"].fields


def test_the_machines_store() -> None:
    hive = HiveWriter("ROOT", BOOT)
    path = f"{STORE}\\microphone\\NonPackaged\\{CLIENT}"
    hive.key("Classes", BOOT)
    hive.key(path, BOOT)
    for name, kind, data in blobs.last_use(START, STOP):
        hive.value(path, name, kind, data)
    (fact,), problems = run(ARTIFACT, Hive.open(hive.build()), "C:/Windows/System32/config/SOFTWARE")
    assert problems == []
    assert fact.times == {"Start Time": START, "End Time": STOP}
    assert "profile_user" not in fact.fields


def test_times_that_are_none() -> None:
    key = f"Software\\{STORE}\\microphone\\x"
    values: blobs.Values = [("LastUsedTimeStart", REG_BINARY, b"123"), ("LastUsedTimeStop", REG_QWORD, 1)]
    (fact,), problems = run(ARTIFACT, Hive.open(written({key: values})), NTUSER)
    assert [problem.source.locator for problem in problems] == [f"{key}\\LastUsedTimeStart"]
    assert fact.no_times["End Time"].startswith("before 1990")


def test_a_cut_hive() -> None:
    survives_cuts(ARTIFACT, HIVE, NTUSER, cuts(HIVE))


@pytest.mark.samples
@pytest.mark.parametrize("name", ["NTUSER_with_winscp.DAT", "NTUSER-WSL.DAT"])
def test_consent_alone_is_no_use(samples: Path, name: str) -> None:
    opened = Hive.open((samples / "hives" / name).read_bytes())
    assert opened.key(f"Software\\{STORE}\\microphone") is not None
    facts, problems = run(ARTIFACT, opened, NTUSER)
    assert (facts, problems) == ([], [])
