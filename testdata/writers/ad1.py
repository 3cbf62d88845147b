"""Writes AD1 logical images (version 4), as FTK Imager makes them of a folder or of chosen files of a disk.

After the public samples, byte by byte: a 512-byte margin in front of each segment; a header with the name of what was
imaged, and that name once more as an attribute (category 1, key 0x10002); then for each entry its header, the table of
its chunks (count, then count + 1 offsets), the chunks (zlib; level 0 where nothing shall be compressed), its attributes
as text; at the end two tables of GUIDs for the keys that were used. All offsets count behind the margin.
Not in the samples, which are of one folder each: folders (type 5, after pyad1 and AD1-tools), and the time of the last
record change (key 0xa002, after dissect.evidence's table).
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from testdata.writers.ntfs import Times

MARGIN, CHUNK, NAME_AT = 512, 65536, 92
CUSTOM = "Custom Content Image([Multi])"
FULL_SEGMENT = 1500 << 20
_FOLDER = 5
_SOURCE_KEY = 0x10002
# The GUID of each attribute key, as the samples' ATTRGUID table has them.
_GUIDS = {
    0x2: "f473d88ab0c06a47ba1a3681c1816b0b", 0x3: "8a8408354c762147979a870e1c1a33e0",
    0x7: "37a6cce54304574fbeca8036e4f78574", 0x8: "fc0d10f335c6ef40ab7b2ea4f11d8947",
    0x9: "c8a66cadefdb57429c27ada44e0fe8b7", 0xD: "b681328cdec3b04ca4536074b689b909",
    0xE: "7e4a0f065feba44b813f088b6881d67f", 0x1E: "64ac64ce643a7e4f853281289685580c",
    0x1002: "455504429ead1f4281e3f789b541798e", 0x1003: "f7f66aa13daa144d96100173dc81a436",
    0x1004: "5e10cbe93562ab45aa652e2a605e95b4", 0x1005: "65795c1d07146243bdedfe175a4d7140",
    0x5001: "0a33e26be215ea4db63e2198e81eab75", 0x5002: "18ffe8402723244c9358dbea9fa4dd5c",
    _SOURCE_KEY: "659dab5ef2a3a144aadd155f5506fd16",
}  # fmt: skip
_LOCATION = "3ea0faa262498a44ac58898368016fc7"


@dataclass
class _Node:
    """A file, or a folder with what is in it."""

    data: bytes | None = None
    times: Times | None = None
    below: dict[str, _Node] = field(default_factory=dict)


def write(
    target: Path, name: str, files: Mapping[str, tuple[bytes, Times | None]], *, level: int = 6,
    segment: int = FULL_SEGMENT, ntfs: bool = True,
) -> list[Path]:  # fmt: skip
    """Write `target` (`x.ad1`) and its further segments; paths below `name` have forward slashes.

    `ntfs`: the source was a volume, not a folder, and the time of the last record change is known.
    """
    payload = _payload(name, _tree(files), level, ntfs)
    room = segment - MARGIN
    count = max(-(-len(payload) // room), 1)
    made = []
    for number in range(1, count + 1):
        path = target.with_suffix(f".ad{number}")
        head = struct.pack("<16s4IQI", b"ADSEGMENTEDFILE", 1, 2, number, count, segment, MARGIN)
        path.write_bytes(head.ljust(MARGIN, b"\x00") + payload[(number - 1) * room : number * room])
        made.append(path)
    return made


def _tree(files: Mapping[str, tuple[bytes, Times | None]]) -> _Node:
    root = _Node()
    for path, (data, times) in files.items():
        node = root
        for part in path.split("/"):
            node = node.below.setdefault(part, _Node())
        node.data, node.times = data, times
    return root


def _payload(name: str, root: _Node, level: int, ntfs: bool) -> bytes:
    label = name.encode()
    out = bytearray(NAME_AT) + label
    source = len(out)
    out += _attribute(0, 1, _SOURCE_KEY, label)
    first = len(out)
    _siblings(out, root, 0, level, ntfs)
    guids = len(out)
    out += _guids("ATTRGUID", _GUIDS)
    places = len(out)
    out += _guids("LOCSGUID", {1: _LOCATION})
    struct.pack_into("<16s3I2QI4s5Q", out, 0, b"ADLOGICALIMAGE", 4, 1, CHUNK, source, first, len(label), b"AD",
                     NAME_AT, guids, 0, places, 0)  # fmt: skip
    return bytes(out)


def _siblings(out: bytearray, folder: _Node, parent: int, level: int, ntfs: bool) -> None:
    """The entries of a folder, one behind the other, each with what is in it."""
    before = None
    for name, node in folder.below.items():
        here = len(out)
        if before is not None:
            struct.pack_into("<Q", out, before, here)
        before = here
        _entry(out, name, node, parent, level, ntfs)


def _entry(out: bytearray, name: str, node: _Node, parent: int, level: int, ntfs: bool) -> None:
    here, label = len(out), name.encode()
    kind = _FOLDER if node.data is None else 0
    out += struct.pack("<5Q2I", 0, 0, 0, 0, len(node.data or b""), kind, len(label)) + label + struct.pack("<Q", parent)
    if node.data:
        struct.pack_into("<Q", out, here + 24, len(out))
        _chunks(out, node.data, level)
    struct.pack_into("<Q", out, here + 16, len(out))
    every = list(_attributes(node, ntfs))
    for index, (category, key, text) in enumerate(every):
        end = len(out) + 20 + len(text)
        out += _attribute(end if index + 1 < len(every) else 0, category, key, text)
    if node.below:
        struct.pack_into("<Q", out, here + 8, len(out))
        _siblings(out, node, here, level, ntfs)


def _chunks(out: bytearray, data: bytes, level: int) -> None:
    packed = [zlib.compress(data[at : at + CHUNK], level) for at in range(0, len(data), CHUNK)]
    at = len(out) + 8 * (len(packed) + 2)
    out += struct.pack("<Q", len(packed))
    for chunk in packed:
        out += struct.pack("<Q", at)
        at += len(chunk)
    out += struct.pack("<Q", at) + b"".join(packed)


def _attributes(node: _Node, ntfs: bool) -> Iterator[tuple[int, int, bytes]]:
    """In the samples' order: class, size, times, flags, hashes."""
    yield 2, 0x2, b"3" if node.data is None else b"1"
    if node.data is not None:
        yield 3, 0x3, b"%d" % len(node.data)
    if node.times:
        for key, moment in ((7, node.times.atime), (8, node.times.birth), (9, node.times.mtime)):
            yield 5, key, _moment(moment)
    if node.times and ntfs:
        yield 5, 0xA002, _moment(node.times.mft)
    for key, value in ((0xD, b"false"), (0xE, b"false"), (0x1E, b"true"), (0x1002, b"false"), (0x1003, b"false"),
                       (0x1004, b"false"), (0x1005, b"true")):  # fmt: skip
        yield 4, key, value
    if node.data is not None:
        yield 1, 0x5001, hashlib.md5(node.data, usedforsecurity=False).hexdigest().encode()
        yield 1, 0x5002, hashlib.sha1(node.data, usedforsecurity=False).hexdigest().encode()


def _moment(moment: datetime) -> bytes:
    return moment.strftime("%Y%m%dT%H%M%S.%f").encode()


def _attribute(following: int, category: int, key: int, text: bytes) -> bytes:
    return struct.pack("<Q3I", following, category, key, len(text)) + text


def _guids(name: str, table: Mapping[int, str]) -> bytes:
    rows = b"".join(struct.pack("<I", key) + bytes.fromhex(guid) for key, guid in table.items())
    return struct.pack("<8s2I", name.encode(), 0, len(table)) + rows
