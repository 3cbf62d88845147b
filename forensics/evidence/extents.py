"""What disk images are put together from: files without names, pieces of them, and the media as one stream.

The libraries that read containers look for parents and extents by the name of the file that they are given, wherever
it leads; a `File` has none. They join short reads, so that after a cut everything lies at a wrong place: here what a
file does not have is read as zeros, and is remembered, so that whoever was given them is told.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dissect.hypervisor.exceptions import Error as HypervisorError
from dissect.util.stream import AlignedStream

from forensics.evidence.regular import open_regular

SECTOR = 512
MOST_TABLE = 64 * 1024 * 1024
_MOST_PADDING = 64 * 1024 * 1024
_SLACK = SECTOR - 1  # lengths of compressed clusters are counted in sectors: the last may reach over the file's end


class File:
    """A file of an image. Once `lenient`, what is asked for beyond its end is zeros, and noted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = open_regular(path)
        self.length = self._handle.seek(0, 2)
        self._handle.seek(0)
        self.lenient = False
        self.met: dict[str, None] = {}
        self.seek, self.tell, self.close = self._handle.seek, self._handle.tell, self._handle.close

    def read(self, length: int = -1) -> bytes:
        """As a file's own."""
        data = self._handle.read(length)
        lost = length - len(data)
        if not self.lenient or not 0 < lost <= _MOST_PADDING:
            return data
        if lost > _SLACK or not data:
            self.met[f"{self.path.name} ends at {self.length:,} bytes, before what is asked of it"] = None
        return data + bytes(lost)

    def at(self, offset: int, length: int) -> bytes:
        """The bytes at an offset, as many as there are."""
        self._handle.seek(offset)
        return self._handle.read(length)


def numbers_at(file: File, kind: str, offset: int, count: int, *, big: bool = False) -> array[int]:
    """A table of numbers (`kind` as of `array`), as much of it as there is."""
    size = array(kind).itemsize
    data = file.at(offset, min(count * size, MOST_TABLE))
    entries = array(kind, data[: len(data) // size * size])
    if big != (sys.byteorder == "big"):
        entries.byteswap()
    return entries


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the media: where its bytes lie. Without a source they are zeros, which `lost` says are not its own."""

    length: int
    source: Any = None
    offset: int = 0
    lost: str = ""


class Joined(AlignedStream):  # type: ignore[misc]  # dissect carries no types
    """Pieces one after the other."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = list(pieces)
        self._starts: list[int] = []
        end = 0
        for piece in pieces:
            self._starts.append(end)
            end += piece.length
        self.met: dict[str, None] = {}
        super().__init__(end, align=SECTOR)

    def _read(self, offset: int, length: int) -> bytes:
        parts: list[bytes] = []
        end = min(offset + length, self.size)
        while offset < end:
            index = bisect_right(self._starts, offset) - 1
            piece, skip = self._pieces[index], offset - self._starts[index]
            wanted = min(end - offset, piece.length - skip)
            parts.append(self._of(piece, skip, wanted))
            offset += wanted
        return b"".join(parts)

    def _of(self, piece: Piece, skip: int, wanted: int) -> bytes:
        data = b""
        if piece.lost:
            self.met[piece.lost] = None
        elif piece.source is not None:
            piece.source.seek(piece.offset + skip)
            data = piece.source.read(wanted)
            if len(data) < wanted:
                self.met["a file of the image ends early"] = None
        return data + bytes(wanted - len(data))


class Disk(AlignedStream):  # type: ignore[misc]
    """The media inside an image: `files` are what it was read from, `faults` what was wrong from the start.

    `check` looks for what the container says that it holds and does not; it may take a while. `whole` is the media's
    length as it should be, where that is more than the stream has: the rest is zeros.
    """

    def __init__(
        self,
        kind: str,
        stream: Any,  # noqa: ANN401  # dissect carries no types
        files: Iterable[File] = (),
        *,
        faults: Iterable[str] = (),
        check: Callable[[], list[str]] | None = None,
        below: Any = None,  # noqa: ANN401  # another media
        whole: int = 0,
    ) -> None:
        self.__type__ = kind
        self._stream, self._own, self._below = stream, list(files), below
        self._check, self._shown, self._has = check, list(faults), int(stream.size)
        self._met: dict[str, None] = {}
        for item in self._own:
            item.lenient = True
        super().__init__(max(self._has, whole), align=SECTOR)

    def _read(self, offset: int, length: int) -> bytes:
        wanted = max(min(length, self.size - offset), 0)
        try:
            self._stream.seek(offset)
            data: bytes = self._stream.read(min(wanted, max(self._has - offset, 0)))
        except (HypervisorError, RuntimeError, zlib.error) as error:
            raise OSError(f"the {self.__type__} image cannot be read at byte {offset:,}: {error}") from error
        if len(data) < wanted:
            self._met[f"the media ends at {self._has:,} bytes"] = None
        return data + bytes(wanted - len(data))

    @property
    def files(self) -> list[Path]:
        """The files that it is read from, the one that was named first."""
        return [*(item.path for item in self._own), *(self._below.files if self._below else ())]

    @property
    def faults(self) -> list[str]:
        """What was wrong from the start, one sentence each."""
        return [*self._shown, *(self._below.faults if self._below else ())]

    def check(self) -> list[str]:
        """What the container lists that is not in it."""
        return [*(self._check() if self._check else ()), *(self._below.check() if self._below else ())]

    def touched(self) -> list[str]:
        """What was asked for and is not there, since the last call."""
        found: dict[str, None] = {}
        for met in (self._met, getattr(self._stream, "met", {}), *(item.met for item in self._own)):
            found.update(met)
            met.clear()
        return [*found, *(self._below.touched() if self._below else ())]

    @property
    def stored_hashes(self) -> dict[str, str]:
        """The hashes of the media that an E01 below stores."""
        return getattr(self._below, "stored_hashes", {})

    def close(self) -> None:
        """Close the files."""
        super().close()
        for item in self._own:
            item.close()
        if self._below:
            self._below.close()
