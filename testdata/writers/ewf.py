"""Writes an image as EWF-E01 segments (EnCase 5 flavour), always the same bytes for the same input.

`ewfacquire` stamps its own clock into every image; evidence that is rebuilt and compared must not change, so the
segments are written here. Layout after "Expert Witness Compression Format" (libewf documentation): file header, then
sections with a 76 byte descriptor each, chunks of 64 sectors, Adler-32 over everything. `ewfverify` accepts the result.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

_SIGNATURE = b"EVF\x09\x0d\x0a\xff\x00"
_SECTOR, _CHUNK_SECTORS = 512, 64
CHUNK = _SECTOR * _CHUNK_SECTORS
_DESCRIPTOR = 76
_COMPRESSED = 0x80000000


@dataclass(frozen=True)
class Labels:
    """The texts of the image header. Times are Unix seconds."""

    case: str
    evidence: str
    description: str
    examiner: str
    notes: str
    acquired: int


@dataclass
class _Segment:
    path: Path
    number: int
    data: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.data += _SIGNATURE + struct.pack("<BHH", 1, self.number, 0)

    def section(self, name: str, content: bytes) -> None:
        """Append a section; `next` and `done` point to themselves, as the format wants it."""
        start = len(self.data)
        following = start if name in ("next", "done") else start + _DESCRIPTOR + len(content)
        head = struct.pack("<16sQQ40x", name.encode(), following, _DESCRIPTOR + len(content))
        self.data += head + struct.pack("<I", zlib.adler32(head)) + content


def write(source: BinaryIO, target: Path, labels: Labels, segment_size: int = 1 << 30) -> list[Path]:
    """Write `source` as `target` (`x.E01`) and, when it grows beyond `segment_size`, `.E02` and on (at most `.E99`)."""
    size = source.seek(0, 2)
    if size % CHUNK:
        raise ValueError(f"the image must be a multiple of {CHUNK} bytes, not {size}")
    segment = _Segment(target, 1)
    volume = _volume(size)
    _headers(segment, labels)
    segment.section("volume", volume)
    done: list[Path] = []
    md5, sha1 = hashlib.md5(usedforsecurity=False), hashlib.sha1(usedforsecurity=False)
    for batch, last in _batches(source, segment_size):
        for _, plain in batch:
            md5.update(plain)
            sha1.update(plain)
        _chunks(segment, [stored for stored, _ in batch])
        if not last:
            segment.section("next", b"")
            done.append(_save(segment))
            number = segment.number + 1
            segment = _Segment(target.with_suffix(f".E{number:02d}"), number)
            segment.section("data", volume)
    digests = md5.digest() + sha1.digest() + bytes(40)
    segment.section("digest", digests + struct.pack("<I", zlib.adler32(digests)))
    checksum = md5.digest() + bytes(16)
    segment.section("hash", checksum + struct.pack("<I", zlib.adler32(checksum)))
    segment.section("done", b"")
    done.append(_save(segment))
    return done


def _save(segment: _Segment) -> Path:
    segment.path.write_bytes(segment.data)
    return segment.path


def _batches(source: BinaryIO, segment_size: int) -> Iterator[tuple[list[tuple[bytes, bytes]], bool]]:
    """Chunks, as stored and as they were, in lots that fill one segment each; the flag marks the last lot."""
    source.seek(0)
    batch: list[tuple[bytes, bytes]] = []
    room = segment_size
    while plain := source.read(CHUNK):
        stored = zlib.compress(plain, 9)
        if len(stored) >= len(plain):
            stored = plain + struct.pack("<I", zlib.adler32(plain))
        if batch and len(stored) + 8 > room:
            yield batch, False
            batch, room = [], segment_size
        batch.append((stored, plain))
        room -= len(stored) + 8
    yield batch, True


def _chunks(segment: _Segment, stored: list[bytes]) -> None:
    base = len(segment.data) + _DESCRIPTOR
    entries, at = [], 0
    for chunk in stored:
        entries.append(at if len(chunk) == CHUNK + 4 else at | _COMPRESSED)
        at += len(chunk)
    segment.section("sectors", b"".join(stored))
    head = struct.pack("<I4xQ4x", len(entries), base)
    rows = struct.pack(f"<{len(entries)}I", *entries)
    table = head + struct.pack("<I", zlib.adler32(head)) + rows + struct.pack("<I", zlib.adler32(rows))
    segment.section("table", table)
    segment.section("table2", table)


def _volume(size: int) -> bytes:
    """The media description: a fixed physical disk, fast compression."""
    sectors = size // _SECTOR
    data = struct.pack("<B3xIIIQ12xB3x12x", 1, size // CHUNK, _CHUNK_SECTORS, _SECTOR, sectors, 3)
    data += struct.pack("<B3xII16s963x5x", 1, _CHUNK_SECTORS, 0, hashlib.sha256(str(size).encode()).digest()[:16])
    return data + struct.pack("<I", zlib.adler32(data))


def _headers(segment: _Segment, labels: Labels) -> None:
    rows = (labels.description, labels.case, labels.evidence, labels.examiner, labels.notes)
    wide = "3\nmain\na\tc\tn\te\tt\tav\tov\tm\tu\tp\n"
    wide += "\t".join((*rows, "testdata", "Linux", str(labels.acquired), str(labels.acquired), "")) + "\n\n"
    for _ in range(2):
        segment.section("header2", zlib.compress(wide.encode("utf-16"), 9))
    day = _calendar(labels.acquired)
    narrow = "1\r\nmain\r\nc\tn\ta\te\tt\tav\tov\tm\tu\tp\tr\r\n"
    narrow += "\t".join((labels.case, labels.evidence, labels.description, labels.examiner, labels.notes))
    narrow += f"\ttestdata\tLinux\t{day}\t{day}\t0\tf\r\n\r\n"
    segment.section("header", zlib.compress(narrow.encode("ascii", "replace"), 9))


def _calendar(seconds: int) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.year} {moment.month} {moment.day} {moment.hour} {moment.minute} {moment.second}"
