r"""Amcache: what programs were on the machine, with SHA-1, publisher and version, long after they are gone.

The hash finds a renamed `code.exe` or `WindowsSandbox.exe` by what it is, in a file that is rarely wiped; the Sandbox
of the Store stands among the applications. VS Code's CLI is signed but has no version resource, so a program of
Microsoft's without product and original name is kept outside Windows' own folders, with the reason (inferred).
`Windows\AppCompat\Programs\Amcache.hve` is filled by the inventory task of the compatibility appraiser and when
programs run or are installed: an entry says that a file was there, not that it ran, and the key's last write is when
the entry was written, not when anything ran. The SHA-1 covers the first 31,457,280 bytes of a file (found by others):
`hash_is_partial` says of which it cannot be compared. The date a program was linked is what its maker wrote; dates of
installation are told as they stand, their zone is not documented.

Kinds of keys: `InventoryApplicationFile` and `InventoryApplication` (Windows 10 1607 and later; names documented by
Microsoft as diagnostic events), before and beside them `File\<volume>\<file reference>` and `Programs`, whose values
are named by numbers (found by others). Thousands of entries: what names nothing watched is context.
https://learn.microsoft.com/windows/privacy/required-windows-diagnostic-data-events-and-fields-2004,
https://binaryforay.blogspot.com/2017/10/amcache-still-rules-everything-around.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from forensics.artifacts._registry import file_name, lost, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.hive import Hive, Key
from forensics.formats.hive_values import Decoded
from forensics.model import Fact, Problem, Value, make_fact
from forensics.rules.programs import role_of
from forensics.rules.watch import is_watched
from forensics.times import Moment, from_filetime, from_iso, from_unix, iso

_NAME = "amcache"
_WRITTEN = "Content Modification Time"
_HASHED = 31_457_280
_SHA1 = re.compile(r"(?:0000)?([0-9A-Fa-f]{40})")
_LINKED = re.compile(r"(\d\d)/(\d\d)/(\d{4}) (\d\d:\d\d:\d\d)")
_REFERENCE = re.compile(r"([1-9a-f][0-9a-f]{0,3}?)0000([1-9a-f][0-9a-f]{0,7})", re.IGNORECASE)
_NUMBER = 20  # digits of 64 bits
_Values = dict[str, Decoded]
_Row = Fact | Problem


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every file and every program, of both generations; then recovered keys known by their values."""
    for key in hive.glob("Root\\InventoryApplicationFile\\*"):
        yield _file(given, key, _values(key))
    for key in hive.glob("Root\\File\\*\\*"):
        yield _older_file(given, key, _values(key))
    for key in hive.glob("Root\\InventoryApplication\\*"):
        yield _program(given, key, _values(key))
    for key in hive.glob("Root\\Programs\\*"):
        yield _older_program(given, key, _values(key))
    for key in hive.unplaced():
        yield from _unplaced(given, key)


def _unplaced(given: FileInput, key: Key) -> Iterator[_Row]:
    values = _values(key)
    if "lowercaselongpath" in values:
        yield _file(given, key, values)
    elif "programinstanceid" in values:
        yield _program(given, key, values)
    elif "15" in values and "101" in values:
        yield _older_file(given, key, values)


def _values(key: Key) -> _Values:
    return {value.name.lower(): value.data for value in key.values() if not value.lost}


def _text(values: _Values, name: str) -> str | None:
    """A text; several are joined by line feeds."""
    data = values.get(name)
    if isinstance(data, tuple):
        return "\n".join(data) or None
    return data.strip() or None if isinstance(data, str) else None


def _number(values: _Values, name: str) -> int | None:
    """A number, also one written as text (`0x7fac0`); none of thousands of digits, which cannot even be written."""
    data = values.get(name)
    if isinstance(data, int):
        return data
    try:
        return int(data, 0) if isinstance(data, str) and 0 < len(data) <= _NUMBER else None
    except ValueError:
        return None


