"""Deleted keys and values out of free cells: grades, what is refused, crafted free space, real hives."""

from __future__ import annotations

import random
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from Registry.RegistryParse import NKRecord, REGFBlock, RegistryException, VKRecord

from forensics.formats import FormatError, hive_carve
from forensics.formats.hive import Hive
from forensics.formats.hive_carve import FRAGMENT, ORPHAN, REACHABLE, Carved, carve
from forensics.formats.hive_replay import replay
from forensics.times import NoTime
from testdata.writers.hive import REG_BINARY, REG_DWORD, REG_SZ, HiveWriter
from tests.formats.crafted_hives import TICKS, Builder, read_all
from tests.formats.freed_hives import BINS, Freed

MADE = datetime(2024, 12, 1, 8, 0, tzinfo=UTC)
GONE = MADE + timedelta(hours=5)
RUN = "Software\\Microsoft\\Windows\\CurrentVersion\\Run"


def built() -> Freed:
    """A user's hive with a Run key of three values and two keys beside it."""
    writer = HiveWriter("ROOT", MADE)
    writer.key(RUN, MADE)
    writer.value(RUN, "OneDrive", REG_SZ, "C:\\OneDrive.exe /background")
    writer.value(RUN, "Updater", REG_SZ, "C:\\Users\\Public\\updater.exe")
    writer.value(RUN, "Last", REG_SZ, "C:\\Users\\Public\\last.exe")
    writer.key("Software\\Vendor\\Inner", MADE + timedelta(minutes=1))
    writer.value("Software\\Vendor\\Inner", "long", REG_BINARY, bytes(range(256)) * 8)
    writer.value("Software\\Vendor\\Inner", "short", REG_DWORD, 7)
    writer.value("Software\\Vendor\\Inner", "\x00値", REG_SZ, "データ")
    writer.key("Software\\日本", MADE)
    writer.value("Software\\日本", "", REG_SZ, "default")
    writer.key("Software\\Kept", MADE)
    return Freed(writer.build())


def found(freed: Freed) -> Carved:
    """What is carved; what is there must still be sound."""
    live = freed.hive()
    read_all(live)
    assert live.problems == []
    carved = carve(live)
    assert live.problems == [], "free space is no damage of the hive"
    return carved


# -- grades ------------------------------------------------------------------------------------------------------------


def test_a_sound_hive_has_nothing_deleted() -> None:
    carved = found(built())
    assert (carved.keys, carved.loose, carved.refused, carved.cut, carved.broken) == ([], [], 0, False, 0)


def test_a_deleted_tree_comes_back_with_paths_values_and_places() -> None:
    freed = built()
    where = freed.delete_key("Software\\Vendor", GONE)
    assert freed.hive().key("Software\\Vendor") is None
    carved = found(freed)
    keys = {key.path: key for key in carved.keys}
    assert set(keys) == {"Software\\Vendor", "Software\\Vendor\\Inner"}
    assert {key.grade for key in carved.keys} == {REACHABLE}
    assert carved.loose == []
    inner = keys["Software\\Vendor\\Inner"]
    assert inner.last_write == MADE + timedelta(minutes=1)
    assert keys["Software\\Vendor"].last_write == GONE, "deleting what is below it was its last change"
    assert keys["Software\\Vendor"].offset == BINS + where + 4
    assert freed.data[inner.offset : inner.offset + 2] == b"nk"
    assert inner.parent == keys["Software\\Vendor"].offset
    assert keys["Software\\Vendor"].parent == 0
    values = {value.value.name: value for value in inner.values}
    assert {name: value.value.data for name, value in values.items()} == {
        "long": bytes(range(256)) * 8,
        "short": 7,
        "\x00値": "データ",
    }
    assert {(value.key_path, value.grade, value.written) for value in inner.values} == {
        ("Software\\Vendor\\Inner", REACHABLE, inner.last_write)
    }
    assert all(freed.data[value.offset : value.offset + 2] == b"vk" for value in inner.values)


