"""What flows between the rooms: frozen, slotted dataclasses that import no room.

`Fact` is what an artifact says, `Event` is one named time of a fact, sessions and entries are what the joins conclude,
`Problem` and `Coverage` say what could not be read. The field names of the session classes are the keys of
`sessions.json`, the tool's stable contract (docs/sessions.schema.json).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

from forensics.plainjson import dumps
from forensics.times import Moment, NoTime, iso
from forensics.verdicts import INTERNAL
from forensics.verdicts import (
    AdvisoryAnswer as AdvisoryAnswer,
)
from forensics.verdicts import (
    AdvisorySource as AdvisorySource,
)
from forensics.verdicts import (
    AntiForensic as AntiForensic,
)
from forensics.verdicts import (
    CliCall as CliCall,
)
from forensics.verdicts import (
    Finding as Finding,
)
from forensics.verdicts import (
    ForwardedPort as ForwardedPort,
)
from forensics.verdicts import (
    HostingPeriod as HostingPeriod,
)
from forensics.verdicts import (
    HostWrite as HostWrite,
)
from forensics.verdicts import (
    InstalledExtension as InstalledExtension,
)
from forensics.verdicts import (
    Launch as Launch,
)
from forensics.verdicts import (
    LinkedHost as LinkedHost,
)
from forensics.verdicts import (
    MappedFolder as MappedFolder,
)
from forensics.verdicts import (
    PersistenceEntry as PersistenceEntry,
)
from forensics.verdicts import (
    RelayPeriod as RelayPeriod,
)
from forensics.verdicts import (
    Said as Said,
)
from forensics.verdicts import (
    SandboxCapability as SandboxCapability,
)
from forensics.verdicts import (
    SandboxConfig as SandboxConfig,
)
from forensics.verdicts import (
    SandboxSession as SandboxSession,
)
from forensics.verdicts import (
    SandboxSettings as SandboxSettings,
)
from forensics.verdicts import (
    SavedFile as SavedFile,
)
from forensics.verdicts import (
    TunnelClient as TunnelClient,
)
from forensics.verdicts import (
    TunnelCommand as TunnelCommand,
)
from forensics.verdicts import (
    TunnelSession as TunnelSession,
)
from forensics.verdicts import (
    Verdicts as Verdicts,
)

Value = str | int | bool | tuple[str, ...]
Fields = dict[str, Value]

WHOLE_FILE = "file"  # the locator of what a file says as a whole
CONFIRMED, PROBABLE, POSSIBLE = "confirmed", "probable", "possible"
GUEST = "guest"  # the tag of facts out of the disk of a sandbox session: another machine than the host
LOOSE = "loose:"  # the drive of files that were given without the tree they come from
GUEST_DRIVE = "guest-"  # how the drives of such disks begin in the paths of sources: `guest-<GUID>:/Windows/...`
DELETED = "deleted"  # the tag of facts out of deleted registry keys and values; never of what is there


@dataclass(frozen=True, slots=True)
class Source:
    """Where a row can be checked by hand.

    `path` is the file inside the evidence, `locator` the place in it (`record 812`, `Run\\Updater`, `line 34`,
    `offset 0x1a0`, `file` for a fact that rests on the whole of it), `sha256` the hash of the file as it was read.
    """

    evidence: str
    path: str
    sha256: str | None
    locator: str

    def __str__(self) -> str:
        return f"{self.path} [{self.locator}]" if self.locator else self.path


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that one artifact says.

    `times` maps what a time means (Timesketch `timestamp_desc`) to it; `no_times` maps the same kind of name to why
    there is none. `context` marks what only matters near a session or finding. `seen_in` names the views of the volume
    that say the same (`live`, `vss1` ...), where shadow copies of the file were read. Fields are flat and typed as the
    artifact declared them; unknown is absent, never a guess.
    """

    kind: str
    source: Source
    times: dict[str, datetime]
    fields: Fields
    no_times: dict[str, str] = field(default_factory=dict)
    context: bool = False
    tags: tuple[str, ...] = ()
    seen_in: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Aside:
    """A fact of a host that is no row of the timeline, but is kept with the case."""

    host: str
    fact: Fact


def make_fact(
    kind: str,
    source: Source,
    moments: dict[str, Moment | None],
    fields: dict[str, Value | None],
    *,
    context: bool = False,
    tags: tuple[str, ...] = (),
) -> Fact:
    """A Fact out of raw pieces: moments are split into times and reasons, fields that are None or "" are left out.

    A source without a place in the file is the whole file.
    """
    times = {meaning: value for meaning, value in moments.items() if isinstance(value, datetime)}
    reasons = {
        meaning: _why(value) if isinstance(value, NoTime) else "absent"
        for meaning, value in moments.items()
        if not isinstance(value, datetime)
    }
    kept = {name: value for name, value in fields.items() if value is not None and value not in ("", ())}
    place = source if source.locator else dataclasses.replace(source, locator=WHOLE_FILE)
    return Fact(kind, place, times, kept, reasons, context, tags)


def _why(missing: NoTime) -> str:
    return f"{missing.reason} ({missing.raw})" if missing.raw else missing.reason


