"""Writes files into a fresh NTFS volume: `mkntfs` makes it, `ntfs-3g` fills it, and then every clock value is set.

`ntfs-3g` cannot set the time of the last record change, stamps its own time into file names and index entries, and
numbers its updates as it goes. `settle` rewrites all of them from the description, so that the same description gives
the same volume: $STANDARD_INFORMATION gets the described times, $FILE_NAME the birth (as Windows leaves it when
a file is created and not renamed), index entries the times of $STANDARD_INFORMATION. Structures after the published
NTFS documentation (linux-ntfs project).
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from forensics.times import to_filetime

_RECORD, _BLOCK, _CLUSTER, _SECTOR = 1024, 4096, 4096, 512
_STANDARD_INFORMATION, _FILE_NAME, _DATA, _INDEX_ROOT, _INDEX_ALLOCATION = 0x10, 0x30, 0x80, 0x90, 0xA0
TOOLS = ("mkntfs", "ntfs-3g", "ntfscp", "umount")
JOURNAL = "$Extend/$UsnJrnl"
ROOT = 5


@dataclass(frozen=True)
class Times:
    """The four times of an NTFS file: birth, last content change, last record change, last access.

    `named` is when the name was made, where that is not the birth: a program set the four others since.
    """

    birth: datetime
    mtime: datetime
    mft: datetime
    atime: datetime
    named: datetime | None = None

    def birth_only(self) -> Times:
        """As Windows sets the times of a name that was never changed."""
        made = self.named or self.birth
        return Times(made, made, made, made)

    def packed(self) -> bytes:
        """As they stand in $STANDARD_INFORMATION and, in the same order, in $FILE_NAME."""
        return struct.pack("<4Q", *(to_filetime(moment) for moment in (self.birth, self.mtime, self.mft, self.atime)))


Contents = Mapping[str, tuple[bytes, Times]]


@dataclass(frozen=True)
class Description:
    """What is on a volume: paths have forward slashes, `whole` are the volume's own times.

    `removed` files are made and removed again, and with them `removed_folders`; the records of `overwritten` ones have
    been given to other files since. `marks` are the streams Zone.Identifier of some files, `links` further paths of
    some. (Only `writers.mft` knows these three.) `journal` gives the change journal out of the file reference of every
    path, removed ones and folders too; without it the volume has none.
    """

    contents: Contents
    folders: Mapping[str, Times]
    whole: Times
    serial: int
    removed: Contents = field(default_factory=dict)
    journal: Callable[[Mapping[str, int]], bytes] | None = None
    removed_folders: frozenset[str] = frozenset()
    overwritten: frozenset[str] = frozenset()
    marks: Mapping[str, bytes] = field(default_factory=dict)
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def missing_tools() -> list[str]:
    """The programs that this machine lacks to build a volume."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def build(image: Path, size: int, told: Description) -> dict[int, Times]:
    """Make `image` an NTFS volume of `size` bytes; gives the times of each record, for `change`."""
    with image.open("wb") as handle:
        handle.truncate(size)
    _run("mkntfs", "-F", "-q", "-Q", "-T", "-I", "-s", "512", "-c", "4096", "-p", "2048", "-H", "255", "-S", "63",
         "-L", "Windows", str(image))  # fmt: skip
    mount = image.with_suffix(".mnt")
    mount.mkdir()
    _run("ntfs-3g", "-o", "noatime,streams_interface=none", str(image), str(mount))
    try:
        records = _fill(mount, told)
    finally:
        _run("umount", str(mount))
        mount.rmdir()
    if told.journal:
        # While the files are still there that will be removed: it must not get the record of one of them.
        _add_journal(image, told.journal(_references(image, records)))
    if told.removed:
        change(image, told, {}, dict.fromkeys(told.removed))
    times = {**told.contents, **told.removed}
    known = {number: told.folders[path] if path in told.folders else times[path][1] for path, number in records.items()}
    settle(image, known, told.whole, told.serial)
    return known


