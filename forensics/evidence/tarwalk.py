"""The members of a tar one after the other, over damage: what is there is given, what is lost is said.

A tar has no directory. Its headers (512 bytes, a sum over themselves in each) follow the data they describe, two blocks
of zeros end it (POSIX ustar, pax interchange format). The standard library stops in silence at the first header that
makes no sense, and everything behind it is lost; here the next header whose sum is right is looked for. Headers that
extend the next one are measured before they are read into memory. A header found behind damage may belong to a tar that
lies in the tar as a file: what was skipped is said with its place, so that a person can tell.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, cast

from forensics.evidence.base import DAMAGE, Refusal

BLOCK = 512
_PIECE = 1024 * 1024
_SCAN = 16 * 1024**3  # in all: zeros behind the end, and what is searched for the next header
_CHAIN = 32
_SPARSE_BLOCKS = 4096
_MAGIC = 257
# Headers that extend the next one, and the most that one may hold: names of 32 KiB, attributes.
_EXTENDED = {b"x": 1 << 20, b"g": 1 << 20, b"X": 1 << 20, b"L": 1 << 16, b"K": 1 << 16}


class Piece(NamedTuple):
    """One header, and how many bytes of its file are in the archive."""

    info: tarfile.TarInfo
    size: int


class Walk:
    """Goes through the archive once; refusals are added to the list on the way."""

    def __init__(self, archive: tarfile.TarFile, refusals: list[Refusal]) -> None:
        self._archive, self._refusals = archive, refusals
        self._handle = cast("BinaryIO", archive.fileobj)
        self._size = self._handle.seek(0, 2)
        self._left = _SCAN

    def __iter__(self) -> Iterator[Piece]:
        """Every member, folders and links among them."""
        at = self._next(0)
        while at is not None:
            info, why = self._info(at)
            if info is None:
                at = self._resumed(at, at + BLOCK, why)
                continue
            end = self._archive.offset  # where the next header should be
            size, following = info.size, cast("int | None", end)
            if info.offset_data + (info.size if info.sparse is None else end - info.offset_data) > self._size:
                size, following = self._cut(info)
            yield Piece(info, size)
            at = None if following is None else self._next(following)

    # -- from one header to the next -----------------------------------------------------------------------------------

    def _next(self, at: int) -> int | None:
        """Where the next header is, if not at the end; says what lies between."""
        if self._header(at):
            return at
        zeros = self._zeros(at)
        if at + zeros >= self._size:
            if zeros < 2 * BLOCK:
                self._say("truncated", f"the archive ends at 0x{self._size:x} without its end mark: it was cut there")
            return None
        if zeros >= 2 * BLOCK:
            return self._resumed(at, at + zeros // BLOCK * BLOCK, "an end mark, and more behind it")
        return self._resumed(at, at + zeros // BLOCK * BLOCK, "no valid header")

    def _resumed(self, at: int, start: int, why: str) -> int | None:
        """The next valid header from `start` on."""
        found = self._search(start)
        if found is None and self._left <= 0:
            self._say("budget", f"{why} at 0x{at:x}; no more than {_SCAN >> 30} GiB are searched for the next header")
        elif found is None:
            lost = self._size - start
            self._say("truncated", f"{why} at 0x{at:x}: no member is found in the {lost} bytes from 0x{start:x} on")
        elif found == start:
            self._say("bad_record", f"{why} at 0x{at:x}: joined archives or damage; reading goes on at 0x{found:x}")
        else:
            self._say("bad_record", f"{why} at 0x{at:x}: {found - at} bytes up to the next valid header at "
                                    f"0x{found:x} are skipped, what they held is lost")  # fmt: skip
        return found

    def _cut(self, info: tarfile.TarInfo) -> tuple[int, int | None]:
        """How much there is of a member that claims more than the archive has, and where to go on.

        The claim is wrong when members follow; a tar in the tar has headers of its own and is not searched.
        """
        start = info.offset_data
        found = None if self._header(start) else self._search(start)
        have = max(0, min(info.size, (self._size if found is None else found) - start))
        if found is None:
            self._say("truncated", f"the archive ends inside it: {have} of {info.size} bytes are there", info.name)
        else:
            why = f"claims {info.size} bytes, more than the archive has; the next valid header is at 0x{found:x}"
            self._say("bad_record", why, info.name)
        return have if info.sparse is None else info.size, found

    def _say(self, fault: str, why: str, path: str = "") -> None:
        self._refusals.append(Refusal(path, fault, why))

    # -- looking at bytes ----------------------------------------------------------------------------------------------

    def _header(self, at: int) -> tarfile.TarInfo | None:
        """The header at this place, when its sum is right; what extends it is not read."""
        self._handle.seek(at)
        try:
            head = tarfile.TarInfo.frombuf(self._handle.read(BLOCK), "utf-8", "surrogateescape")
        except (tarfile.TarError, ValueError):
            return None
        return head if head.size >= 0 else None

    def _pieces(self, at: int) -> Iterator[tuple[int, bytes]]:
        while self._left > 0:
            self._handle.seek(at)
            piece = self._handle.read(_PIECE)
            if not piece:
                return
            self._left -= len(piece)
            yield at, piece
            at += len(piece)

    def _zeros(self, at: int) -> int:
        """How many zero bytes follow."""
        for start, piece in self._pieces(at):
            if rest := piece.lstrip(b"\x00"):
                return start + len(piece) - len(rest) - at
        return self._size - at

    def _search(self, start: int) -> int | None:
        """The next valid header from `start` on, wherever it lies: bytes may have been lost or added, too."""
        tail = b""
        for at, piece in self._pieces(start):
            window, base = tail + piece, at - len(tail)
            place = window.find(b"ustar")
            while place >= 0:
                if (found := base + place - _MAGIC) >= start and self._header(found):
                    return found
                place = window.find(b"ustar", place + 1)
            tail = window[-4:]
        return None

    # -- reading a header ----------------------------------------------------------------------------------------------

    def _info(self, at: int) -> tuple[tarfile.TarInfo | None, str]:
        """The member whose headers begin here, or why it cannot be read."""
        if why := self._unfit(at):
            return None, why
        self._handle.seek(at)
        try:
            info = tarfile.TarInfo.fromtarfile(self._archive)
        except (*DAMAGE, tarfile.TarError, MemoryError) as error:
            return None, f"a header that cannot be read ({type(error).__name__}: {error})"
        end = self._archive.offset
        if info.size < 0 or end <= at or info.offset_data < at:
            return None, "a header with a negative size"
        info.pax_headers = {}  # each has a copy of the archive's own
        return info, ""

    def _unfit(self, at: int) -> str:
        """Why the headers at this place are not to be read into memory; "" when they are fit."""
        for _ in range(_CHAIN):
            head = self._header(at)
            if head is None:
                return "an extended header that no valid one follows"
            if head.type == tarfile.GNUTYPE_SPARSE:
                return self._unfit_sparse(at)
            most = _EXTENDED.get(head.type)
            if most is None:
                return ""
            if head.size > most:
                return f"an extended header that claims {head.size} bytes"
            at += BLOCK + (head.size + BLOCK - 1) // BLOCK * BLOCK
        return f"more than {_CHAIN} extended headers in a row"

    def _unfit_sparse(self, at: int) -> str:
        """GNU's old sparse format goes on in further blocks."""
        self._handle.seek(at)
        more = self._handle.read(BLOCK)[482]
        for _ in range(_SPARSE_BLOCKS):
            if not more:
                return ""
            block = self._handle.read(BLOCK)
            if len(block) < BLOCK:
                return "a map of a sparse file that is cut"
            more = block[504]
        return "a map of a sparse file without an end"