# Faults that say that the evidence is not what was acquired.
INTEGRITY_FAULTS = frozenset({"media_damage", "truncated_media", "hash_mismatch"})


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be looked at: stored, counted and exported like an event.

    `fault` is a short stable word (`unreadable`, `truncated`, `bad_record`, `killed_timeout`, `killed_memory`, ...),
    `detail` the sentence for a person.
    """

    fault: str
    artifact: str
    source: Source
    detail: str


@dataclass(frozen=True, slots=True)
class Event:
    """One named time of one fact. `id` is a hash of the content: the same evidence gives the same id on every run."""

    id: str
    time: datetime
    meaning: str
    kind: str
    message: str
    host: str
    user: str
    source: Source
    fields: Fields
    tags: tuple[str, ...] = ()
    seen_in: tuple[str, ...] = ()

    def get(self, name: str) -> str:
        """The field as text; "" when it is absent."""
        value = self.fields.get(name, "")
        return value if isinstance(value, str) else str(value)


def event_id(kind: str, moment: datetime | None, meaning: str, source: Source, fields: Fields) -> str:
    """The stable id: 16 hex digits of SHA-256 over kind, time, meaning, place in the evidence and fields."""
    content = [kind, iso(moment) if moment else None, meaning, source.path, source.locator, sorted(fields.items())]
    canonical = dumps(content)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def stable_id(prefix: str, *parts: str | datetime | None) -> str:
    """An id that the same content gives on every run: `<prefix>-` and 12 hex digits."""
    texts = [iso(part) if isinstance(part, datetime) else (part or "") for part in parts]
    return f"{prefix}-{hashlib.sha256(chr(0).join(texts).encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class User:
    """A profile of the host: SID, account name (null when unknown), profile path as the registry or tree has it."""

    sid: str | None
    name: str | None
    profile: str | None


@dataclass(frozen=True, slots=True)
class Host:
    """What the hives say of the host; every member is null when its hive is missing (`unknown` says why).

    `machine_id` is SQMClient's identifier of the machine, from which NOOPLDR makes its keys.
    """

    name: str | None = None
    os: str | None = None
    build: str | None = None
    timezone: str | None = None
    bias_minutes: int | None = None
    users: tuple[User, ...] = ()
    unknown: dict[str, str] = field(default_factory=dict)
    machine_id: str | None = None


@dataclass(frozen=True, slots=True)
class ClockStep:
    """Stamps that run back while the record numbers go on: `record` is the first with the earlier time."""

    record: int
    before: datetime
    after: datetime


@dataclass(frozen=True, slots=True)
class LogSpan:
    """The period of one event log: the times in the headers of its lowest and highest record, and their numbers.

    What lies outside it, the log cannot tell; all are null where it holds no record (a cleared log, a fresh one).
    Where the clock was set back, `earliest` and `latest`, of all its stamps, may lie outside of `first` and `last`,
    and `last` even before `first`; `steps` says where.
    """

    path: str
    first: datetime | None = None
    last: datetime | None = None
    first_record: int | None = None
    last_record: int | None = None
    earliest: datetime | None = None
    latest: datetime | None = None
    steps: tuple[ClockStep, ...] = ()

    @property
    def until(self) -> datetime | None:
        """Up to when the log tells by its own stamps: `last`, or `first` where the clock was set back before that."""
        return max(self.first, self.last) if self.first and self.last else self.last

    @property
    def remark(self) -> str:
        """What is to be said of a log whose stamps run back; "" of any other."""
        if not self.steps:
            return ""
        step, more = self.steps[0], len(self.steps) - 1
        said = f"stamps run back at record {step.record}, from {_shown(step.before)} to {_shown(step.after)}"
        said += f" (and {more} more times)" if more else ""
        said += ": the clock was set back, or the records were made elsewhere"
        if self.first and self.earliest and self.earliest < self.first:
            said += f"; stamps before {_shown(self.first)} are of later records and no time that this log covers"
        return said


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far one artifact could be looked at.

    `state`: complete | partial | not_collected | unreadable | nothing_found (looked, and the place was empty).
    `claimed` and `parsed` count records where the container states a number; `facts` and `context` count facts.
    `spans` are the periods of the event logs that it was read from.
    """

    artifact: str
    sought: tuple[str, ...]
    found: int
    claimed: int
    parsed: int
    facts: int
    context: int
    state: str
    detail: str = ""
    spans: tuple[LogSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """The header of one piece of evidence: what was opened and as what."""

    name: str
    path: str
    kind: str
    host: Host
    files: int
    hashes: dict[str, str] = field(default_factory=dict)


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).isoformat(sep=' ', timespec='milliseconds')[:23]} UTC"


@cache
def _members(kind: Hashable) -> tuple[str, ...] | None:
    """The names of a dataclass's fields that are written; None for other types."""
    if not dataclasses.is_dataclass(kind):
        return None
    return tuple(item.name for item in dataclasses.fields(kind) if INTERNAL not in item.metadata)


def to_plain(value: Any) -> Any:  # noqa: ANN401  # any model object becomes plain JSON material
    """Dataclasses, tuples and datetimes as dicts, lists and ISO 8601 strings (unknown stays null)."""
    if isinstance(value, datetime):
        return iso(value)
    if (names := _members(cast("Hashable", type(value)))) is not None:
        return {name: to_plain(getattr(value, name)) for name in names}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    return value
