"""What the joins conclude: the classes behind `sessions.json`, whose field names are its keys.

Part of the model (import them from `forensics.model`); apart only because a file of the house has an end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from forensics.answers import AdvisoryAnswer as AdvisoryAnswer
from forensics.answers import AdvisorySource as AdvisorySource
from forensics.answers import Said as Said

INTERNAL = "internal"  # marks a field that is for the run itself and is written nowhere


@dataclass(frozen=True, slots=True)
class MappedFolder:
    """One host folder that a sandbox sees."""

    host: str
    sandbox: str | None
    read_only: bool


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """A .wsb configuration with the documented defaults applied; null means the default depends on the version.

    `lost` names the elements that the lost part of a damaged file may have held: they are unknown, not absent.
    """

    source: str
    networking: bool | None = None
    vgpu: bool | None = None
    memory_mb: int | None = None
    logon_command: str | None = None
    clipboard: bool | None = None
    protected_client: bool | None = None
    mapped_folders: tuple[MappedFolder, ...] = ()
    unknown: dict[str, str] = field(default_factory=dict)
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Launch:
    """How a sandbox was started, as far as the evidence tells. `method`: file | task | cli | store | hand | unknown.

    `hand`: from the desktop, without a file. `registered_by` is who registered the task; `candidate_user` is an
    inference where no record names the account.
    """

    method: str = "unknown"
    user: str | None = None
    user_sid: str | None = None
    command_line: str | None = None
    parent_process: str | None = None
    task_name: str | None = None
    wsb_path: str | None = None
    registered_by: str | None = None
    registered_by_sid: str | None = None
    candidate_user: str | None = None
    candidate_user_sid: str | None = None


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
    """One run of a sandbox VM. `end_kind`: stopped | crashed | host_shutdown | unknown.

    `end_earliest`: it still ran then; `end_latest`: it was over by then. Both may be known where the end is not.
    """

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
    end_earliest: datetime | None = None
    end_latest: datetime | None = None


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
    """One time span in which a tunnel process was up.

    `start_latest`: it was up by then; `end_earliest`: it still was then; `end_latest`: it was over by then; each may be
    known where start or end is not.
    `output_to`: the file that its output was sent to. `start_if_utc`, `end_if_utc`: the other reading of a log whose
    time zone is undecided; null where it is decided.
    """

    start: datetime | None
    end: datetime | None
    end_reason: str | None
    command_line: str | None
    pid: int | None
    as_service: bool | None
    user: str | None = None
    output_to: str | None = None
    start_latest: datetime | None = None
    end_earliest: datetime | None = None
    start_if_utc: datetime | None = None
    end_if_utc: datetime | None = None
    end_latest: datetime | None = None


@dataclass(frozen=True, slots=True)
class RelayPeriod:
    """One connection of the tunnel to its relay: in between a client could reach the host. `end` null: not told."""

    start: datetime | None
    end: datetime | None
    end_reason: str | None


@dataclass(frozen=True, slots=True)
class TunnelClient:
    """One remote client. `end_kind`: disconnected | expired | tunnel_stopped | host_shutdown | unknown.

    `windows`: editor windows seen for it; `reconnects`: how often it came back after its connection was lost;
    `second_client`: the server said that another client came while it waited for this one. `start_if_utc` and
    `end_if_utc`: the other reading of a log whose time zone is undecided; null where it is decided.
    """

    start: datetime | None
    end: datetime | None
    server_commit: str | None
    end_kind: str
    windows: int = 0
    reconnects: int = 0
    second_client: bool = False
    start_if_utc: datetime | None = None
    end_if_utc: datetime | None = None


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
class InstalledExtension:
    """An extension that the tunnel's server installed on this host. `source` names the artifact."""

    time: datetime | None
    id: str
    source: str


@dataclass(frozen=True, slots=True)
class LinkedHost:
    """Another host of the same run with the same tunnel. `by`: tunnel_id | connection_token."""

    host: str
    by: str
    value: str


@dataclass(frozen=True, slots=True)
class TunnelSession:
    """One tunnel of one profile, with all that the host remembers of it.

    `connection_tokens`: what its servers were started with, by which other hosts can be tied to it (a hash of the id).
    `other_tunnel_ids`: ids that other traces of the same data folder name; the reasons say which traces.
    """

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
    data_dir: str | None = None
    relay: tuple[RelayPeriod, ...] = ()
    extensions: tuple[InstalledExtension, ...] = ()
    linked_hosts: tuple[LinkedHost, ...] = ()
    connection_tokens: tuple[str, ...] = ()
    other_tunnel_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PersistenceEntry:
    """One way of coming back. `mechanism`: run_key | service | scheduled_task | startup_folder | ...

    `deleted`: recovered from free cells of a hive, or deleted as a log saw it; it is not there any more. `trigger`:
    what sets a task off, in the words of its definition. `target` is the file it starts, `target_exists` None where
    the evidence cannot tell: `target_note` says by what, or why not. Its hashes are those of the file at hand, else
    what a record says (`target_hash_source`); `target_signature` is a word of `formats/authenticode.py`, of the
    file at hand alone.
    `first_seen_source` says in words what dates the entry; `first_seen_bound` that it was there by then and may be
    older, as with the last write of a registry key. `user` is the account it runs as, or in whose session; who made it
    is `made_by` with `made_by_sid`, as `made_by_source` has it (records, the most direct first; None: none tells).
    `last_write_kind` says what `last_write` is a time of: registry | file | wmi | log.
    `deleted_at`: when a log saw it being deleted. `inert`: why this version of Windows
    does not start it any more. `built`: the files that its commands hand to MSBuild, `@` before one of arguments; they
    are read for the score and not exported.
    """

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
    deleted: bool = False
    trigger: str | None = None
    target: str | None = None
    target_exists: bool | None = None
    target_sha256: str | None = None
    target_note: str | None = None
    first_seen_source: str | None = None
    first_seen_bound: bool = False
    target_sha1: str | None = None
    target_hash_source: str | None = None
    target_publisher: str | None = None
    target_signature: str | None = None
    target_signature_note: str | None = None
    target_signer: str | None = None
    target_signer_issuer: str | None = None
    target_signer_serial: str | None = None
    target_signer_thumbprint: str | None = None
    target_signed_at: datetime | None = None
    inert: str | None = None
    made_by: str | None = None
    made_by_sid: str | None = None
    made_by_source: str | None = None
    last_write_kind: str | None = None
    deleted_at: datetime | None = None
    built: tuple[str, ...] = field(default=(), metadata={INTERNAL: True})


@dataclass(frozen=True, slots=True)
class AntiForensic:
    """A sign that traces were removed, with the innocent causes that look the same.

    `level`: weak | medium | strong, how far such a sign goes by itself; no verdict on who did it or why. `user`: the
    account that the record names, which may be one that somebody else used. `attack`: ATT&CK ids of what it would be
    the trace of.
    """

    time: datetime | None
    kind: str
    detail: str
    innocent_causes: tuple[str, ...]
    events: tuple[str, ...]
    host: str = ""
    level: str = "weak"
    user: str | None = None
    attack: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that matched. `level`: informational | low | medium | high | critical.

    `first` and `last` are the times of the events it rests on. Of a finding about a machine `vm_id` names it, and
    `networked` is true when an adapter was connected to it; that none is recorded is no proof, so it is never false.
    """

    rule: str
    level: str
    why: str
    events: tuple[str, ...]
    host: str = ""
    first: datetime | None = None
    last: datetime | None = None
    vm_id: str | None = None
    networked: bool | None = None


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
    advisory: tuple[AdvisoryAnswer, ...] = ()
