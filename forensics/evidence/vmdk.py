"""VMDK: its descriptor is read here, and every extent and parent that it names is looked up beside it and nowhere else.

Format: VMware's "Virtual Disk Format 5.0" and libvmdk's documentation: a text of `name=value` lines and of extents
(`RW <sectors> <type> "<file>" <start sector>`), in a file of its own or in a sparse extent's header. A snapshot's or
linked clone's disk holds only what was written since: `parentCID` says what its parent's `CID` is, `parentFileNameHint`
where it lay. A sparse extent's directory (u32 sectors of tables) leads to tables of 512 entries (u32 sectors).
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

from dissect.hypervisor.disk.vmdk import SparseDisk
from dissect.util.stream import AlignedStream

from forensics.evidence.base import EvidenceError
from forensics.evidence.extents import SECTOR, Disk, File, Joined, Piece, numbers_at
from forensics.evidence.regular import beside

_MOST_DESCRIPTOR = 1024 * 1024
_MOST_EXTENTS = 10_000
_MOST_TABLES = 1_000_000
_EXTENT = re.compile(r'^(?:RW|RDONLY|NOACCESS)\s+(\d{1,15})\s+([A-Z]+)(?:\s+"(.*)")?(?:\s+(\d{1,15}))?(?:\s.*)?$')
_SPARSE, _FLAT = frozenset({"SPARSE", "VMFSSPARSE", "SESPARSE"}), frozenset({"FLAT", "VMFS"})
_NO_PARENT = "ffffffff"


class _Descriptor:
    """The lines of a descriptor."""

    def __init__(self, text: str) -> None:
        self.values: dict[str, str] = {}
        self.extents: list[tuple[int, str, str, int]] = []
        for line in (line.strip("\x00 \t\r") for line in text.split("\n")):
            if found := _EXTENT.match(line):
                self.extents.append((int(found[1]), found[2], found[3] or "", int(found[4] or 0)))
            elif not line.startswith("#"):
                name, equals, value = line.partition("=")
                if equals:
                    self.values.setdefault(name.strip().casefold(), value.strip(' "'))

    @property
    def parent(self) -> str:
        """Where the parent lay; "" for a disk without one."""
        linked = self.values.get("parentcid", _NO_PARENT).casefold() != _NO_PARENT
        hint = self.values.get("parentfilenamehint", "")
        return hint or ("a parent that it does not name" if linked else "")


class _Extent(AlignedStream):  # type: ignore[misc]  # dissect carries no types
    """A sparse extent as a stream."""

    def __init__(self, disk: Any, start: int) -> None:  # noqa: ANN401
        self._disk, self._start = disk, start
        disk.sector_offset = start
        super().__init__(disk.size, align=SECTOR)

    def _read(self, offset: int, length: int) -> bytes:
        count = min(-(-length // SECTOR), self._disk.sector_count - offset // SECTOR)
        data: bytes = self._disk.read_sectors(self._start + offset // SECTOR, count)
        return data


class _Sectors:
    """A parent as a sparse extent asks it."""

    def __init__(self, media: Disk) -> None:
        self._media = media

    def read_sectors(self, sector: int, count: int) -> bytes:
        """The sectors; what lies beyond a smaller parent's end was never written."""
        self._media.seek(sector * SECTOR)
        data: bytes = self._media.read(count * SECTOR)
        return data.ljust(count * SECTOR, b"\x00")


def opened(path: Path, file: File, chain: tuple[Path, ...]) -> Disk:
    """A descriptor with its extents, or a sparse extent that has its descriptor in it."""
    if file.at(0, 4) == b"# Di":
        descriptor = _Descriptor(file.at(0, _MOST_DESCRIPTOR).decode("utf-8", "replace"))
        parent = _parent(path, descriptor, chain)
        return _of_extents(path, file, descriptor, parent)
    embedded = descriptor_of(file)
    parent = _parent(path, embedded, chain) if embedded else None
    sparse = SparseDisk(file, parent=_Sectors(parent) if parent else None)
    faults = []
    if embedded and len(embedded.extents) > 1:
        faults = [f"{path.name} is one of {len(embedded.extents)} extents; the others are not read"]
    return Disk("vmdk", _Extent(sparse, 0), [file], faults=faults, check=lambda: _listed(sparse, file), below=parent)


