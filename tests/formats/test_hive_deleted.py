"""Carving before and after replay, and what was deleted as a hive of its own."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from forensics.formats.hive import Hive
from forensics.formats.hive_carve import FRAGMENT, ORPHAN, REACHABLE, DeletedKey, DeletedValue
from forensics.formats.hive_deleted import MOST_LAYERS, DeletedHive, Recovery, layers, recover
from forensics.times import NoTime
from testdata.writers.hive import PAGE, REG_DWORD, REG_SZ, HiveWriter, log_entry
from tests.formats.freed_hives import BINS, Freed

MADE = datetime(2024, 12, 1, 8, 0, tzinfo=UTC)
GONE = MADE + timedelta(hours=5)
SERVICES = "ControlSet001\\Services"


def writer(*names: str) -> HiveWriter:
    made = HiveWriter("ROOT", MADE, "\\SystemRoot\\System32\\Config\\SYSTEM")
    made.key("Select", MADE)
    made.value("Select", "Current", REG_DWORD, 1)
    for name in names:
        path = f"{SERVICES}\\{name}"
        made.key(path, MADE)
        made.value(path, "ImagePath", REG_SZ, f"C:\\ProgramData\\{name}.exe")
        made.value(path, "Start", REG_DWORD, 2)
        made.key(f"{path}\\Parameters", MADE)
        made.value(f"{path}\\Parameters", "ServiceDll", REG_SZ, f"C:\\ProgramData\\{name}.dll")
    made.key(f"{SERVICES}\\Kept", MADE)
    return made


def dirty(made: HiveWriter, before: Freed, after: Freed) -> tuple[bytes, bytes]:
    """The stored hive as `before`, never flushed since, and the LOG1 that makes it `after`."""
    old, new = bytes(before.data[PAGE:]), bytes(after.data[PAGE:])
    assert len(old) == len(new)
    stored = made.header(7, 6, len(old)) + bytes(PAGE - 512) + old
    log = made.header(7, 7, len(old), file_type=6) + log_entry(7, old, new)
    return stored, log + bytes(-len(log) % PAGE)


def names(found: Recovery) -> dict[str, tuple[str, str]]:
    return {key.path: (key.grade, key.phase) for key in found.keys}


# -- before and after replay -------------------------------------------------------------------------------------------


def test_a_clean_hive_is_carved_once_and_has_no_phase() -> None:
    freed = Freed(writer("Evil").build())
    freed.delete_key(f"{SERVICES}\\Evil", GONE)
    found = recover(freed.hive(), bytes(freed.data))
    assert {key.phase for key in found.keys} == {""}
    assert {value.phase for key in found.keys for value in key.values} == {""}
    assert found.value_count == 3


def test_a_dirty_hive_without_logs_is_carved_before_replay() -> None:
    made = writer("Evil")
    freed = Freed(made.build())
    freed.delete_key(f"{SERVICES}\\Evil", GONE)
    stored, _ = dirty(made, freed, freed)
    hive = Hive.open(stored)
    assert hive.state == "dirty_not_replayed"
    assert names(recover(hive, stored)) == {
        f"{SERVICES}\\Evil": (REACHABLE, "before_replay"),
        f"{SERVICES}\\Evil\\Parameters": (REACHABLE, "before_replay"),
    }


def test_both_sides_of_a_replay_are_carved_and_told_apart() -> None:
    made = writer("Early", "Always", "Late")
    before = Freed(made.build())
    early = before.delete_key(f"{SERVICES}\\Early", GONE)
    before.delete_key(f"{SERVICES}\\Always", GONE)
    after = Freed(bytes(before.data))
    after.delete_key(f"{SERVICES}\\Late", GONE + timedelta(minutes=1))
    after.reuse(early, b"\xee" * 60)
    stored, log = dirty(made, before, after)
    hive = Hive.open(stored, [log])
    assert hive.state == "replayed"
    found = recover(hive, stored)
    told = names(found)
    assert told[f"{SERVICES}\\Early"] == (REACHABLE, "before_replay")
    assert told[f"{SERVICES}\\Always"] == (REACHABLE, "both")
    assert told[f"{SERVICES}\\Late"] == (REACHABLE, "after_replay")
    assert told[f"{SERVICES}\\Early\\Parameters"] == (REACHABLE, "both"), "the better of its two places is kept"
    assert len(found.keys) == 6
    assert found.loose == []
    assert found.value_count == 9
    phases = {key.name: {value.phase for value in key.values} for key in found.keys if key.name != "Parameters"}
    assert phases == {"Early": {"before_replay"}, "Always": {"both"}, "Late": {"after_replay"}}
    view = layers(found, hive)[0]
    marks = {key.name: key.mark() for key in view.glob(f"{SERVICES}\\*")}
    assert marks["Late"].endswith(" after replay)"), "that place is not in the stored file"
    assert "after replay" not in marks["Early"] + marks["Always"]


def test_what_the_logs_bring_back_was_never_deleted() -> None:
    """The stored pages are older than the key: its cells are free there, and in use once the log is applied."""
    made = writer("Again", "Gone")
    after = Freed(made.build())
    after.delete_key(f"{SERVICES}\\Gone", GONE)
    before = Freed(bytes(after.data))
    before.delete_key(f"{SERVICES}\\Again", GONE)
    stored, log = dirty(made, before, after)
    hive = Hive.open(stored, [log])
    assert hive.key(f"{SERVICES}\\Again") is not None
    found = recover(hive, stored)
    assert set(names(found)) == {f"{SERVICES}\\Gone", f"{SERVICES}\\Gone\\Parameters"}
    assert found.loose == []
    assert found.alive == 2 + 3


def test_a_value_is_told_once_with_the_better_of_its_places() -> None:
    made = writer("Evil")
    made.value(f"{SERVICES}\\Kept", "One", REG_SZ, "first value")
    made.value(f"{SERVICES}\\Kept", "Two", REG_SZ, "second value")
    before = Freed(made.build())
    before.delete_value(f"{SERVICES}\\Kept", "Two", GONE)
    after = Freed(bytes(before.data))
    after.delete_value(f"{SERVICES}\\Kept", "One", GONE)  # the list goes with it: nothing leads to Two any more
    stored, log = dirty(made, before, after)
    found = recover(Hive.open(stored, [log]), stored)
    values = {value.value.name: (value.key_path, value.grade, value.phase) for value in found.loose}
    assert values["Two"] == (f"{SERVICES}\\Kept", REACHABLE, "both")
    assert values["One"] == ("...", FRAGMENT, "after_replay")
    assert len(found.loose) == 2


def test_a_stored_hive_without_a_root_is_carved_after_replay_only() -> None:
    made = writer("Evil")
    after = Freed(made.build())
    after.delete_key(f"{SERVICES}\\Evil", GONE)
    before = Freed(bytes(after.data))
    before.data[BINS + 0x24 : BINS + 0x26] = b"xx"
    stored, log = dirty(made, before, after)
    hive = Hive.open(stored, [log])
    assert hive.state == "replayed"
    assert {phase for _, phase in names(recover(hive, stored)).values()} == {"after_replay"}


# -- as a hive ---------------------------------------------------------------------------------------------------------


def key(path: str, offset: int, *, written: datetime = MADE, parent: int = 0, **values: str) -> DeletedKey:
    """A find as the carver makes it."""
    real = Freed(writer("x").build()).hive().key(f"{SERVICES}\\x")
    assert real is not None
    image = real.value("ImagePath")
    assert image is not None
    held = tuple(
        DeletedValue(path, replace(image, name=name, raw=text.encode("utf-16-le")), REACHABLE, written, offset + 8 + at)
        for at, (name, text) in enumerate(values.items())
    )
    return DeletedKey(path, path.rpartition("\\")[2], written, REACHABLE, offset, held, parent)


def live() -> Hive:
    return Freed(writer("Live").build()).hive()


def test_the_same_look_ups_over_deleted_keys_alone() -> None:
    freed = Freed(writer("Evil", "Live").build())
    freed.delete_key(f"{SERVICES}\\Evil", GONE)
    hive = freed.hive()
    (view,) = layers(recover(hive, bytes(freed.data)), hive)
    assert (view.deleted, hive.deleted, view.live is hive, hive.live is hive) == (True, False, True, True)
    assert (view.kind, view.state, view.control_sets()) == ("SYSTEM", "clean", ["ControlSet001"])
    assert [found.path for found in view.walk()] == [
        "",
        "ControlSet001",
        SERVICES,
        f"{SERVICES}\\Evil",
        f"{SERVICES}\\Evil\\Parameters",
    ]
    evil = view.key("controlset001\\SERVICES\\evil")
    assert evil is not None
    assert [(value.name, value.text()) for value in evil.values()] == [
        ("ImagePath", "C:\\ProgramData\\Evil.exe"),
        ("Start", "2"),
    ]
    assert evil.value("IMAGEPATH") is not None
    assert evil.value("absent") is None
    assert evil.last_write == GONE
    parameters = evil.subkey("PARAMETERS")
    assert parameters is not None
    assert parameters.last_write == MADE
    assert [found.path for found in view.glob("ControlSet*\\Services\\*\\Par*")] == [parameters.path]
    assert view.key(f"{SERVICES}\\Live") is None, "what is there is not in the view"
    way = view.key(SERVICES)
    assert way is not None
    assert isinstance(way.last_write, NoTime)
    assert list(way.values()) == []
    assert (list(view.unplaced()), list(hive.unplaced())) == ([], [])
    assert view.problems == []


def test_marks_lead_to_the_record_and_back() -> None:
    freed = Freed(writer("Evil").build())
    freed.delete_key(f"{SERVICES}\\Evil", GONE)
    hive = freed.hive()
    found = recover(hive, bytes(freed.data))
    (view,) = layers(found, hive)
    evil = view.key(f"{SERVICES}\\Evil")
    assert evil is not None
    (record,) = [item for item in found.keys if item.name == "Evil"]
    assert evil.mark() == f" (deleted, reachable_parent, offset 0x{record.offset:x})"
    assert view.find_of(evil.path + evil.mark()) is record
    image = next(value for value in record.values if value.value.name == "ImagePath")
    assert evil.mark("imagepath") == f" (deleted, reachable_parent, offset 0x{image.offset:x})"
    assert view.find_of("x" + evil.mark("ImagePath")) is image
    assert evil.mark("absent") == evil.mark()
    assert view.find_of("no mark") is None
    there = hive.key(SERVICES)
    assert there is not None
    assert there.mark("x") == ""


def test_versions_of_one_path_are_not_mixed() -> None:
    """Two services of one name, each with its parameters: four keys, two layers, newest first."""
    old = key("A\\B", 0x100, ImagePath="old", Only="old")
    new = key("A\\B", 0x200, written=GONE, ImagePath="new")
    below_old = key("A\\B\\Parameters", 0x300, parent=0x100, ServiceDll="old.dll")
    below_new = key("A\\B\\Parameters", 0x400, parent=0x200, ServiceDll="new.dll")
    made = layers(Recovery([below_old, old, below_new, new], []), live())
    told = []
    for layer in made:
        node = layer.key("A\\B")
        assert node is not None
        parameters = node.subkey("Parameters")
        assert parameters is not None
        told.append([value.text() for value in (*node.values(), *parameters.values())])
    assert told == [["new", "new.dll"], ["old", "old", "old.dll"]]


def test_a_removed_value_stays_apart_from_a_deleted_key_of_the_same_path() -> None:
    gone = key("A\\B", 0x100, v="of the deleted key")
    loose = [replace(key("A\\B", 0x200 + 16 * n, v=f"removed {n}").values[0], written=GONE) for n in range(2)]
    made = layers(Recovery([gone], loose), live())
    held = [[value.text() for value in node.values()] for layer in made if (node := layer.key("A\\B"))]
    assert held == [["of the deleted key"], ["removed 0"], ["removed 1"]]
    node = made[1].key("A\\B")
    assert node is not None
    assert node.last_write == GONE
    assert "offset 0x208" in node.mark(), "the key itself is there: its mark is that of what it lost"


def test_more_versions_than_layers_are_told_without_their_place() -> None:
    keys = [key("A\\B", 0x100 + 16 * number, v=str(number)) for number in range(MOST_LAYERS + 5)]
    made = layers(Recovery(keys, []), live())
    assert len(made) == MOST_LAYERS
    assert len(list(made[0].unplaced())) == 5
    assert sum(len(list(layer.walk())) - 2 for layer in made) == MOST_LAYERS


def test_what_has_no_place_is_given_one_by_one() -> None:
    orphan = replace(key("...\\Run", 0x100, Updater="x"), grade=ORPHAN)
    values = [replace(key("...", 0x200 + 16 * n, name=f"{n}").values[0], grade=FRAGMENT) for n in range(2)]
    (view,) = layers(Recovery([orphan], values), live())
    assert list(view.root.subkeys()) == []
    unplaced = list(view.unplaced())
    assert [(node.path, node.name, [value.text() for value in node.values()]) for node in unplaced] == [
        ("...\\Run", "Run", ["x"]),
        ("...", "", ["0"]),
        ("...", "", ["1"]),
    ]
    assert len({node.mark("name") for node in unplaced}) == 3


@pytest.mark.timeout(30)
def test_many_versions_of_one_path_take_no_longer_than_many_paths() -> None:
    base = key("\\".join(["A"] * 200), 0x100, v="x")
    keys = [replace(base, offset=0x100 + 16 * number) for number in range(20_000)]
    started = time.monotonic()
    made = layers(Recovery(keys, []), live())
    assert time.monotonic() - started < 3
    assert sum(1 for _ in made[0].unplaced()) == 20_000 - MOST_LAYERS


# -- real hives --------------------------------------------------------------------------------------------------------


def _opened(folder: Path, name: str) -> tuple[Hive, bytes]:
    data = (folder / name).read_bytes()
    return Hive.open(data, [(folder / f"{name}.LOG{number}").read_bytes() for number in (1, 2)]), data


@pytest.mark.samples
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("name", "phases", "values", "alive"),
    [
        ("SYSTEM_B", {"before_replay": 1504}, 4461, 2),
        ("UsrClass.dat", {"before_replay": 59, "both": 35, "after_replay": 1}, 228, 0),
    ],
)
def test_real_hives(samples: Path, name: str, phases: dict[str, int], values: int, alive: int) -> None:
    hive, stored = _opened(samples / "hives", name)
    before = len(hive.problems)
    started = time.monotonic()
    found = recover(hive, stored)
    made = layers(found, hive)
    assert time.monotonic() - started < 4
    counts: dict[str, int] = {}
    for item in found.keys:
        counts[item.phase] = counts.get(item.phase, 0) + 1
    assert (counts, found.value_count, found.alive, found.cut) == (phases, values, alive, False)
    shown = sum(_records(layer) for layer in made)
    assert shown == len(found.keys) + len(found.loose)
    assert len(hive.problems) == before
    for item in found.keys:
        there = hive.key(item.path) if item.grade == REACHABLE else None
        assert there is None or there.cell != item.offset - BINS - 4


def _records(layer: DeletedHive) -> int:
    """How many finds a layer shows: deleted keys, and values that live keys lost."""
    placed = [node for node in layer.walk() if node.mark()]
    keys = sum(1 for node in placed if getattr(node, "find", None))
    lost = sum(len(list(node.values())) for node in placed if not getattr(node, "find", None))
    return keys + lost + sum(1 for _ in layer.unplaced())
