from __future__ import annotations

import struct
from pathlib import Path

import pytest

from forensics.formats import FormatError
from forensics.formats.hive import Hive
from forensics.formats.hive_replay import replay
from tests.formats.crafted_hives import Tree, hive, log, utf16

OLD: Tree = {"Microsoft": {}, "Classes": {"": [("Run", 1, utf16("C:\\before.exe"))]}}
NEW: Tree = {"Microsoft": {}, "Classes": {"": [("Run", 1, utf16("C:\\behind.exe"))]}}
CLEAN = hive(OLD)
DIRTY = hive(OLD, sequences=(8, 7))
SIZE = len(DIRTY) - 0x1000
PAGE = hive(NEW)[0x1000:0x2000]
LOG = log([(0, PAGE)], sequence=7, size=SIZE)


def run_value(found: Hive) -> str:
    key = found.key("Classes")
    value = key.value("Run") if key else None
    return value.text() if value else ""


def test_a_log_brings_a_dirty_hive_up_to_date() -> None:
    found = Hive.open(DIRTY, [LOG])
    assert (found.state, run_value(found), found.problems) == ("replayed", "C:\\behind.exe", [])


def test_a_clean_hive_is_left_alone() -> None:
    found = Hive.open(CLEAN, [LOG])
    assert (found.state, run_value(found), found.problems) == ("clean", "C:\\before.exe", [])


def test_a_wrong_checksum_is_dirty_and_the_log_restores_the_header() -> None:
    damaged = bytearray(CLEAN)
    damaged[0x1FC] ^= 1
    assert Hive.open(bytes(damaged)).state == "dirty_not_replayed"
    found = Hive.open(bytes(damaged), [LOG])
    assert (found.state, run_value(found)) == ("replayed", "C:\\behind.exe")


def test_two_logs_apply_in_order_however_they_are_given() -> None:
    newest: Tree = {"Microsoft": {}, "Classes": {"": [("Run", 1, utf16("C:\\newest.exe"))]}}
    second = log([(0, hive(newest)[0x1000:0x2000])], sequence=8, size=SIZE)
    for logs in ([LOG, second], [second, LOG], [b"", LOG, second]):
        found = Hive.open(DIRTY, logs)
        assert (found.state, run_value(found), found.problems) == ("replayed", "C:\\newest.exe", [])


def test_a_log_that_does_not_continue_is_not_applied() -> None:
    far = log([(0, bytes(0x1000))], sequence=20, size=SIZE)
    found = Hive.open(DIRTY, [far, LOG])
    assert (found.state, run_value(found)) == ("replayed", "C:\\behind.exe")
    assert "does not continue" in str(found.problems[0])


@pytest.mark.parametrize(
    ("logs", "said"),
    [
        ((), "missing or empty"),
        ((b"", bytes(512)), "missing or empty"),
        ((log([(0, PAGE)], sequence=3, size=SIZE),), "older than the hive"),
        ((log([(0, PAGE)], sequence=7, size=SIZE, name="other"),), "another hive"),
        ((LOG[:900],), "could not be applied"),
        ((LOG[:-1] + b"\x01",), "could not be applied"),
        ((b"junk" * 400,), "cannot be used"),
        ((CLEAN,), "cannot be used"),
        ((log([(0xF0000000, PAGE)], sequence=7, size=SIZE),), "outside the hive"),
        ((log([(0, PAGE)] * 400, sequence=7, size=SIZE)[:0x3000],), "could not be applied"),
    ],
)
def test_logs_that_must_not_be_applied(logs: tuple[bytes, ...], said: str) -> None:
    found = Hive.open(DIRTY, logs)
    assert (found.state, run_value(found)) == ("dirty_not_replayed", "C:\\before.exe")
    assert any(said in str(problem) for problem in found.problems)
    assert str(found.problems[0]).startswith("hive is dirty (sequence numbers 8 and 7 differ)")


def test_a_replay_that_destroys_the_hive_is_undone() -> None:
    found = Hive.open(DIRTY, [log([(0, b"\xff" * 0x1000)], sequence=7, size=SIZE)])
    assert (found.state, run_value(found)) == ("dirty_not_replayed", "C:\\before.exe")
    assert any("replay gave no hive" in str(problem) for problem in found.problems)


def test_a_log_is_no_hive() -> None:
    with pytest.raises(FormatError, match="transaction log"):
        Hive.open(LOG)


@pytest.mark.timeout(60)
def test_cut_logs_never_escape() -> None:
    for length in range(0, len(LOG), 37):
        assert replay(DIRTY, [LOG[:length]]).state in ("replayed", "dirty_not_replayed")


@pytest.mark.timeout(60)
def test_damaged_logs_never_escape() -> None:
    for place in [*range(0x24), *range(0x200, 0x240)]:
        for byte in (0, 0x7F, 0xFF):
            damaged = bytearray(LOG)
            damaged[place] = byte
            Hive.open(DIRTY, [bytes(damaged)])


def _logs(folder: Path, name: str) -> list[bytes]:
    return [(folder / f"{name}.LOG{number}").read_bytes() for number in (1, 2)]


@pytest.mark.samples
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("name", "other", "before", "after"),
    [("SYSTEM_B", "UsrClass.dat", 33123, 35595), ("UsrClass.dat", "SYSTEM_B", 6205, 6238)],
)
def test_real_logs(samples: Path, name: str, other: str, before: int, after: int) -> None:
    folder = samples / "hives"
    data = (folder / name).read_bytes()
    alone = Hive.open(data)
    assert (alone.state, sum(1 for _ in alone.walk()), len(alone.problems)) == ("dirty_not_replayed", before, 1)
    logs = _logs(folder, name)
    found = Hive.open(data, logs[::-1])
    assert (found.state, sum(1 for _ in found.walk()), found.problems) == ("replayed", after, [])
    wrong = Hive.open(data, _logs(folder, other))
    assert (wrong.state, sum(1 for _ in wrong.walk()), len(wrong.problems)) == ("dirty_not_replayed", before, 3)


@pytest.mark.samples
def test_real_logs_that_are_broken_or_old(samples: Path) -> None:
    folder = samples / "hives" / "yarp"
    found = Hive.open((folder / "BadLogHive").read_bytes(), _logs(folder, "BadLogHive"))
    assert found.state == "dirty_not_replayed"
    assert sum("self-healing" in str(problem) for problem in found.problems) == 2
    old = Hive.open((folder / "TruncatedDirtyHive").read_bytes(), [(folder / "OldDirtyHive.LOG1").read_bytes()])
    assert old.state == "dirty_not_replayed"
    assert struct.unpack_from("<I", old.cells.buf, 0x28)[0] > len(old.cells.buf)
