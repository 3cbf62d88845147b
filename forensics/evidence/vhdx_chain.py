r"""Dynamic and differencing VHDX over file objects, each with its parent below it: one stream over the whole chain.

A surviving `sandbox.vhdx` lies inside the evidence, and so does its parent: neither has a path on this machine, which
is what dissect would follow, nor may one be looked for there. What a disk holds is found by its block allocation table:
for each block a state (bits 0-2: 0 not its own, 1-3 zeros or undefined, 6 whole, 7 some sectors) and a place (MiB, from
bit 20); after every chunk of blocks (2^23 sectors) comes the entry of a bitmap of 1 MiB that says, sector by sector and
lowest bit first, what of a block in state 7 is the disk's own. The rest is the parent's. The log is not replayed.
Source: [MS-VHDX] 2.5 (BAT), 2.4 (sector bitmaps), 2.6.2.6 (parent locator).
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from dissect.util.stream import AlignedStream

from forensics.evidence.base import DAMAGE, reason
from forensics.formats import FormatError, vhdxhead

MOST_LAYERS = 8
_MIB, _SECTOR = 1 << 20, 512
# 512 GB in blocks of 1 MiB; a session's disk has 40 GB. Every process holds the tables of all guests and their parents.
_MOST_BAT = 4 * _MIB
_WHOLE, _PARTIAL, _ABSENT = 6, 7, 0
_BLOCKS = range(_MIB, 256 * _MIB + 1)
_DRIVE = re.compile(r"(?:[\\/]{2}[?.][\\/])?([A-Za-z]):[\\/](.*)", re.DOTALL)
_VOLUME = re.compile(r"[\\/]{2}[?.][\\/]Volume\{[0-9a-fA-F-]{36}\}[\\/](.*)", re.DOTALL)
Opener = Callable[[str], BinaryIO]


class ChainError(Exception):
    """The disk cannot be read as a whole; the message is a sentence for a person."""


class MissingParentError(ChainError):
    """The evidence does not hold the parent that a differencing disk names."""


@dataclass(slots=True)
class Chain:
    """A disk with all of its parents: `stream` over the whole, the `paths` of its layers (the disk itself first).

    `faults` is what weakens the reading without ending it: a log that was not replayed, a parent that was changed.
    """

    stream: Layer
    paths: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Layer(AlignedStream):  # type: ignore[misc]  # dissect carries no types
    """One VHDX; what it does not hold itself is read from `below`, or is zeros where it has no parent."""

    def __init__(self, fh: BinaryIO) -> None:
        self.fh = fh
        self.head = head = vhdxhead.read(fh)
        self.below: Layer | None = None
        size, block = head.virtual_size, head.block_size
        if size is None or block is None or head.differencing is None or head.bat is None:
            raise ChainError(f"its head is damaged: {'; '.join(head.faults) or 'it has no table of its blocks'}")
        if block not in _BLOCKS or block & (block - 1) or head.sector_size not in (512, 4096) or size % _SECTOR:
            raise ChainError(f"{size} bytes in blocks of {block} and sectors of {head.sector_size}: no such disk")
        self.block, self.sector = block, head.sector_size
        self.ratio = (self.sector << 23) // block
        self._entries = self._table(-(-size // block), *head.bat)
        super().__init__(size, align=_SECTOR)

    def _table(self, blocks: int, offset: int, length: int) -> array[int]:
        chunks = -(-blocks // self.ratio)
        count = chunks * (self.ratio + 1) if self.head.differencing else blocks + (blocks - 1) // self.ratio
        if count * 8 > min(length, _MOST_BAT):
            raise ChainError(f"its table of {length} bytes has no room for {count} entries")
        self.fh.seek(offset)
        data = self.fh.read(count * 8)
        if len(data) < count * 8:
            raise ChainError("it is cut inside the table of its blocks")
        entries = array("Q", data)
        if sys.byteorder == "big":
            entries.byteswap()
        return entries

    @property
    def own(self) -> tuple[int, int]:
        """How many blocks it holds wholly or in part, of how many."""
        blocks = -(-self.size // self.block)
        return sum(self._entry(number) & 7 in (_WHOLE, _PARTIAL) for number in range(blocks)), blocks

    @property
    def cut(self) -> str:
        """What is missing at its end, by its own table; "" when nothing is."""
        length = self.fh.seek(0, 2)
        end = 0
        for at, entry in enumerate(self._entries):
            if entry & 7 in (_WHOLE, _PARTIAL):
                bitmap = (at + 1) % (self.ratio + 1) == 0
                end = max(end, (entry >> 20) * _MIB + (_MIB if bitmap else self.block))
        return f"it is cut: it has {length:,} bytes and lists content up to byte {end:,}" if end > length else ""

    def _entry(self, number: int) -> int:
        return self._entries[number + number // self.ratio]

    def _read(self, offset: int, length: int) -> bytes:
        out, end = bytearray(), min(offset + length, self.size)
        while offset < end:
            number, inside = divmod(offset, self.block)
            step = min(self.block - inside, end - offset)
            out += self._part(number, inside, step)
            offset += step
        return bytes(out)

    def _part(self, number: int, inside: int, length: int) -> bytes:
        """What stands in one block from `inside` on."""
        entry = self._entry(number)
        state, place = entry & 7, (entry >> 20) * _MIB
        if state == _WHOLE or (state == _PARTIAL and not self.head.differencing):
            return self._stored(place + inside, length)
        if state == _PARTIAL:
            return b"".join(self._mixed(number, place, inside, length))
        if state == _ABSENT and self.head.differencing:
            return self._parents(number * self.block + inside, length)
        return bytes(length)

    def _stored(self, place: int, length: int) -> bytes:
        data = b""
        if place < 1 << 62:  # beyond, seeking itself overflows
            self.fh.seek(place)
            data = self.fh.read(length)
        if len(data) < length:
            raise EOFError(f"the disk is cut: it ends before byte {place + length:,}, which its table names")
        return data

    def _parents(self, offset: int, length: int) -> bytes:
        """A parent may be smaller: what is beyond its end is zeros."""
        if self.below is None:
            raise EOFError("its parent is not there")
        self.below.seek(offset)
        data: bytes = self.below.read(max(0, min(length, self.below.size - offset)))
        return data.ljust(length, b"\x00")

    def _mixed(self, number: int, place: int, inside: int, length: int) -> Iterator[bytes]:
        """Runs of sectors that are its own or its parent's, by the bitmap of the block's chunk."""
        chunk, within = divmod(number, self.ratio)
        entry = self._entries[chunk * (self.ratio + 1) + self.ratio]
        if entry & 7 != _WHOLE:
            raise EOFError(f"block {number} is there in part, and the bitmap that says which is not")
        first = (within * self.block + inside) // self.sector
        last = (within * self.block + inside + length - 1) // self.sector
        bits = self._stored((entry >> 20) * _MIB + first // 8, last // 8 - first // 8 + 1)
        at, end = inside, inside + length
        while at < end:
            mine = self._is_own(bits, within, first, at)
            stop = min(end, (at // self.sector + 1) * self.sector)
            while stop < end and self._is_own(bits, within, first, stop) == mine:
                stop = min(end, stop + self.sector)
            step = stop - at
            yield self._stored(place + at, step) if mine else self._parents(number * self.block + at, step)
            at = stop

    def _is_own(self, bits: bytes, within: int, first: int, at: int) -> bool:
        sector = (within * self.block + at) // self.sector
        return bool(bits[sector // 8 - first // 8] >> sector % 8 & 1)


def open_chain(path: str, open_file: Opener) -> Chain:
    """Open the disk at `path` (`C:/...`) and its parents; `open_file` opens paths of the same evidence and no others.

    Raises ChainError where the disk or one of its parents cannot be read, MissingParentError where one is not there.
    """
    chain = Chain(_layer(path, open_file(path)), [path])
    top = chain.stream
    while True:
        name = chain.paths[-1]
        if top.head.log_id:
            chain.faults.append(f"{name}: its log was not replayed, so its last changes may be missing")
        chain.faults += [f"{name}: {fault}" for fault in top.head.faults]
        chain.faults += [f"{name}: {top.cut}"] if top.cut else []
        if not top.head.differencing:
            return chain
        where, handle = _parent(name, top, open_file)
        if where.casefold() in (known.casefold() for known in chain.paths):
            raise ChainError(f"{where} is named as its own parent")
        if len(chain.paths) == MOST_LAYERS:
            raise ChainError(f"more than {MOST_LAYERS} disks stand on each other")
        top.below = _layer(where, handle)
        chain.faults += _changed(where, top, top.below)
        chain.paths.append(where)
        top = top.below


def _layer(path: str, handle: BinaryIO) -> Layer:
    try:
        return Layer(handle)
    except (ChainError, FormatError) as error:
        raise ChainError(f"{path}: {error}") from error
    except DAMAGE as error:
        raise ChainError(f"{path}: {reason(error)}") from error


def _parent(path: str, layer: Layer, open_file: Opener) -> tuple[str, BinaryIO]:
    """The parent by the first of its paths that leads to a file of the evidence."""
    told = layer.head.parent
    for place in candidates(path, told):
        try:
            return place, open_file(place)
        except FileNotFoundError:
            continue
        except DAMAGE as error:
            raise ChainError(f"its parent {place} cannot be opened: {reason(error)}") from error
    own, blocks = layer.own
    asked = " or ".join(layer.head.parents) or "which it does not name"
    raise MissingParentError(
        f"{path} is a differencing disk, and the evidence does not hold its parent: {asked}; {own} of its {blocks} "
        "blocks are its own, and without the parent's no file system can be read of them rightly: nothing was read"
    )


def candidates(path: str, locator: dict[str, str]) -> list[str]:
    """Where in the evidence the parent may lie, the likeliest first: absolute, by its volume, relative to the disk.

    HCS has its sandbox disks' relative path ignored (`IgnoreRelativeLocator`, from public notes), so that comes last.
    A volume's GUID says no letter: the path is tried on the drive of the disk itself.
    """
    drive, _, rest = path.partition("/")
    found = []
    if match := _DRIVE.fullmatch(locator.get("absolute_win32_path", "")):
        found.append(_plain(f"{match[1].upper()}:", match[2]))
    if match := _VOLUME.fullmatch(locator.get("volume_path", "")):
        found.append(_plain(drive, match[1]))
    relative = locator.get("relative_path", "")
    if relative and ":" not in relative and not relative.startswith(("\\\\", "//")):
        found.append(_plain(drive, f"{rest.rpartition('/')[0]}/{relative}"))
    return list(dict.fromkeys(place for place in found if place))


def _plain(drive: str, path: str) -> str:
    """The path with `..` followed; "" where it leads out of the drive or nowhere."""
    steps: list[str] = []
    for step in path.replace("\\", "/").split("/"):
        if step == ".." and not steps:
            return ""
        if step == "..":
            steps.pop()
        elif step not in ("", "."):
            steps.append(step)
    return f"{drive}/{'/'.join(steps)}" if steps else ""


def _changed(where: str, child: Layer, parent: Layer) -> Iterator[str]:
    """A disk notes the state its parent was in when it was made; another one fits it no longer."""
    noted = [child.head.parent.get(name, "").strip("{}").casefold() for name in ("parent_linkage", "parent_linkage2")]
    known = [text for text in noted if text.strip("0-")]
    if known and parent.head.data_write.casefold() not in known:
        yield (
            f"{where} was written to since the disk on it was made (its last write is {parent.head.data_write}, asked "
            f"for is {known[0]}): what is read through both may be wrong"
        )
