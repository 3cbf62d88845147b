"""Why event logs say nothing of what an artifact asks them: three different silences, each with its own words.

A log without a record was cleared or never written to; a log that holds other records but none of the wanted ids was
not told to record them (auditing off), or it did not happen, or it was cleared before the records that it holds. A
clearing is known from the log's own 1102, or 104 of the System log, and what was written before it is gone even where
the log speaks again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from forensics.artifacts.base import EventArtifact
from forensics.evidence.base import live_path
from forensics.intake import Clearing, JobResult
from forensics.model import Coverage
from forensics.times import iso

NOTHING = "looked, found nothing"
_SAID = 3
_SLACK = timedelta(seconds=10)  # the record of a clearing is written a moment after it
_AUDITED = "security"  # the one log whose records depend on the audit policy
_ALWAYS = frozenset({1102, 104})  # written whatever is audited, as the first record after the clearing


def log_words(
    row: Coverage, artifact: EventArtifact, read: Iterable[str], results: Mapping[str, JobResult],
    clearings: Iterable[Clearing],
) -> Coverage:  # fmt: skip
    """The row with what its logs are silent about; `read` are those that could be read and are not empty files."""
    known = list(clearings)
    said = [word for path in sorted(read) for word in _of_log(artifact, path, results[path], known)]
    if not said:
        return row
    more = [f"and {len(said) - _SAID} more logs like these"] if len(said) > _SAID else []
    detail = "; ".join([*([] if row.detail == NOTHING else [row.detail]), *said[:_SAID], *more])
    return replace(row, detail=detail.lstrip("; "))


def _of_log(artifact: EventArtifact, path: str, result: JobResult, clearings: list[Clearing]) -> Iterator[str]:
    channel = channel_of(artifact, path)
    count = result.counts[artifact.name]
    cleared = _cleared(channel, result, clearings)
    name = path.rpartition("/")[2]
    if not count.claimed and not count.parsed:
        yield f"{name}: 0 records: {cleared or 'cleared, or nothing was ever written to it'}"
    elif not count.facts:
        ids = _ids(artifact, channel)
        yield f"{name}: {_counted(count.parsed)}, none of {_wanted(ids)}: {_why(ids, channel, cleared)}"
    elif cleared:
        yield f"{name}: {cleared}, what it held before is gone"


def _counted(records: int) -> str:
    return "1 record" if records == 1 else f"{records} records"


def channel_of(artifact: EventArtifact, path: str) -> str:
    """The channel that a log's name means, "" for a name that means none of the artifact's (read by its content)."""
    stem = live_path(path).rpartition("/")[2].casefold().removesuffix(".evtx")
    folded = {channel.replace("/", "%4").casefold(): channel for channel in artifact.wants}
    only = next(iter(artifact.wants)) if len(artifact.wants) == 1 else ""
    return folded.get(stem) or next((own for key, own in folded.items() if stem.startswith(f"archive-{key}-")), only)


def _ids(artifact: EventArtifact, channel: str) -> frozenset[int]:
    return artifact.wants.get(channel) or frozenset().union(*artifact.wants.values())


def _wanted(ids: frozenset[int]) -> str:
    """The ids that were looked for, the first of them where there are many."""
    shown = ", ".join(str(event) for event in sorted(ids)[:_SAID])
    return f"event {shown}{f' or {len(ids) - _SAID} more' if len(ids) > _SAID else ''}"


def _why(ids: frozenset[int], channel: str, cleared: str) -> str:
    """What may be behind it; a clearing that is known takes the place of the one that is only possible."""
    if ids <= _ALWAYS:
        return "these are written whatever is audited, so it did not happen in the time of these records"
    off = "auditing was off, or it did not happen" if channel.casefold() == _AUDITED else "not recorded or not happened"
    return f"{off}; {cleared}, what it held before is gone" if cleared else f"{off}, or cleared before"


def _cleared(channel: str, result: JobResult, clearings: list[Clearing]) -> str:
    """When the log was cleared, with the record that tells it; "" where none does.

    A log that holds records from before a clearing is not the cleared one: an archive, or an older view of it.
    """
    first = result.span.first if result.span else None
    about = sorted(
        item for item in set(clearings)
        if channel and item.channel.casefold() == channel.casefold() and (first is None or first >= item.time - _SLACK)
    )  # fmt: skip
    if not about:
        return ""
    often = f" (the last of {len(about)} times)" if len(about) > 1 else ""
    return f"cleared at {iso(about[-1].time)}{often} ({about[-1].told_by})"


__all__ = ["NOTHING", "channel_of", "log_words"]
