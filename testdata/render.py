"""A described host as files: path -> content and NTFS times. Paths have forward slashes and no drive letter."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from testdata.autostarts import autostart_files
from testdata.contents import built
from testdata.happenings import all_events
from testdata.host import EventRecord, FileRecord, Host, PrefetchRecord, ScenarioError
from testdata.local import with_local_times
from testdata.render_hives import hive_files
from testdata.render_logs import write_log
from testdata.tasks import task_xml
from testdata.writers import prefetch, vhdx, vscdb
from testdata.writers.ntfs import Times

DEVICE = "\\Device\\HarddiskVolume3"


class Rendered(NamedTuple):
    """One file of the host."""

    data: bytes
    times: Times


Files = dict[str, Rendered]


def render(host: Host) -> Files:
    """All files of the host, by path."""
    files: Files = {}
    for part in (_described(host), _hives(host), _tasks(host), _prefetch(host), _autostarts(host), _logs(host)):
        if double := set(part) & set(files):
            raise ScenarioError(f"described twice: {sorted(double)}")
        files.update(part)
    return dict(sorted(files.items()))


def folders(files: Files, root: Times) -> dict[str, Times]:
    """Every folder of `files` with its times: made with its first file, changed by its last one."""
    born: dict[str, list[datetime]] = {}
    for path, file in files.items():
        parts = path.split("/")[:-1]
        for depth in range(len(parts)):
            born.setdefault("/".join(parts[: depth + 1]), []).append(file.times.birth)
    return {
        path: Times(max(min(times), root.birth), max(times), max(times), max(times)) for path, times in born.items()
    }


def whole(host: Host) -> Times:
    """The times of the volume itself and its system files."""
    moment = host.volume_created
    return Times(moment, moment, moment, moment)


def inner_path(path: str) -> str:
    """`C:\\Users\\x` as `Users/x`."""
    if path[1:3] != ":\\":
        raise ScenarioError(f"not a full path: {path}")
    return path[3:].replace("\\", "/")


def _described(host: Host) -> Files:
    return {inner_path(file.path): _file(host, file) for file in host.files if file.deleted is None}


def removed(host: Host) -> Files:
    """The files that were made and removed again, as they were."""
    return {inner_path(file.path): _file(host, file) for file in host.files if file.deleted is not None}


def removed_folders(host: Host) -> dict[str, datetime]:
    """The folders that went with the last of their files, and when."""
    gone = ((inner_path(file.path).rpartition("/")[0], file.deleted) for file in host.files if file.with_folder)
    return {path: moment for path, moment in gone if moment is not None}


def overwritten(host: Host) -> frozenset[str]:
    """The removed files whose records other files have since: only the journal knows them."""
    return frozenset(inner_path(file.path) for file in host.files if file.overwritten)


def marks(host: Host) -> dict[str, bytes]:
    """The streams Zone.Identifier, by the path of their file."""
    return {inner_path(file.path): file.mark.replace("\n", "\r\n").encode() for file in host.files if file.mark}


def stamped(host: Host) -> dict[str, Times]:
    """The times that a program gave some files; setting them is the last change of their records."""
    return {
        inner_path(file.path): Times(stamp.birth, stamp.mtime, stamp.at, stamp.at, file.birth)
        for file in host.files
        if (stamp := file.stamped)
    }


def after_wiping(host: Host) -> dict[str, bytes | None]:
    """What the wiped files are afterwards: None where they are gone."""
    made: dict[str, bytes | None] = {}
    for wipe in host.wiped:
        made[inner_path(wipe.path)] = None if wipe.how == "removed" else b""
        if wipe.how == "cleared":
            events = [event for event in all_events(host) if event.channel == wipe.channel]
            with tempfile.TemporaryDirectory() as scratch:
                path = Path(scratch) / "log.evtx"
                write_log(path, host, wipe.channel, events[-wipe.keep_events :])
                made[inner_path(wipe.path)] = path.read_bytes()
    return made


def _file(host: Host, file: FileRecord) -> Rendered:
    return Rendered(_content(host, file), _times(file))


def _content(host: Host, file: FileRecord) -> bytes:
    if file.base64 is not None:
        return base64.b64decode(file.base64)
    if file.child_of is not None:
        return vhdx.build(bytes(vhdx.BLOCK), {"absolute_win32_path": file.child_of})
    if file.vscdb is not None:
        made = vscdb.build(file.vscdb["settled"], file.vscdb.get("later", ()))
        return made.wal if file.vscdb["part"] == "wal" else made.main
    if file.build is not None:
        return _built(host, file)
    if file.size is not None:
        return pattern(file.path, file.size)
    if file.text is None:
        raise ScenarioError(f"{file.path} has no content")
    return with_local_times(host, file.text, file.stamp).replace("\n", file.newline).encode(file.encoding)


def _built(host: Host, file: FileRecord) -> bytes:
    form = dict(file.build or {})
    if form.get("build") != "copy":
        return built(file.path, form, file.birth)
    others = [other for other in host.files if other.path == form["of"] and other is not file]
    if len(others) != 1:
        raise ScenarioError(f"{file.path} is to be a copy of {form['of']}, which is not described once")
    return _content(host, others[0])


def pattern(seed: str, size: int) -> bytes:
    """`size` bytes that look random but are always the same for `seed`: stands for archives and payloads."""
    blocks = (hashlib.sha256(f"{seed}#{number}".encode()).digest() for number in range(-(-size // 32)))
    return b"".join(blocks)[:size]


def _times(file: FileRecord) -> Times:
    mtime = file.mtime or file.birth
    return Times(file.birth, mtime, file.mft or mtime, file.atime or mtime)


def _hives(host: Host) -> Files:
    files: Files = {}
    for path, data in hive_files(host).items():
        last = host.collected - timedelta(minutes=11)
        files[path] = Rendered(data, Times(host.installed, last, last, last))
    return files


def _tasks(host: Host) -> Files:
    files: Files = {}
    for task in host.tasks:
        path = "Windows/System32/Tasks" + task.path.replace("\\", "/")
        data = b"\xff\xfe" + task_xml(host, task).encode("utf-16-le")
        files[path] = Rendered(data, Times(task.created, task.created, task.created, task.created))
    return files


def _autostarts(host: Host) -> Files:
    """The WMI repository and the queue of BITS, which Windows goes on writing as long as it runs."""
    last = host.collected - timedelta(minutes=12)
    times = Times(host.installed, last, last, last)
    return {path: Rendered(data, times) for path, data in autostart_files(host).items()}


def _prefetch(host: Host) -> Files:
    files: Files = {}
    for record in host.prefetch:
        name, data = _prefetch_file(host, record)
        # Windows writes the file about ten seconds after the program started.
        newest, oldest = max(record.runs) + timedelta(seconds=10), min(record.runs) + timedelta(seconds=10)
        files[f"Windows/Prefetch/{name}"] = Rendered(data, Times(oldest, newest, newest, newest))
    return files


def _prefetch_file(host: Host, record: PrefetchRecord) -> tuple[str, bytes]:
    volume = prefetch.Volume(created=host.volume_created, serial=host.volume_serial)
    names = [f"C:{name}" for name in record.files]
    return prefetch.build(DEVICE + record.image[2:], record.runs, record.count, names, volume=volume)


def _logs(host: Host) -> Files:
    # A cleared log stays as a file, whether something was recorded since or not.
    by_channel: dict[str, list[EventRecord]] = {channel: [] for channel in host.cleared}
    for event in all_events(host):
        by_channel.setdefault(event.channel, []).append(event)
    files: Files = {}
    with tempfile.TemporaryDirectory() as scratch:
        for channel, events in sorted(by_channel.items()):
            path = Path(scratch) / "log.evtx"
            write_log(path, host, channel, events)
            files[log_path(channel)] = Rendered(path.read_bytes(), _log_times(host, channel, events))
    return files


def log_path(channel: str) -> str:
    """Where Windows keeps the log of a channel (`/` in its name becomes `%4`)."""
    return f"Windows/System32/winevt/Logs/{channel.replace('/', '%4')}.evtx"


def _log_times(host: Host, channel: str, events: Iterable[EventRecord]) -> Times:
    last = max([event.time for event in events] or [host.cleared[channel]])
    return Times(host.log_births.get(channel, host.installed), last, last, last)
