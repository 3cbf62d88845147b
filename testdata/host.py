"""A Windows host as data: what was on it and what happened there, read from the YAML files of a scenario folder.

A scenario is a folder of YAML files, one for each part of the story (`tunnel.yml` holds the events, keys, prefetch
files and files of the tunnel). All of them are merged into one `Host`; `testdata.render` turns that into the bytes
Windows would have written. A new scenario needs no code. Every time in a scenario is UTC; local times of logs are
worked out by the renderer from the host's zone. `$(name)` in any text is replaced from the `names` section.
`host.yml` may `include` files that several scenarios share; what the scenario itself says goes before them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from testdata.autostarts import BitsJob, Subscription
from testdata.hostmachines import Disk, Nic, Setting
from testdata.hostmachines import Machine as Machine
from testdata.hostwiping import Clock as Clock
from testdata.hostwiping import Crash as Crash
from testdata.hostwiping import Stamp as Stamp
from testdata.hostwiping import Wipe as Wipe
from testdata.yamldata import ScenarioError as ScenarioError
from testdata.yamldata import made, read, replaced

SCENARIOS = Path(__file__).parent / "scenarios"


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who a process or logon belongs to. `key` is how the other sections name it."""

    key: str
    name: str
    domain: str
    sid: str
    logon_id: str
    profile: str | None = None
    profile_written: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class EventRecord:
    """One event log record; `data` in the order of the provider's template."""

    channel: str
    provider: str
    id: int
    time: datetime
    data: dict[str, Any]
    user_sid: str = ""
    pid: int | None = None


@dataclass(frozen=True, kw_only=True)
class Process:
    """One run of a program. `logs`: which logs saw it (Security 4688/4689, Sysmon 1/5); empty for a standing parent."""

    name: str
    image: str
    pid: int
    account: str
    start: datetime
    end: datetime | None = None
    command: str = ""
    parent: str = ""
    logs: tuple[str, ...] = ("Security",)
    logon_id: str = ""
    elevation: str = "%%1936"
    label: str = "S-1-16-8192"
    directory: str = "C:\\Windows\\system32\\"
    status: str = "0x0"
    hashes: str = ""
    description: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Task:
    """A scheduled task: its XML below System32\\Tasks, its TaskCache keys, and the records of its registration.

    With `class_id` its action is that COM class instead of a command, as with most tasks of Windows itself.
    """

    path: str
    guid: str
    command: str = ""
    arguments: str = ""
    class_id: str = ""
    author: str = ""
    created: datetime
    registered_by: str = ""
    run_as: str = "S-1-5-18"
    run_level: str = "LeastPrivilege"
    triggers: str = ""
    hidden: bool = False
    instances: str = "IgnoreNew"
    last_run: datetime | None = None
    last_end: datetime | None = None
    logs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service's key below `Services`; `installed_by` adds 7045 (System) and 4697 (Security) at its `created`."""

    name: str
    image: str
    display: str = ""
    type: int = 0x20
    start: int = 3
    account: str = "LocalSystem"
    written: datetime | None = None
    created: datetime | None = None
    installed_by: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TaskRun:
    """One run of a task (TaskScheduler 100, 129, 200, 201, 102); `process` names the process it started."""

    task: str
    instance: str
    started: datetime
    process: str
    completed: datetime | None = None
    result: int = 0
    triggered: str = ""


@dataclass(frozen=True, kw_only=True)
class Logon:
    """A logon session (Security 4624, and 4634 or 4647 at its end)."""

    account: str
    time: datetime
    type: int
    logon_id: str
    process: str = ""
    process_name: str = "C:\\Windows\\System32\\services.exe"
    package: str = "Negotiate"
    source_ip: str = "-"
    end: datetime | None = None
    end_id: int = 4634


@dataclass(frozen=True, kw_only=True)
class RegistryKey:
    """One key of a hive (`SYSTEM`, `SOFTWARE`, `NTUSER:<account>`, `USRCLASS:<account>`) with its values.

    A value is `[type, data]`; binary data is hex or a mapping with `build:` (see `testdata.render_hives`). One that was
    removed and is only left in the hive's free cells is `{deleted: [type, data]}`.
    """

    hive: str
    key: str
    written: datetime
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PrefetchRecord:
    """One prefetch file; `runs` newest first, `files` below the volume (`\\WINDOWS\\...`) beside the program."""

    image: str
    runs: tuple[datetime, ...]
    count: int
    files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """A file as such.

    `build` is a form of `testdata.contents`: `{build: link, target: ..., arguments: ...}`,
    `{build: archive, parts: {name: text}}`, `{build: program, version: {CompanyName: ...}}`, `{build: copy, of: path}`.
    `text`, `base64` or `size` (that many patterned bytes) is its content; times as NTFS keeps them.

    `mtime` defaults to `birth`, `mft` and `atime` to `mtime`. `encoding` is a codec name; `local` texts hold the
    marker `@<ISO time>@`, which the renderer replaces by the host's local time in `stamp` form. A file with `deleted`
    is made and removed again: its record in the master file table and the change journal tell of it; `with_folder`:
    so is its folder, which was made for it. With `overwritten` its record has been given away since, so that only the
    journal tells. `mark` is the text of its stream Zone.Identifier. `child_of` makes it a differencing VHDX of the disk
    of that path. `vscdb` makes it a part of VS Code's state database (`part`: main or wal; `settled` and `later` as
    `writers.vscdb` has them). `stamped` are times that a program gave it later. One that is `shredded` was renamed
    letter by letter before it was deleted, as SDelete does; its record must be `overwritten`.
    """

    path: str
    birth: datetime
    mtime: datetime | None = None
    mft: datetime | None = None
    atime: datetime | None = None
    text: str | None = None
    build: dict[str, Any] | None = None
    base64: str | None = None
    size: int | None = None
    encoding: str = "utf-8"
    stamp: str = "%Y-%m-%d %H:%M:%S"
    newline: str = "\n"
    deleted: datetime | None = None
    with_folder: bool = False
    overwritten: bool = False
    mark: str | None = None
    child_of: str | None = None
    vscdb: dict[str, Any] | None = None
    stamped: Stamp | None = None
    shredded: bool = False


