"""Virtual disks for tests, byte by byte, as their formats' documents have them; small, and lying if asked to."""

from __future__ import annotations

import struct
from pathlib import Path
from uuid import UUID

from testdata.writers import vhdx as vhdx_writer

SECTOR = 512
NO_PARENT = "ffffffff"
_MIB = 1024 * 1024


def descriptor(extents: str, parent: str = "", parent_cid: str = NO_PARENT, cid: str = "0a0b0c0d") -> bytes:
    """The text that describes a VMDK."""
    hint = f'parentFileNameHint="{parent}"\n' if parent else ""
    text = (
        f'# Disk DescriptorFile\nversion=1\nCID={cid}\nparentCID={parent_cid}\n{hint}createType="custom"\n{extents}\n'
    )
    return text.encode()


def sparse_vmdk(path: Path, data: bytes, described: bytes = b"", holes: frozenset[int] = frozenset()) -> Path:
    """A hosted sparse extent with grains of 64 KiB; the `holes` among them are not stored."""
    grain = 128
    grains = -(-len(data) // (grain * SECTOR))
    tables = -(-grains // 512)
    directory = 1 + 20
    first = directory + -(-tables * 4 // SECTOR)
    at = first + tables * 4
    at += -at % grain
    entries, body = [], b""
    for number in range(tables * 512):
        block = data[number * grain * SECTOR : (number + 1) * grain * SECTOR]
        if not block or number in holes:
            entries.append(0)
            continue
        entries.append(at + len(body) // SECTOR)
        body += block.ljust(grain * SECTOR, b"\x00")
    head = struct.pack("<4sIIQQQQIQQQBccccH", b"KDMV", 1, 3, grains * grain, grain, 1, 20, 512, 0, directory, at, 0,
                       b"\n", b" ", b"\r", b"\n", 0)  # fmt: skip
    out = bytearray(at * SECTOR)
    out[: len(head)] = head
    out[SECTOR : SECTOR + len(described)] = described
    struct.pack_into(f"<{tables}I", out, directory * SECTOR, *(first + 4 * number for number in range(tables)))
    struct.pack_into(f"<{len(entries)}I", out, first * SECTOR, *entries)
    path.write_bytes(bytes(out) + body)
    return path


def qcow2(path: Path, size: int, backing: str = "", data: bytes = b"", data_file: str = "") -> Path:
    """A QCOW2 whose clusters (64 KiB) hold `data` from the start, and nothing after it."""
    cluster = 65536
    head = bytearray(struct.pack("<4s", b"QFI\xfb") + struct.pack(">IQIIQIIQQIIQ", 3, 0, 0, 16, size, 0, 1,
                     cluster, 0, 0, 0, 0))  # fmt: skip
    struct.pack_into(">I", head, 36, -(-size // (8192 * cluster)))
    head += struct.pack(">QQQII", 4 if data_file else 0, 0, 0, 4, 104)
    if data_file:
        head += struct.pack(">II", 0x44415441, len(data_file)) + data_file.encode().ljust(
            -(-len(data_file) // 8) * 8, b"\0"
        )
    head += bytes(8)
    if backing:
        struct.pack_into(">QI", head, 8, len(head), len(backing))
        head += backing.encode()
    count = -(-len(data) // cluster)
    out = bytes(head).ljust(cluster, b"\x00") + struct.pack(">Q", 2 * cluster | 1 << 63).ljust(cluster, b"\x00")
    table = b"".join(struct.pack(">Q", (3 + number) * cluster | 1 << 63) for number in range(count))
    path.write_bytes(out + table.ljust(cluster, b"\x00") + data.ljust(count * cluster, b"\x00"))
    return path


def vdi(path: Path, data: bytes, kind: int = 1, *, backwards: bool = False) -> Path:
    """A VDI with blocks of 64 KiB, in the file in their order or `backwards`."""
    block = 65536
    blocks = [data[at : at + block].ljust(block, b"\x00") for at in range(0, len(data), block)]
    order = list(range(len(blocks)))[:: -1 if backwards else 1]
    head = bytearray(4096)
    head[:10] = b"<<< test >"
    struct.pack_into("<4sI", head, 64, b"\x7f\x10\xda\xbe", 0x00010001)
    struct.pack_into("<II", head, 72, 400, kind)
    struct.pack_into("<II", head, 340, 4096, 65536)
    struct.pack_into("<QIIII", head, 368, len(data), block, 0, len(blocks), len(blocks))
    head[424:440] = UUID(int=7).bytes_le
    places = struct.pack(f"<{len(blocks)}I", *(order.index(number) for number in range(len(blocks))))
    path.write_bytes((bytes(head) + places).ljust(65536, b"\x00") + b"".join(blocks[number] for number in order))
    return path


def vhd(path: Path, size: int, kind: int = 3, parent: str = "", data: bytes = b"") -> Path:
    """A dynamic VHD (blocks of 2 MiB) that holds `data` from the start; or, as kind 4, a differencing one."""
    footer = bytearray(512)
    struct.pack_into(">8sIIQ", footer, 0, b"conectix", 2, 0x10000, 512)
    struct.pack_into(">QQ", footer, 40, size, size)
    struct.pack_into(">I", footer, 60, kind)
    entries = -(-size // (2 * _MIB))
    header = bytearray(1024)
    struct.pack_into(">8sQQIII", header, 0, b"cxsparse", 0xFFFFFFFFFFFFFFFF, 1536, 0x10000, entries, 2 * _MIB)
    name = parent.encode("utf-16-be")
    header[64 : 64 + len(name)] = name
    held = -(-len(data) // (2 * _MIB))
    start = 3 + -(-entries * 4 // SECTOR)
    places = [start + number * (4096 + 1) if number < held else 0xFFFFFFFF for number in range(entries)]
    table = struct.pack(f">{entries}I", *places).ljust(-(-entries * 4 // SECTOR) * SECTOR, b"\xff")
    body = b"".join(
        b"\xff" * SECTOR + data[at : at + 2 * _MIB].ljust(2 * _MIB, b"\x00") for at in range(0, len(data), 2 * _MIB)
    )
    path.write_bytes(bytes(footer) + bytes(header) + table + body + bytes(footer))
    return path


def vhdx(path: Path, data: bytes, parent: dict[str, str] | None = None) -> Path:
    """A dynamic VHDX with blocks of 1 MiB; with `parent`, the paths of its locator, a differencing one."""
    path.write_bytes(vhdx_writer.build(data, parent))
    return path
