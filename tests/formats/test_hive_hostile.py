"""Hives that lie: the published crafted inputs r1 to r8, counts and sizes, truncation, damage, relinked cells."""

from __future__ import annotations

import random
import struct
import time

import pytest

from forensics.formats import FormatError, hive_cells
from forensics.formats.hive import MAX_DEPTH, Hive
from forensics.times import NoTime
from tests.formats.crafted_hives import NOWHERE, SYSTEM, Builder, header, hive, read_all, texts, utf16


@pytest.mark.timeout(20)
def test_r1_child_list_leads_to_the_root() -> None:
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    child = builder.nk(b"A", parent=root)
    builder.link(root, children=(1, builder.leaf([child])))
    builder.link(child, children=(1, builder.leaf([root])))
    found = Hive.open(builder.build(root))
    assert [key.path for key in found.walk()] == ["", "A"]
    assert any("cycle" in text for text in texts(found))
    assert found.key("A\\ROOT\\A") is None


@pytest.mark.timeout(20)
def test_r2_index_names_itself() -> None:
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    sound = builder.tree("B", {"": [("v", 1, utf16("kept"))]}, root)
    bad = builder.nk(b"A", parent=root)
    index = builder.leaf([0], b"ri")
    builder.patch(index, 4, index)
    builder.link(bad, children=(1, index))
    builder.link(root, children=(2, builder.leaf([bad, sound])))
    found = Hive.open(builder.build(root))
    assert [key.path for key in found.walk()] == ["", "A", "B"]
    assert any("cycle" in text for text in texts(found))


@pytest.mark.timeout(20)
def test_r2b_forty_doubling_indexes() -> None:
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    last = builder.leaf([builder.nk(b"A", parent=root)])
    for _ in range(40):
        last = builder.leaf([last, last], b"ri")
    builder.link(root, children=(0xFFFF, last))
    started = time.monotonic()
    found = Hive.open(builder.build(root))
    assert read_all(found) == (1, 0)
    assert time.monotonic() - started < 2
    assert any("deeper than 2" in text for text in texts(found))


@pytest.mark.timeout(20)
def test_shared_lists_do_not_multiply() -> None:
    """Forty levels of two keys, both of which list the same two keys below: 2^40 paths, 81 cells."""
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    above = [root]
    for _ in range(40):
        pair = [builder.nk(b"a", parent=root), builder.nk(b"b", parent=root)]
        listing = builder.leaf(pair)
        for key in above:
            builder.link(key, children=(2, listing))
        above = pair
    found = Hive.open(builder.build(root))
    assert len(list(found.walk())) == 81
    assert len(list(found.glob("\\".join(["*"] * 40)))) == 2


@pytest.mark.timeout(20)
def test_r3_parent_pointer_cycle() -> None:
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    child = builder.nk(b"A")
    builder.patch(child, 0x10, child)
    builder.link(root, children=(1, builder.leaf([child])))
    found = Hive.open(builder.build(root))
    assert [key.path for key in found.walk()] == ["", "A"]
    assert any("another parent" in text for text in texts(found))


@pytest.mark.timeout(20)
def test_r4_bin_of_size_zero() -> None:
    data = bytearray(hive(SYSTEM))
    struct.pack_into("<I", data, 0x1008, 0)
    found = Hive.open(bytes(data))
    assert read_all(found)[0] == 10  # the cells are still there
    assert "bad bin header at offset 0x1000" in texts(found)


@pytest.mark.timeout(20)
def test_r5_cell_and_value_of_two_gibibytes() -> None:
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    data = builder.cell(b"x" * 64, size=-0x7FFFFFFF)
    values = [builder.vk(b"huge", 3, 0x7FFFFFFF, data), builder.value("sound", 1, utf16("kept"))]
    builder.link(root, values=(2, builder.offsets(values)))
    found = Hive.open(builder.build(root))
    huge, sound = found.root.values()
    assert huge.raw.startswith(b"x" * 64)
    assert len(huge.raw) < 0x1000
    assert sound.text() == "kept"
    assert any("is cut to" in text for text in texts(found))
    assert any("leaves its bin" in text for text in texts(found))


