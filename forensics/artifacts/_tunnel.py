"""What the tunnel artifacts share: where the CLI keeps its files, whose they are, and rows out of log lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from forensics.artifacts.base import FileInput
from forensics.formats import tunnellog
from forensics.formats.logzone import (
    OF_COPY,
    LogZone,
    by_copy,
    decide,
    inferred,
    naive,
    offset_by_clock,
    offset_by_mtime,
)
from forensics.formats.serverlog import Entry, parse_text
from forensics.formats.textfile import holes, tail
from forensics.formats.tunnelid import server_of
from forensics.model import LOOSE, Fact, Problem, Value, make_fact
from forensics.times import Moment, NoTime, from_iso

_HOLES_SHOWN = 20
EDITOR_ZONE = LogZone("local", "VS Code's own logs are in local time in all public examples (to 2026)")
MESSAGE_LIMIT = 8 * 1024
BORN, MODIFIED = "Creation Time", "Content Modification Time"
# Where profiles lie, and the data folders of the CLI in them: VS Code's own, its first release's, and the forks'
# (their names are from memory; the layout is the same code).
_HOMES = (
    "Users/*",
    "Windows/System32/config/systemprofile",
    "Windows/SysWOW64/config/systemprofile",
    "Windows/ServiceProfiles/*",
)
_CLI_FOLDERS = (
    *(".vscode/cli", ".vscode-insiders/cli", ".vscode-oss/cli", ".vscode-cli"),
    *(".vscodium/cli", ".vscodium-insiders/cli", ".cursor/cli", ".windsurf/cli", ".kiro/cli"),
)
_SERVER_FOLDERS = (
    *(".vscode-server", ".vscode-server-insiders", ".vscode-server-oss", ".vscode-remote"),
    *(".cursor-server", ".windsurf-server", ".kiro-server"),
)
# A build of the server, by the exact shape of its folder: tells the CLI's `servers` from any other of that name.
_BUILDS = tuple(
    f"servers/{quality}-{'?' * 40}{web}" for quality in ("Stable", "Insiders", "Exploration") for web in ("", "-web")
)
# The desktop's logs of its own tunnel, which repeat the CLI's lines behind a local stamp.
DESKTOP_LOGS = tuple(
    f"Users/*/AppData/Roaming/{product}/logs/**/remoteTunnel*.log"
    for product in ("Code", "Code - Insiders", "VSCodium", "Cursor", "Windsurf", "Kiro")
)
_SERVICE_PROFILE = re.compile(r"(?:^|/)serviceprofiles/([^/]+)/", re.IGNORECASE)
_SERVERS = re.compile(r"^(.*)[\\/]servers[\\/]", re.IGNORECASE)
_CLI_FOLDER = re.compile(r"[\\/]\.[\w-]{1,40}[\\/]cli$|[\\/]\.vscode-cli$", re.IGNORECASE)
_SERVER_DATA = re.compile(r"^(.*?)[\\/]data[\\/](?:logs|User)[\\/]", re.IGNORECASE)


def _named(folders: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{home}/{folder}/{name}" for home in _HOMES for folder in folders for name in names)


def cli_globs(*names: str, anywhere: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Globs for files of the CLI's data folder: at the known places, and by name (`anywhere`) on the whole volume.

    `--cli-data-dir` and an environment variable may name any folder, so the name alone must do.
    """
    return (*_named(_CLI_FOLDERS, names), *(f"**/{name}" for name in (names if anywhere is None else anywhere)))


def build_globs(*names: str) -> tuple[str, ...]:
    """Globs for files in the folder of a server build, wherever on the volume it lies."""
    return tuple(f"**/{build}/{name}" for build in _BUILDS for name in names)


def in_cli_folder(given: FileInput) -> bool:
    """Whether a file lies in a data folder of the CLI under one of its default names."""
    return _CLI_FOLDER.search(windows_path(given.path).rpartition("\\")[0]) is not None


def home_globs(*paths: str) -> tuple[str, ...]:
    """Globs for these paths below every profile, those of services included."""
    return tuple(f"{home}/{path}" for home in _HOMES for path in paths)


def server_globs(*names: str) -> tuple[str, ...]:
    """Globs for files of the server's data folder: `.vscode-server` and its relatives, and by shape anywhere.

    `--server-data-dir` and VSCODE_AGENT_FOLDER may name any folder of the volume.
    """
    return (*_named(_SERVER_FOLDERS, names), *(f"**/{name}" for name in names))


def server_name_globs(*names: str) -> tuple[str, ...]:
    """Globs for files right in a server's data folder, in every profile (their names say little)."""
    return _named(_SERVER_FOLDERS, names)


def windows_path(path: str) -> str:
    """A path of the evidence as Windows writes it."""
    return path.replace("/", "\\")


def profile_user(given: FileInput) -> str | None:
    """The profile folder's name, that of a service's profile, or SYSTEM."""
    service = _SERVICE_PROFILE.search(given.path)
    return given.profile or (service.group(1) if service else None)


def owner(given: FileInput) -> dict[str, Value | None]:
    """The fields that say which data folder of the CLI, and whose, a file belongs to; loose files lie in none."""
    if given.path.startswith(LOOSE):
        return {"data_dir": None, "profile_user": None}
    path = windows_path(given.path)
    under_servers = _SERVERS.match(path)
    folder = under_servers.group(1) if under_servers else path.rpartition("\\")[0]
    return {"data_dir": folder or None, "profile_user": profile_user(given)}


