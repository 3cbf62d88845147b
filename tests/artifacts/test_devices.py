"""Virtual disks as Setup and the kernel note them: a log of sections, its cuts, and events."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from forensics.artifacts.base import FileInput
from forensics.artifacts.setupapi_log import ARTIFACT
from forensics.model import Fact, Problem
from tests.artifacts.event_logs import one, own, written
from tests.artifacts.registry_inputs import HOST, sorted_out

DISK = "SCSI\\Disk&Ven_Msft&Prod_Virtual_Disk\\2&1f4adffe&0&000001"
LOG = f"""[Device Install Log]
     OS Version = 10.0.22631
[BeginLog]

>>>  [Device Install (Hardware initiated) - USB\\VID_0E0F&PID_0004\\7&1e3a8971&0&1]
>>>  Section start 2024/12/04 10:00:00.000
     dvi: {{Build Driver List}} 10:00:00.010
<<<  Section end 2024/12/04 10:00:01.000
<<<  [Exit status: SUCCESS]

>>>  [Device Install (Hardware initiated) - {DISK}]
>>>  Section start 2024/12/04 10:02:11.123
     dvi: {{Build Driver List}} 10:02:11.130
     dvi:           DevDesc      - Disk drive
<<<  Section end 2024/12/04 10:02:12.456
<<<  [Exit status: SUCCESS]

>>>  [Setup Import Driver Package - C:\\x\\y.inf]
>>>  Section start 2024/12/04 11:00:00.000
      cmd: "C:\\Windows\\System32\\WindowsSandbox.exe" C:\\x.wsb
<<<  Section end 2024/12/04 11:00:00.500
<<<  [Exit status: FAILURE(0x80070005)]
"""


def parse(text: str, zone: str | None = "Asia/Tokyo") -> tuple[list[Fact], list[Problem]]:
    data = text.encode()
    path = "C:/Windows/INF/setupapi.dev.log"
    given = FileInput(path, io.BytesIO(data), len(data), None, "test", HOST, ZoneInfo(zone) if zone else None)
    return sorted_out(ARTIFACT, list(ARTIFACT.parse(given)))


def test_sections_that_matter() -> None:
    (disk, driver), problems = parse(LOG)
    assert problems == []
    assert disk.fields == {
        "device_id": DISK,
        "section_title": f"Device Install (Hardware initiated) - {DISK}",
        "section_result": "SUCCESS",
        "line_number": 11,
    }
    assert disk.times == {
        "Start Time": datetime(2024, 12, 4, 1, 2, 11, 123_000, tzinfo=UTC),
        "End Time": datetime(2024, 12, 4, 1, 2, 12, 456_000, tzinfo=UTC),
    }
    assert (disk.context, driver.context) == (True, False)
    assert "windowssandbox.exe" in str(driver.fields["watched_lines"]).lower()
    assert driver.fields["section_result"] == "FAILURE(0x80070005)"


def test_without_a_zone_there_is_no_time() -> None:
    facts, _ = parse(LOG, None)
    assert [fact.times for fact in facts] == [{}, {}]
    assert facts[0].no_times["Start Time"].startswith("local time")


def test_cut_anywhere() -> None:
    for length in range(0, len(LOG), 7):
        facts, problems = parse(LOG[:length])
        assert (len(facts) >= 1) == (f"{DISK}]" in LOG[:length])
        assert problems == []


def test_a_time_that_is_none() -> None:
    (disk, _), _ = parse(LOG.replace("2024/12/04 10:02:11", "2024/13/44 10:02:11"))
    assert list(disk.times) == ["End Time"]


def test_a_section_of_zeros_is_said() -> None:
    facts, problems = parse(LOG.replace("dvi:           DevDesc", "\0" * 64))
    assert (len(facts), len(problems)) == (2, 1)


@pytest.mark.parametrize(
    ("number", "step"), [(400, "was set up"), (410, "started"), (430, "needs more to be installed")]
)
def test_events(number, step):
    channel = "Microsoft-Windows-Kernel-PnP/Configuration"
    fact = one(channel, number, data={"DeviceInstanceId": DISK})
    assert (fact.kind, fact.context) == ("device.configured", True)
    assert own(fact) == {"device_id": DISK, "device_step": step}
    assert written(channel, number, data={"DeviceInstanceId": "USB\\VID_0E0F"}) == []
