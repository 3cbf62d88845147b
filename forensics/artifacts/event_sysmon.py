"""Sysmon 1 to 3, 5, 11 to 13, 15, 17, 18, 22, 23 and 26: processes, connections, files, registry, pipes and DNS.

The richest record a host can have: parent command lines and hashes of every start, files written by vmwp.exe on behalf
of a sandbox, autostart values as they are set. Everything but process starts is context unless it names something
watched; registry changes are also kept when they touch an autostart key.

2 is a file's birth that a program set: unpacking does it all the time, so it is kept only where a program or library
was made older by days, by what lies outside the folders of Windows and of installed programs.

15 is a file's stream as it was written, mostly the mark of the web of a download, with its text in newer versions; 23
and 26 are deletions with the process that did it and the file's hashes, which a `.wsb` and a session's disk end with.

The record's own time is used. Sysmon's `UtcTime` is when the driver saw it; it is kept as `sysmon_utc_time` where it
lies more than a second away. Fields: Sysmon's schema; real records of all but 22.

Pipes (17 made, 18 opened) name sessions: `\\wsandbox\\<GUID>` is the sandbox service of a user, whose SID makes the
GUID; `\\<VM id>` is the display of a virtual machine (both from published code that talks to them), taken as such when
vmwp.exe or a program of the sandbox has it; `\\code-<uuid>` is the server behind a tunnel (formats/sandboxids.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from forensics.artifacts._evtx import (
    USER,
    Made,
    apart,
    decimal,
    fact,
    file_name,
    flag,
    guid,
    kind,
    known,
    named_account,
    nonzero,
    utc_text,
)
from forensics.artifacts._evtx_kinds import (
    DNS_QUERIED,
    PROCESS_CREATED,
    PROCESS_EXITED,
    REGISTRY_KEY_CHANGED,
    REGISTRY_VALUE_SET,
)
from forensics.artifacts.base import Deferral, EventArtifact, FieldType
from forensics.formats import FormatError, zoneid
from forensics.formats.evtx import Record
from forensics.formats.sandboxids import SYSTEM, pipe_guid, read_pipe
from forensics.model import Fact, Source
from forensics.rules.hosts import host_meaning
from forensics.rules.recording import is_recording_key
from forensics.rules.watch import (
    is_autostart_key,
    is_backdating,
    is_loopback,
    is_looped_desktop,
    is_script_host,
    is_steered,
    is_watched,
    is_web_script,
)
from forensics.times import from_iso

_LONG_BEFORE = timedelta(days=1)
Said = tuple[Made, bool]  # the fields, and whether they are worth keeping by themselves


def _process(record: Record) -> Made:
    """What every event says of the process behind it."""
    data = record.data
    image = known(data.get("Image"))
    return {
        **named_account(known(data.get("User"))),
        "executable": image,
        "executable_name": file_name(image),
        "pid": decimal(data.get("ProcessId")),
        "process_guid": guid(data.get("ProcessGuid")),
        "sysmon_utc_time": apart(data.get("UtcTime"), record, timedelta(seconds=1)),
    }


_BACKDATED = timedelta(days=1)
_STARTERS = ("Image", "CommandLine", "ParentImage", "ParentCommandLine", "OriginalFileName")


def _created(record: Record) -> Said:
    data = record.data
    fields = _process(record) | {
        "command_line": known(data.get("CommandLine")),
        "logon_id": nonzero(data.get("LogonId")),
        "parent_executable": known(data.get("ParentImage")),
        "parent_command_line": known(data.get("ParentCommandLine")),
        "parent_pid": decimal(data.get("ParentProcessId")),
        "parent_process_guid": guid(data.get("ParentProcessGuid")),
        "working_directory": known(data.get("CurrentDirectory")),
        "hashes": known(data.get("Hashes")),
        "original_file_name": known(data.get("OriginalFileName")),
        "file_description": known(data.get("Description")),
        "integrity_level": known(data.get("IntegrityLevel")),
    }
    return fields, is_watched(*(data.get(name, "") for name in _STARTERS))


def _exited(record: Record) -> Said:
    return _process(record), False


def _connected(record: Record) -> Said:
    data = record.data
    fields = _process(record) | {
        "protocol": known(data.get("Protocol")),
        "initiated": flag(data.get("Initiated")),
        "source_ip": known(data.get("SourceIp")),
        "source_port": known(data.get("SourcePort")),
        "source_host": known(data.get("SourceHostname")),
        "destination_ip": known(data.get("DestinationIp")),
        "destination_port": known(data.get("DestinationPort")),
        "destination_host": known(data.get("DestinationHostname")),
        "host_meaning": host_meaning(data.get("DestinationHostname")),
    }
    return fields, _connection_matters(*(data.get(name, "") for name in _ENDS))


_ENDS = ("Image", "DestinationHostname", "SourceIp", "SourcePort", "DestinationIp", "DestinationPort")
_MAPPER = "135"  # where a caller learns the port of WMI, the task scheduler or the service control of a machine


def _connection_matters(image: str, host: str, *ends: str) -> bool:
    """Watched names; remote desktop through a tunnel; a script host that calls services of another machine."""
    if is_watched(image, host) or is_looped_desktop(*ends):
        return True
    source, _, target, port = ends
    return port == _MAPPER and source != target and not is_loopback(target) and is_script_host(file_name(image) or "")


def _file(record: Record) -> Said:
    path = known(record.data.get("TargetFilename"))
    fields = _process(record) | {"file_path": path, "file_name": file_name(path)}
    return fields, _file_matters(path or "", record.data.get("Image", ""))


def _file_matters(path: str, image: str) -> bool:
    """A file that is watched, or was written by something watched, or a new script of a web server."""
    return is_watched(path, image) or is_web_script(path)


_TIMED = ("TargetFilename", "Image", "PreviousCreationUtcTime", "CreationUtcTime")


def _timed(record: Record) -> Said:
    fields, _ = _file(record)
    data = record.data
    fields |= {"old_time": utc_text(data.get(_TIMED[2])), "new_time": utc_text(data.get(_TIMED[3]))}
    return fields, _backdated(*(data.get(name, "") for name in _TIMED))


def _backdated(path: str, image: str, old: str, new: str) -> bool:
    """A program that was made to look older by days, by something that is no installed program."""
    before, after = from_iso(old), from_iso(new)
    if not isinstance(before, datetime) or not isinstance(after, datetime):
        return False
    return before - after >= _LONG_BEFORE and is_backdating(path, image)


def _deleted(record: Record) -> Said:
    fields, kept = _file(record)
    data = record.data
    fields |= {"hashes": known(data.get("Hashes")), "is_archived": flag(data.get("Archived"))}
    return fields, kept


def _stream(record: Record) -> Said:
    """A stream beside a file; what a mark of the web says is told like that of a file on disk."""
    path, contents = known(record.data.get("TargetFilename")) or "", known(record.data.get("Contents"))
    fields = _process(record) | {
        "file_path": path,
        "file_name": file_name(path),
        "hashes": known(record.data.get("Hash")),
        "stream_text": contents,
    }
    if contents and path.casefold().endswith(f":{zoneid.STREAM}".casefold()):
        with suppress(FormatError):
            mark = zoneid.read(contents.encode("utf-8", "replace"))
            fields |= {"host_url": known(mark.host_url), "referrer_url": known(mark.referrer_url), "zone_id": mark.zone}
    return fields, is_watched(path, contents or "", record.data.get("Image", ""))


def _key(record: Record) -> Said:
    path = known(record.data.get("TargetObject")) or ""
    fields = _process(record) | {"key_path": path, "action": known(record.data.get("EventType"))}
    kept = is_autostart_key(path) or is_recording_key(path)
    return fields, kept or is_watched(path, record.data.get("Image", ""))


def _value(record: Record) -> Said:
    path, details = record.data.get("TargetObject", ""), record.data.get("Details", "")
    key, _, name = path.rpartition("\\")
    fields = _process(record) | {"key_path": key, "value_name": name, "value_data": details}
    kept = is_autostart_key(path) or is_recording_key(path)
    return fields, kept or is_watched(path, details, record.data.get("Image", ""))


def _query(record: Record) -> Said:
    data = record.data
    fields = _process(record) | {
        "query_name": known(data.get("QueryName")),
        "host_meaning": host_meaning(data.get("QueryName")),
        "query_results": known(data.get("QueryResults")),
        "query_status": known(data.get("QueryStatus")),
    }
    return fields, is_watched(data.get("QueryName", ""), data.get("Image", ""))


_PIPE_OWNERS = frozenset({"sandbox service", "code server"})  # these names are nobody else's
_LOG_PIPE = "\\eventlog"  # of the event log service, which makes it when it starts


def _pipe_matters(name: str, image: str) -> bool:
    """A session's own name, a watched one, or one by which another machine (the process System) steers this one."""
    pipe = read_pipe(name)
    from_afar = image.casefold() == "system" and is_steered("ipc$", name)
    known = (pipe is not None and pipe.role in _PIPE_OWNERS) or name.casefold() == _LOG_PIPE
    return from_afar or known or is_watched(name, image)


