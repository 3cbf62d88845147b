"""The job queue of BITS (`qmgr.db`, before Windows 10 1607 `qmgr0.dat` and `qmgr1.dat`), read by the form of its texts.

A file of a job is stored as three counted UTF-16 texts in a row: where it goes, where it comes from, and the temporary
file; then its size and the bytes that were transferred (ANSSI's bits_parser has the same row for the older files; it
is in the order of BG_FILE_PROGRESS). In the database the row is in a blob (from memory of published readers). They are
found by an address in the middle, so jobs in free pages are found as well, and which table or job they belong to is
not known. Neither are there times.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

_BLOCK, _OVERLAP = 8 * 1024 * 1024, 640 * 1024
_MOST_CHARS = 4096  # of an address or a path
_MOST_TEXT = 32 * 1024  # of a job's own texts: longer than any command line of Windows
_MOST_FILES = 100_000
_MARK = re.compile(re.escape("://".encode("utf-16-le")))
_SCHEMES = tuple(scheme.encode("utf-16-le") for scheme in ("https", "http", "ftp", "file"))
_SID = re.compile(b"|".join(re.escape(text.encode("utf-16-le")) for text in ("S-1-5-", "S-1-12-1-")))
_OWNER = re.compile(r"S-1-(?:5|12-1)-[\d-]{2,180}")
_MOST_JOBS = 10_000
_UNKNOWN = 2**64 - 1
_BAD = re.compile(r"[\x00-\x1f\ufffe\uffff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class QueuedFile:
    """One file of a job. "" and None: not there, or not known. `offset` is that of the address's text in the file."""

    offset: int
    url: str
    target: str
    temporary: str
    size: int | None
    transferred: int | None


@dataclass(frozen=True, slots=True)
class JobCommand:
    """A job with a command that is started when it ends. `offset` is that of its name's text in the file."""

    offset: int
    name: str
    description: str
    program: str
    arguments: str
    owner: str

    @property
    def command(self) -> str:
        """The command as one line. Arguments mostly begin with the program's name, as those of a process do."""
        return f"{self.program} {self.arguments}".strip()


def commands(fh: BinaryIO) -> Iterator[JobCommand]:
    """The jobs that have a command, each different one once, by their first place.

    A job's head ends in five counted texts: name, description, program, arguments and the owner's SID, as ANSSI's
    bits_parser has them.
    """
    seen: set[tuple[str, str, str]] = set()
    last = -1
    for start, block, final in _blocks(fh):
        for match in _SID.finditer(block):
            if not final and match.start() > len(block) - _OVERLAP // 2:
                break  # may be cut here; the next piece has it whole
            found = _job(block, match.start(), start)
            if found is None or found.offset <= last:
                continue
            last = found.offset
            known = (found.name, found.command, found.owner)
            if known not in seen and len(seen) < _MOST_JOBS:
                seen.add(known)
                yield found


def _job(block: bytes, at: int, start: int) -> JobCommand | None:
    """The job whose owner's SID stands at `at`; None when no command stands before it."""
    owner, _ = _counted(block, at - 4)
    if not _OWNER.fullmatch(owner):
        return None
    texts: list[str] = []
    ends = [at - 4]
    for _ in range(4):
        text, end = _text_before(block, ends[-1])
        texts.append(text)
        ends.append(end)
    arguments, program, description, name = texts
    # A bare word is a program only where all four texts are there: without the two of the command it is the name.
    whole = all(before > after for before, after in pairwise(ends))
    likely = re.search(r"[\\/.]", program) is not None or (
        whole and bool(name and program) and not _OWNER.match(program)
    )
    begins = start + ends[-1] + (4 if name else 0)  # behind the count
    return JobCommand(begins, name, description, program, arguments, owner) if likely else None


def _text_before(block: bytes, end: int) -> tuple[str, int]:
    """The counted text that ends at `end` and where it begins; an empty one is a count of 0, or of 1 and its NUL."""
    if text := _before(block, end, _MOST_TEXT):
        return text, end - 2 * len(text.encode("utf-16-le")) // 2 - 2 - 4
    if block[max(0, end - 6) : end] == b"\x01\x00\x00\x00\x00\x00":
        return "", end - 6
    return "", end - 4 if block[max(0, end - 4) : end] == bytes(4) else end


def read(fh: BinaryIO) -> Iterator[QueuedFile]:
    """The files named in the queue, each different one once, by their first place."""
    seen: set[tuple[str, str, str]] = set()
    last = -1
    for start, block, final in _blocks(fh):
        for match in _MARK.finditer(block):
            if not final and match.start() > len(block) - _OVERLAP // 2:
                break  # may be cut here; the next piece has it whole
            found = _at(block, _address(block, match.start()), start)
            if found is None or found.offset <= last:
                continue
            last = found.offset
            known = (found.url, found.target, found.temporary)
            if known not in seen:
                seen.add(known)
                yield found
            if len(seen) >= _MOST_FILES:
                return


def _blocks(fh: BinaryIO) -> Iterator[tuple[int, bytes, bool]]:
    """Pieces that overlap by more than a job's file takes, each with its place and whether it is the last one."""
    fh.seek(0)
    start, kept, following = 0, b"", fh.read(_BLOCK)
    while following:
        block, following = kept + following, fh.read(_BLOCK)
        yield start, block, not following
        kept = block[-_OVERLAP:]
        start += len(block) - len(kept)


def _address(block: bytes, mark: int) -> int:
    """Where the address begins that has its `://` at `mark`; -1 when no scheme stands before it."""
    for scheme in _SCHEMES:
        if block[max(0, mark - len(scheme)) : mark].lower() == scheme:
            return mark - len(scheme)
    return -1


def _at(block: bytes, at: int, start: int) -> QueuedFile | None:
    """The file whose address begins at `at`, None when no counted text begins there."""
    url, end = _counted(block, at - 4)
    if not url:
        return None
    temporary, after = _counted(block, end)
    sizes: tuple[int, ...] = ()
    if temporary and after + 16 <= len(block):
        sizes = struct.unpack_from("<QQ", block, after)
    size, transferred = (None if value >= _UNKNOWN >> 1 else value for value in sizes or (_UNKNOWN, _UNKNOWN))
    return QueuedFile(start + at, url, _before(block, at - 4), temporary, size, transferred)


def _counted(block: bytes, at: int, most: int = _MOST_CHARS) -> tuple[str, int]:
    """The text at a count of characters (its NUL is one of them), and where it ends; "" when there is none."""
    if at < 0 or at + 4 > len(block):
        return "", at
    count = struct.unpack_from("<I", block, at)[0]
    end = at + 4 + 2 * count
    if not 2 <= count <= most or end > len(block) or block[end - 2 : end] != b"\x00\x00":
        return "", at
    text = block[at + 4 : end - 2].decode("utf-16-le", "replace")
    return ("", at) if _BAD.search(text) else (text, end)


def _before(block: bytes, end: int, most: int = _MOST_CHARS) -> str:
    """The counted text that ends at `end`.

    A text has no NUL but its last character, and its count is below 2^16: so the zero before the text's own is the
    count's upper half, and nothing else has to be tried.
    """
    if end < 2 or block[end - 2 : end] != b"\x00\x00":
        return ""
    least = max(0, end - 2 * most - 4)
    zero = block.rfind(b"\x00\x00", least, end - 2)
    while zero >= 0 and (end - zero) % 2:  # across two characters
        zero = block.rfind(b"\x00\x00", least, zero + 1)
    text, stop = _counted(block, zero - 2, most) if zero >= 2 else ("", -1)
    return text if stop == end else ""