def _flag(values: _Values, name: str) -> bool | None:
    number = _number(values, name)
    return None if number is None else number != 0


def _sha1(values: _Values, name: str, size: int | None) -> dict[str, Value | None]:
    match = _SHA1.fullmatch(_text(values, name) or "")
    if not match:
        return {}
    return {"file_sha1": match.group(1).lower(), "hash_is_partial": None if size is None else size > _HASHED}


def _stamp(moment: Moment | None) -> str | None:
    return iso(moment) if isinstance(moment, datetime) else None


def _linked(text: str | None) -> str | None:
    """`05/04/2021 17:43:39`: the time stamp of the PE header, which is UTC."""
    match = _LINKED.fullmatch(text or "")
    return _stamp(from_iso("{2}-{0}-{1}T{3}Z".format(*match.groups()))) if match else None


# -- files -----------------------------------------------------------------------------------------------------------


def _file(given: FileInput, key: Key, values: _Values) -> _Row:
    size = _number(values, "size")
    return _file_row(
        given,
        key,
        _text(values, "lowercaselongpath"),
        {
            **_sha1(values, "fileid", size),
            "publisher": _text(values, "publisher"),
            "product_name": _text(values, "productname"),
            "product_version": _text(values, "productversion"),
            "file_version": _text(values, "version"),
            "original_file_name": _text(values, "originalfilename"),
            "binary_type": _text(values, "binarytype"),
            "linked_at": _linked(_text(values, "linkdate")),
            "file_size": size,
            "program_id": _text(values, "programid"),
            "package_full_name": _text(values, "appxpackagefullname"),
            "os_component": _flag(values, "isoscomponent"),
        },
    )


def _older_file(given: FileInput, key: Key, values: _Values) -> _Row:
    size = _number(values, "6")
    link, made, changed = (_number(values, name) for name in ("f", "12", "11"))
    return _file_row(
        given,
        key,
        _text(values, "15"),
        {
            **_sha1(values, "101", size),
            "publisher": _text(values, "1"),
            "product_name": _text(values, "0"),
            "file_version": _text(values, "5"),
            "file_description": _text(values, "c"),
            "linked_at": _stamp(from_unix(link)) if link else None,
            "file_created_at": _stamp(from_filetime(made)) if made else None,
            "file_modified_at": _stamp(from_filetime(changed)) if changed else None,
            "file_size": size,
            "program_id": _text(values, "100"),
            "file_reference": _reference(key.name),
        },
    )


def _reference(name: str) -> str | None:
    """MFT entry and sequence number of the file: `b00001b71a` is 0x1b71a-11 (inferred from names in a real hive)."""
    match = _REFERENCE.fullmatch(name)
    return f"{int(match.group(2), 16)}-{int(match.group(1), 16)}" if match else None


def _file_row(given: FileInput, key: Key, path: str | None, fields: dict[str, Value | None]) -> _Row:
    source = place(given, key)
    if not path:
        return lost(_NAME, source, FormatError("an entry of a file without its path"))
    kept = [text for text in (path, *fields.values()) if isinstance(text, str)]
    role = role_of(file_name(path), (path,)) if path.casefold().endswith("node.exe") else None
    reason = _NAMELESS if _is_nameless(path, fields) else role.reason if role and role.watched else None
    return make_fact(
        "amcache.file",
        source,
        {_WRITTEN: key.last_write},
        {"executable": path, "executable_name": file_name(path), **fields, "reason": reason, "key_path": key.path},
        context=not is_watched(*kept) and not reason,
    )


_NAMELESS = "Microsoft's, but without product and original name: so is VS Code's CLI, whatever it is called (inferred)"
_OWN_PLACES = re.compile(r"^(?:[a-z]:|%[a-z]+%)?\\(?:windows|program files(?: \(x86\))?)\\(?!temp\\)", re.IGNORECASE)