def _pipe(record: Record) -> Said:
    data = record.data
    name, image = data.get("PipeName", ""), data.get("Image", "")
    pipe = read_pipe(name)
    machine = pipe is not None and pipe.role == "virtual machine"
    kept = _pipe_matters(name, image)
    fields = _process(record) | {
        "pipe_name": known(name),
        "pipe_role": pipe.role if pipe and (kept or not machine) else None,
        "pipe_guid": pipe.guid if pipe else None,
        "vm_id": pipe.guid if pipe and machine and kept else None,
    }
    if pipe and pipe.role == "sandbox service" and pipe.guid == pipe_guid(SYSTEM):
        fields["target_user_sid"] = SYSTEM
    return fields, kept


_KINDS: dict[int, tuple[str, Callable[[Record], Said]]] = {
    1: ("process.created", _created),
    2: ("file.time_changed", _timed),
    3: ("network.connected", _connected),
    5: ("process.exited", _exited),
    11: ("file.created", _file),
    12: ("registry.key_changed", _key),
    13: ("registry.value_set", _value),
    15: ("file.stream_created", _stream),
    17: ("pipe.created", _pipe),
    18: ("pipe.opened", _pipe),
    22: ("dns.queried", _query),
    23: ("file.deleted", _deleted),
    26: ("file.deleted", _deleted),
}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One record of Sysmon."""
    name, read = _KINDS[record.event_id]
    fields, kept = read(record)
    yield fact(name, record, source, fields, context=not kept)


_PROCESS: dict[str, FieldType] = {
    **USER, "executable": str, "executable_name": str, "pid": str, "process_guid": str, "sysmon_utc_time": str,
}  # fmt: skip
_PIPE: dict[str, FieldType] = {
    **_PROCESS, "pipe_name": str, "pipe_role": str, "pipe_guid": str, "vm_id": str, "target_user_sid": str,
}  # fmt: skip

ARTIFACT = EventArtifact(
    name="event_sysmon",
    wants={"Microsoft-Windows-Sysmon/Operational": frozenset(_KINDS)},
    parse=parse,
    emits={
        "process.created": PROCESS_CREATED,
        "process.exited": PROCESS_EXITED,
        "dns.queried": DNS_QUERIED,
        "network.connected": kind(
            "{executable} connected from {source_ip}[:{source_port}] to {destination_ip}[:{destination_port}]"
            "[ ({destination_host})][, {protocol}][; {host_meaning}]",
            {
                **_PROCESS,
                "protocol": str, "initiated": bool, "source_ip": str, "source_port": str, "source_host": str,
                "destination_ip": str, "destination_port": str, "destination_host": str,
                "host_meaning": str,
            },
            context=True,
        ),
        "file.created": kind(
            "File created: {file_path}[ by {executable}]",
            {**_PROCESS, "file_path": str, "file_name": str},
            context=True,
        ),
        "file.time_changed": kind(
            "Birth of {file_path} set[ from {old_time}] to {new_time}[ by {executable}]",
            {**_PROCESS, "file_path": str, "file_name": str, "old_time": str, "new_time": str},
            context=True,
        ),
        "file.deleted": kind(
            "File deleted: {file_path}[ by {executable}][, {hashes}]",
            {**_PROCESS, "file_path": str, "file_name": str, "hashes": str, "is_archived": bool},
            context=True,
        ),
        "file.stream_created": kind(
            "Stream written: {file_path}[ by {executable}][, from {host_url}][, linked at {referrer_url}]",
            {
                **_PROCESS,
                "file_path": str, "file_name": str, "hashes": str, "stream_text": str, "host_url": str,
                "referrer_url": str, "zone_id": int,
            },
            context=True,
        ),
        "registry.key_changed": REGISTRY_KEY_CHANGED,
        "registry.value_set": REGISTRY_VALUE_SET,
        "pipe.created": kind("Pipe {pipe_name} created[ by {executable}][, {pipe_role}]", _PIPE, context=True),
        "pipe.opened": kind("Pipe {pipe_name} opened[ by {executable}][, {pipe_role}]", _PIPE, context=True),
    },
    defers={
        # By the file, so that its hashes are found where an autostart entry names it.
        1: Deferral("process.created", _STARTERS, "ProcessId", "ParentProcessId", about=("Image",)),
        2: Deferral("file.time_changed", _TIMED, "ProcessId", matters=_backdated),
        3: Deferral("network.connected", _ENDS, "ProcessId", matters=_connection_matters),
        5: Deferral("process.exited", pid="ProcessId"),
        11: Deferral("file.created", ("TargetFilename", "Image"), "ProcessId", matters=_file_matters),
        17: Deferral("pipe.created", ("PipeName", "Image"), "ProcessId", matters=_pipe_matters),
        18: Deferral("pipe.opened", ("PipeName", "Image"), "ProcessId", matters=_pipe_matters),
        23: Deferral("file.deleted", ("TargetFilename", "Image"), "ProcessId", about=("TargetFilename",)),
        26: Deferral("file.deleted", ("TargetFilename", "Image"), "ProcessId", about=("TargetFilename",)),
        22: Deferral("dns.queried", ("QueryName", "Image"), "ProcessId"),
    },
)  # fmt: skip
