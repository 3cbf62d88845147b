"""Adds a volume shadow copy to an NTFS volume: the blocks that were different then, and the records that say so.

A block of 16 KiB that the snapshot has otherwise is kept in a store; all others are read from the volume as it is. The
store lies in free space at the volume's end, with no file around it: its place is in the catalog. Layout: libvshadow's
"Volume Shadow Snapshot (VSS) format".
"""

from __future__ import annotations

import struct
import uuid
from datetime import datetime
from pathlib import Path

from forensics.times import to_filetime

BLOCK = 0x4000
_HEADER_AT = 0x1E00
_ID = uuid.UUID("3808876b-c176-4e48-b7ae-04046e6cc752").bytes_le
_CATALOG, _LIST, _STORE, _RANGES, _BITMAP = 2, 3, 4, 5, 6
_IN_LIST = (BLOCK - 128) // 32
_CLIENT = "WS-TANAKA"


def add_snapshot(live: Path, then: Path, made: datetime) -> int:
    """Make `then` (a volume of the same size) a snapshot of `live`, in place; gives the number of blocks kept."""
    size = live.stat().st_size
    with live.open("r+b") as handle, then.open("rb") as old:
        changed = [at for at in range(0, size, BLOCK) if _differs(handle, old, at)]
        lists = -(-len(changed) // _IN_LIST) or 1
        bitmaps = -(-(size // BLOCK + 7) // 8 // (BLOCK - 128)) or 1
        needed = 1 + 1 + lists + 1 + bitmaps + len(changed)  # catalog, store, lists, ranges, bitmaps, data
        start = _free(handle, size, needed * BLOCK)
        catalog, store = start, start + BLOCK
        first_list = store + BLOCK
        ranges = first_list + lists * BLOCK
        bitmap = ranges + BLOCK
        data = bitmap + bitmaps * BLOCK
        identity = uuid.uuid5(uuid.NAMESPACE_URL, f"mirrortrace:{made.isoformat()}")
        _write(handle, _HEADER_AT, _volume_header(catalog, size))
        _write(handle, catalog, _catalog(catalog, size, identity, made, (first_list, store, ranges, bitmap, needed)))
        _write(handle, store, _store(store, identity))
        for index in range(lists):
            here = first_list + index * BLOCK
            part = changed[index * _IN_LIST : (index + 1) * _IN_LIST]
            place = data + index * _IN_LIST * BLOCK
            following = here + BLOCK if index + 1 < lists else 0
            _write(handle, here, _list(here, here - store, following, part, place, data))
        _write(
            handle,
            ranges,
            _block(_RANGES, ranges, ranges - store, 0, struct.pack("<QQQ", data, 0, len(changed) * BLOCK)),
        )
        for index in range(bitmaps):
            here = bitmap + index * BLOCK
            following = here + BLOCK if index + 1 < bitmaps else 0
            _write(handle, here, _block(_BITMAP, here, here - store, following, b""))
        for index, at in enumerate(changed):
            old.seek(at)
            _write(handle, data + index * BLOCK, old.read(BLOCK))
    return len(changed)


def _differs(live, old, at: int) -> bool:  # noqa: ANN001  # two streams
    live.seek(at)
    old.seek(at)
    return bool(live.read(BLOCK) != old.read(BLOCK))


def _free(handle, size: int, needed: int) -> int:  # noqa: ANN001
    """Where `needed` zero bytes are, as far at the end as can be (the last block holds the copy of the boot sector)."""
    run, at = 0, (size - 1) // BLOCK * BLOCK
    while at > 0 and run < needed:
        at -= BLOCK
        handle.seek(at)
        run = run + BLOCK if not handle.read(BLOCK).strip(b"\x00") else 0
    if run < needed:
        raise OSError("no free space for a snapshot")
    return at


def _write(handle, at: int, data: bytes) -> None:  # noqa: ANN001
    handle.seek(at)
    handle.write(data)


def _volume_header(catalog: int, size: int) -> bytes:
    identity = uuid.uuid5(uuid.NAMESPACE_URL, "mirrortrace:volume").bytes_le
    head = _ID + struct.pack("<IIQQQQQ", 1, 1, _HEADER_AT, 0, 0, catalog, size)
    return (head + identity + identity).ljust(512, b"\x00")


def _block(kind: int, here: int, relative: int, following: int, body: bytes, size: int = 0) -> bytes:
    head = _ID + struct.pack("<IIQQQQ", 1, kind, relative, here, following, size)
    return (head.ljust(128, b"\x00") + body).ljust(BLOCK, b"\x00")


def _catalog(here: int, size: int, identity: uuid.UUID, made: datetime, places: tuple[int, ...]) -> bytes:
    first_list, store, ranges, bitmap, needed = places
    about = struct.pack("<QQ", 2, size) + identity.bytes_le + struct.pack("<QQQ", 1, 0x40, to_filetime(made))
    where = struct.pack("<QQ", 3, first_list) + identity.bytes_le
    where += struct.pack("<QQQQQQ", store, ranges, bitmap, 0, needed * BLOCK, 0)
    return _block(_CATALOG, here, 0, 0, about.ljust(128, b"\x00") + where.ljust(128, b"\x00"))


def _store(here: int, identity: uuid.UUID) -> bytes:
    own, copy_set = (uuid.uuid5(identity, name).bytes_le for name in ("store", "set"))
    name = _CLIENT.encode("utf-16-le")
    body = own + identity.bytes_le + copy_set + struct.pack("<IIII", 0x1D, 1, 0x0042000D, 0)
    body += struct.pack("<H", len(name)) + name + struct.pack("<H", len(name)) + name
    return _block(_STORE, here, 0, 0, body, len(body))


def _list(here: int, relative: int, following: int, changed: list[int], place: int, data: int) -> bytes:
    entries = b"".join(
        struct.pack("<QQQII", at, place + index * BLOCK - data, place + index * BLOCK, 0, 0)
        for index, at in enumerate(changed)
    )
    return _block(_LIST, here, relative, following, entries)