def _is_nameless(path: str, fields: dict[str, Value | None]) -> bool:
    """Whether this may be the CLI of VS Code by what is missing: its file has no version resource."""
    named = any(fields.get(name) for name in ("product_name", "product_version", "original_file_name"))
    microsoft = "microsoft" in str(fields.get("publisher") or "").casefold()
    program = path.casefold().endswith(".exe")
    return microsoft and program and not named and not _OWN_PLACES.match(path)


# -- programs --------------------------------------------------------------------------------------------------------


def _program(given: FileInput, key: Key, values: _Values) -> _Row:
    return _program_row(
        given,
        key,
        {
            "product_name": _text(values, "name"),
            "product_version": _text(values, "version"),
            "publisher": _text(values, "publisher"),
            "installed_at": _text(values, "installdate"),
            "installed_from": _text(values, "source"),
            "install_folder": _text(values, "rootdirpath"),
            "package_full_name": _text(values, "packagefullname"),
            "uninstall_command": _text(values, "uninstallstring"),
            "uninstall_key": _text(values, "registrykeypath"),
            "program_id": _text(values, "programid") or key.name,
        },
    )


def _older_program(given: FileInput, key: Key, values: _Values) -> _Row:
    installed = _number(values, "a")
    return _program_row(
        given,
        key,
        {
            "product_name": _text(values, "0"),
            "product_version": _text(values, "1"),
            "publisher": _text(values, "2"),
            "installed_at": _stamp(from_unix(installed)) if installed else None,
            "installed_from": _text(values, "6"),
            "install_folder": _text(values, "d"),
            "uninstall_key": _text(values, "7"),
            "program_id": key.name,
        },
    )


def _program_row(given: FileInput, key: Key, fields: dict[str, Value | None]) -> _Row:
    """Programs without a name are usual (files that were found without an installation); some place they have."""
    source = place(given, key)
    if not any(fields.get(name) for name in ("product_name", "package_full_name", "install_folder")):
        return lost(_NAME, source, FormatError("an entry of a program without name, package and folder"))
    kept = [text for text in fields.values() if isinstance(text, str)]
    return make_fact(
        "amcache.program",
        source,
        {_WRITTEN: key.last_write},
        {**fields, "key_path": key.path},
        context=not is_watched(*kept),
    )


_SHARED = ("publisher", "product_name", "product_version", "program_id", "package_full_name", "key_path")
_OF_FILES = (
    "executable",
    "executable_name",
    "file_sha1",
    "file_version",
    "file_description",
    "original_file_name",
    "binary_type",
    "linked_at",
    "file_created_at",
    "file_modified_at",
    "file_reference",
    "reason",
)
_OF_PROGRAMS = ("installed_at", "installed_from", "install_folder", "uninstall_command", "uninstall_key")

ARTIFACT = RegistryArtifact(
    name=_NAME,
    hives=frozenset({"AMCACHE"}),
    parse=parse,
    emits={
        "amcache.file": Kind(
            "{executable} was on the machine (Amcache entry written then; no run)[, SHA-1 {file_sha1}]"
            "[ of its first 30 MiB{hash_is_partial:flag}][, {product_name}][ {product_version}][, by {publisher}]"
            "[; {reason}]",
            {
                **dict.fromkeys((*_SHARED, *_OF_FILES), str),
                "hash_is_partial": bool,
                "file_size": int,
                "os_component": bool,
            },
            context=True,
            data_type="windows:registry:amcache",
        ),
        "amcache.program": Kind(
            "Amcache entry of an installed program[: {product_name}][ {product_version}][, by {publisher}]"
            "[, installed {installed_at}][, from {installed_from}][, in {install_folder}]",
            dict.fromkeys((*_SHARED, *_OF_PROGRAMS), str),
            context=True,
            data_type="windows:registry:amcache:programs",
        ),
    },
    deleted=True,
)
