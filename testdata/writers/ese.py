"""Writes small ESE databases with pages of 32 KiB, as WebCache has them: a catalog, its copy, and one page for a table.

Pages, records and the catalog as libyal's document and Microsoft's published source (`daedef.hxx`, `fldenum.hxx`) have
them; a real SRUDB.dat was the model for their values. No indexes, no long values of their own, no space trees: a table
whose rows do not fit its one page is refused. Checksums of pages are left at zero; readers pass over them.
https://github.com/libyal/libesedb/blob/main/documentation/Extensible%20Storage%20Engine%20(ESE)%20Database%20File%20(EDB)%20format.asciidoc
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

PAGE = 32 * 1024
_SIGNATURE, _VERSION, _REVISION = 0x89ABCDEF, 0x620, 0x6E
_CATALOG, _SHADOW, _FIRST = 4, 24, 25
_HEADER = 80
_ROOT_LEAF = 0x1 | 0x2 | 0x800 | 0x2000  # root, leaf, new record format, new checksum format
LONG, LONG_LONG, LONG_BINARY, LONG_TEXT = 4, 15, 11, 12  # JET_coltyp
_FIXED = {LONG: "<i", LONG_LONG: "<q"}
_TAGGED = 256
_UTF16 = 1200
_FORCED_LONG = 0x01  # in the byte before a tagged value: its column is of a long type

Value = int | str | bytes | None
Columns = Mapping[str, int]
Table = tuple[Columns, Sequence[Mapping[str, Value]]]


def database(tables: Mapping[str, Table], *, state: int = 3) -> bytes:
    """The file. `tables` by name: its columns with their types, and its rows."""
    ids = {name: _identifiers(columns) for name, (columns, _) in tables.items()}
    pages = {1: _page(1, 1, [])}
    catalog: list[bytes] = []
    for place, (name, (columns, rows)) in enumerate(tables.items()):
        number, identity = _FIRST + place, 10 + place
        catalog.append(_entry(identity, 1, identity, number, 80, 0, 1, name))
        for column, kind in columns.items():
            size = struct.calcsize(_FIXED[kind]) if kind in _FIXED else 0
            text = _UTF16 if kind == LONG_TEXT else 0
            catalog.append(_entry(identity, 2, ids[name][column], kind, size, 0, text, column))
        pages[number] = _page(number, identity, [_record(columns, ids[name], row) for row in rows])
    pages[_CATALOG] = _page(_CATALOG, 2, catalog)
    pages[_SHADOW] = _page(_SHADOW, 3, catalog)
    header = _file_header(state)
    last = max(pages)
    return header * 2 + b"".join(pages.get(number, bytes(PAGE)) for number in range(1, last + 1))


def _identifiers(columns: Columns) -> dict[str, int]:
    fixed = [name for name, kind in columns.items() if kind in _FIXED]
    others = [name for name in columns if name not in fixed]
    return {name: place + 1 for place, name in enumerate(fixed)} | {
        name: place + _TAGGED for place, name in enumerate(others)
    }


def _file_header(state: int) -> bytes:
    raw = bytearray(PAGE)
    struct.pack_into("<II", raw, 4, _SIGNATURE, _VERSION)
    struct.pack_into("<I", raw, 52, state)
    struct.pack_into("<II", raw, 232, _REVISION, PAGE)
    struct.pack_into("<I", raw, 340, _VERSION)
    total = _SIGNATURE
    for (word,) in struct.iter_unpack("<I", bytes(raw[4:])):
        total ^= word
    struct.pack_into("<I", raw, 0, total)
    return bytes(raw)


def _page(number: int, owner: int, records: Sequence[bytes]) -> bytes:
    """A root that is a leaf; its first entry says that nothing else belongs to it."""
    nodes = [struct.pack("<4I", 1, 1, 0, 0)]
    for place, record in enumerate(records):
        key = b"\x7f" + struct.pack(">I", 0x80000001 + place)
        nodes.append(struct.pack("<H", len(key)) + key + record)
    body = b"".join(nodes)
    free = PAGE - _HEADER - len(body) - 4 * len(nodes)
    if free < 0:
        raise ValueError(f"{len(records)} records do not fit into page {number}")
    raw = bytearray(PAGE)
    struct.pack_into("<qqIIIHHHHI", raw, 0, 0, 1, 0, 0, owner, free, 0, len(body), len(nodes), _ROOT_LEAF)
    struct.pack_into("<I", raw, 64, number)
    raw[_HEADER : _HEADER + len(body)] = body
    offset = 0
    for place, node in enumerate(nodes):
        struct.pack_into("<HH", raw, PAGE - 4 * (place + 1), len(node), offset)
        offset += len(node)
    return bytes(raw)


def _entry(table: int, what: int, number: int, place: int, space: int, flags: int, pages: int, name: str) -> bytes:
    """A row of the catalog: `place` is a table's page or a column's type."""
    fixed = struct.pack("<ihiiiii", table, what, number, place, space, flags, pages) + b"\x00"
    raw = name.encode("ascii")
    return struct.pack("<BBH", 7, 128, 4 + len(fixed)) + fixed + struct.pack("<H", len(raw)) + raw


def _record(columns: Columns, ids: Mapping[str, int], row: Mapping[str, Value]) -> bytes:
    fixed, missing, count = b"", 0, 0
    for name, kind in columns.items():
        if kind not in _FIXED:
            continue
        value = row.get(name)
        fixed += struct.pack(_FIXED[kind], value if isinstance(value, int) else 0)
        missing |= (value is None) << count
        count += 1
    fixed += missing.to_bytes((count + 7) // 8, "little")
    return struct.pack("<BBH", count, 127, 4 + len(fixed)) + fixed + _tagged(columns, ids, row)


def _tagged(columns: Columns, ids: Mapping[str, int], row: Mapping[str, Value]) -> bytes:
    values = []
    for name, kind in columns.items():
        value = row.get(name)
        if kind not in _FIXED and value is not None:
            raw = value.encode("utf-16-le") if isinstance(value, str) else bytes(value)
            values.append((ids[name], bytes([_FORCED_LONG]) + raw))
    heads, data = b"", b""
    for number, raw in sorted(values):
        heads += struct.pack("<HH", number, 4 * len(values) + len(data))
        data += raw
    return heads + data