def test_the_last_value_of_a_live_key_is_given_back_to_it() -> None:
    freed = built()
    freed.delete_value(RUN, "Last", GONE)
    (value,) = found(freed).loose
    assert (value.key_path, value.value.name, value.grade) == (RUN, "Last", REACHABLE)
    assert value.value.text() == "C:\\Users\\Public\\last.exe"
    assert value.written == GONE


def test_another_value_of_a_live_key_is_a_fragment_of_an_unknown_key() -> None:
    freed = built()
    freed.delete_value(RUN, "Updater", GONE)
    carved = found(freed)
    (value,) = carved.loose
    assert (value.key_path, value.value.name, value.grade) == ("...", "Updater", FRAGMENT)
    assert value.value.text() == "C:\\Users\\Public\\updater.exe"
    assert isinstance(value.written, NoTime)
    live = freed.hive().key(RUN)
    assert live is not None
    assert [item.name for item in live.values()] == ["OneDrive", "Last"]


def test_the_only_value_of_a_key_without_a_name() -> None:
    freed = built()
    freed.delete_value("Software\\日本", "", GONE)
    (value,) = found(freed).loose
    assert (value.value.name, value.value.text(), value.grade) == ("", "default", FRAGMENT)


def test_without_its_parent_a_key_is_an_orphan() -> None:
    freed = built()
    cell = freed.delete_key("Software\\Vendor", GONE)
    freed.reuse(cell, b"\xee" * 60)
    (key,) = found(freed).keys
    assert (key.path, key.grade, key.parent) == ("...\\Inner", ORPHAN, 0)
    assert {value.key_path for value in key.values} == {"...\\Inner"}


def test_a_parent_that_was_written_before_is_another_key() -> None:
    """Deleting a subkey writes its parent: an older key in the parent's cell came there later, out of a copy."""
    freed = built()
    freed.delete_key("Software\\Vendor", GONE)
    freed.written(freed.key_cell("Software"), MADE - timedelta(days=1))
    assert {key.path: key.grade for key in found(freed).keys} == {
        "...\\Vendor": ORPHAN,
        "...\\Vendor\\Inner": ORPHAN,
    }


def test_a_deleted_parent_that_was_written_before_is_another_key() -> None:
    freed = built()
    cell = freed.delete_key("Software\\Vendor", GONE)
    freed.written(cell, MADE)
    assert {key.path: key.grade for key in found(freed).keys} == {
        "Software\\Vendor": REACHABLE,
        "...\\Inner": ORPHAN,
    }


def test_a_key_that_the_tree_does_not_list_is_no_live_parent() -> None:
    """The parent's cell is in use by a record that looks like a key; nobody lists it."""
    freed = built()
    cell = freed.delete_key("Software\\Vendor", GONE)
    record = bytes(freed.data[BINS + cell + 4 : BINS + cell + 4 + 0x4C + 6])
    freed.reuse(cell, record)
    assert [(key.path, key.grade) for key in found(freed).keys] == [("...\\Inner", ORPHAN)]


def test_a_key_whose_cell_was_cut_into_is_a_fragment() -> None:
    writer = HiveWriter("ROOT", MADE)
    writer.key("Above\\First", MADE)
    writer.key("Above\\Second", MADE)
    freed = Freed(writer.build())
    freed.delete_key("Above", GONE)
    assert {key.grade for key in found(freed).keys} == {REACHABLE}
    (second,) = [key for key in found(freed).keys if key.name == "Second"]
    struct.pack_into("<i", freed.data, second.offset - 4, 12345)  # inside a joined free cell: nobody follows it
    assert {key.path: key.grade for key in found(freed).keys} == {
        "Above": REACHABLE,
        "Above\\First": REACHABLE,
        "Above\\Second": FRAGMENT,
    }


