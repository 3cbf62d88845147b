"""What the joins work on: dated events and undated facts in one shape, indexed by kind, in one total order.

Everything below is independent of the order in which the rows arrive: they are sorted by time and id once, and every
choice in the joins falls back to that order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from forensics.model import Event, Fact, Fields, Source, User, event_id
from forensics.text import one_line

_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Row:
    """One dated event, or one undated fact (`time` is None, the id is `event_id` without time and meaning).

    `snapshot` is the shadow copy that alone has it; the source's path is then that of the file on the live volume, so
    that what lay in one place is joined whatever view it comes from.
    """

    id: str
    time: datetime | None
    meaning: str
    kind: str
    source: Source
    fields: Fields
    user: str
    snapshot: str = ""

    def get(self, name: str) -> str:
        """The field as text; "" when it is absent."""
        value = self.fields.get(name, "")
        return value if isinstance(value, str) else str(value)

    @property
    def recovered_from(self) -> str:
        """Where a record was found that its log no longer counts ("slack"); "" for every other row."""
        return self.get("recovered_from")

    def first(self, *names: str) -> str:
        """The first of these fields that is present, as text."""
        for name in names:
            if name in self.fields:
                return self.get(name)
        return ""

    @property
    def deleted(self) -> str:
        """The grade of a row that was recovered from free cells of a hive; "" of what is there."""
        return self.get("deleted_grade")

    def text(self) -> str:
        """Every text of the row in one folded string, to search in."""
        parts: list[str] = []
        for value in self.fields.values():
            if isinstance(value, str):
                parts.append(value)
            elif isinstance(value, tuple):
                parts.extend(value)
        return "\n".join(parts).casefold()

    @property
    def order(self) -> tuple[datetime, str]:
        """Sort key: by time, undated last, then by id."""
        return (self.time or _LAST, self.id)


def of_event(event: Event) -> Row:
    """The row of a dated event."""
    source, snapshot = _live(event.source)
    return Row(event.id, event.time, event.meaning, event.kind, source, event.fields, event.user, snapshot)


def _live(source: Source) -> tuple[Source, str]:
    drive, slash, rest = source.path.partition("/")
    plain, _, snapshot = drive.partition("@")
    return (replace(source, path=f"{plain}{slash}{rest}"), snapshot) if snapshot else (source, "")


def of_fact(fact: Fact) -> Row:
    """The row of an undated fact; its id is the one a timeline gives the same fact without a time."""
    ident = event_id(fact.kind, None, "", fact.source, fact.fields)
    user = fact.fields.get("user_name", "")
    source, snapshot = _live(fact.source)
    return Row(ident, None, "", fact.kind, source, fact.fields, user if isinstance(user, str) else "", snapshot)


def _event(row: Row) -> tuple[str, str, str, datetime | None]:
    """What makes an event record the same wherever it stands."""
    return row.kind, row.get("channel"), row.get("record_number"), row.time


class Rows:
    """All rows of one host, by kind and in order; an id that comes twice counts once.

    So does an event record that was recovered from slack while another log, or a shadow copy, still counts it.
    """

    def __init__(self, events: Iterable[Event], undated: Iterable[Fact] = ()) -> None:
        found = {event.id: of_event(event) for event in events}
        for fact in undated:
            row = of_fact(fact)
            found.setdefault(row.id, row)
        counted = {_event(row) for row in found.values() if "record_number" in row.fields and not row.recovered_from}
        found = {ident: row for ident, row in found.items() if not row.recovered_from or _event(row) not in counted}
        self._ids = found
        self._kinds: dict[str, list[Row]] = defaultdict(list)
        for row in sorted(found.values(), key=lambda item: item.order):
            self._kinds[row.kind].append(row)

    def of(self, *kinds: str) -> list[Row]:
        """The rows of these kinds, in order."""
        if len(kinds) == 1:
            return self._kinds.get(kinds[0], [])
        return sorted((row for kind in kinds for row in self._kinds.get(kind, ())), key=lambda item: item.order)

    def named(self, idents: Iterable[str]) -> list[Row]:
        """The rows with these ids, in order."""
        return sorted((self._ids[ident] for ident in idents if ident in self._ids), key=lambda item: item.order)

    def of_channel(self, channel: str, idents: Iterable[int]) -> list[Row]:
        """The rows of an event log's records with these ids, in order, whatever their kind is called."""
        wanted = set(idents)
        found = (row for row in self._ids.values() if row.fields.get("event_identifier") in wanted)
        return sorted((row for row in found if row.get("channel").casefold() == channel), key=lambda row: row.order)

    def recovered(self) -> list[Row]:
        """The event records that were recovered from what their logs no longer count, in order."""
        return sorted((row for row in self._ids.values() if row.recovered_from), key=lambda row: row.order)

    def numbered(self) -> list[Row]:
        """The rows of what numbers its entries in the order of writing: event logs and change journals."""
        return [row for row in self._ids.values() if "record_number" in row.fields or "usn" in row.fields]

    def in_files(self, paths: Collection[str]) -> list[Row]:
        """The rows of these files, in order."""
        found = (row for row in self._ids.values() if row.source.path in paths) if paths else ()
        return sorted(found, key=lambda row: row.order)

    def under(self, prefix: str) -> list[Row]:
        """The rows of every kind that begins so (`tunnel.`), in order."""
        return self.of(*(kind for kind in sorted(self._kinds) if kind.startswith(prefix)))


