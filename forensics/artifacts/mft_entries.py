"""The master file table (`$MFT`): every file of a volume with two sets of times, deleted ones until reuse.

A triage collection rarely takes `.wsb` files, the folders of the tunnel CLI or `Startup`, but nearly always the `$MFT`:
names, sizes and times of all of them are in it, and the whole content of a file below about 700 bytes, which most
`.wsb` and every `code_tunnel.json` are. A deleted file's record keeps all that. Only what rules/filesystem.yml names
is told, the rest is counted in the row about the table. Once the sessions are known, the table is read again for the
host folders that a sandbox was given: whatever appeared or was changed in a writable one while it ran, and the content
of scripts in any of them (`rules/filesystem.yml`, `second_look`).

Times are those of $STANDARD_INFORMATION, which any program may set; $FILE_NAME has its own, set by Windows when the
name was made or moved. Where they disagree the row says so, with the harmless reasons. When a file was deleted is not
recorded here. Format: the linux-ntfs documentation and libfsntfs; see `formats/mft.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime

from forensics.artifacts._filesystem import (
    JOURNALS,
    PATH_FIELDS,
    TABLE,
    Sought,
    add_journal,
    add_table,
    bounded,
    moved_away,
    path_fields,
)
from forensics.artifacts._logonscreen import PROGRAM_ODD, LogonScreen
from forensics.artifacts._mark import MARK, mark_fields
from forensics.artifacts._timestomp import SLACK, timestomp_note
from forensics.artifacts._wsb import CONFIG, config_fields
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output, profile_in
from forensics.formats import FormatError, wsb, zoneid
from forensics.formats.mft import Entry, Name, TableReader, Times
from forensics.formats.ntfspaths import Folders, Place, entry_of
from forensics.formats.textfile import decode
from forensics.model import Fact, Problem, Value, make_fact
from forensics.rules import filesystem
from forensics.rules.filesystem import FileRule, folder_rule, rule_for
from forensics.times import Moment, NoTime, from_filetime, iso

_NAME = "mft_entries"
_SHOWN = 4 * 1024
_MEANINGS = ("Creation Time", "Content Modification Time", "Metadata Modification Time", "Last Access Time")


def parse(given: FileInput) -> Output:
    """Rows about the files that matter, a problem for each damaged record, and a row about the table itself."""
    try:
        table = TableReader(given.fh)
    except FormatError as error:
        yield Problem("unreadable", _NAME, given.source(), str(error))
        return
    folders, told = Folders(), 0
    add_table(folders, table)
    for stream in list(given.companions.values())[:1]:
        add_journal(folders, stream)
    if given.open_folders:
        yield from bounded(_again(given, table, folders), _NAME, given)
        return
    screen = LogonScreen()
    for item in table:
        if isinstance(item, FormatError):
            yield Problem("bad_record", _NAME, given.source(f"offset 0x{item.offset or 0:x}"), str(item))
            continue
        screen.take(item, folders)
        rows = list(_file(given, item, folders))
        told += bool(rows)
        yield from rows
    yield from screen.facts(given)
    tally = table.tally
    fields: dict[str, Value | None] = {
        "record_count": tally.records,
        "file_count": tally.files,
        "deleted_count": tally.deleted,
        "records_told": told,
        "missing_parts": tally.damaged,
    }
    none: dict[str, Moment | None] = {"Content Modification Time": NoTime("a table as a whole has no time", "")}
    yield make_fact("mft.table", given.source(), none, fields)


def _file(given: FileInput, entry: Entry, folders: Folders) -> Output:
    """The rows of one file, for each of its names that matters."""
    for name in entry.names:
        place = folders.place(name.parent)
        rule = rule_for(place.path, name.name)
        if rule is not None and _wanted(rule, entry):
            yield from _named(given, entry, name, place, rule)


def _again(given: FileInput, table: TableReader, folders: Folders) -> Output:
    """What lies in the folders that sandboxes were given and no rule told of."""
    sought = Sought(given)
    moved: dict[int, tuple[Place, str]] = {}
    for stream in list(given.companions.values())[:1]:
        moved = moved_away(folders, stream, sought)
    parents = folders.within(lambda place: bool(sought.at(place))) | moved.keys()
    for entry in table.children(parents, {entry_of(ref) for ref in moved}):
        for name in entry.names:
            place = folders.place(name.parent)
            if sought.at(place):
                yield from _sought(given, entry, name, place, sought)
            elif entry.ref in moved:
                yield from _script(given, entry, (name, place), moved[entry.ref], sought)
            elif name.parent in moved:
                above, folder = moved[name.parent]
                was = Place(above.of(folder), whole=above.whole)
                yield from _script(given, entry, (name, place), (was, name.name), sought)


def _sought(given: FileInput, entry: Entry, name: Name, place: Place, sought: Sought) -> Output:
    rule = rule_for(place.path, name.name)
    told = rule is not None and _wanted(rule, entry)
    times = _moments(entry.times)
    moments = [times.get(_MEANINGS[0]), times.get(_MEANINGS[1]), from_filetime(name.times.born)]
    if not told and sought.changed(place, moments):
        yield from _named(given, entry, name, place, folder_rule())
    if not (told and rule is not None and rule.content):
        yield from _script(given, entry, (name, place), (place, name.name), sought)


def _script(
    given: FileInput, entry: Entry, now: tuple[Name, Place], was: tuple[Place, str], sought: Sought
) -> Iterator[Fact]:  # fmt: skip
    """The content of a file that a session may have run, from where it `was` in an open folder."""
    times, (name, place) = _moments(entry.times), now
    moments = [times.get(_MEANINGS[0]), times.get(_MEANINGS[1]), from_filetime(name.times.born)]
    if not entry.data or not sought.runs(*was, moments, deleted=not entry.in_use or was[0] != place):
        return
    about = path_fields(given, place, name.name, entry.ref, name.parent, folder_rule())
    about |= {"file_deleted": not entry.in_use, "old_path": None}
    if was != (place, name.name):
        about["old_path"] = given.drive + was[0].of(was[1])
    yield from _content(given, entry, about, times)


def _wanted(rule: FileRule, entry: Entry) -> bool:
    """A rule about removals only wants what is removed."""
    return filesystem.CREATED in rule.actions or (not entry.in_use and filesystem.DELETED in rule.actions)


def _named(given: FileInput, entry: Entry, name: Name, place: Place, rule: FileRule) -> Output:
    source = given.source(f"MFT record {entry.number}")
    fields = path_fields(given, place, name.name, entry.ref, name.parent, rule) | {
        "is_folder": entry.folder,
        "file_deleted": not entry.in_use,
        "file_size": None if entry.folder else entry.size,
        "timestomp_note": timestomp_note(entry.times, name.times),
        "zone_identifier": _zone_identifier(entry),
        **_own_times(name.times),
    }
    times = _moments(entry.times)
    yield make_fact("mft.entry", source, times, fields, context=rule.context)
    born, named = times.get(_MEANINGS[0]), from_filetime(name.times.born)
    if isinstance(named, datetime) and (not isinstance(born, datetime) or abs(named - born) > SLACK):
        kept = ("file_path", "path_tail", "file_name", "file_reference", "file_rule", "file_meaning", "timestomp_note")
        shown = {key: fields[key] for key in kept} | {"file_deleted": not entry.in_use}
        yield make_fact("mft.name_created", source, {_MEANINGS[0]: named}, shown, context=rule.context)
    yield from _mark(given, entry, fields, times, context=rule.context)
    if rule.content and entry.data:
        yield from _content(given, entry, fields, times)


def _moments(times: Times | None) -> dict[str, Moment | None]:
    if times is None:
        return {_MEANINGS[0]: NoTime("the record's $STANDARD_INFORMATION is not readable", "")}
    return {meaning: from_filetime(ticks) for meaning, ticks in zip(_MEANINGS, times, strict=True)}


def _own_times(times: Times) -> dict[str, Value | None]:
    """The times of the name itself as text."""
    names = ("name_creation_time", "name_modification_time", "name_change_time", "name_access_time")
    moments = [from_filetime(ticks) for ticks in times]
    return {
        name: iso(moment) if isinstance(moment, datetime) else None for name, moment in zip(names, moments, strict=True)
    }


def _zone_identifier(entry: Entry) -> str | None:
    """The mark of the web, when it is in the record."""
    data = entry.streams.get(zoneid.STREAM)
    return decode(data).text[:_SHOWN] if data else None


def _mark(
    given: FileInput, entry: Entry, about: dict[str, Value | None], times: dict[str, Moment | None], *, context: bool
) -> Output:  # fmt: skip
    """The mark of the web as a row of its own; of one that lies in clusters only that it is there."""
    source = given.source(f"MFT record {entry.number}, stream {zoneid.STREAM}")
    data = entry.streams.get(zoneid.STREAM)
    kept = ("file_path", "path_tail", "file_name", "file_reference", "file_deleted")
    fields = {key: about[key] for key in kept} | {"profile_user": _profile(about), "recovered": True}
    if data is None and zoneid.STREAM not in entry.elsewhere:
        return
    if data is None:
        fields["reason"] = "the stream's content lies outside the $MFT"
    else:
        try:
            fields |= mark_fields(zoneid.read(data))
        except FormatError as error:
            yield Problem("bad_record", _NAME, source, f"not a mark of the web: {error}")
            return
    born = {_MEANINGS[0]: times[_MEANINGS[0]]}
    yield make_fact("file.mark_of_the_web", source, born, fields, context=context)


def _content(
    given: FileInput, entry: Entry, about: dict[str, Value | None], times: dict[str, Moment | None]
) -> Iterator[Fact]:
    data = entry.data or b""
    decoded = decode(data)
    source = given.source(f"MFT record {entry.number}")
    kept = ("file_path", "path_tail", "file_name", "file_reference", "file_deleted")
    fields = {key: about[key] for key in kept} | {
        "old_path": about.get("old_path"),
        "file_size": len(data),
        "file_sha256": hashlib.sha256(data).hexdigest(),
        "content_text": None if decoded.damaged else decoded.text[:_SHOWN],
        "content_hex": data[:_SHOWN].hex() if decoded.damaged else None,
    }
    changed: dict[str, Moment | None] = {
        _MEANINGS[1]: times.get(_MEANINGS[1]) or NoTime("the record holds no time", "")
    }
    yield make_fact("mft.resident_content", source, changed, fields)
    if str(about["file_name"]).casefold().endswith(".wsb"):
        yield from _config(given, entry, fields, times)


def _config(
    given: FileInput, entry: Entry, about: dict[str, Value | None], times: dict[str, Moment | None]
) -> Iterator[Fact]:
    """The configuration, as the file itself would have given it."""
    try:
        config = wsb.read(entry.data or b"")
    except FormatError:
        return  # the content is told as it is
    kept = ("file_path", "path_tail", "file_name", "file_reference", "file_deleted", "file_size", "file_sha256")
    fields = {key: about[key] for key in kept} | config_fields(config)
    fields |= {"profile_user": _profile(about), "recovered": True}
    yield make_fact("sandbox.config", given.source(f"MFT record {entry.number}"), times, fields)


def _profile(about: dict[str, Value | None]) -> str | None:
    """Whose profile the file lies in; the end of a path whose beginning is lost may still tell."""
    return profile_in(str(about["file_path"] or about["path_tail"]))


_FILE = "[{file_path}][?\\{path_tail}]"
_GONE = "[, deleted{file_deleted:flag}]"
_STATE = _GONE + "[; {timestomp_note}]"

ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(TABLE,),
    parse=parse,
    companions=JOURNALS,
    emits={
        "mft.entry": Kind(
            f"In the $MFT: {_FILE} ({{file_meaning}})[, {{file_size}} bytes]{_STATE}",
            {
                **PATH_FIELDS,
                "file_deleted": bool,
                "file_size": int,
                "timestomp_note": str,
                "zone_identifier": str,
                "name_creation_time": str,
                "name_modification_time": str,
                "name_change_time": str,
                "name_access_time": str,
            },
            data_type="fs:stat:ntfs",
        ),
        "mft.name_created": Kind(
            f"In the $MFT: the name {_FILE} was made ($FILE_NAME){_STATE}",
            {
                "file_path": str,
                "path_tail": str,
                "file_name": str,
                "file_reference": str,
                "file_deleted": bool,
                "file_rule": str,
                "file_meaning": str,
                "timestomp_note": str,
            },
            data_type="fs:stat:ntfs",
        ),
        "mft.resident_content": Kind(
            f"The $MFT holds the content of {_FILE}[, was {{old_path}}], {{file_size}} bytes{_GONE}"
            "[: {content_text}]",
            {
                "file_path": str,
                "old_path": str,
                "path_tail": str,
                "file_name": str,
                "file_reference": str,
                "file_deleted": bool,
                "file_size": int,
                "file_sha256": str,
                "content_text": str,
                "content_hex": str,
            },
        ),
        "mft.table": Kind(
            "The $MFT of {record_count} records: {file_count} files, {deleted_count} of them deleted, "
            "{records_told} told here[, {missing_parts} damaged records]",
            {
                "record_count": int,
                "file_count": int,
                "deleted_count": int,
                "records_told": int,
                "missing_parts": int,
            },
        ),
        "mft.program_odd": PROGRAM_ODD,
        "sandbox.config": CONFIG,
        "file.mark_of_the_web": MARK,
    },
)
