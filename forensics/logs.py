"""Event logs in a worker: one pass for all artifacts, and a second look at single records when they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from forensics.artifacts.base import EventArtifact, FileInput, Output
from forensics.deferred import Putter, computer_of
from forensics.formats import FormatError
from forensics.intake import Clearing, Count, Intake
from forensics.model import ClockStep, Fact, Fields, LogSpan, Problem
from forensics.times import from_filetime, iso

if TYPE_CHECKING:
    from forensics.formats.evtx import LogReader, Record, Tally
    from forensics.formats.evtx_slack import Recovered

Table = dict[tuple[str, int], list[EventArtifact]]


def read_log(
    given: FileInput, artifacts: list[EventArtifact], intake: Intake, part: tuple[int, int], *, defer: bool
) -> None:
    """One pass over a log for all artifacts: only the ids they want are decoded, and what can wait is noted.

    What can be recovered of records that the log no longer counts comes last, marked as such. `part` is the share of a
    large log that this job reads; without `defer` nothing waits.
    """
    from forensics.formats.evtx import LogReader
    from forensics.formats.evtx_checks import ChecksumError

    artifacts = _wanting(given, artifacts, intake)
    table = _table(artifacts)
    given.fh.seek(0)
    later = _deferrer(table, intake) if defer else None
    reader = LogReader(given.fh, frozenset(event for _, event in table), part=part, defer=later, slack=True)
    for record in reader if artifacts else ():
        if isinstance(record, FormatError):
            intake.damaged(record, "checksum" if isinstance(record, ChecksumError) else "bad_record")
        else:
            _take(record, table, given, intake)
    if artifacts:
        _recover(reader, table, given, intake)
    for artifact in artifacts:
        count = intake.result.counts.setdefault(artifact.name, Count())
        count.claimed, count.parsed = reader.tally.claimed, reader.tally.parsed
        count.unkept, count.old = reader.tally.unkept, reader.tally.old
    intake.result.span = _span(intake.result.path, reader.tally)
    if intake.result.problems and artifacts and not reader.tally.parsed:
        intake.damaged(FormatError("nothing could be read of this log"), "unreadable")
    if reader.tally.parsed < reader.tally.claimed and not intake.result.problems:
        missing = reader.tally.claimed - reader.tally.parsed
        why = f"{missing} of {reader.tally.claimed} records that the log claims were not read"
        intake.damaged(FormatError(why), "partial")


def read_again(
    given: FileInput, artifacts: list[EventArtifact], intake: Intake, part: tuple[int, int], only: frozenset[int]
) -> None:
    """The facts of the records at these file offsets, which were noted when the log was read."""
    from forensics.formats.evtx import LogReader

    table, left = _table(artifacts), set(only)
    for record in LogReader(given.fh, None, part=part, only=only):
        if not isinstance(record, FormatError):
            left.discard(record.offset)
            _take(record, table, given, intake)
    if left:
        intake.damaged(FormatError(f"{len(left)} of {len(only)} records could not be read again"), "bad_record")


def _span(path: str, tally: Tally) -> LogSpan:
    period = tally.period
    low, high = period.low, period.high
    steps = [(after[0], _moment(before[1]), _moment(after[1])) for before, after in period.back()]
    return LogSpan(
        path,
        _moment(low and low[1]),
        _moment(high and high[1]),
        tally.first_record,
        tally.last_record,
        _moment(period.earliest),
        _moment(period.latest),
        tuple(ClockStep(number, one, two) for number, one, two in steps if one and two),
    )


def _moment(ticks: int | None) -> datetime | None:
    found = None if ticks is None else from_filetime(ticks)
    return found if isinstance(found, datetime) else None


def _recover(reader: LogReader, table: Table, given: FileInput, intake: Intake) -> None:
    """The facts of records in slack, and a count of those of which too little is left."""
    from forensics.formats.evtx_values import UNKNOWN

    for item in reader.recovered():
        if isinstance(item, FormatError):
            intake.damaged(item, "hidden_record")
        else:
            _take_recovered(item, table, given, intake)
    left = reader.leftover
    if left.skipped:
        intake.damaged(FormatError(f"{left.skipped} records in slack were not looked at, there are too many"), "budget")
    for artifact in {artifact.name: artifact for wanting in table.values() for artifact in wanting}.values():
        ids = {UNKNOWN, *(event for events in artifact.wants.values() for event in events)}
        count = intake.result.counts.setdefault(artifact.name, Count())
        count.gone = sum(number for event, number in left.events.items() if event in ids)
        if count.gone:
            count.gone_from, count.gone_to = (_stamp(moment) for moment in (left.first, left.last))


def _stamp(filetime: int) -> str:
    moment = from_filetime(filetime)
    return iso(moment) if isinstance(moment, datetime) else ""


def _take_recovered(found: Recovered, table: Table, given: FileInput, intake: Intake) -> None:
    record = found.record
    where = "slack" if found.inside is None else f"inside record {found.inside}"
    source = given.source(f"record {record.record_id} ({where}, offset 0x{record.offset:x})")
    for artifact in _wanted_by(record, table):
        facts = list(_watched(_marked(artifact.parse(record, source), found.grade, where), intake))
        intake.take(artifact, iter(facts))
        intake.result.counts[artifact.name].recovered += sum(not isinstance(fact, Problem) for fact in facts)


def _marked(items: Output, grade: str, where: str) -> Output:
    """Facts that say of themselves that they are recovered."""
    about: Fields = {"recovered": True, "recovered_from": where, "recovery_grade": grade}
    for item in items:
        if isinstance(item, Problem):
            yield item
        else:
            yield replace(item, fields={**item.fields, **about}, tags=(*item.tags, "recovered"))


def _wanted_by(record: Record, table: Table) -> Iterator[EventArtifact]:
    for artifact in table.get((record.channel.casefold(), record.event_id), ()):
        if not artifact.providers or record.provider in artifact.providers:
            yield artifact


def _take(record: Record, table: Table, given: FileInput, intake: Intake) -> None:
    intake.result.name_computer(record.computer)
    source = given.source(f"record {record.record_id}")
    for artifact in _wanted_by(record, table):
        items = _watched(artifact.parse(record, source), intake)
        intake.take(artifact, _doubted(items) if record.checksum_failed else items)


def _watched(items: Output, intake: Intake) -> Output:
    """The same facts; that a log was cleared is noted, for coverage to tell its silence from others."""
    for item in items:
        if isinstance(item, Fact) and item.kind == "log.cleared" and item.times:
            place = f"{item.source.path.rpartition('/')[2]}, {item.source.locator}"
            channel, moment = str(item.fields.get("cleared_channel", "")), next(iter(item.times.values()))
            intake.result.note_clearing(Clearing(channel, moment, place))
        yield item


def _doubted(items: Output) -> Output:
    """Facts out of a chunk that is not what was written."""
    return (
        item if isinstance(item, Problem) else replace(item, tags=(*item.tags, "checksum_failed")) for item in items
    )


def _wanting(given: FileInput, artifacts: list[EventArtifact], intake: Intake) -> list[EventArtifact]:
    """The artifacts that want something of this log; one of an unknown name is asked for its channel."""
    if named := [item for item in artifacts if is_named_log(given.path, [item])]:
        return named
    from forensics.formats.evtx import channel_of

    channel = channel_of(given.fh)
    if channel is None and not _is_empty_log(given):
        intake.problem("unreadable", "not a log of a known name, and no record in it names its channel")
    wanting = [item for item in artifacts if (channel or "").casefold() in {name.casefold() for name in item.wants}]
    kept = {item.name for item in wanting}
    intake.result.counts = {name: count for name, count in intake.result.counts.items() if name in kept}
    return wanting


def _table(artifacts: list[EventArtifact]) -> Table:
    """Who wants which id of which channel."""
    table: Table = {}
    for artifact in artifacts:
        for channel, ids in artifact.wants.items():
            for event in ids:
                table.setdefault((channel.casefold(), event), []).append(artifact)
    return table


def _deferrer(table: Table, intake: Intake) -> Callable[[int, str, int], bool]:
    """What takes off the records that can wait: of ids that one artifact alone wants, and defers.

    One that sifts is asked first, of each record: what it takes is read now, by everybody.
    """
    putters: dict[int, list[tuple[EventArtifact, Putter]]] = {}
    sifting: dict[int, list[Callable[[Record], bool]]] = {}
    for (folded, event), every in table.items():
        wanting = [artifact for artifact in every if artifact.sifts is None]
        sifting.setdefault(event, []).extend(artifact.sifts for artifact in every if artifact.sifts is not None)
        if len(wanting) == 1 and event in wanting[0].defers:
            channel = next(name for name in wanting[0].wants if name.casefold() == folded)
            putters.setdefault(event, []).append((wanting[0], Putter(wanting[0], channel, event)))

    def put_off(event: int, text: str, offset: int) -> bool:
        for artifact, putter in putters.get(event, ()):
            if note := putter.note(text):
                if sifting[event] and _is_taken(sifting[event], text, offset):
                    return False
                if not intake.result.computers:  # one is enough: what is put off is not read for it
                    intake.result.name_computer(computer_of(text))
                intake.note(artifact, note.line(offset))
                return True
        return False

    return put_off


def _is_taken(sifting: list[Callable[[Record], bool]], text: str, offset: int) -> bool:
    """Whether an artifact that sifts takes the record, or it cannot be told from the decoder's text."""
    from forensics.formats.evtx_record import load, to_record

    try:
        record = to_record(load(text), 0, 0, offset)
    except (ValueError, RecursionError):
        return True
    return record is None or any(takes(record) for takes in sifting)


def _is_empty_log(given: FileInput) -> bool:
    """Whether the log claims no record and shows no damage: a fresh log, not a lost one."""
    from forensics.formats.evtx import LogReader

    given.fh.seek(0)
    reader = LogReader(given.fh, frozenset())
    return not any(isinstance(item, FormatError) for item in reader) and not reader.tally.claimed


def is_named_log(path: str, artifacts: list[EventArtifact]) -> bool:
    """Whether the file is named after a channel that one of the artifacts wants (`Archive-<name>-<date>` too)."""
    name = path.rpartition("/")[2].casefold()
    channels = {log_name(channel).removesuffix(".evtx") for artifact in artifacts for channel in artifact.wants}
    stem = name.removesuffix(".evtx")
    return stem in channels or any(stem.startswith(f"archive-{channel}-") for channel in channels)


def log_name(channel: str) -> str:
    """The file name of a channel's log, lower case: `/` is written `%4`."""
    return channel.replace("/", "%4").casefold() + ".evtx"
