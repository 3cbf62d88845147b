"""Who made an autostart entry, and in which record it stands: another question than the account that it runs as.

A record of the audit (4698, 4697, 4657) names its subject, TaskScheduler 106 the user of the registration, 7045 bears
the SID of whoever asked for the service; Sysmon names the owner of the process that wrote. A command line that was to
make the entry says who started it, not how it ended. The author inside a task's XML is no such record: it is text
that its author wrote. Where several records tell, the most direct one is taken and the others are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from forensics.sessions.persistence_commands import COMMANDED
from forensics.sessions.persistence_gone import deletes
from forensics.sessions.rows import People, Row, because, is_sid

# The records of a making by their numbers, the most direct first; others that make entries come behind them.
_DIRECT = (4698, 106, 4697, 7045, 13, 4657)
_MAKING = frozenset({
    "task.registered", "service.installed", "registry.value_set", "file.created", "wmi.consumer_changed",
    "wmi.subscribed", "bits.job", "winsock.provider_added",
})  # fmt: skip
_CHANGED, _COMMAND = 50, 90
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Maker:
    """Whose account made the entry: name, SID, and the records that say so; remarks are reasons of the entry."""

    name: str | None = None
    sid: str | None = None
    source: str | None = None
    remarks: tuple[str, ...] = ()


def maker(rows: Sequence[Row], people: People) -> Maker:
    """The account that the most direct record names; nobody where none does."""
    told = [(row, *_account(row, people)) for row in sorted(rows, key=_rank) if _makes(row)]
    named = [(row, name, sid) for row, name, sid in told if name or sid]
    if not named:
        return Maker(remarks=_author(rows))
    first, name, sid = named[0]
    same = [row for row, other, number in named if _agree((name, sid), (other, number))]
    name = name or next((other for row, other, _ in named if row in same and other), None)
    sid = sid or next((number for row, _, number in named if row in same and number), None)
    differ = [(row, other or number) for row, other, number in named if row not in same]
    words = "; ".join(dict.fromkeys(record(row) for row in (first, *same)[: _SHOWN + 1]))
    return Maker(name or sid, sid, words, tuple(_others(differ)))


def tells_of_actor(row: Row, people: People) -> int:
    """How well a record of the making says who: 2 by name, 1 by a SID that no source has a name of, 0 not at all."""
    name, sid = _account(row, people) if _makes(row) else (None, None)
    return 2 if name else int(bool(sid))


def record(row: Row) -> str:
    """A record as one finds it again: its log, event and number."""
    channel = row.get("channel").removeprefix("Microsoft-Windows-").removesuffix("/Operational")
    locator = row.source.locator
    number = row.get("record_number") or (locator.removeprefix("record ") if locator.startswith("record ") else "")
    what = f"{channel} {row.get('event_identifier')}".strip()
    told = f"{what} #{number}" if number else what
    if COMMANDED in row.fields:
        return f"{told}, the command that was to make it"
    return f"{told}, a change of it" if row.get("old_value_data") else told


def _makes(row: Row) -> bool:
    return row.kind in _MAKING and "event_identifier" in row.fields and not row.deleted and not deletes(row)


def _rank(row: Row) -> tuple[int, tuple[object, ...]]:
    if COMMANDED in row.fields:
        return _COMMAND, row.order
    if row.get("old_value_data"):
        return _CHANGED, row.order
    number = row.fields.get("event_identifier")
    return (_DIRECT.index(number) if number in _DIRECT else len(_DIRECT)), row.order


def _account(row: Row, people: People) -> tuple[str | None, str | None]:
    """(name, SID) of who acted; a SID that the host does not list stands for its name."""
    name, sid = people.complete(row.get("user_name"), row.get("user_sid"))
    return (None, name.upper()) if name and not sid and is_sid(name) else (name, sid)


def _agree(one: tuple[str | None, str | None], two: tuple[str | None, str | None]) -> bool:
    if one[1] and two[1]:
        return one[1].casefold() == two[1].casefold()
    return bool(one[0] and two[0]) and str(one[0]).casefold() == str(two[0]).casefold()


def _others(differ: Iterable[tuple[Row, str | None]]) -> Iterable[str]:
    for row, who in list(differ)[:_SHOWN]:
        yield because(f"another record of its making names {who}: {record(row)}", [row])


def _author(rows: Iterable[Row]) -> tuple[str, ...]:
    """What a task's definition says, where no record does."""
    told = [row for row in rows if row.get("task_author") and row.kind in ("task.defined", "task.cached")]
    authors = dict.fromkeys(row.get("task_author") for row in told)
    if not authors or all(author.startswith("$(@%") for author in authors):
        return ()
    names = " and ".join(list(authors)[:_SHOWN])
    text = f"no record says who made it; its definition names {names} as its author, which is text that its maker chose"
    return (because(text, told),)
