"""What flows between the rooms: frozen, slotted dataclasses that import no room.

`Fact` is what an artifact says, `Event` is one named time of a fact, sessions and entries are what the joins conclude,
`Problem` and `Coverage` say what could not be read. The field names of the session classes are the keys of
`sessions.json`, the tool's stable contract (docs/sessions.schema.json).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from forensics.times import Moment, NoTime, iso

Value = str | int | bool | tuple[str, ...]
Fields = dict[str, Value]

CONFIRMED, PROBABLE, POSSIBLE = "confirmed", "probable", "possible"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a row can be checked by hand.

    `path` is the file inside the evidence, `locator` the place in it (`record 812`, `Run\\Updater`, `line 34`,
    `offset 0x1a0`), `sha256` the hash of the file as it was read.
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
    there is none. `context` marks what only matters near a session or finding. Fields are flat and typed as the
    artifact declared them; unknown is absent, never a guess.
    """

    kind: str
    source: Source
    times: dict[str, datetime]
    fields: Fields
    no_times: dict[str, str] = field(default_factory=dict)
    context: bool = False
    tags: tuple[str, ...] = ()


def make_fact(
    kind: str,
    source: Source,
    moments: dict[str, Moment | None],
    fields: dict[str, Value | None],
    *,
    context: bool = False,
    tags: tuple[str, ...] = (),
) -> Fact:
    """A Fact out of raw pieces: moments are split into times and reasons, fields that are None or "" are left out."""
    times = {meaning: value for meaning, value in moments.items() if isinstance(value, datetime)}
    reasons = {
        meaning: f"{value.reason} ({value.raw})" if isinstance(value, NoTime) else "absent"
        for meaning, value in moments.items()
        if not isinstance(value, datetime)
    }
    kept = {name: value for name, value in fields.items() if value is not None and value not in ("", ())}
    return Fact(kind, source, times, kept, reasons, context, tags)


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
    canonical = json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=list)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class User:
    """A profile of the host: SID, account name (null when unknown), profile path as the registry or tree has it."""

    sid: str | None
    name: str | None
    profile: str | None


@dataclass(frozen=True, slots=True)
class Host:
    """What the hives say of the host; every member is null when its hive is missing (`unknown` says why)."""

    name: str | None = None
    os: str | None = None
    build: str | None = None
    timezone: str | None = None
    bias_minutes: int | None = None
    users: tuple[User, ...] = ()
    unknown: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far one artifact could be looked at.

    `state`: complete | partial | not_collected | unreadable | nothing_found (looked, and the place was empty).
    `claimed` and `parsed` count records where the container states a number; `kept` and `context` count facts.
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


@dataclass(frozen=True, slots=True)
class MappedFolder:
    """One host folder that a sandbox sees."""

    host: str
    sandbox: str | None
    read_only: bool


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """A .wsb configuration with the documented defaults applied; null means the default depends on the version."""

    source: str
    networking: bool | None = None
    vgpu: bool | None = None
    memory_mb: int | None = None
    logon_command: str | None = None
    clipboard: bool | None = None
    protected_client: bool | None = None
    mapped_folders: tuple[MappedFolder, ...] = ()
    unknown: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Launch:
    """How a sandbox was started, as far as the evidence tells. `method`: file | task | cli | store | unknown."""

    method: str = "unknown"
    user: str | None = None
    user_sid: str | None = None
    command_line: str | None = None
    parent_process: str | None = None
    task_name: str | None = None
    wsb_path: str | None = None


@dataclass(frozen=True, slots=True)
class CliCall:
    """One wsb.exe call."""

    time: datetime | None
    verb: str
    command_line: str


@dataclass(frozen=True, slots=True)
class HostWrite:
    """A file that appeared or changed in a writable mapped folder while the sandbox ran."""

    time: datetime
    path: str
    action: str