@dataclass(slots=True)
class Group:
    """The rows of one fact, which has a row for each of its times."""

    kind: str
    source: Source
    fields: Fields
    user: str
    rows: list[Row] = field(default_factory=list)

    @property
    def times(self) -> dict[str, datetime]:
        """Meaning to time."""
        return {row.meaning: row.time for row in self.rows if row.time is not None}

    def get(self, name: str) -> str:
        """The field as text; "" when it is absent."""
        return self.rows[0].get(name)


def grouped(rows: Iterable[Row]) -> list[Group]:
    """Rows of one fact put together again (same kind, same place, same fields), in the order of their first row."""
    groups: dict[tuple[object, ...], Group] = {}
    for row in rows:
        key = (row.kind, row.source.path, row.source.locator, tuple(sorted(row.fields.items(), key=lambda kv: kv[0])))
        if key not in groups:
            groups[key] = Group(row.kind, row.source, row.fields, row.user)
        groups[key].rows.append(row)
    return list(groups.values())


def ids_of(rows: Iterable[Row]) -> tuple[str, ...]:
    """The ids in row order, each once."""
    return tuple(dict.fromkeys(row.id for row in sorted(rows, key=lambda item: item.order)))


def because(text: str, rows: Iterable[Row] = ()) -> str:
    """A reason that names its events (at most four of them), and says when none of them is live.

    That is when they are in a shadow copy alone, were recovered from what their logs no longer count, or are deleted
    registry entries.
    """
    rows = list(rows)
    idents = ids_of(rows)
    if not idents:
        return text
    more = f" and {len(idents) - 4} more" if len(idents) > 4 else ""
    return f"{text}{_not_live(rows)} [{', '.join(idents[:4])}{more}]"


def _not_live(rows: Sequence[Row]) -> str:
    if any(not row.snapshot and not row.recovered_from and not row.deleted for row in rows):
        return ""
    where = ["a shadow copy"] if any(row.snapshot for row in rows) else []
    where += ["records recovered from slack"] if any(row.recovered_from for row in rows) else []
    where += ["deleted registry keys or values"] if any(row.deleted for row in rows) else []
    return f" (only in {' and '.join(where)})"


def stamp(moment: datetime) -> str:
    """A time as it stands in a reason: to the millisecond (cut), UTC."""
    return f"{moment.astimezone(UTC).isoformat(sep=' ', timespec='milliseconds')[:23]} UTC"


def short(text: str, limit: int = 160) -> str:
    """A text of the evidence as it stands in a reason: one line, cut."""
    return one_line(text, limit)


_SERVICE_SIDS = {"S-1-5-18": "SYSTEM", "S-1-5-19": "LOCAL SERVICE", "S-1-5-20": "NETWORK SERVICE"}
_NOBODY = {"", "-", "S-1-0-0"}


class People:
    """Who a row's user is, with the host's profile list to complete a name by its SID and the other way round."""

    def __init__(self, users: Sequence[User]) -> None:
        self._by_sid = {user.sid: user for user in users if user.sid}
        self._by_name: dict[str, User] = {}
        for user in users:
            folder = (user.profile or "").replace("/", "\\").rstrip("\\").rpartition("\\")[2]
            for name in (user.name, folder):
                if name:
                    self._by_name.setdefault(name.casefold(), user)

    def of(self, row: Row) -> tuple[str | None, str | None]:
        """(name, SID) of the account a process runs as, or that acted.

        4688 names the creator as subject and, when the new process runs as somebody else, that account as target.
        """
        if row.get("target_user_sid") not in _NOBODY or row.get("target_user_name") not in _NOBODY:
            return self.complete(row.get("target_user_name"), row.get("target_user_sid"))
        return self.complete(row.first("user_name", "profile_user") or row.user, row.get("user_sid"))

    def complete(self, name: str, sid: str) -> tuple[str | None, str | None]:
        """The pair with what the profile list adds; service accounts by their names."""
        name = "" if name in _NOBODY else name.rpartition("\\")[2]
        sid = "" if sid in _NOBODY else sid
        if is_sid(name):  # of a row whose user nobody could resolve
            name, sid = "", sid or name.upper()
        if not sid and name:
            known = self._by_name.get(name.casefold())
            sid = (known.sid if known else None) or _service_sid(name) or ""
        if sid in _SERVICE_SIDS:
            return _SERVICE_SIDS[sid], sid
        known = self._by_sid.get(sid)
        return name or (known.name if known else None) or None, sid or None

    def sids(self) -> list[str]:
        """The SIDs of the accounts that the host lists, and of the service accounts."""
        return [*self._by_sid, *_SERVICE_SIDS]

    def profile(self, name: str | None, sid: str | None) -> str | None:
        """The profile path of an account, None when the host does not list it."""
        known = self._by_sid.get(sid) if sid else None
        known = known or (self._by_name.get(name.casefold()) if name else None)
        return known.profile if known else None

    def folder(self, name: str | None, sid: str | None) -> str | None:
        """The name of the account's profile folder; the account's own name when the host does not list it."""
        profile = self.profile(name, sid)
        return profile.replace("/", "\\").rstrip("\\").rpartition("\\")[2] if profile else name


def _service_sid(name: str) -> str | None:
    return next((sid for sid, known in _SERVICE_SIDS.items() if known == name.upper()), None)


def is_sid(text: str) -> bool:
    """Whether a text is a SID and no name."""
    return text.upper().startswith("S-1-") and text[4:].replace("-", "").isdecimal()


def is_service_sid(sid: str | None) -> bool:
    """SYSTEM, LOCAL SERVICE or NETWORK SERVICE: nobody sees a window of theirs."""
    return sid in _SERVICE_SIDS
