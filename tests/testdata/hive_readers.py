"""What reads the built hives in tests: three parsers that know nothing of the writer, and a check of every cell."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec

import pytest
from dissect.regf import RegistryHive
from Registry import Registry

from forensics.times import to_filetime
from testdata.writers import hive as hive_writer
from testdata.writers.hive import (
    REG_BINARY,
    REG_DWORD,
    REG_EXPAND_SZ,
    REG_MULTI_SZ,
    REG_NONE,
    REG_QWORD,
    REG_SZ,
    HiveWriter,
    name_hash,
)

ROOT_TIME = datetime(2023, 5, 9, 2, 14, 7, 123456, tzinfo=UTC)
TIME = datetime(2024, 12, 4, 1, 2, 3, 456789, tzinfo=UTC)

# path -> (last write as FILETIME, {value name: (type, raw data)})
Tree = dict[str, tuple[int, dict[str, tuple[int, bytes]]]]


def by_python_registry(data: bytes) -> Tree:
    tree: Tree = {}

    def visit(key: Registry.RegistryKey, path: str) -> None:
        values = {}
        for value in key.values():
            record = value._vkrecord
            size = record.raw_data_length() & 0x7FFFFFFF
            name = "" if value.name() == "(default)" and not record.has_name() else value.name()
            values[name] = (record.data_type(), bytes(value.raw_data()[:size]))
        tree[path] = (key._nkrecord.unpack_qword(4), values)
        for sub in key.subkeys():
            visit(sub, f"{path}\\{sub.name()}".lstrip("\\"))

    visit(Registry.Registry(io.BytesIO(data)).root(), "")
    return tree


def by_dissect(data: bytes) -> Tree:
    tree: Tree = {}

    def visit(key: object, path: str) -> None:
        values = {
            "" if value.cell.NameLength == 0 else value.name: (int(value.type), value.data) for value in key.values()
        }
        tree[path] = (int(key.cell.LastWriteTime), values)
        for sub in key.subkeys():
            visit(sub, f"{path}\\{sub.name}".lstrip("\\"))

    visit(RegistryHive(io.BytesIO(data)).root(), "")
    return tree


def by_libregf(data: bytes) -> Tree:
    import pyregf

    handle = pyregf.file()
    handle.open_file_object(io.BytesIO(data))
    assert not handle.is_corrupted()
    tree: Tree = {}

    def visit(key: object, path: str) -> None:
        # Inline data of one to three bytes may come out as zeros (on real hives too): left out, see `readable`.
        values = {value.name or "": (value.type, value.data or b"") for value in key.values if is_kept(value.data)}
        tree[path] = (key.get_last_written_time_as_integer(), values)
        for sub in key.sub_keys:
            visit(sub, f"{path}\\{sub.name}".lstrip("\\"))

    visit(handle.get_root_key(), "")
    return tree


def is_kept(data: bytes | None) -> bool:
    return len(data or b"") not in (1, 2, 3)


def readable(parse: Callable[[bytes], Tree], tree: Tree) -> Tree:
    """What the parser can be asked for."""
    if parse is not by_libregf:
        return tree
    return {
        path: (time, {name: item for name, item in values.items() if is_kept(item[1])})
        for path, (time, values) in tree.items()
    }


PARSERS = [by_python_registry, by_dissect] + ([by_libregf] if find_spec("pyregf") else [])
any_parser = pytest.mark.parametrize("parse", PARSERS)


def software() -> tuple[HiveWriter, Tree]:
    """A small hive with every way of storing a value, and what parsers have to say of it."""
    writer = HiveWriter("ROOT", ROOT_TIME, "\\SystemRoot\\System32\\Config\\SOFTWARE")
    values: dict[str, dict[str, tuple[int, bytes | str | int | list[str]]]] = {
        "": {"": (REG_SZ, "the default value")},
        "Microsoft": {},
        "Microsoft\\Windows": {
            "empty": (REG_BINARY, b""),
            "one": (REG_BINARY, b"\x01"),
            "four": (REG_BINARY, b"\x01\x02\x03\x04"),
            "five": (REG_BINARY, b"\x01\x02\x03\x04\x05"),
            "number": (REG_DWORD, 0xFFFFFDE4),
            "long number": (REG_QWORD, 1 << 63),
            "path": (REG_EXPAND_SZ, "%SystemRoot%\\system32"),
            "list": (REG_MULTI_SZ, ["first", "二番目"]),
            "利用者": (REG_SZ, "C:\\Users\\田中"),
            "Größe": (REG_NONE, b"\x00" * 40),
        },
        "Microsoft\\日本語キー": {"": (REG_SZ, "キー")},
        "Größe": {"x": (REG_DWORD, 7)},
        "\N{GRINNING FACE} key": {},
    }
    expected: Tree = {}
    for index, (path, entries) in enumerate(values.items()):
        time = ROOT_TIME if not path else TIME + timedelta(minutes=index)
        if path:
            writer.key(path, time)
        for name, (kind, data) in entries.items():
            writer.value(path, name, kind, data)
        encoded = {name: (kind, hive_writer.encode(kind, data)) for name, (kind, data) in entries.items()}
        expected[path] = (to_filetime(time), encoded)
    return writer, expected


def cells(data: bytes) -> Iterator[tuple[int, bool, bytes]]:
    """Offset, "allocated" and content of every cell; fails where bins or cells do not fill their space exactly."""
    at, end = 4096, 4096 + struct.unpack_from("<I", data, 0x28)[0]
    while at < end:
        signature, offset, size = struct.unpack_from("<4sII", data, at)
        assert (signature, offset, size % 4096) == (b"hbin", at - 4096, 0)
        cell = at + 32
        while cell < at + size:
            length = struct.unpack_from("<i", data, cell)[0]
            assert length
            assert abs(length) % 8 == 0
            yield cell - 4096, length < 0, data[cell + 4 : cell + abs(length)]
            cell += abs(length)
        assert cell == at + size
        at += size
    assert at == end


def check_layout(data: bytes) -> None:
    """No cell is lost or used twice, lists are sorted by what their hashes say, the descriptor counts its keys."""
    used = {offset: content for offset, allocated, content in cells(data) if allocated}
    nodes = {offset: content for offset, content in used.items() if content[:2] == b"nk"}
    security = next(offset for offset, content in used.items() if content[:2] == b"sk")
    assert struct.unpack_from("<IIII", used[security], 4)[:3] == (security, security, len(nodes))
    assert {struct.unpack_from("<I", node, 0x2C)[0] for node in nodes.values()} == {security}
    for leaf in (content for content in used.values() if content[:2] == b"lh"):
        for number in range(struct.unpack_from("<H", leaf, 2)[0]):
            cell, hashed = struct.unpack_from("<II", leaf, 4 + 8 * number)
            assert hashed == name_hash(node_name(nodes[cell]))
    parents = {offset: struct.unpack_from("<I", node, 0x10)[0] for offset, node in nodes.items()}
    assert [offset for offset, parent in parents.items() if parent not in nodes] == [0x20]


def node_name(node: bytes) -> str:
    size, flags = struct.unpack_from("<H", node, 0x48)[0], struct.unpack_from("<H", node, 2)[0]
    return node[0x4C : 0x4C + size].decode("latin-1" if flags & 0x20 else "utf-16-le", "surrogatepass")