def change(image: Path, told: Description, known: Mapping[int, Times], contents: Mapping[str, bytes | None]) -> None:
    """Give files another content, or remove them (None); the clock of this machine leaves no trace."""
    mount = image.with_suffix(".mnt")
    mount.mkdir()
    _run("ntfs-3g", "-o", "noatime,streams_interface=none", str(image), str(mount))
    try:
        for path, data in sorted(contents.items()):
            if data is None:
                (mount / path).unlink()
            else:
                (mount / path).write_bytes(data)
        for path in sorted(told.removed_folders, reverse=True):  # the inner ones first
            if (mount / path).is_dir():
                (mount / path).rmdir()
    finally:
        _run("umount", str(mount))
        mount.rmdir()
    settle(image, known, told.whole, told.serial)


def _references(image: Path, records: Mapping[str, int]) -> dict[str, int]:
    """The file reference of each path: its record's number and sequence."""
    references = {}
    with image.open("rb") as volume:
        boot = volume.read(_SECTOR)
        places = list(_places(volume, int.from_bytes(boot[0x30:0x38], "little") * _CLUSTER))
        for path, number in {**records, "": ROOT}.items():
            volume.seek(places[number])
            sequence = int.from_bytes(volume.read(_RECORD)[16:18], "little")
            references[path] = number | sequence << 48
    return references


def _add_journal(image: Path, journal: bytes) -> None:
    """`ntfs-3g` lets nobody into `$Extend`, `ntfscp` does."""
    source = image.with_suffix(".journal")
    try:
        for data, name in ((b"", ""), (journal, "$J")):
            source.write_bytes(data)
            _run("ntfscp", "-f", "-q", *(("-N", name) if name else ()), str(image), str(source), JOURNAL)
    finally:
        source.unlink()


def table_of(image: Path) -> bytes:
    """The volume's master file table, as a collector copies it."""
    with image.open("rb") as volume:
        boot = volume.read(_SECTOR)
        table = bytearray()
        for place in _places(volume, int.from_bytes(boot[0x30:0x38], "little") * _CLUSTER):
            volume.seek(place)
            table += volume.read(_RECORD)
    return bytes(table[: int.from_bytes(_data_of(table)[48:56], "little")])


def _data_of(table: bytes | bytearray) -> bytes:
    """The $DATA attribute of the table's first record, which is the table's own."""
    record = bytearray(table[:_RECORD])
    _unfix(record)
    return bytes(next(record[at : at + length] for kind, at, length in _attributes(record) if kind == _DATA))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{command[0]} failed ({done.returncode}): {done.stderr.strip() or done.stdout.strip()}")


def _fill(mount: Path, told: Description) -> dict[str, int]:
    """Create everything in a fixed order; gives the MFT record number of each path."""
    records: dict[str, int] = {}
    for path in sorted(told.folders):
        (mount / path).mkdir(exist_ok=True)
        records[path] = (mount / path).stat().st_ino
    for contents in (told.contents, told.removed):
        for path in sorted(contents):
            (mount / path).write_bytes(contents[path][0])
            records[path] = (mount / path).stat().st_ino
    return records


def settle(image: Path, records: Mapping[int, Times], whole: Times, serial: int) -> None:
    """Set all times of the volume (see the module), renumber update sequences, set the serial number."""
    with image.open("r+b") as volume:
        boot = volume.read(_SECTOR)
        mft_at = int.from_bytes(boot[0x30:0x38], "little") * _CLUSTER
        mirror_at = int.from_bytes(boot[0x38:0x40], "little") * _CLUSTER
        places = list(_places(volume, mft_at))
        for number, place in enumerate(places):
            _settle_record(volume, number, place, records, whole)
        volume.seek(mft_at)
        first = volume.read(4 * _RECORD)
        volume.seek(mirror_at)
        volume.write(first)
        for at in (0x48, image.stat().st_size - _SECTOR + 0x48):
            volume.seek(at)
            volume.write(struct.pack("<Q", serial))


def _places(volume: BinaryIO, mft_at: int) -> Iterator[int]:
    """The byte offset of each record of the $MFT, by its own data runs."""
    volume.seek(mft_at)
    record = bytearray(volume.read(_RECORD))
    _unfix(record)
    for kind, at, _ in _attributes(record):
        if kind == _DATA:
            for start, length in _runs(record, at):
                yield from range(start, start + length, _RECORD)