@dataclass(frozen=True, slots=True)
class SandboxSession:
    """One run of a sandbox VM. `end_kind`: stopped | crashed | host_shutdown | unknown."""

    id: str
    start: datetime | None
    start_earliest: datetime | None
    start_latest: datetime | None
    end: datetime | None
    end_kind: str
    vm_id: str | None
    launch: Launch
    config: SandboxSettings | None
    networked: bool | None
    headless: bool | None
    certainty: str
    score: int
    reasons: tuple[str, ...]
    attack: tuple[str, ...]
    events: tuple[str, ...]
    cli_calls: tuple[CliCall, ...] = ()
    host_writes: tuple[HostWrite, ...] = ()
    host: str = ""


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """A .wsb (or inline configuration) that exists, whether or not it was used. `deleted`: recovered, not live."""

    source: str
    sha256: str | None
    deleted: bool
    settings: SandboxSettings
    score: int
    reasons: tuple[str, ...]
    events: tuple[str, ...] = ()
    host: str = ""


@dataclass(frozen=True, slots=True)
class SandboxCapability:
    """Is Windows Sandbox switched on; null means this evidence cannot tell."""

    enabled: bool | None = None
    enabled_at: datetime | None = None
    evidence: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    host: str = ""


@dataclass(frozen=True, slots=True)
class HostingPeriod:
    """One time span in which a tunnel process was up."""

    start: datetime | None
    end: datetime | None
    end_reason: str | None
    command_line: str | None
    pid: int | None
    as_service: bool | None


@dataclass(frozen=True, slots=True)
class TunnelClient:
    """One remote client. `end_kind`: disconnected | expired | tunnel_stopped | unknown."""

    start: datetime | None
    end: datetime | None
    server_commit: str | None
    end_kind: str


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file saved through the remote editor."""

    time: datetime | None
    path: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class TunnelCommand:
    """A command that the host remembers from the tunnel. `source` names the artifact."""

    time: datetime | None
    source: str
    command: str


@dataclass(frozen=True, slots=True)
class ForwardedPort:
    """A port that a client opened through the tunnel."""

    time: datetime | None
    port: int
    public: bool | None


@dataclass(frozen=True, slots=True)
class TunnelSession:
    """One tunnel of one profile, with all that the host remembers of it."""

    id: str
    product: str
    profile_user: str | None
    tunnel_name: str | None
    tunnel_id: str | None
    cluster: str | None
    account: str | None
    provider: str | None
    unregistered: bool
    hosting: tuple[HostingPeriod, ...]
    clients: tuple[TunnelClient, ...]
    persistence: tuple[str, ...]
    files_saved: tuple[SavedFile, ...]
    commands: tuple[TunnelCommand, ...]
    ports_forwarded: tuple[ForwardedPort, ...]
    certainty: str
    score: int
    reasons: tuple[str, ...]
    attack: tuple[str, ...]
    events: tuple[str, ...]
    bytes_sent: int | None = None
    bytes_received: int | None = None
    host: str = ""


@dataclass(frozen=True, slots=True)
class PersistenceEntry:
    """One way of coming back. `mechanism`: run_key | service | scheduled_task | startup_folder | ..."""

    id: str
    mechanism: str
    location: str
    name: str
    command: str | None
    user: str | None
    first_seen: datetime | None
    last_write: datetime | None
    score: int
    reasons: tuple[str, ...]
    attack: tuple[str, ...]
    events: tuple[str, ...]
    host: str = ""


@dataclass(frozen=True, slots=True)
class AntiForensic:
    """A sign that traces were removed, with the innocent causes that look the same."""

    time: datetime | None
    kind: str
    detail: str
    innocent_causes: tuple[str, ...]
    events: tuple[str, ...]
    host: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that matched. `level`: informational | low | medium | high | critical."""

    rule: str
    level: str
    why: str
    events: tuple[str, ...]
    host: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The header of one piece of evidence: what was opened and as what."""

    name: str
    path: str
    kind: str
    host: Host
    files: int
    hashes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """All that the joins concluded for one host."""

    sandbox_sessions: tuple[SandboxSession, ...] = ()
    sandbox_configs: tuple[SandboxConfig, ...] = ()
    sandbox_capability: SandboxCapability = field(default_factory=SandboxCapability)
    tunnel_sessions: tuple[TunnelSession, ...] = ()
    persistence: tuple[PersistenceEntry, ...] = ()
    anti_forensics: tuple[AntiForensic, ...] = ()
    findings: tuple[Finding, ...] = ()


def to_plain(value: Any) -> Any:  # noqa: ANN401  # any model object becomes plain JSON material
    """Dataclasses, tuples and datetimes as dicts, lists and ISO 8601 strings (unknown stays null)."""
    if isinstance(value, datetime):
        return iso(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    return value