def test_values_whose_room_is_used_again_say_so() -> None:
    freed = built()
    freed.delete_key("Software\\Vendor", GONE)
    (inner,) = [key for key in found(freed).keys if key.name == "Inner"]
    long = next(value for value in inner.values if value.value.name == "long")
    freed.reuse(struct.unpack_from("<I", freed.data, long.offset + 8)[0], b"\x11" * 100)
    (again,) = [key for key in found(freed).keys if key.name == "Inner"]
    values = {value.value.name: value.value for value in again.values}
    assert values["long"].raw == b""
    assert "in use again" in values["long"].lost
    assert values["short"].data == 7


def test_without_its_list_a_deleted_key_loses_its_values_but_they_are_told() -> None:
    freed = built()
    freed.delete_key("Software\\Vendor", GONE)
    (inner,) = [key for key in found(freed).keys if key.name == "Inner"]
    listing = struct.unpack_from("<I", freed.data, inner.offset + 0x28)[0]
    freed.reuse(listing, b"\x11" * 12)
    carved = found(freed)
    (again,) = [key for key in carved.keys if key.name == "Inner"]
    assert again.values == ()
    assert {(value.value.name, value.grade) for value in carved.loose} == {
        ("long", FRAGMENT),
        ("short", FRAGMENT),
        ("\x00値", FRAGMENT),
    }


def test_data_of_a_big_value_is_not_guessed() -> None:
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    record = builder.vk(b"big", 3, 20_000, builder.cell(b"db" + bytes(10)))
    data = bytearray(builder.build(root))
    struct.pack_into("<i", data, BINS + record, -struct.unpack_from("<i", data, BINS + record)[0])
    data += bytes(0x6000)
    (value,) = carve(Hive.open(bytes(data))).loose
    assert value.value.raw == b""
    assert "several cells" in value.value.lost


# -- what is refused ---------------------------------------------------------------------------------------------------


def _record(*changes: tuple[int, bytes], name: bytes = b"name") -> bytes:
    record = bytearray(0x4C) + name
    struct.pack_into("<2sHQII", record, 0, b"nk", 0x20, TICKS, 0, 0x20)
    struct.pack_into("<H", record, 0x48, len(name))
    for place, raw in changes:
        record[place : place + len(raw)] = raw
    return bytes(record)


def _value(*changes: tuple[int, bytes], name: bytes = b"name") -> bytes:
    record = bytearray(struct.pack("<2sHIIIHH", b"vk", len(name), 0x80000004, 7, 4, 1, 0)) + name
    for place, raw in changes:
        record[place : place + len(raw)] = raw
    return bytes(record)


def _in_free_cell(record: bytes) -> Carved:
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    builder.cell(record, size=(len(record) + 11) & ~7)
    return carve(Hive.open(builder.build(root)))


def test_the_records_of_the_following_tests_are_sound() -> None:
    assert [key.path for key in _in_free_cell(_record()).keys] == ["name"]
    assert [value.value.name for value in _in_free_cell(_value()).loose] == ["name"]


@pytest.mark.parametrize(
    "record",
    [
        _record((2, b"\xff\xff")),
        _record((4, bytes(8))),
        _record((4, b"\xff" * 8)),
        _record((0x10, b"\x21\x00\x00\x00")),
        _record((0x10, b"\x00\x00\xf0\x00")),
        _record((0x14, b"\x01\x00\x00\x00\xff\xff\xff\xff\xf8\xff\xff\x7f")),
        _record((0x24, b"\xff\xff\xff\xff")),
        _record((0x24, b"\x02\x00\x00\x00\x03\x00\x00\x00")),
        _record((0x48, b"\x00\x00")),
        _record((0x48, b"\xff\xff")),
        _record((0x48, b"\xf0\x00")),
        _record(name=b"a\x07bc"),
        _record(name=b"a\\bc"),
        _record((2, b"\x00\x00"), name=b"\x00\xd8ab"),
        _record((2, b"\x00\x00"), name=b"abc"),
        _record()[:0x30],
        _value((2, b"\xff\xff")),
        _value((4, b"\x09\x00\x00\x80")),
        _value((4, b"\x09\x00\x00\x00\x00\x00\xf0\x00")),
        _value((4, b"\xff\xff\xff\x7f")),
        _value((0x0C, b"\x77\x00\x00\x00")),
        _value((0x10, b"\xf0\xf0")),
        _value(name=b"a\x07bc"),
        _value()[:0x12],
    ],
)
def test_what_cannot_be_a_record_is_refused_and_counted(record: bytes) -> None:
    carved = _in_free_cell(record)
    assert (carved.keys, carved.loose, carved.refused) == ([], [], 1)