def server_owner(given: FileInput) -> dict[str, Value | None]:
    """The fields that say which data folder of the server, and whose, a file belongs to."""
    found = _SERVER_DATA.match(windows_path(given.path))
    return {"server_data_dir": found.group(1) if found else None, "profile_user": profile_user(given)}


def build(path: str) -> dict[str, Value | None]:
    """The server build that a path or command names."""
    server = server_of(path)
    return {"quality": server.quality, "commit": server.commit} if server else {}


def times(given: FileInput) -> dict[str, Moment | None]:
    """The file's own times as moments, or why there are none."""
    none: dict[str, Moment | None] = {MODIFIED: NoTime("the evidence kept no times of the file", "")}
    return dict(given.times) if given.times else none


def local_moment(given: FileInput, stamp: str) -> Moment:
    """The time of a stamp in the host's local time, or why there is none."""
    if not stamp:
        return NoTime("a line without a stamp", "")
    if given.zone is None:
        return NoTime("local time, and the host's zone is not known", stamp)
    return from_iso(stamp, given.zone)


def cut_line(artifact: str, given: FileInput, number: int, offset: int) -> Problem:
    """A line that was too long to be read whole, or a record of too many lines."""
    detail = f"line {number} at offset 0x{offset:x} is longer than 64 KiB, or goes on over too many lines, and was cut"
    return Problem("truncated", artifact, given.source(f"line {number}"), detail)


def zeroed(artifact: str, given: FileInput) -> Iterator[Problem]:
    """What is zeros in a text file: lines that were there, or that never reached the disk."""
    count = size = 0
    for hole in holes(given.fh):
        count, size = count + 1, size + hole.length
        if count <= _HOLES_SHOWN:
            where = "at its end" if hole.offset + hole.length >= given.size else "amid its text"
            detail = f"{hole.length} bytes {where} are zero: what stood there is lost or was never written"
            yield Problem("zeroed", artifact, given.source(f"offset 0x{hole.offset:x}"), detail)
    if count > _HOLES_SHOWN:
        detail = f"{count - _HOLES_SHOWN} more zeroed stretches, {size} bytes in all {count}"
        yield Problem("zeroed", artifact, given.source(""), detail)


def log_fields(text: str, level: str, number: int, offset: int, zone: LogZone) -> dict[str, Value | None]:
    """The fields that every row of a log has."""
    return {
        "log_level": level,
        "log_message": text[:MESSAGE_LIMIT],
        "log_zone": zone.zone,
        "log_zone_reason": zone.reason,
        "line_number": number,
        "file_offset": offset,
    }


def log_zone(given: FileInput) -> LogZone:
    """The zone of a CLI log's stamps: by the desktop's logs beside it, by itself, by its file's times."""
    outer = [line for name in given.companions for line in tunnellog.outer_lines(given.companions[name])]
    evidence = tunnellog.evidence(given.fh, given.size, outer)
    decision = decide(evidence, given.times.get(MODIFIED), given.zone)
    return by_copy(decision, evidence, given.copy_written) if given.zone is None else decision


def with_inferred_zone(given: FileInput, usual: LogZone) -> tuple[FileInput, LogZone]:
    """A log of VS Code in local time, where the host's zone is not known: with the zone that the file itself tells.

    Its last line and its modification time name one moment, in local time and in UTC. It is an inference for this file,
    never for the host; where they do not agree to the second, nothing is inferred.
    """
    kept = given.times.get(MODIFIED)
    modified = kept or given.copy_written
    if given.zone is not None or modified is None:
        return given, usual
    entry = next((found for text in reversed(tail(given.fh, given.size)) if _stamped(found := parse_text(text))), None)
    offset = _offset(entry, modified) if entry else None
    if offset is None:
        return given, usual
    told = inferred(offset) if kept else inferred(offset, OF_COPY)
    reason = "; ".join(filter(None, (usual.reason, told.reason)))
    return replace(given, zone=timezone(offset)), LogZone(told.zone, reason, offset)


def _stamped(entry: Entry) -> bool:
    return bool(entry.stamp or entry.clock)


def _offset(entry: Entry, modified: datetime) -> timedelta | None:
    if entry.stamp:
        stamp = naive(entry.stamp[:19])
        return offset_by_mtime(stamp, modified) if stamp else None
    hours, minutes, seconds = (int(part) for part in entry.clock.split(":"))
    return offset_by_clock(timedelta(hours=hours, minutes=minutes, seconds=seconds), modified)


def zone_fields(zone: LogZone) -> dict[str, Value | None]:
    """The fields that say of a log of the desktop's how its zone was found, where it was inferred."""
    return {"log_zone": zone.zone, "log_zone_reason": zone.reason} if zone.offset is not None else {}


def server_fact(
    given: FileInput, entry: Entry, moment: Moment, common: dict[str, Value | None], number: int
) -> Iterator[Fact]:
    """The row of one line of the server, wherever it was written; banners give none."""
    if entry.banner:
        return
    meaning = entry.meaning
    event = "log_message" if meaning.event == "message" else meaning.event
    values: dict[str, Value | None] = dict(meaning.values)
    fields = {**common, "connection_id": entry.connection or None, "connection_kind": entry.kind or None, **values}
    context = event == "log_message" and not meaning.keep
    yield make_fact(f"server.{event}", given.source(f"line {number}"), {BORN: moment}, fields, context=context)
