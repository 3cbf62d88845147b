"""VHDX, VHD, VDI, QCOW2 and Parallels images: opened without a path, held against what their own headers say.

A differencing disk holds only what was written since its parent was left: alone it reads as zeros where it should not.
VHDX, VHD and VDI ones are refused (dissect reads no partly written VHDX block rightly, and not the others at all); a
QCOW2's backing file is read when it lies beside it.

Formats: [MS-VHDX] 2.2 to 2.6; "Virtual Hard Disk Image Format Specification" (footer, dynamic header, BAT); QEMU's
docs/interop/qcow2.txt; VirtualBox's VDICore.h as libvdi's documentation has it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from dissect.hypervisor.disk import hdd
from dissect.hypervisor.disk import qcow2 as _qcow2
from dissect.hypervisor.disk import vhd as _vhd
from dissect.hypervisor.disk import vhdx as _vhdx
from dissect.hypervisor.disk.c_vhd import c_vhd
from dissect.util.stream import AlignedStream

from forensics.evidence.base import EvidenceError
from forensics.evidence.extents import MOST_TABLE, SECTOR, Disk, File, Joined, Piece, numbers_at
from forensics.evidence.regular import beside, head_of, is_regular

_MIB = 1024 * 1024
_MOST_L2 = 4096
_REGIONS = (0x30000, 0x40000)
_METADATA = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
_PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b").bytes_le
_LOCATOR = UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").bytes_le
_MERGE = "merge it into its parent first, or open an image of the whole disk"
Chain = tuple[Path, ...]


class _Stream(AlignedStream):  # type: ignore[misc]  # dissect carries no types
    """What reads at an offset, as a stream."""

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        self._at = read
        super().__init__(size, align=SECTOR)

    def _read(self, offset: int, length: int) -> bytes:
        return self._at(offset, min(length, self.size - offset))


def _cut(file: File, end: int) -> list[str]:
    if end <= file.length:
        return []
    return [f"{file.path.name} is cut: it has {file.length:,} bytes and lists content up to byte {end:,}"]


# -- VHDX ----------------------------------------------------------------------------------------------------------


def vhdx(path: Path, file: File, chain: Chain) -> Disk:  # noqa: ARG001  # as all readers
    """A fixed or dynamic VHDX."""
    if (parent := _vhdx_parent(file)) is not None:
        raise EvidenceError(f"{path} is a differencing disk of {parent or 'an unnamed parent'}; {_MERGE}")
    file.seek(0)
    media = _vhdx.VHDX(file)
    return Disk("vhdx", media, [file], check=lambda: _cut(file, _vhdx_end(media, file)))


def _vhdx_end(media: Any, file: File) -> int:  # noqa: ANN401  # VHDX
    """Where the last block ends that the BAT says is there (state 6 or 7 in bits 0-2, MiB from bit 20)."""
    blocks = -(-media.size // media.block_size)
    entries = numbers_at(file, "Q", media.bat.offset, blocks + blocks // media._chunk_ratio)
    ratio = media._chunk_ratio + 1
    return max(
        ((entry >> 20) * _MIB + media.block_size
         for number, entry in enumerate(entries) if entry & 7 in (6, 7) and (number + 1) % ratio),
        default=0,
    )  # fmt: skip


def _vhdx_parent(file: File) -> str | None:
    """What a VHDX says about its parent: None where it has none, "" where it does not name it."""
    for place in _REGIONS:
        head = file.at(place, 65536)
        if head[:4] != b"regi":
            continue
        for number in range(min(int.from_bytes(head[8:12], "little"), 2047)):
            guid, offset, length = struct.unpack_from("<16sQI", head, 16 + 32 * number)
            if guid == _METADATA and (found := _vhdx_metadata(file.at(offset, min(length, 2 * _MIB)))) is not None:
                return found
    return None


def _vhdx_metadata(data: bytes) -> str | None:
    if data[:8] != b"metadata":
        return None
    linked, named = False, ""
    for number in range(min(int.from_bytes(data[10:12], "little"), 2047)):
        entry = data[32 + 32 * number : 64 + 32 * number]
        if len(entry) < 32:
            break
        guid, offset, length = struct.unpack_from("<16sII", entry)
        body = data[offset : offset + length]
        if guid == _PARAMETERS and len(body) >= 8:
            linked = linked or bool(body[4] & 2)
        elif guid == _LOCATOR:
            linked, named = True, _located(body)
    return named if linked else None


def _located(body: bytes) -> str:
    """The paths in a parent locator: from 20, 12 bytes each: u32 key, u32 value offsets, u16 lengths; UTF-16."""
    found: dict[str, str] = {}
    for number in range(min(int.from_bytes(body[18:20], "little"), 64)):
        row = body[20 + 12 * number : 32 + 12 * number]
        if len(row) < 12:
            break
        key, value, key_length, length = struct.unpack("<IIHH", row)
        name = body[key : key + key_length].decode("utf-16-le", "replace")
        found[name] = body[value : value + length].decode("utf-16-le", "replace")
    paths = (found.get(name, "") for name in ("relative_path", "absolute_win32_path", "volume_path"))
    return " or ".join(repr(text) for text in paths if text)


# -- VHD -----------------------------------------------------------------------------------------------------------


def vhd(path: Path, file: File, chain: Chain) -> Disk:  # noqa: ARG001  # as all readers
    """A fixed or dynamic VHD; the copy of the footer that a dynamic one begins with serves where its end is lost."""
    footer, faults = _footer(file)
    kind = int.from_bytes(footer[60:64], "big")
    parsed = c_vhd.footer(footer)
    if kind == 4:
        header = file.at(parsed.data_offset, 1024)
        name = header[64:576].decode("utf-16-be", "replace").partition("\x00")[0]
        raise EvidenceError(f"{path} is a differencing disk of {name!r}; {_MERGE}")
    if parsed.data_offset == 0xFFFFFFFFFFFFFFFF:
        lost = parsed.current_size + SECTOR - file.length
        faults += [f"{path.name} is {lost:,} bytes shorter than its footer says"] if lost > 1 else []
        return Disk("vhd", Joined([Piece(parsed.current_size, file)]), [file], faults=faults)
    disk = _vhd.DynamicDisk(file, parsed)
    if not 0 < disk.header.block_size <= 1024 * _MIB or disk.header.block_size % SECTOR:
        raise EvidenceError(f"{path}: a VHD with blocks of {disk.header.block_size} bytes", integrity=True)
    stream = _Stream(disk.size, lambda offset, length: disk.read_sectors(offset // SECTOR, -(-length // SECTOR)))
    return Disk("vhd", stream, [file], faults=faults, check=lambda: _cut(file, _vhd_end(disk, file)))


def _footer(file: File) -> tuple[bytes, list[str]]:
    for length in (512, 511):
        data = file.at(max(file.length - length, 0), 512)
        if data[:8] == b"conectix":
            return data.ljust(512, b"\x00"), []
    return file.at(0, 512), [f"{file.path.name} has no footer at its end: it is cut, or was not closed"]


def _vhd_end(disk: Any, file: File) -> int:  # noqa: ANN401  # DynamicDisk
    entries = numbers_at(file, "I", disk.header.table_offset, disk.header.max_table_entries, big=True)
    last = max((entry for entry in entries if entry != 0xFFFFFFFF), default=0)
    return (last + disk._sector_bitmap_size) * SECTOR + disk.header.block_size if last else 0


# -- VDI -----------------------------------------------------------------------------------------------------------


def vdi(path: Path, file: File, chain: Chain) -> Disk:  # noqa: ARG001  # as all readers
    """A VDI: u32 type at 76 (1 dynamic, 2 fixed), tables from 340, sizes from 368; block numbers (u32) lead to blocks.

    Read here, as dissect takes blocks that follow each other on the disk to follow each other in the file.
    """
    head = file.at(0, 512)
    if len(head) < 512:
        raise EvidenceError(f"{path} is cut inside the header of a VDI", integrity=True)
    kind, (map_at, data_at) = int.from_bytes(head[76:80], "little"), struct.unpack_from("<II", head, 340)
    size, block = struct.unpack_from("<QI", head, 368)
    (extra, count) = struct.unpack_from("<II", head, 380)
    if kind not in (1, 2):
        parent = UUID(bytes_le=head[424:440])
        raise EvidenceError(f"{path} is a differencing disk (VDI type {kind}) of the disk {{{parent}}}; {_MERGE}")
    if not SECTOR <= block <= 1024 * _MIB or block % SECTOR or count > MOST_TABLE // 4 or size > count * block:
        raise EvidenceError(f"{path}: {count} blocks of {block} bytes for a disk of {size} bytes", integrity=True)
    entries = numbers_at(file, "I", map_at, count)
    entries.extend([0xFFFFFFFF] * (count - len(entries)))
    here = Joined([
        Piece(min(block, size - number * block), *((file, data_at + entry * (extra + block) + extra)
              if entry < 0xFFFFFFFE else ()))
        for number, entry in enumerate(entries) if number * block < size
    ])  # fmt: skip
    last = max((entry for entry in entries if entry < 0xFFFFFFFE), default=-1)
    end = max(data_at + (last + 1) * (extra + block), map_at + 4 * count)
    return Disk("vdi", here, [file], check=lambda: _cut(file, end))


# -- QCOW2 ---------------------------------------------------------------------------------------------------------


def qcow2(path: Path, file: File, chain: Chain) -> Disk:
    """A QCOW2 with the backing file and the data file that it names, where they lie beside it."""
    from forensics.evidence.disks import open_disk

    image = _qcow2.QCow2(file, allow_no_data_file=True, allow_no_backing_file=True)
    files, parent = [file], None
    if image.needs_data_file:
        files.append(File(beside(path, image.image_data_file or "", "the data file")))
        image.data_file = files[1]
    if image.needs_backing_file:
        parent = open_disk(beside(path, image.auto_backing_file or "", "the backing file"), chain)
        image.backing_file = _Stream(
            max(image.size, parent.size), lambda offset, length: _padded(parent, offset, length)
        )
    return Disk("qcow2", image.open(), files, below=parent, check=lambda: _cut(files[-1], _qcow2_end(image, file)))


def _padded(media: Disk, offset: int, length: int) -> bytes:
    """Beyond a smaller backing file's end there are zeros."""
    media.seek(offset)
    data: bytes = media.read(length)
    return data.ljust(length, b"\x00")