def test_one_bad_record_costs_itself() -> None:
    freed = built()
    freed.delete_key("Software\\Vendor", GONE)
    freed.delete_key("Software\\日本", GONE)
    (inner,) = [key for key in found(freed).keys if key.name == "Inner"]
    freed.data[inner.offset + 2] = 0xFF
    freed.data[inner.offset + 3] = 0xFF
    carved = found(freed)
    assert {key.path for key in carved.keys} == {"Software\\Vendor", "Software\\日本"}
    assert carved.refused == 1
    assert {value.value.name for value in carved.loose} == {"long", "short", "\x00値"}


# -- crafted free space ------------------------------------------------------------------------------------------------


def _freed_keys(count: int, *, parents: list[int] | None = None, values: tuple[int, int] = (0, 0)) -> bytes:
    """Deleted keys of one bin; `parents` are numbers of keys (-1: the root)."""
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    cells = [builder.nk(f"k{number:05d}".encode(), parent=root) for number in range(count)]
    for cell, parent in zip(cells, parents or [], strict=False):
        builder.patch(cell, 0x10, root if parent < 0 else cells[parent])
    for cell in cells:
        builder.patch(cell, 0x24, values[0])
        builder.patch(cell, 0x28, values[1])
        struct.pack_into("<i", builder.body, cell, -struct.unpack_from("<i", builder.body, cell)[0])
    return builder.build(root)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("parents", [[0], [1, 0], [1, 2, 0], [2, 0, 1]])
def test_deleted_parents_in_a_circle(parents: list[int]) -> None:
    carved = carve(Hive.open(_freed_keys(len(parents), parents=parents)))
    assert len(carved.keys) == len(parents)
    assert {key.grade for key in carved.keys} == {ORPHAN}
    assert all(key.path.startswith("...\\") and key.path.endswith(key.name) for key in carved.keys)


@pytest.mark.timeout(20)
def test_deleted_keys_of_any_depth() -> None:
    count = 5000
    started = time.process_time()
    carved = carve(Hive.open(_freed_keys(count, parents=[-1, *range(count - 1)])))
    assert time.process_time() - started < 2
    assert len(carved.keys) == count
    assert all(len(key.path) <= 8192 for key in carved.keys)
    assert sum(key.grade == REACHABLE for key in carved.keys) > 500
    assert carved.cut, "names that did not fit into a path are not silently dropped"


@pytest.mark.timeout(20)
def test_paths_together_have_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hive_carve, "_MOST_PATHS", 1000)
    carved = carve(Hive.open(_freed_keys(300, parents=[-1, *range(299)])))
    assert len(carved.keys) == 300
    assert carved.cut
    assert sum(len(key.path) for key in carved.keys if key.grade == REACHABLE) <= 1000


@pytest.mark.timeout(20)
def test_overlapping_value_lists_run_out_of_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hive_carve, "_MOST_LOOKS", 10_000)
    data = _freed_keys(2000, values=(4096, 0x78))  # every key names 4096 values in the room of the keys themselves
    started = time.process_time()
    carved = carve(Hive.open(data))
    assert time.process_time() - started < 2
    assert (len(carved.keys), carved.cut) == (2000, True)


@pytest.mark.timeout(30)
def test_the_whole_budget_of_looks_takes_a_second_or_two() -> None:
    data = _freed_keys(20_000, values=(4096, 0x78))
    started = time.process_time()
    carved = carve(Hive.open(data))
    assert time.process_time() - started < 5
    assert (len(carved.keys), carved.cut) == (20_000, True)