@pytest.mark.timeout(20)
def test_r5b_one_segment_repeated_for_a_gibibyte() -> None:
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    segment = builder.cell(b"y" * 16344)
    data = builder.cell(struct.pack("<2sHI", b"db", 65535, builder.offsets([segment] * 65535)))
    value = builder.vk(b"bomb", 3, 65535 * 16344, data)
    builder.link(root, values=(1, builder.offsets([value])))
    found = Hive.open(builder.build(root))
    bomb = next(found.root.values())
    assert bomb.raw == b"y" * 16344
    assert any("segment twice" in text for text in texts(found))


def test_values_that_share_their_data_cannot_outgrow_the_hive() -> None:
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    data = builder.cell(b"z" * 16000)
    values = [builder.vk(b"v", 3, 16000, data) for _ in range(300)]
    builder.link(root, values=(300, builder.offsets(values)))
    raw = builder.build(root)
    assert sum(len(value.raw) for value in Hive.open(raw).root.values()) <= len(raw)


@pytest.mark.timeout(20)
def test_overlapping_lists_run_out_of_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every eight bytes of one cell are a list of 65,535 entries: 2,000 keys would take 10^8 looks."""
    monkeypatch.setattr(hive_cells, "_MAX_REFERENCES", 30_000)
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    region = builder.cell(bytes(4) + struct.pack("<i2sH", -0x10000, b"li", 0xFFFF) * 2000)
    lists = [region + 8 + 8 * number for number in range(1990)]
    values = [builder.value("v", 4, b"1234")] * 9000
    builder.link(root, children=(9, builder.leaf(lists, b"ri")), values=(9000, builder.offsets(values)))
    found = Hive.open(builder.build(root))
    for _ in range(9):
        read_all(found)
    assert any("too many references" in text for text in texts(found))
    assert read_all(found) == (1, 0)


def test_r6_odd_names_are_kept_as_they_are() -> None:
    names = ["\u202egpj.exe", "\x1b]0;x\x07", "\x00hidden", "a\ud800b", "日本"]
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    keys = [builder.nk(name.encode("utf-16-le", "surrogatepass"), parent=root, flags=0) for name in names]
    keys.append(builder.nk(b"\x80\xffodd", parent=root))
    values = [
        builder.vk(name.encode("utf-16-le", "surrogatepass"), 4, 0x80000004, number, flags=0)
        for number, name in enumerate(names)
    ]
    builder.link(root, children=(len(keys), builder.leaf(keys)), values=(len(values), builder.offsets(values)))
    found = Hive.open(builder.build(root))
    assert [key.name for key in found.root.subkeys()] == [*names, "\x80\xffodd"]
    assert [(value.name, value.data) for value in found.root.values()] == list(zip(names, range(5), strict=True))
    assert texts(found) == []


@pytest.mark.parametrize(("ticks", "reason"), [(0, "zero"), (2**64 - 1, "never"), (2**63, "out of range")])
def test_r7_times_that_are_none(ticks: int, reason: str) -> None:
    builder = Builder()
    moment = Hive.open(builder.build(builder.nk(b"ROOT", flags=0x2C, ticks=ticks))).root.last_write
    assert isinstance(moment, NoTime)
    assert reason in moment.reason


@pytest.mark.timeout(30)
def test_r8_five_thousand_levels() -> None:
    builder = Builder()
    root = above = builder.nk(b"ROOT", flags=0x2C)
    for _ in range(5000):
        child = builder.nk(b"A", parent=above)
        builder.link(above, children=(1, builder.leaf([child])))
        above = child
    found = Hive.open(builder.build(root))
    assert len(list(found.walk())) == MAX_DEPTH + 1
    assert any(f"deeper than {MAX_DEPTH}" in text for text in texts(found))
    assert found.key("\\".join(["A"] * 600)) is None


# -- what lies ------------------------------------------------------------------------------------------------------


def test_counts_that_lie_are_reported() -> None:
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    child = builder.nk(b"A", parent=root)
    builder.link(root, children=(9, builder.leaf([child, child], count=60_000)), values=(50_000, builder.offsets([0])))
    found = Hive.open(builder.build(root))
    assert [key.name for key in found.root.subkeys()] == ["A"]
    assert list(found.root.values()) == []
    reported = "\n".join(texts(found))
    for part in ("claims 60000 entries", "listed twice", "claims 9 subkeys and lists 1", "claims 50000 entries"):
        assert part in reported
    assert "value lost" in reported


def test_lost_data_is_said_on_the_value() -> None:
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    value = builder.vk(b"Updater", 1, 40, 0x00F00000)
    builder.link(root, values=(1, builder.offsets([value])))
    found = Hive.open(builder.build(root))
    only = found.root.value("updater")
    assert only is not None
    assert (only.name, only.raw) == ("Updater", b"")
    assert "outside the bins" in only.lost
    assert any("value data lost" in text for text in texts(found))


def test_reports_are_counted_beyond_a_number_a_person_reads() -> None:
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    values = [builder.vk(b"v", 1, 40, 0x00F00000 + 8 * number) for number in range(900)]
    builder.link(root, values=(900, builder.offsets(values)))
    found = Hive.open(builder.build(root))
    assert len(list(found.root.values())) == 900
    list(found.root.values())  # the same places again: not counted twice
    assert len(found.problems) == 101
    assert texts(found)[-1].startswith("800 more of this kind: value data lost")


def test_root_is_found_where_the_header_lies() -> None:
    data = bytearray(hive(SYSTEM))
    struct.pack_into("<I", data, 0x24, 0x5000)
    data[:512] = data[:508] + struct.pack("<I", _checksum(data))
    found = Hive.open(bytes(data))
    assert found.kind == "SYSTEM"
    assert any("no root key where the header says" in text for text in texts(found))


def _checksum(data: bytearray) -> int:
    total = 0
    for number in struct.unpack_from("<127I", data):
        total ^= number
    return total


@pytest.mark.parametrize("data", [b"", b"regf", b"MZ" + bytes(0x2000), header(0x20, 0, (1, 1), "x"), bytes(0x3000)])
def test_what_is_no_hive_is_a_format_error(data: bytes) -> None:
    with pytest.raises(FormatError):
        Hive.open(data)


@pytest.mark.timeout(60)
def test_truncation_everywhere_is_an_error_or_a_report() -> None:
    whole = hive(SYSTEM)
    survived = 0
    for length in [*range(0, 0x1400, 16), *range(0x1400, len(whole), 64)]:
        try:
            found = Hive.open(whole[:length])
        except FormatError:
            continue
        read_all(found)
        survived += 1
        assert any("truncated" in text for text in texts(found)), hex(length)
    assert survived > 10


@pytest.mark.timeout(120)
def test_damage_anywhere_never_escapes() -> None:
    whole = hive(SYSTEM)
    chance = random.Random(5)
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            place = chance.choice([chance.randrange(0x200), chance.randrange(0x1000, 0x1800)])
            data[place] = chance.choice([0, 0xFF, chance.randrange(256)])
        try:
            found = Hive.open(bytes(data))
        except FormatError:
            continue
        read_all(found)
        found.control_sets()
        list(found.glob("*\\*\\*"))


@pytest.mark.timeout(120)
def test_relinked_cells_never_escape() -> None:
    """Every reference of a hive led to every cell of it, a sample of all pairs."""
    whole = hive(SYSTEM)
    cells: list[int] = []
    offset = 0x1020
    while offset < len(whole):
        cells.append(offset - 0x1000)
        offset += abs(struct.unpack_from("<i", whole, offset)[0])
    chance = random.Random(7)
    places = [place for place in range(0x1024, len(whole) - 4, 4) if struct.unpack_from("<I", whole, place)[0] in cells]
    assert len(places) > 20
    for _ in range(400):
        data = bytearray(whole)
        for place in chance.sample(places, 3):
            struct.pack_into("<I", data, place, chance.choice([*cells, NOWHERE, 4]))
        found = Hive.open(bytes(data))
        read_all(found)
