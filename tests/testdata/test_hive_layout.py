"""The cells of built hives lie as in real ones, and their transaction logs replay to exactly the later state."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from dissect.regf import RegistryHive
from Registry.RegistryLog import RegistryLog
from Registry.RegistryParse import HvLEBlock, REGFBlock

from forensics.formats.hive import Hive
from testdata.writers import hive as hive_writer
from testdata.writers.hive import REG_BINARY, REG_SZ, HiveWriter, build_dirty, checksum, marvin32, name_hash
from tests.testdata.hive_readers import (
    TIME,
    Tree,
    any_parser,
    by_python_registry,
    cells,
    check_layout,
    node_name,
    software,
)


def test_layout_of_a_large_hive() -> None:
    writer = software()[0]
    for number in range(1500):
        writer.key(f"Many\\{number}\\Below", TIME)
        writer.value(f"Many\\{number}", "data", REG_BINARY, bytes(number * 20))
    check_layout(writer.build())


def test_security_descriptor_is_read_by_libfwnt() -> None:
    pyfwnt = pytest.importorskip("pyfwnt")
    descriptor = pyfwnt.security_descriptor()
    descriptor.copy_from_byte_stream(hive_writer.security_descriptor())
    assert descriptor.owner.get_string() == "S-1-5-32-544"
    assert descriptor.group.get_string() == "S-1-5-18"
    entries = [descriptor.discretionary_acl.get_entry(number) for number in range(3)]
    assert [entry.security_identifier.get_string() for entry in entries] == ["S-1-5-32-544", "S-1-5-18", "S-1-5-32-545"]


@pytest.mark.samples
@pytest.mark.parametrize("name", ["SYSTEM_B", "NTUSER_with_winscp.DAT"])
def test_header_has_the_shape_of_real_hives(samples: Path, name: str) -> None:
    real = (samples / "hives" / name).read_bytes()
    built = software()[0].build()
    assert struct.unpack_from("<I", real, 508)[0] == checksum(real)
    assert struct.unpack_from("<I", built, 508)[0] == checksum(built)
    # version, type, format and root cell; cluster size; the resource manager's signature; the first bin's place
    for start, end in ((0x14, 0x28), (0x2C, 0x30), (0xA4, 0xA8), (4096, 4104)):
        assert built[start:end] == real[start:end]
    # signature and flags of the root node; no class name
    assert built[4096 + 36 : 4096 + 40] == real[4096 + 36 : 4096 + 40]
    assert built[0x1024 + 0x30 : 0x1024 + 0x34] == real[0x1024 + 0x30 : 0x1024 + 0x34]


@pytest.mark.samples
@pytest.mark.parametrize("name", ["NTUSER_with_winscp.DAT", "SYSTEM_B"])
def test_hashes_are_those_of_windows(samples: Path, name: str) -> None:
    data = (samples / "hives" / name).read_bytes()
    used = {offset: content for offset, allocated, content in cells(data) if allocated}
    compared = 0
    for leaf in (content for content in used.values() if content[:2] == b"lh"):
        for number in range(struct.unpack_from("<H", leaf, 2)[0]):
            cell, hashed = struct.unpack_from("<II", leaf, 4 + 8 * number)
            assert hashed == name_hash(node_name(used[cell]))
            compared += 1
    assert compared


# --- transaction logs --------------------------------------------------------------------------------------------


def states() -> tuple[HiveWriter, HiveWriter, HiveWriter]:
    """A hive, the same with a run key and much more, and that without one of its keys."""
    before = software()[0]
    after = before.copy()
    after.key("Microsoft\\Windows\\CurrentVersion\\Run", TIME + timedelta(days=1))
    after.value("Microsoft\\Windows\\CurrentVersion\\Run", "Visual Studio Code Tunnel", REG_SZ, "code-tunnel.exe")
    for number in range(400):
        after.key(f"Later\\{number}", TIME)
    last = after.copy()
    last.delete_key("Microsoft\\日本語キー")
    last.delete_value("Microsoft\\Windows", "five")
    return before, after, last


def recover(primary: bytes, log: bytes) -> bytes:
    file = io.BytesIO(primary)
    replay = RegistryLog(file, io.BytesIO(log))
    assert replay.is_eligible_log()
    assert replay.recover_hive() is not None
    return file.getvalue()


def test_replay_gives_exactly_the_later_state() -> None:
    before, after, _ = states()
    assert recover(*build_dirty(before, after)) == after.build(sequence=7)


def test_replay_of_several_entries_gives_the_last_state() -> None:
    before, after, last = states()
    recovered = recover(*build_dirty(before, after, last, sequence=0x83B))
    wanted = last.build(sequence=0x83C)
    assert recovered[: len(wanted)] == wanted
    assert by_python_registry(recovered) == by_python_registry(wanted)


def test_the_reader_of_the_tool_replays_too() -> None:
    before, after, _ = states()
    primary, log = build_dirty(before, after)
    path = "Microsoft\\Windows\\CurrentVersion\\Run"
    stale, fresh = Hive.open(primary), Hive.open(primary, [log])
    assert (stale.state, stale.key(path)) == ("dirty_not_replayed", None)
    assert fresh.state == "replayed"
    assert fresh.key(path) is not None


@any_parser
def test_without_the_log_the_earlier_state_is_read(parse: Callable[[bytes], Tree]) -> None:
    before, after, _ = states()
    primary, _log = build_dirty(before, after)
    assert parse(primary) == parse(before.build())
    assert RegistryHive(io.BytesIO(primary)).in_transaction


def test_a_changed_byte_breaks_the_log_entry() -> None:
    before, after, _ = states()
    log = bytearray(build_dirty(before, after)[1])
    regf = REGFBlock(bytes(log), 0, False)
    assert HvLEBlock(bytes(log), 512, regf).validate_log_entry()
    for offset in (512 + 8, 512 + 60, 512 + 5000):
        damaged = bytearray(log)
        damaged[offset] ^= 1
        assert not HvLEBlock(bytes(damaged), 512, regf).validate_log_entry()


@pytest.mark.samples
@pytest.mark.parametrize("name", ["SYSTEM_B.LOG1", "UsrClass.dat.LOG1", "UsrClass.dat.LOG2", "yarp/BadLogHive.LOG2"])
def test_log_entries_of_windows_have_the_same_hashes(samples: Path, name: str) -> None:
    data = (samples / "hives" / name).read_bytes()
    at, sequence = 512, struct.unpack_from("<I", data, 4)[0]
    while data[at : at + 4] == b"HvLE" and struct.unpack_from("<I", data, at + 12)[0] == sequence:
        size, first, second = struct.unpack("<I16xQQ", data[at + 4 : at + 40])
        assert marvin32(data[at + 40 : at + size]) == first
        assert marvin32(data[at : at + 32]) == second
        at, sequence = at + size, sequence + 1
    assert at > 512
