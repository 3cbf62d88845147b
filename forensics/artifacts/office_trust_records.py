r"""TrustRecords: for which Office documents somebody clicked "Enable Editing" or "Enable Content".

The answer to "who let the macro run": one value for each document, in the hive of the user who clicked, kept after the
document is gone. `Software\Microsoft\Office\<version>\<program>\Security\Trusted Documents\TrustRecords`: the value's
name is the path (`%USERPROFILE%/Downloads/a.docm`, or an address), its data a FILETIME, an offset from UTC in units of
100 ns, a number of minutes, and flags: 0x7FFFFFFF "Enable Content" (macros ran), 1 "Enable Editing" (it left Protected
View, so it had come from outside). Published findings say that the FILETIME is the document's creation and that the
click is no earlier than that and no later than the key's last write, which all its values share; the number of minutes
is not understood by us and told raw. Flags and layout agree with published values; that 0 is written where nothing was
enabled is from memory. A document in a mail program's or browser's folder is marked (`trust_origin`, an inference).
http://az4n6.blogspot.com/2016/02/more-on-trust-records-macros-and.html
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from urllib.parse import unquote

from forensics.artifacts._registry import file_name, lost, owner, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.hive import Hive, Key, RegValue
from forensics.model import Fact, Problem, Value, make_fact
from forensics.times import Moment, NoTime, from_filetime, iso

_NAME = "office_trust_records"
_KEYS = "Software\\Microsoft\\Office\\*\\*\\Security\\Trusted Documents\\TrustRecords"
_LEAF = "trustrecords"
_FILETIME = struct.Struct("<Q")
_FLAGS = struct.Struct("<I")
_SHORTEST = _FILETIME.size + _FLAGS.size
_CONTENT, _EDITING = 0x7FFFFFFF, 1
_MEANINGS = {_CONTENT: "content enabled", _EDITING: "editing enabled", 0: "nothing enabled"}
# Where mail programs and browsers put what came from outside, in folded paths with forward slashes.
_ORIGINS = {
    "attachment of a mail": re.compile(
        r"/content\.outlook/|/inetcache/|/temporary internet files/|/olk/attachments/|/thunderbird/|/attachments?/"
        r"|microsoft\.windowscommunicationsapps|microsoft\.outlookforwindows"
    ),
    "download folder": re.compile(r"/downloads?/|/ダウンロード/"),
    "archive opened in place": re.compile(r"/temp/(?:temp\d*_|rar\$|7z|bnz\.)"),
    "address on a network": re.compile(r"^(?:https?:|//|file://[^/])"),
}


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every document; recovered keys of unknown place are known by their name."""
    for key in hive.glob(_KEYS):
        yield from _rows(given, key)
    for key in hive.unplaced():
        if key.name.casefold() == _LEAF:
            yield from _rows(given, key)


def _rows(given: FileInput, key: Key) -> Iterator[Fact | Problem]:
    for value in key.values():
        if len(value.raw) < _SHORTEST:
            error = value.lost or f"a trust record of {len(value.raw)} bytes"
            yield lost(_NAME, place(given, key, value.name), FormatError(error))
            continue
        yield _row(given, key, value)


def _row(given: FileInput, key: Key, value: RegValue) -> Fact:
    made = from_filetime(_FILETIME.unpack_from(value.raw)[0])
    (flags,) = _FLAGS.unpack_from(value.raw, len(value.raw) - _FLAGS.size)
    path = unquote(value.name.removeprefix("file:///"), errors="replace")
    user, sid = owner(given)
    parts = key.path.split("\\")
    fields: dict[str, Value | None] = {
        "file_path": path.replace("/", "\\") if "://" not in path else path,
        "file_name": file_name(path),
        "trust_meaning": _MEANINGS.get(flags, f"flags 0x{flags:08x}"),
        "macros_enabled": flags == _CONTENT,
        "trust_origin": _origin(path),
        "application": parts[-4] if len(parts) >= 4 else None,
        "key_written": iso(key.last_write) if not isinstance(key.last_write, NoTime) else None,
        "profile_user": user,
        "user_sid": sid,
        "value_data": value.raw[:64].hex(),
        "key_path": key.path,
        "value_name": value.name,
    }
    times: dict[str, Moment | None] = {"Creation Time": made, **_clicked(key)}
    return make_fact("office.document_trusted", place(given, key, value.name), times, fields)


def _clicked(key: Key) -> dict[str, Moment | None]:
    """The key's last write is the click of the one value that it has; of several it is that of the last one."""
    return {"Content Modification Time": key.last_write} if sum(1 for _ in key.values()) == 1 else {}


def _origin(path: str) -> str | None:
    folded = path.replace("\\", "/").casefold()
    return next((origin for origin, pattern in _ORIGINS.items() if pattern.search(folded)), None)


ARTIFACT = RegistryArtifact(
    name=_NAME,
    hives=frozenset({"NTUSER"}),
    parse=parse,
    emits={
        "office.document_trusted": Kind(
            "{file_path} was trusted in {application}[ by {profile_user}]: {trust_meaning}[ ({trust_origin})]",
            {
                "file_path": str,
                "file_name": str,
                "trust_meaning": str,
                "macros_enabled": bool,
                "trust_origin": str,
                "application": str,
                "key_written": str,
                "profile_user": str,
                "user_sid": str,
                "value_data": str,
                "key_path": str,
                "value_name": str,
            },
        )
    },
    deleted=True,
)
