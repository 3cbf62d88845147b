"""Runs event artifacts over logs, as a job does: only wanted ids are decoded, the channel and provider decide."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from forensics.artifacts.base import EventArtifact, all_artifacts
from forensics.formats.evtx import LogReader, Record
from forensics.model import Source
from testdata.writers.evtx import LogWriter
from testdata.writers.providers import event

TIME = datetime(2024, 12, 4, 10, 2, 11, 123456, tzinfo=UTC)
HOST = "WS-TANAKA"


def facts_of(data, *, tolerant=False):
    """Every fact of every artifact from one log's bytes, its fields held to their declaration.

    A lost record is a failure unless `tolerant`.
    """
    table = {}
    for artifact in all_artifacts():
        if isinstance(artifact, EventArtifact):
            for channel, ids in artifact.wants.items():
                for number in ids:
                    table.setdefault((channel, number), []).append(artifact)
    found = []
    for record in LogReader(io.BytesIO(data), frozenset(number for _, number in table)):
        if tolerant and not isinstance(record, Record):
            continue
        assert isinstance(record, Record), record
        for artifact in table.get((record.channel, record.event_id), ()):
            if artifact.providers and record.provider not in artifact.providers:
                continue
            for fact in artifact.parse(record, Source("test", "log.evtx", None, f"record {record.record_id}")):
                declared = artifact.emits[fact.kind].fields
                assert {name: type(value) for name, value in fact.fields.items()} == {
                    name: declared[name] for name in fact.fields
                }
                found.append(fact)
    return found


def written(channel, number, *, data=None, time=TIME, **more):
    """The facts of one event, written as a log and read back."""
    target = io.BytesIO()
    with LogWriter(target, channel, first_record=812) as writer:
        writer.write(event(channel, number, time, computer=HOST, data=data, **more))
    return facts_of(target.getvalue())


def one(channel, number, **more):
    """The one fact of one event."""
    (fact,) = written(channel, number, **more)
    assert fact.times == {"Creation Time": more.get("time", TIME)}
    assert fact.fields["event_identifier"] == number
    assert (fact.fields["channel"], fact.fields["computer_name"]) == (channel, HOST)
    assert fact.fields["record_number"] == "812"
    assert fact.source.locator == "record 812"
    return fact


COMMON = {"event_identifier", "channel", "provider", "computer_name", "record_number"}


def own(fact):
    """The fields beside the common ones."""
    return {name: value for name, value in fact.fields.items() if name not in COMMON}