def test_there_is_a_limit_of_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hive_carve, "MOST", 100)
    carved = carve(Hive.open(_freed_keys(300)))
    assert (len(carved.keys), carved.cut) == (100, True)
    monkeypatch.setattr(hive_carve, "MOST", 300)
    assert not carve(Hive.open(_freed_keys(300))).cut


@pytest.mark.timeout(20)
def test_values_that_share_their_data_cannot_outgrow_the_hive() -> None:
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    data = builder.cell(b"z" * 16000, size=16008)
    for number in range(300):
        record = struct.pack("<2sHIIIHH", b"vk", 4, 16000, data, 3, 1, 0) + b"%04d" % number
        builder.cell(record, size=32)
    raw = builder.build(root)
    carved = carve(Hive.open(raw))
    assert len(carved.loose) == 300
    assert 0 < sum(len(value.value.raw) for value in carved.loose) <= len(raw)
    assert carved.cut
    assert any("more data than the hive holds" in value.value.lost for value in carved.loose)


def test_a_broken_chain_of_cells_is_counted_and_the_other_bins_are_read() -> None:
    writer = HiveWriter("ROOT", MADE)
    for number in range(200):
        writer.key(f"K{number:03d}", MADE)
        writer.value(f"K{number:03d}", "v", REG_SZ, "x" * 40)
    freed = Freed(writer.build())
    assert len(freed.bins()) > 3
    for number in (0, 199):
        freed.delete_key(f"K{number:03d}", GONE)
    assert {key.name for key in carve(freed.hive()).keys} == {"K000", "K199"}
    struct.pack_into("<i", freed.data, BINS + freed.bins()[0] + 0x20 + 88, 3)
    carved = carve(freed.hive())
    assert carved.broken == 1
    assert {key.name for key in carved.keys} == {"K199"}


@pytest.mark.timeout(60)
def test_truncation_everywhere() -> None:
    freed = built()
    freed.delete_key("Software\\Vendor", GONE)
    freed.delete_value(RUN, "Last", GONE)
    whole, counts = bytes(freed.data), set()
    for length in [*range(0x1000, 0x1800, 8), *range(0x1800, len(whole), 40)]:
        try:
            live = Hive.open(whole[:length])
        except FormatError:
            continue
        carved = carve(live)
        counts.add(len(carved.keys))
    assert counts >= {0, 2}


@pytest.mark.timeout(120)
def test_damage_anywhere_never_escapes() -> None:
    freed = built()
    freed.delete_key("Software\\Vendor", GONE)
    freed.delete_value(RUN, "Last", GONE)
    freed.delete_key("Software\\日本", GONE)
    whole = bytes(freed.data)
    chance = random.Random(11)
    survived = 0
    for _ in range(600):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(0x1000, len(data))] = chance.choice([0, 0xFF, chance.randrange(256)])
        try:
            carve(Hive.open(bytes(data)))
        except FormatError:
            continue
        survived += 1
    assert survived > 500


@pytest.mark.timeout(120)
def test_relinked_records_never_escape() -> None:
    """Every reference of deleted records led to every cell, a sample of all pairs."""
    freed = built()
    freed.delete_key("Software\\Vendor", GONE)
    freed.delete_key("Software\\日本", GONE)
    whole = bytes(freed.data)
    carved = carve(Hive.open(whole))
    cells = [find.offset - BINS - 4 for find in (*carved.keys, *(value for key in carved.keys for value in key.values))]
    places = [key.offset + place for key in carved.keys for place in (0x10, 0x1C, 0x28)]
    places += [value.offset + 8 for key in carved.keys for value in key.values]
    chance = random.Random(13)
    for _ in range(400):
        data = bytearray(whole)
        for place in chance.sample(places, 4):
            struct.pack_into("<I", data, place, chance.choice([*cells, 0x20, 0xFFFFFFFF, 4]))
        again = carve(Hive.open(bytes(data)))
        assert len(again.keys) + again.refused >= 3


# -- real hives --------------------------------------------------------------------------------------------------------