def descriptor_of(file: File) -> _Descriptor | None:
    """The descriptor in a hosted sparse extent: u64 sector at 28, u64 sectors at 36."""
    head = file.at(0, 512)
    if head[:4] != b"KDMV" or len(head) < 512:
        return None
    start, count = struct.unpack_from("<QQ", head, 28)
    if not count or start * SECTOR >= file.length:
        return None
    text = file.at(start * SECTOR, min(count * SECTOR, _MOST_DESCRIPTOR)).partition(b"\x00")[0]
    return _Descriptor(text.decode("utf-8", "replace"))


def _parent(path: Path, descriptor: _Descriptor, chain: tuple[Path, ...]) -> Disk | None:
    from forensics.evidence.disks import open_disk

    if not descriptor.parent:
        return None
    place = beside(path, descriptor.parent, "the parent of this differencing disk,")
    wanted, found = descriptor.values.get("parentcid", "").casefold(), _identity(place)
    if place not in chain and wanted != found:
        raise EvidenceError(
            f"{path} is a differencing disk of {descriptor.parent!r} with CID {wanted}; the {place.name} beside it has "
            f"{f'CID {found}' if found else 'none'}",
            integrity=True,
        )
    return open_disk(place, chain)


def _identity(path: Path) -> str:
    """The CID of a VMDK, "" for anything else."""
    file = File(path)
    try:
        if file.at(0, 4) == b"# Di":
            descriptor: _Descriptor | None = _Descriptor(file.at(0, _MOST_DESCRIPTOR).decode("utf-8", "replace"))
        else:
            descriptor = descriptor_of(file)
    finally:
        file.close()
    return descriptor.values.get("cid", "").casefold() if descriptor else ""


def _of_extents(path: Path, file: File, descriptor: _Descriptor, parent: Disk | None) -> Disk:
    if not 0 < len(descriptor.extents) <= _MOST_EXTENTS:
        raise EvidenceError(f"{path} is a VMDK descriptor with {len(descriptor.extents)} extents", integrity=True)
    files, pieces, faults = [file], [], []
    sparse: list[tuple[Any, File]] = []
    start = 0
    for sectors, kind, name, first in descriptor.extents:
        if kind == "ZERO":
            pieces.append(Piece(sectors * SECTOR))
        elif kind in _FLAT or kind in _SPARSE:
            part = File(beside(path, name, "the extent"))
            files.append(part)
            if kind in _FLAT:
                pieces.append(Piece(sectors * SECTOR, part, first * SECTOR))
                if (lost := (first + sectors) * SECTOR - part.length) > 0:
                    faults.append(f"{part.path.name} is {lost:,} bytes shorter than {path.name} says")
            else:
                disk = SparseDisk(part, parent=_Sectors(parent) if parent else None)
                sparse.append((disk, part))
                pieces.append(Piece(sectors * SECTOR, _Extent(disk, start)))
        else:
            raise EvidenceError(f"{path} asks for an extent of type {kind} ({name!r}): a raw device, which is not read")
        start += sectors
    return Disk("vmdk", Joined(pieces), files, faults=faults, below=parent,
                check=lambda: [why for disk, part in sparse for why in _listed(disk, part)])  # fmt: skip


def _listed(disk: Any, file: File) -> list[str]:  # noqa: ANN401  # SparseDisk
    """Whether every grain that the tables list lies in the file."""
    if disk.is_sesparse:
        return []
    end, size = 0, disk.header.grain_size * SECTOR
    packed = bool(getattr(disk.header, "flags", 0) & 0x10000)
    for table in list(disk._grain_directory)[:_MOST_TABLES]:
        if table:
            end = max(end, table * SECTOR + 4 * disk._grain_table_size)
            entries = numbers_at(file, "I", table * SECTOR, disk._grain_table_size)
            highest = max(entries, default=0)
            end = max(end, highest * SECTOR + (SECTOR if packed else size) if highest > 1 else 0)
    if end <= file.length:
        return []
    return [f"{file.path.name} is cut: it has {file.length:,} bytes and lists content up to byte {end:,}"]
