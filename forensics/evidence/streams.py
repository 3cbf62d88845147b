"""Streams over parts of evidence that fail in one way only: whatever a decoder meets in damaged data is an OSError.

Who reads a member need not know what container it lies in, so no container's own errors may reach it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO, TypeVar, cast

from forensics.evidence.base import DAMAGE

T = TypeVar("T")


class Slice(io.RawIOBase):
    """Some bytes of a file that stays open for others, too."""

    def __init__(self, handle: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._handle, self._start, self._size, self._at = handle, start, size, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; places before the start are none."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError("a place before the start")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Where it is."""
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed: any buffer
        """Read what is asked for, as far as the part goes."""
        self._handle.seek(self._start + self._at)
        data = self._handle.read(max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class _Guarded(io.RawIOBase):
    def __init__(self, inner: BinaryIO, name: str) -> None:
        super().__init__()
        self._inner, self._name = inner, name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return _told(lambda: self._inner.seek(offset, whence), self._name)

    def tell(self) -> int:
        return self._inner.tell()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed: any buffer
        data = _told(lambda: self._inner.read(len(buffer)), self._name)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        super().close()
        self._inner.close()


def _told(work: Callable[[], T], name: str) -> T:
    try:
        return work()
    except OSError:
        raise
    except DAMAGE as error:
        raise OSError(f"{name} cannot be read: {type(error).__name__}: {error}") from error


def part(handle: BinaryIO, start: int, size: int) -> BinaryIO:
    """A buffered stream over some bytes of a file; closing it leaves the file open."""
    return cast("BinaryIO", io.BufferedReader(Slice(handle, start, size)))


def guarded(opener: Callable[[], BinaryIO], name: str) -> Callable[[], BinaryIO]:
    """The same opener, whose streams (and itself) raise nothing but OSError on damage."""

    def open_it() -> BinaryIO:
        return cast("BinaryIO", io.BufferedReader(_Guarded(_told(opener, name), name)))

    return open_it