def _candidates(data: bytes) -> set[int]:
    """Where python-registry takes something in a free cell for a key or a value: every 4th byte is tried."""
    found: set[int] = set()
    for block in REGFBlock(data, 0, None).hbins():
        for cell in block.cells():
            if not cell.is_free():
                continue
            start = cell.absolute_offset(4)
            for at in range(start, start - 4 + cell.size(), 4):
                kind = {b"nk": NKRecord, b"vk": VKRecord}.get(data[at : at + 2])
                try:
                    found.update([at] if kind and kind(data, at, None) else [])
                except RegistryException:
                    continue
    return found


def _bytes(folder: Path, name: str, *, replayed: bool) -> bytes:
    data = (folder / name).read_bytes()
    logs = [(folder / f"{name}.LOG{number}").read_bytes() for number in (1, 2)] if replayed else []
    return replay(data, logs).data


@pytest.mark.samples
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("name", "replayed", "keys", "values", "refused"),
    [
        ("SYSTEM_B", False, 1504, 4463, 30),
        ("SYSTEM_B", True, 0, 0, 0),
        ("UsrClass.dat", False, 94, 221, 15),
        ("UsrClass.dat", True, 36, 108, 5),
        ("malformed/ez-UsrClassDeletedBags.dat", False, 4, 112, 1),
    ],
)
def test_every_candidate_of_a_second_reader_is_told_or_refused(
    samples: Path, name: str, replayed: bool, keys: int, values: int, refused: int
) -> None:
    data = _bytes(samples / "hives", name, replayed=replayed)
    started = time.process_time()
    carved = carve(Hive.open(data))
    assert time.process_time() - started < 2
    told = {key.offset for key in carved.keys} | {value.offset for key in carved.keys for value in key.values}
    told |= {value.offset for value in carved.loose}
    assert (len(carved.keys), len(told) - len(carved.keys), carved.refused) == (keys, values, refused)
    assert not carved.cut
    assert carved.broken == 0
    candidates = _candidates(data)
    assert told <= candidates
    assert len(candidates) == len(told) + refused


@pytest.mark.samples
def test_what_the_author_of_the_samples_expects(samples: Path) -> None:
    """The counts, paths and data that yarp's own tests state for its hives."""
    folder = samples / "hives" / "yarp"
    carved = carve(Hive.open((folder / "DeletedDataHive").read_bytes()))
    (key,) = carved.keys
    assert (key.path, key.grade) == ("456", REACHABLE)
    assert [(value.value.name, value.value.type, value.value.data) for value in key.values] == [("v", 1, "123456")]
    assert [(value.value.name, value.value.type, value.value.data) for value in carved.loose] == [("v2", 1, "456")]
    carved = carve(Hive.open((folder / "DeletedTreeNoRootFlagHive").read_bytes()))
    assert {key.path for key in carved.keys} == {"1\\2\\3", "1\\2\\3\\4", "1\\2\\3\\4\\5", "1\\2\\3\\4\\New Key #1"}
    assert {key.grade for key in carved.keys} == {REACHABLE}
    assert carved.loose == []


@pytest.mark.samples
def test_a_bam_entry_that_was_dropped_is_given_back_to_its_user(samples: Path) -> None:
    carved = carve(Hive.open((samples / "hives" / "SYSTEM_B").read_bytes()))
    (value,) = [value for value in carved.loose if "\\bam\\" in value.key_path]
    assert value.key_path.startswith("ControlSet001\\Services\\bam\\UserSettings\\S-1-5-21-")
    assert value.value.name.endswith("\\Taskmgr.exe")
    assert value.grade == REACHABLE


@pytest.mark.samples
@pytest.mark.timeout(120)
@pytest.mark.parametrize("folder", ["yarp", "malformed"])
def test_broken_hives_never_escape(samples: Path, folder: str) -> None:
    opened = 0
    for path in sorted((samples / "hives" / folder).iterdir()):
        try:
            live = Hive.open(path.read_bytes())
        except FormatError:
            continue
        carve(live)
        opened += 1
    assert opened >= 12