@dataclass(frozen=True, kw_only=True)
class Rename:
    """A file or folder that got the name it has in `path` at a moment; `was` is its name before, in the same folder.

    Only the change journal tells of it.
    """

    path: str
    was: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Ordinary activity made from a seed: `counts` names the sort of happening, `testdata.noise` knows the sorts.

    `parent` is the process that starts the user's programs, `account` and `logon_id` who does.
    """

    seed: int
    start: datetime
    end: datetime
    account: str
    parent: str
    logon_id: str = ""
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Host:
    """A whole described host. `cleared`: channel -> the moment before which its records are gone.

    `journal_start`: since when the change journal keeps what happens; it has a first USN of a used volume.
    `journal_made`: when that journal was made anew; it then begins with its first USN, and its settings are taken.
    `not_taken`: patterns of what a triage collection of the host lacks although the host has it.
    """

    name: str
    workgroup: str
    build: int
    zone: str
    installed: datetime
    collected: datetime
    volume_serial: int
    volume_created: datetime
    accounts: dict[str, Account]
    release: str = "22H2"
    product: str = "Windows 10 Pro"
    edition: str = "Professional"
    installation: str = "Client"
    not_taken: tuple[str, ...] = ()
    cleared: dict[str, datetime] = field(default_factory=dict)
    journal_start: datetime | None = None
    journal_made: datetime | None = None
    first_record: dict[str, int] = field(default_factory=dict)
    log_births: dict[str, datetime] = field(default_factory=dict)
    events: tuple[EventRecord, ...] = ()
    processes: tuple[Process, ...] = ()
    machines: tuple[Machine, ...] = ()
    tasks: tuple[Task, ...] = ()
    services: tuple[Service, ...] = ()
    task_runs: tuple[TaskRun, ...] = ()
    logons: tuple[Logon, ...] = ()
    registry: tuple[RegistryKey, ...] = ()
    prefetch: tuple[PrefetchRecord, ...] = ()
    wmi: tuple[Subscription, ...] = ()
    bits_jobs: tuple[BitsJob, ...] = ()
    files: tuple[FileRecord, ...] = ()
    renames: tuple[Rename, ...] = ()
    noise: tuple[Noise, ...] = ()
    crashes: tuple[Crash, ...] = ()
    wiped: tuple[Wipe, ...] = ()
    clock: tuple[Clock, ...] = ()

    def process(self, name: str) -> Process:
        """The process that the scenario calls `name`."""
        for process in self.processes:
            if process.name == name:
                return process
        raise ScenarioError(f"no process is called {name!r}")


_SECTIONS: dict[str, type[Any]] = {
    "events": EventRecord,
    "processes": Process,
    "machines": Machine,
    "tasks": Task,
    "services": Service,
    "task_runs": TaskRun,
    "logons": Logon,
    "registry": RegistryKey,
    "prefetch": PrefetchRecord,
    "wmi": Subscription,
    "bits_jobs": BitsJob,
    "files": FileRecord,
    "renames": Rename,
    "noise": Noise,
    "crashes": Crash,
    "wiped": Wipe,
    "clock": Clock,
}
_NESTED: dict[str, type[Any]] = {"disks": Disk, "settings": Setting, "nic": Nic, "stamped": Stamp}


def load(folder: Path) -> Host:
    """The host that the YAML files of `folder` describe. Raises ScenarioError with the file it stumbled over."""
    documents = _documents(folder)
    names: dict[str, str] = {}
    for document in documents.values():
        names.update({key: str(value) for key, value in document.pop("names", {}).items()})
    documents = {name: replaced(document, names) for name, document in documents.items()}
    head, accounts = {}, {}
    for document in documents.values():  # host.yml is the last that has one
        told = document.pop("host", {})
        accounts.update(told.get("accounts", {}))
        head.update(told)
    head["accounts"] = {key: made(Account, {"key": key, **item}, "host.yml", _NESTED) for key, item in accounts.items()}
    for section, kind in _SECTIONS.items():
        head[section] = tuple(
            made(kind, item, f"{name}: {section}", _NESTED)
            for name, document in documents.items()
            for item in document.pop(section, [])
        )
    for name, document in documents.items():
        if document:
            raise ScenarioError(f"{name} has unknown sections: {sorted(document)}")
    return made(Host, head, "host.yml", _NESTED)


def _documents(folder: Path) -> dict[str, dict[str, Any]]:
    """The files of the folder after those that host.yml includes, which are what several hosts have in common."""
    own = {path.name: read(path) for path in sorted(folder.glob("*.yml"))}
    if "host.yml" not in own:
        raise ScenarioError(f"{folder} has no host.yml")
    common = {name: read(folder / name) for name in own["host.yml"].pop("include", [])}
    for name, document in own.items():
        if "host" in document and name != "host.yml":
            raise ScenarioError(f"{name} has a section host; only host.yml and what it includes may")
    return {**common, **own}


def scenario(name: str) -> Host:
    """The host of the scenario folder `name`."""
    return load(SCENARIOS / name)
