r"""Shimcache (AppCompatCache): programs that Windows looked at for compatibility, in the order in which it did.

Names programs that are long gone, by path, from removable media and shares too: a renamed `code.exe` in a user's
folder, `WindowsSandbox.exe` on a host whose logs were cleared. The time of an entry is when the *file* was last
modified, not when it ran: it is never the time of an execution. The order is evidence: an entry was inserted after
those below it (order 1 is the newest). All were inserted before the cache was written, mostly at shutdown: the key's
last write, told once for each control set.

An entry does not show a run by itself: looking at a folder is enough. In Windows 7 to 8.1 the insertion flag 0x2
(`executed`) says that a process was made. Windows 10 and 11 have no such flag; that the last value of an entry's data
is 1 after a run is what others found by trying, and rests on them alone (`last_value_is_one`).
The formats and their sources: forensics/formats/appcompatcache.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._appcompat import NAMED, named
from forensics.artifacts._registry import lost, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.appcompatcache import Cache, Entry, read_cache
from forensics.formats.hive import Hive, Key, RegValue
from forensics.model import Fact, Problem, Value, make_fact
from forensics.rules.watch import is_watched
from forensics.times import from_filetime

_NAME = "shimcache"
_KEY = "Control\\Session Manager\\AppCompatCache"
_VALUE = "AppCompatCache"
_SHOWN = 20  # problems of one value
_Seen = set[tuple[str, int]]


def parse(hive: Hive, given: FileInput) -> Output:
    """The caches of all control sets; what an earlier one (of deleted values: the live hive) has is not told again."""
    seen: _Seen = set()
    if hive.deleted:
        for _, _, value in _values(hive.live):
            seen |= _known(value)
    for name, key, value in _values(hive):
        source = place(given, key, value.name)
        if value.lost:
            yield lost(_NAME, source, FormatError(value.lost))
            continue
        try:
            cache = read_cache(value.raw)
        except FormatError as error:
            yield lost(_NAME, source, error)
            continue
        yield from _told(given, name, key, value, cache, seen)
        seen |= {_identity(entry) for entry in cache.entries}


def _values(hive: Hive) -> Iterator[tuple[str, Key, RegValue]]:
    """The caches with their control sets; a deleted hive may have several values of the name."""
    for name in hive.control_sets():
        for key in hive.glob(f"{name}\\{_KEY}"):
            for value in key.values():
                if value.name.lower() == _VALUE.lower():
                    yield name, key, value
    for key in hive.unplaced():
        for value in key.values():
            if value.name.lower() == _VALUE.lower():
                yield "", key, value


def _identity(entry: Entry) -> tuple[str, int]:
    return (entry.path or entry.package).casefold(), entry.ticks


def _known(value: RegValue) -> _Seen:
    try:
        return {_identity(entry) for entry in read_cache(value.raw).entries}
    except FormatError:
        return set()


def _told(given: FileInput, name: str, key: Key, value: RegValue, cache: Cache, seen: _Seen) -> Output:
    source = place(given, key, value.name)
    yield make_fact(
        "shimcache.written",
        source,
        {"Content Modification Time": key.last_write},
        {
            "control_set": name,
            "cache_layout": cache.layout,
            "record_count": len(cache.entries),
            "key_path": key.path,
            "value_name": value.name,
        },
        context=True,
    )
    yield from _faults(given, key, value, cache)
    for entry in cache.entries:
        if _identity(entry) not in seen:
            yield _row(given, name, key, value, entry)


def _faults(given: FileInput, key: Key, value: RegValue, cache: Cache) -> Iterator[Problem]:
    source = place(given, key, value.name)
    texts = [str(problem) for problem in cache.problems]
    texts += [
        f"entry {entry.position + 1} at offset 0x{entry.offset:x} ({entry.path[:200]}) does not have its checksum"
        for entry in cache.entries
        if not entry.intact
    ]
    for text in texts[:_SHOWN]:
        yield Problem("bad_record", _NAME, source, text)
    if len(texts) > _SHOWN:
        yield Problem("bad_record", _NAME, source, f"{len(texts) - _SHOWN} more entries are damaged")


def _row(given: FileInput, name: str, key: Key, value: RegValue, entry: Entry) -> Fact:
    text = entry.path or entry.package
    fields: dict[str, Value | None] = {
        **named(text),
        "order": entry.position + 1,
        "executed": entry.executed,
        "last_value_is_one": entry.last_value == 1 if entry.last_value is not None else None,
        "control_set": name,
        "key_path": key.path,
        "value_name": value.name,
    }
    return make_fact(
        "shimcache.entry",
        given.source(f"{key.path}\\{value.name}, offset 0x{entry.offset:x}{key.mark(value.name)}"),
        {"Content Modification Time": from_filetime(entry.ticks)},
        fields,
        context=not is_watched(text),
    )


ARTIFACT = RegistryArtifact(
    name=_NAME,
    hives=frozenset({"SYSTEM"}),
    parse=parse,
    emits={
        "shimcache.entry": Kind(
            "{executable} stands in the shimcache, place {order}; the time is the file's last modification, not a run"
            "[; its flag says that it was executed{executed:flag}]"
            "[; its last value is 1, which others read as executed{last_value_is_one:flag}]",
            {
                **NAMED,
                "order": int,
                "executed": bool,
                "last_value_is_one": bool,
                "control_set": str,
                "key_path": str,
                "value_name": str,
            },
            context=True,
            data_type="windows:registry:appcompatcache",
        ),
        "shimcache.written": Kind(
            "The shimcache[ of {control_set}] was written with {record_count} entries ({cache_layout})",
            {"control_set": str, "cache_layout": str, "record_count": int, "key_path": str, "value_name": str},
            context=True,
        ),
    },
    deleted=True,
)
