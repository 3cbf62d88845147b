from __future__ import annotations

import json

from evtx import PyEvtxParser

from testdata.bench import big_security, many_events
from testdata.host import scenario


def test_the_large_host_has_exactly_the_wanted_records_in_order_of_time():
    host = scenario("ws-tanaka")
    events = list(many_events(host, 6000))
    assert len(events) == 6000
    assert [event.time for event in events] == sorted(event.time for event in events)
    story = [event for event in events if event.id == 4688 and "default.wsb" in event.data["CommandLine"]]
    assert len(story) == 1


def test_a_big_security_log_has_its_size_and_can_be_read(tmp_path):
    path = tmp_path / "Security.evtx"
    count = big_security(path, 2)
    assert 2 << 20 <= path.stat().st_size < (2 << 20) + (1 << 17)
    records = list(PyEvtxParser(str(path)).records_json())
    assert len(records) == count
    assert {json.loads(record["data"])["Event"]["System"]["Channel"] for record in records} == {"Security"}
    assert [record["event_record_id"] for record in records] == list(range(1, count + 1))
