r"""Compatibility Assistant: programs a user ran that Windows watched, and the settings programs were given.

`AppCompatFlags\Compatibility Assistant\Store` (Windows 8 and later; `Persisted` before) names by full path what a user
started from the desktop, above all installers and unsigned tools that were just downloaded: per user, in a key that
nobody cleans. A program from a removable disk, a CD or a share stands as `SIGN.MEDIA=<number> <path below its root>`;
the number is made of the files in its root folder, so it tells media apart. `AppCompatFlags\Layers` holds settings:
`RUNASADMIN` for a tool that should always be elevated. The only time is the key's last write, shared by all its
values: an entry was there at that time at the latest, and no run is dated by it.

The data of the Store are blocks (tag, size, content) behind `SACP`. Block 7 begins with the file's size and the
checksum of its PE header: inferred from the values of two real hives, documented nowhere; the rest is not read.
https://journeyintoir.blogspot.com/2013/12/revealing-program-compatibility.html (keys),
https://github.com/reactos/reactos dll/appcompat/apphelp/layer.c (SIGN.MEDIA, Layers)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from forensics.artifacts._appcompat import NAMED, named
from forensics.artifacts._registry import lost, owner, place
from forensics.artifacts.base import FieldType, FileInput, Kind, Output, RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.hive import Hive, Key, RegValue
from forensics.model import Fact, Problem, Value, make_fact
from forensics.rules.watch import is_watched

_NAME = "app_compat_store"
_FLAGS = "Microsoft\\Windows NT\\CurrentVersion\\AppCompatFlags"
_ROOTS = ("Software\\", "Software\\Wow6432Node\\", "", "Wow6432Node\\")  # of a user's hive, of SOFTWARE
_PROGRAMS = ("Compatibility Assistant\\Store", "Compatibility Assistant\\Persisted")
_LAYERS = "Layers"
_SACP = b"SACP"
_FILE_BLOCK = 7
_WRITTEN = "Content Modification Time"


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every value of the keys of programs and of layers; recovered keys are known by their names."""
    for root in _ROOTS:
        for path in _PROGRAMS:
            for key in hive.glob(f"{root}{_FLAGS}\\{path}"):
                yield from _programs(given, key)
        for key in hive.glob(f"{root}{_FLAGS}\\{_LAYERS}"):
            yield from _layers(given, key)
    for key in hive.unplaced():
        if any(value.raw.startswith(_SACP) for value in key.values()):
            yield from _programs(given, key)


def _programs(given: FileInput, key: Key) -> Iterator[Fact | Problem]:
    user, sid = owner(given)
    for value in key.values():
        if not value.name or not _is_entry(key, value):
            continue
        about: dict[str, Value | None] = {}
        try:
            about = _about_file(value)
        except FormatError as error:
            yield lost(_NAME, place(given, key, value.name), error)
        yield make_fact(
            "compat.program",
            place(given, key, value.name),
            {_WRITTEN: key.last_write},
            {
                **named(value.name),
                **about,
                "profile_user": user,
                "user_sid": sid,
                "key_path": key.path,
                "value_name": value.name,
            },
            context=not is_watched(value.name),
        )


def _is_entry(key: Key, value: RegValue) -> bool:
    """A recovered key whose path is lost is known by what its values hold, so only those are taken."""
    return value.raw.startswith(_SACP) or key.name.casefold() in ("store", "persisted")


def _about_file(value: RegValue) -> dict[str, Value | None]:
    """Size and PE checksum out of the first block 7 of a Store value; other types of value have none."""
    if value.lost:
        raise FormatError(value.lost)
    raw = value.raw
    if not raw.startswith(_SACP):
        return {}
    at = 12
    while at + 8 <= len(raw):
        tag, size = struct.unpack_from("<II", raw, at)
        if at + 8 + size > len(raw):
            raise FormatError(f"block {tag} of {size} bytes leaves the value", at)
        if tag == _FILE_BLOCK and size >= 8:
            length, checksum = struct.unpack_from("<II", raw, at + 8)
            return {"file_size": length or None, "pe_checksum": f"0x{checksum:08x}" if checksum else None}
        at += 8 + size
    if at != len(raw) or at == 12:
        raise FormatError(f"a value of {len(raw)} bytes is cut", at)
    return {}


def _layers(given: FileInput, key: Key) -> Iterator[Fact]:
    user, sid = owner(given)
    for value in key.values():
        if not value.name:
            continue
        yield make_fact(
            "compat.layer",
            place(given, key, value.name),
            {_WRITTEN: key.last_write},
            {
                **named(value.name),
                "compat_layers": value.text().strip(),
                "profile_user": user,
                "user_sid": sid,
                "key_path": key.path,
                "value_name": value.name,
            },
            context=not is_watched(value.name),
        )


_FIELDS: dict[str, FieldType] = {
    **NAMED,
    "profile_user": str,
    "user_sid": str,
    "key_path": str,
    "value_name": str,
}

ARTIFACT = RegistryArtifact(
    name=_NAME,
    hives=frozenset({"NTUSER", "SOFTWARE"}),
    parse=parse,
    emits={
        "compat.program": Kind(
            "{executable} was noted by the Compatibility Assistant[, from the medium {media_signature}]"
            "[ (user {profile_user})]; its key was last written then",
            {**_FIELDS, "file_size": int, "pe_checksum": str},
            context=True,
        ),
        "compat.layer": Kind(
            "{executable} has compatibility settings[: {compat_layers}][ (user {profile_user})]"
            "; their key was last written then",
            {**_FIELDS, "compat_layers": str},
            context=True,
        ),
    },
    deleted=True,
)
