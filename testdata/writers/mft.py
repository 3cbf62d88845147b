"""Writes the master file table of a described volume by itself: what a collector copies, on any machine, in no time.

`writers.ntfs` makes a whole volume with `mkntfs`; here is only its `$MFT`, record by record, with the content of small
files in it. Where a larger file's content would lie is made up: there is no volume behind the table. Structures after
the published NTFS documentation (linux-ntfs project).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from testdata.writers.ntfs import ROOT, Description, Times

_RECORD, _SECTOR, _CLUSTER = 1024, 512, 4096
_FIRST_USER_RECORD = 24
# Records 0 to 11 of every volume; the sequence number of a system file is its record number, of the first one 1.
_SYSTEM = ("$MFT", "$MFTMirr", "$LogFile", "$Volume", "$AttrDef", ".", "$Bitmap", "$Boot", "$BadClus", "$Secure",
           "$UpCase", "$Extend")  # fmt: skip
_FOLDERS = frozenset({".", "$Extend"})
_IN_USE, _FOLDER = 1, 2
_ARCHIVE, _HIDDEN_SYSTEM, _FOLDER_NAME = 0x20, 0x06, 0x10000000
_WIN32 = 1
_STREAM = 0x80
_FIRST_ATTRIBUTE = 0x38


def build(told: Description) -> tuple[bytes, dict[str, int]]:
    """The table, and the file reference of every path: folders, files, and those that are removed."""
    references = {"": _reference(ROOT, ROOT)}
    paths = [*sorted(told.folders), *sorted(told.contents), *sorted(told.removed)]
    references |= {path: _reference(_FIRST_USER_RECORD + number, 1) for number, path in enumerate(paths)}
    total = _FIRST_USER_RECORD + len(paths)
    table = bytearray().join(_system_records(told.whole, total))
    table = table.ljust(_FIRST_USER_RECORD * _RECORD, b"\x00")
    for number, path in enumerate(paths, _FIRST_USER_RECORD):
        parent, _, name = path.rpartition("/")
        about = (number, references[parent], name)
        if path in told.folders:
            gone = path in told.removed_folders
            table += _record(*about, told.folders[path], _index_root(), folder=True, in_use=not gone)
        else:
            data, times = told.contents[path] if path in told.contents else told.removed[path]
            record = _record(*about, times, data, in_use=path in told.contents, mark=told.marks.get(path, b""))
            table += bytes(_RECORD) if path in told.overwritten else record
    return bytes(table), references


def _reference(number: int, sequence: int) -> int:
    return number | sequence << 48


def _system_records(whole: Times, total: int) -> Iterator[bytes]:
    for number, name in enumerate(_SYSTEM):
        folder, size = name in _FOLDERS, total * _RECORD if number == 0 else 0
        content = _index_root() if folder else _elsewhere(size)
        yield _record(number, _reference(ROOT, ROOT), name, whole, content, sequence=max(number, 1), folder=folder,
                      made=True)  # fmt: skip


def _record(
    number: int, parent: int, name: str, times: Times, content: bytes, *, sequence: int = 1, folder: bool = False,
    in_use: bool = True, made: bool = False, mark: bytes = b"",
) -> bytes:  # fmt: skip
    """One record; `content` of a file is its data, of a folder (or when `made`) the attribute that holds it."""
    attributes = [_standard(times, made=made), _name(parent, name, times.birth_only(), content, folder=folder)]
    stream = [_resident(_STREAM, mark, "Zone.Identifier")] if mark else []
    room = _RECORD - _FIRST_ATTRIBUTE - sum(map(len, [*attributes, *stream])) - 16
    attributes += [content if folder or made else _data(content, room), *stream]
    body = b"".join(
        attribute[:14] + struct.pack("<H", place) + attribute[16:] for place, attribute in enumerate(attributes)
    )
    body += b"\xff\xff\xff\xff\x00\x00\x00\x00"
    flags = (_IN_USE if in_use else 0) | (_FOLDER if folder else 0)
    # Freeing a record counts its sequence number on: who still names the old one is known to mean what was there.
    head = struct.pack(
        "<4sHHQHHHHIIQHHI", b"FILE", 0x30, 3, 0, sequence + (not in_use), 1, _FIRST_ATTRIBUTE, flags,
        _FIRST_ATTRIBUTE + len(body), _RECORD, 0, len(attributes), 0, number,
    )  # fmt: skip
    return _guarded((head.ljust(_FIRST_ATTRIBUTE, b"\x00") + body).ljust(_RECORD, b"\x00"))


def _guarded(record: bytes) -> bytes:
    """The record as it lies on the disk: its sectors end with the update sequence number, what was there is kept."""
    out = bytearray(record)
    out[0x30:0x32] = b"\x01\x00"
    for sector in (1, 2):
        end = sector * _SECTOR
        out[0x30 + 2 * sector : 0x32 + 2 * sector] = out[end - 2 : end]
        out[end - 2 : end] = b"\x01\x00"
    return bytes(out)


def _resident(kind: int, content: bytes, name: str = "", indexed: int = 0) -> bytes:
    encoded = name.encode("utf-16-le")
    start = -(-(24 + len(encoded)) // 8) * 8
    length = -(-(start + len(content)) // 8) * 8
    head = struct.pack("<IIBBHHHIHBB", kind, length, 0, len(name), 24, 0, 0, len(content), start, indexed, 0)
    return ((head + encoded).ljust(start, b"\x00") + content).ljust(length, b"\x00")


def _standard(times: Times, *, made: bool) -> bytes:
    flags = _HIDDEN_SYSTEM if made else _ARCHIVE
    return _resident(0x10, times.packed() + struct.pack("<IIIIIIQQ", flags, 0, 0, 0, 0, 0x100, 0, 0))


def _name(parent: int, name: str, times: Times, content: bytes, *, folder: bool) -> bytes:
    size, flags = (0, _FOLDER_NAME) if folder else (len(content), _ARCHIVE)
    head = struct.pack("<Q", parent) + times.packed() + struct.pack("<QQIIBB", size, size, flags, 0, len(name), _WIN32)
    return _resident(0x30, head + name.encode("utf-16-le"), indexed=1)


def _data(content: bytes, room: int) -> bytes:
    attribute = _resident(0x80, content)
    return attribute if len(attribute) <= room else _elsewhere(len(content))


def _elsewhere(size: int) -> bytes:
    """A $DATA whose content is on the volume: one run of clusters."""
    clusters = -(-size // _CLUSTER)
    runs = b"\x44" + struct.pack("<II", clusters, 0x40000) if clusters else b""
    length = -(-(64 + len(runs) + 1) // 8) * 8
    head = struct.pack("<IIBBHHHQQHHIQQQ", 0x80, length, 1, 0, 64, 0, 0, 0, clusters - 1 if clusters else 0, 64, 0, 0,
                       clusters * _CLUSTER, size, size)  # fmt: skip
    return (head + runs).ljust(length, b"\x00")


def _index_root() -> bytes:
    """The $I30 of a folder, without entries: its own listing is no part of what is described here."""
    entry = struct.pack("<QHHI", 0, 16, 0, 2)
    node = struct.pack("<IIII", 16, 16 + len(entry), 16 + len(entry), 0)
    return _resident(0x90, struct.pack("<IIIB3x", 0x30, 1, 4096, 1) + node + entry, "$I30")