def _qcow2_end(image: Any, file: File) -> int:  # noqa: ANN401  # QCow2
    """Where the last cluster ends that the tables say is there."""
    import numpy as np

    offsets, end, step = np.uint64(0x00FFFFFFFFFFFE00), 0, 2 if image.has_subclusters else 1
    for entry in list(image.l1_table)[:_MOST_L2]:
        place = int(entry) & int(offsets)
        if not place:
            continue
        end = max(end, place + image.cluster_size) if not image.needs_data_file else end
        table = np.frombuffer(file.at(place, image.cluster_size // 8 * 8), dtype=">u8")[::step].astype(np.uint64)
        plain = table[(table >> np.uint64(62)) & np.uint64(1) == 0] & offsets
        if plain.size and plain.max():
            end = max(end, int(plain.max()) + image.cluster_size)
    return end


# -- Parallels -----------------------------------------------------------------------------------------------------


def hds(path: Path, file: File, chain: Chain) -> Disk:  # noqa: ARG001  # as all readers
    """One image file of a Parallels disk; where its description lists several, none of them is the disk."""
    description = path.parent / "DiskDescriptor.xml"
    if is_regular(description) and head_of(description, _MIB).count(b"<Image>") > 1:
        raise EvidenceError(f"{path} is one of several images of a Parallels disk with snapshots; {_MERGE}")
    return Disk("hds", hdd.HDS(file), [file])
