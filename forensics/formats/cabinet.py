"""Cabinet files (.cab) with stored or MSZIP content, as a stream: what Windows packs old servicing logs into.

Nothing is unpacked to disk and no more than two blocks are in memory. LZX and Quantum are not read, and that is said.
Layout: [MS-CAB] (CFHEADER, CFFOLDER, CFFILE, CFDATA) and [MS-MCI] (MSZIP: deflate blocks behind `CK`, each with the 32
KiB before it as its dictionary).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from forensics.formats import FormatError

SIGNATURE = b"MSCF"
OUTPUT_LIMIT = 512 * 1024 * 1024
_HEADER = struct.Struct("<8xI4xI4xBBHHHHH")  # size, first file, version (2), folders, files, flags, set, number in set
_FOLDER, _FILE, _DATA = struct.Struct("<IHH"), struct.Struct("<IIHHHH"), struct.Struct("<IHH")
_PREVIOUS, _NEXT, _RESERVED = 1, 2, 4
_UTF8_NAME = 0x80
_STORED, _MSZIP = 0, 1
_METHODS = {2: "Quantum", 3: "LZX"}
_BLOCK = 32 * 1024
_NAME_LIMIT = 256
_MEMBERS = 1000
_ELSEWHERE = 0xFFFD  # instead of a folder's number: begins or ends in another cabinet, or both


@dataclass(frozen=True, slots=True)
class Folder:
    """One run of compressed blocks: where they begin, how many there are, and how they are packed."""

    offset: int
    blocks: int
    method: int
    reserve: int


@dataclass(frozen=True, slots=True)
class CabFile:
    """A file of the cabinet: its name, its size, and where it begins in the unpacked folder."""

    name: str
    size: int
    start: int
    folder: Folder


def members(fh: BinaryIO, problems: list[FormatError]) -> list[CabFile]:
    """The files of a cabinet; those that cannot be had go to `problems`. Raises FormatError when it is none."""
    fh.seek(0)
    head = fh.read(36)
    if len(head) < 36 or not head.startswith(SIGNATURE):
        raise FormatError("not a cabinet", 0)
    _, first, _, major, folders, files, flags, _, _ = _HEADER.unpack(head)
    if major != 1:
        raise FormatError(f"a cabinet of version {major}", 24)
    header_reserve = folder_reserve = data_reserve = 0
    if flags & _RESERVED:
        header_reserve, folder_reserve, data_reserve = struct.unpack("<HBB", _exactly(fh, 4))
        _exactly(fh, header_reserve)
    for _ in range(2 * bool(flags & _PREVIOUS) + 2 * bool(flags & _NEXT)):
        _text(fh)
    found = []
    for _ in range(folders):
        offset, blocks, kind = _FOLDER.unpack(_exactly(fh, _FOLDER.size))
        _exactly(fh, folder_reserve)
        found.append(Folder(offset, blocks, kind & 0xF, data_reserve))
    if files > _MEMBERS:
        problems.append(FormatError(f"{files} files: only the first {_MEMBERS} are read"))
    return list(_files(fh, first, min(files, _MEMBERS), found, problems))


def _files(
    fh: BinaryIO, first: int, count: int, folders: list[Folder], problems: list[FormatError]
) -> Iterator[CabFile]:
    fh.seek(first)
    for number in range(count):
        try:
            size, start, folder, _, _, attributes = _FILE.unpack(_exactly(fh, _FILE.size))
            name = _text(fh).decode("utf-8" if attributes & _UTF8_NAME else "cp1252", "replace")
        except FormatError as error:
            problems.append(FormatError(f"{count - number} of {count} files are lost: {error}"))
            return
        if folder < len(folders):
            yield CabFile(name, size, start, folders[folder])
        else:
            why = "goes on in another cabinet" if folder >= _ELSEWHERE else f"is in folder {folder}, which is not there"
            problems.append(FormatError(f"{name} {why}"))


def _exactly(fh: BinaryIO, size: int) -> bytes:
    data = fh.read(size)
    if len(data) < size:
        raise FormatError("the cabinet ends inside its tables", fh.tell())
    return data


def _text(fh: BinaryIO) -> bytes:
    """A NUL-terminated string."""
    place = fh.tell()
    data = fh.read(_NAME_LIMIT)
    end = data.find(b"\x00")
    if end < 0:
        raise FormatError("a name without an end", place)
    fh.seek(place + end + 1)
    return data[:end]


class CabStream(io.RawIOBase):
    """The unpacked content of one file, to be read from its start; `seek(0)` begins again.

    Damage ends the stream; `problem` then says what it was, and is None when all of it was read. `unpacked` counts what
    came out of blocks, with those in front of the file and those read twice: at most `most`. The files of a cabinet may
    share their blocks, so a limit for each would be none for all of them.
    """

    def __init__(self, fh: BinaryIO, member: CabFile, most: int = OUTPUT_LIMIT) -> None:
        super().__init__()
        if member.folder.method not in (_STORED, _MSZIP):
            method = _METHODS.get(member.folder.method, f"method {member.folder.method}")
            raise FormatError(f"{member.name} is packed with {method}, which is not read")
        self._fh, self._member, self._most = fh, member, most
        self.unpacked = 0
        self.problem: FormatError | None = None
        self._restart()

    def _restart(self) -> None:
        self._place = 0
        self._rest = b""
        self._chunks = self._content()

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """To its start only."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Begin again."""
        if offset or whence:
            raise io.UnsupportedOperation("only seek(0)")
        self._restart()
        return 0

    def tell(self) -> int:
        """The position in the unpacked file."""
        return self._place

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Up to one block of what follows; 0 at the end."""
        if not self._rest:
            self._rest = next(self._chunks, b"")
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self._place += count
        return count

    def _content(self) -> Iterator[bytes]:
        """The bytes of the file out of the blocks of its folder."""
        self.problem = None
        skip, left = self._member.start, self._member.size
        try:
            for block in self._blocks():
                part = block[skip : skip + left] if skip < len(block) else b""
                skip, left = max(0, skip - len(block)), left - len(part)
                if part:
                    yield part
                if not left:
                    return
        except FormatError as error:
            self.problem = error
            return
        if left:
            self.problem = FormatError(f"the cabinet holds {left} bytes less than {self._member.name} should have")

    def _blocks(self) -> Iterator[bytes]:
        folder, before = self._member.folder, b""
        place = folder.offset
        for _ in range(folder.blocks):
            self._fh.seek(place)
            _, packed, unpacked = _DATA.unpack(_exactly(self._fh, _DATA.size))
            _exactly(self._fh, folder.reserve)
            data = _exactly(self._fh, packed)
            before = data if folder.method == _STORED else _inflate(data, before, place)
            if len(before) != unpacked or unpacked > _BLOCK:
                raise FormatError(f"a block gives {len(before)} bytes instead of {unpacked}", place)
            self.unpacked += len(before)
            if self.unpacked > self._most:
                raise FormatError(f"no more than {OUTPUT_LIMIT} bytes are unpacked of a cabinet")
            yield before
            place += _DATA.size + folder.reserve + packed


def _inflate(data: bytes, before: bytes, place: int) -> bytes:
    if data[:2] != b"CK":
        raise FormatError("a block without the mark of MSZIP", place)
    machine = zlib.decompressobj(-15, zdict=before) if before else zlib.decompressobj(-15)
    try:
        return machine.decompress(data[2:], _BLOCK + 1)
    except zlib.error as error:
        raise FormatError(f"a block that does not unpack ({error})", place) from error