def _settle_record(volume: BinaryIO, number: int, place: int, records: Mapping[int, Times], whole: Times) -> None:
    volume.seek(place)
    record = bytearray(volume.read(_RECORD))
    if record[:4] != b"FILE":
        return
    _unfix(record)
    times = records.get(number, whole)
    for kind, at, _ in _attributes(record):
        if kind == _INDEX_ALLOCATION:
            for start, length in _runs(record, at):
                for block in range(start, start + length, _BLOCK):
                    _settle_block(volume, block, records, whole)
            continue
        content = at + int.from_bytes(record[at + 20 : at + 22], "little")
        if kind == _STANDARD_INFORMATION:
            record[content : content + 32] = times.packed()
        elif kind == _FILE_NAME:
            record[content + 8 : content + 40] = times.birth_only().packed()
        elif kind == _INDEX_ROOT and _named_i30(record, at):
            _settle_entries(record, content + 16, records, whole)
    used = int.from_bytes(record[24:28], "little")
    record[used:] = bytes(len(record) - used)  # what an index root left behind when it moved out of the record
    _fix(record)
    volume.seek(place)
    volume.write(record)


def _settle_block(volume: BinaryIO, place: int, records: Mapping[int, Times], whole: Times) -> None:
    volume.seek(place)
    block = bytearray(volume.read(_BLOCK))
    if block[:4] != b"INDX":
        return
    _unfix(block)
    _settle_entries(block, 0x18, records, whole)
    used = 0x18 + int.from_bytes(block[0x1C:0x20], "little")
    block[used:] = bytes(len(block) - used)
    _fix(block)
    volume.seek(place)
    volume.write(block)


def _named_i30(record: bytes | bytearray, at: int) -> bool:
    length, offset = record[at + 9], int.from_bytes(record[at + 10 : at + 12], "little")
    return bytes(record[at + offset : at + offset + 2 * length]) == "$I30".encode("utf-16-le")


def _settle_entries(buffer: bytearray, header: int, records: Mapping[int, Times], whole: Times) -> None:
    """Set the times of all entries of one $I30 node whose index header stands at `header`."""
    first, used = struct.unpack_from("<II", buffer, header)
    at, end = header + first, header + used
    while at + 16 <= end:
        reference, length, key = struct.unpack_from("<QHH", buffer, at)
        if length < 16 or struct.unpack_from("<H", buffer, at + 12)[0] & 2:
            return
        if key >= 0x42:
            buffer[at + 24 : at + 56] = records.get(reference & 0xFFFFFFFFFFFF, whole).packed()
        at += length


def _attributes(record: bytes | bytearray) -> Iterator[tuple[int, int, int]]:
    at = int.from_bytes(record[20:22], "little")
    while at + 8 <= len(record):
        kind, length = struct.unpack_from("<II", record, at)
        if kind == 0xFFFFFFFF or not length:
            return
        yield kind, at, length
        at += length


def _runs(record: bytes | bytearray, at: int) -> Iterator[tuple[int, int]]:
    """Byte offset and byte length of each run of the non-resident attribute at `at`."""
    place = at + int.from_bytes(record[at + 32 : at + 34], "little")
    cluster = 0
    while head := record[place]:
        length_size, offset_size = head & 15, head >> 4
        length = int.from_bytes(record[place + 1 : place + 1 + length_size], "little")
        offset = record[place + 1 + length_size : place + 1 + length_size + offset_size]
        cluster += int.from_bytes(offset, "little", signed=True)
        place += 1 + length_size + offset_size
        yield cluster * _CLUSTER, length * _CLUSTER


def _unfix(buffer: bytearray) -> None:
    """Put the sector ends back that the update sequence array keeps."""
    offset, count = struct.unpack_from("<HH", buffer, 4)
    for sector in range(1, count):
        buffer[sector * _SECTOR - 2 : sector * _SECTOR] = buffer[offset + 2 * sector : offset + 2 * sector + 2]


def _fix(buffer: bytearray) -> None:
    """Protect the sectors again, with update sequence number 1 whatever it was."""
    offset, count = struct.unpack_from("<HH", buffer, 4)
    buffer[offset : offset + 2] = b"\x01\x00"
    for sector in range(1, count):
        end = sector * _SECTOR
        buffer[offset + 2 * sector : offset + 2 * sector + 2] = buffer[end - 2 : end]
        buffer[end - 2 : end] = b"\x01\x00"
