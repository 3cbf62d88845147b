"""Text files whose encoding is not stated reliably: decoding, and lines with their exact place.

Windows programs write UTF-8, UTF-16 with and without byte order mark, and XML whose declaration names another encoding
than the bytes have (Task Scheduler writes UTF-16 files that say UTF-8). The bytes decide, the declaration is the last
resort. Nothing here raises on odd bytes: what cannot be decoded becomes U+FFFD and is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

LINE_LIMIT = 64 * 1024
_BLOCK = 1024 * 1024
_HOLE = 8
_ZEROS = re.compile(rb"\x00{%d,}" % _HOLE)
_MARKS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8"))
_WIDEST = {
    b"\xff\xfe\0\0": "utf-32-le", b"\0\0\xfe\xff": "utf-32-be", b"<\0\0\0": "utf-32-le", b"\0\0\0<": "utf-32-be",
}  # fmt: skip
_DECLARED = re.compile(rb"^\s{0,64}<\?xml[^>]{0,200}?encoding\s{0,8}=\s{0,8}[\"']([A-Za-z0-9_.-]{1,40})[\"']")
# What a declaration may make us use when the bytes are not UTF-8: the code pages of Windows, nothing exotic.
_CODE_PAGES = {
    "shift_jis": "cp932",
    "windows-31j": "cp932",
    "cp932": "cp932",
    "gb2312": "cp936",
    "gbk": "cp936",
    "big5": "cp950",
    "euc-kr": "cp949",
    "iso-8859-1": "cp1252",
    "windows-1252": "cp1252",
    "windows-1251": "cp1251",
    "windows-1250": "cp1250",
}


class Decoded(NamedTuple):
    """A text, the encoding it was read as, and whether some bytes did not fit it (now U+FFFD)."""

    text: str
    encoding: str
    damaged: bool


def _widest(data: bytes) -> str | None:
    """UTF-32, by its mark or by the first sign of XML; UTF-16 that begins so has a NUL for its first character."""
    return _WIDEST.get(data[:4])


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark: ASCII text then has a NUL in (nearly) every second byte."""
    head = data[:512]
    if len(head) < 4:
        return None
    pairs = len(head) // 2
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd * 4 >= pairs * 3 and even * 4 < pairs:
        return "utf-16-le"
    return "utf-16-be" if even * 4 >= pairs * 3 and odd * 4 < pairs else None


def _strictly(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def decode(data: bytes) -> Decoded:
    """The text of a small file by byte order mark, byte pattern, UTF-8, or the code page its XML declaration names."""
    widest = _widest(data)
    if widest and (text := _strictly(data[: len(data) // 4 * 4], widest)) is not None:
        return Decoded(text.removeprefix("\ufeff"), widest, damaged=len(data) % 4 != 0)
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None) or _wide(data) or "utf-8"
    odd = encoding != "utf-8" and len(data) % 2 == 1
    data = data[:-1] if odd else data
    text = _strictly(data, encoding)
    if text is None and encoding == "utf-8":
        declared = _DECLARED.match(data[:400])
        page = _CODE_PAGES.get(declared.group(1).decode("ascii").casefold()) if declared else None
        text = _strictly(data, page) if page else None
        encoding = page if page and text is not None else encoding
    if text is not None:
        return Decoded(text.removeprefix("\ufeff"), encoding, damaged=odd)
    return Decoded(data.decode(encoding, "replace").removeprefix("\ufeff"), encoding, damaged=True)


class TextLine(NamedTuple):
    """One line: its number from 1, the byte offset of its start, its text without line end, and whether it was cut."""

    number: int
    offset: int
    text: str
    cut: bool


def _line_end(data: bytes, start: int, wide: str | None) -> int:
    """The position behind the line feed at or after `start`, or -1. In UTF-16 it must lie on a pair."""
    if wide is None:
        return data.find(b"\n", start) + 1 or -1
    mark = "\n".encode(wide)
    found = data.find(mark, start)
    while found >= 0 and found % 2:
        found = data.find(mark, found + 1)
    return found + 2 if found >= 0 else -1


def _pieces(fh: BinaryIO, wide: str | None) -> Iterator[tuple[int, bytes, bool]]:
    """(offset, raw line with its end, cut). A line longer than the limit keeps its start; the rest is passed over."""
    limit = LINE_LIMIT * (2 if wide else 1)
    buffer, base, skipping = b"", fh.tell(), False
    while block := fh.read(_BLOCK):
        data, position = buffer + block, 0
        while (end := _line_end(data, position, wide)) > 0:
            if not skipping:
                line = data[position:end]
                yield base + position, line[:limit], len(line) > limit
            position, skipping = end, False
        rest = data[position:]
        if len(rest) > limit:
            if not skipping:
                yield base + position, rest[:limit], True
            skipping = True
            # Of a line that is passed over only the last pair is kept, so that a split line feed is still seen.
            keep = len(rest) % 2 or 2
            position, rest = len(data) - keep, rest[-keep:]
        buffer, base = rest, base + position
    if buffer and not skipping:
        yield base, buffer, False


def lines(fh: BinaryIO) -> Iterator[TextLine]:
    """The lines of a log from its start, as UTF-8 or (by mark or pattern) UTF-16, in bounded memory.

    Undecodable bytes become U+FFFD; a line over 64 KiB (characters, roughly) is cut there and marked.
    """
    fh.seek(0)
    head = fh.read(512)
    encoding = next((name for mark, name in _MARKS if head.startswith(mark)), None) or _wide(head) or "utf-8"
    wide = encoding if encoding != "utf-8" else None
    fh.seek(0)
    for number, (offset, raw, cut) in enumerate(_pieces(fh, wide), 1):
        text = raw.decode(encoding, "replace").rstrip("\r\n")
        yield TextLine(number, offset, text.removeprefix("\ufeff") if number == 1 else text, cut)


class Hole(NamedTuple):
    """A run of NUL bytes where text should be: its offset and length."""

    offset: int
    length: int


def holes(fh: BinaryIO) -> Iterator[Hole]:
    """The zeroed stretches of a text file, of 8 bytes and more: a sector that was lost, a write that never came.

    No text holds them, in UTF-16 neither (a NUL there is two bytes beside one of another character).
    """
    fh.seek(0)
    base, begun = 0, -1  # where a run that reached the end of the block before began
    while block := fh.read(_BLOCK):
        at = 0
        if begun >= 0:
            at = len(block) - len(block.lstrip(b"\x00"))
            if at == len(block):
                base += at
                continue
            yield from _hole(begun, base + at)
            begun = -1
        trailing = len(block) - len(block.rstrip(b"\x00"))
        begun = base + len(block) - trailing if trailing else -1
        for found in _ZEROS.finditer(block, at, len(block) - trailing):
            yield Hole(base + found.start(), found.end() - found.start())
        base += len(block)
    if begun >= 0:
        yield from _hole(begun, base)


def _hole(start: int, stop: int) -> Iterator[Hole]:
    if stop - start >= _HOLE:
        yield Hole(start, stop - start)


def tail(fh: BinaryIO, size: int, window: int = 256 * 1024) -> list[str]:
    """The whole lines within the last `window` bytes of an (8-bit or UTF-16) text file."""
    fh.seek(0)
    head = fh.read(512)
    encoding = next((name for mark, name in _MARKS if head.startswith(mark)), None) or _wide(head) or "utf-8"
    start = max(0, size - window) & ~1
    fh.seek(start)
    found = fh.read(window + 1).decode(encoding, "replace").splitlines()
    return found[1:] if start else found
