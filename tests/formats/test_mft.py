"""The master file table: the public samples as two other readers have them, damage, and records made for a purpose."""

from __future__ import annotations

import io
import random
import re
import warnings
from pathlib import Path

import pytest
from dissect.ntfs import NTFS
from dissect.ntfs.exceptions import Error as NtfsError
from hypothesis import given, settings
from hypothesis import strategies as st
from mft import PyMftParser

from forensics.formats import FormatError
from forensics.formats.mft import Entry, TableReader, Times
from forensics.formats.ntfspaths import Folders, freed, reference, reference_text, resolve

TABLES = ["DFR-16-$MFT", "xw-$MFT"]


def table(data: bytes) -> tuple[list[Entry], list[FormatError], TableReader]:
    reader = TableReader(io.BytesIO(data))
    list(reader.folders())
    items = list(reader)
    entries = [item for item in items if isinstance(item, Entry)]
    return entries, [item for item in items if isinstance(item, FormatError)], reader


def shipped(testdata: Path) -> bytes:
    return (testdata / "evidence/ws-tanaka/kape/WS-TANAKA/C/$MFT").read_bytes()


def paths_of(data: bytes) -> dict[int, set[str]]:
    """Record number -> every whole path of the file."""
    folders, reader = Folders(), TableReader(io.BytesIO(data))
    for ref, parent, name in reader.folders():
        folders.add_now(ref, parent, name)
    found: dict[int, set[str]] = {}
    for entry in reader:
        if isinstance(entry, Entry):
            places = [(folders.place(name.parent), name.name) for name in entry.names]
            found[entry.number] = {place.of(name) for place, name in places if place.whole}
    return found


@pytest.mark.parametrize("name", TABLES)
def test_the_same_files_as_the_rust_reader(samples: Path, name: str) -> None:
    data = (samples / "ntfs" / name).read_bytes()
    entries, _, _ = table(data)
    ours = {entry.number: entry for entry in entries}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of torn sectors; ours are in the tally
        read = list(PyMftParser(io.BytesIO(data)).entries())
    theirs = {item.entry_id: item for item in read if not isinstance(item, Exception) and not item.base_entry_id}
    compared = 0
    for number, item in theirs.items():
        if not item.full_path or item.full_path.endswith("[UNKNOWN]") or number not in ours:
            continue  # no name, or never given to a file
        compared += 1
        entry = ours[number]
        assert entry.in_use == ("ALLOCATED" in repr(item.flags)), number
        assert entry.folder == ("INDEX_PRESENT" in re.split(r"\W", repr(item.flags))), number
        names = {found.name for found in entry.names}
        assert item.full_path.replace("\\", "/").rpartition("/")[2] in names, number
    assert compared > 100


@pytest.mark.parametrize("name", TABLES)
def test_names_times_and_content_as_dissect_has_them(samples: Path, name: str) -> None:
    data = (samples / "ntfs" / name).read_bytes()
    ours = {entry.number: entry for entry in table(data)[0]}
    content = 0
    volume, compared = NTFS(mft=io.BytesIO(data)), 0
    for number, entry in ours.items():
        try:
            known = as_dissect_has_it(volume, number)
        except (ValueError, EOFError, NtfsError):
            continue  # torn or cut: that reader gives nothing of the record
        times, names, resident = known
        compared += 1
        assert entry.times == times, number
        assert names <= {found.name for found in entry.names}, number
        if resident is not None:
            content += 1
            assert entry.data == resident, number
    assert compared >= len(ours) - 30
    assert content


def as_dissect_has_it(volume: NTFS, number: int) -> tuple[Times | None, set[str], bytes | None]:
    """Times, long names and resident content of a record."""
    attributes = volume.mft.get(number).attributes
    infos, streams = attributes.STANDARD_INFORMATION, [item for item in attributes.DATA if not item.name]
    times = None
    if infos:
        ticks = infos[0].attr
        times = Times(ticks.CreationTime, ticks.LastModificationTime, ticks.LastChangeTime, ticks.LastAccessTime)
    names = {item.attr.FileName for item in attributes.FILE_NAME if item.attr.Flags != 2}
    return times, names, streams[0].data() if streams and streams[0].resident else None


def test_the_shipped_table_has_every_path_of_the_collection(testdata: Path) -> None:
    root = testdata / "evidence/ws-tanaka/kape/WS-TANAKA/C"
    every = {path for paths in paths_of(shipped(testdata)).values() for path in paths}
    taken = {"\\" + str(path.relative_to(root)).replace("/", "\\") for path in root.rglob("*") if path.is_file()}
    assert {path for path in taken if "$Extend" not in path} <= every
    assert "\\Users\\Public\\AppData\\try.wsb" in every, "deleted, its folder is known"


def test_a_deleted_file_keeps_its_content_and_the_reference_it_had(testdata: Path) -> None:
    (entry,) = [item for item in table(shipped(testdata))[0] if any(n.name == "try.wsb" for n in item.names)]
    assert not entry.in_use
    assert entry.data is not None
    assert entry.data.startswith(b"<Configuration>")
    assert reference_text(entry.ref).endswith("-1"), "the record counts on when it is freed"


def test_a_torn_sector_costs_what_is_behind_it(testdata: Path) -> None:
    data = bytearray(shipped(testdata))
    good = {entry.number: entry for entry in table(bytes(data))[0]}
    number = next(entry.number for entry in good.values() if entry.data and len(entry.data) > 300 and entry.number > 30)
    data[number * 1024 + 1022] ^= 0xFF
    entries, faults, reader = table(bytes(data))
    assert [str(fault) for fault in faults] == [
        f"MFT record {number}: sector 2 was torn: its end is not what the update sequence says at offset "
        f"0x{number * 1024:x}"
    ]
    assert reader.tally.damaged == 1
    torn = next(entry for entry in entries if entry.number == number)
    assert torn.names == good[number].names
    assert len(entries) == len(good)


def test_a_cut_table_says_so_and_keeps_the_rest(testdata: Path) -> None:
    data = shipped(testdata)
    whole = table(data)[0]
    for cut in (1024 * 40, 1024 * 40 + 700, 1024 * 100 + 3):
        entries, faults, _ = table(data[:cut])
        assert entries == [entry for entry in whole if entry.number < cut // 1024]
        assert len(faults) == bool(cut % 1024)


@pytest.mark.parametrize("data", [b"", b"FILE", b"x" * 5000, bytes(4096)])
def test_what_is_no_table_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match="no record"):
        TableReader(io.BytesIO(data))


def test_random_damage_raises_nothing(testdata: Path) -> None:
    data, chance = shipped(testdata)[: 1024 * 120], random.Random(7)
    for _ in range(60):
        hurt = bytearray(data)
        for _ in range(40):
            hurt[chance.randrange(64, len(hurt))] = chance.randrange(256)
        entries, _, reader = table(bytes(hurt))
        assert len(entries) <= reader.tally.records == 120


# -- paths ---------------------------------------------------------------------------------------------------------


def test_a_loop_of_folders_ends() -> None:
    steps = {reference(40, 1): (reference(41, 1), "a"), reference(41, 1): (reference(40, 1), "b")}
    place, way = resolve(steps.get, reference(40, 1))
    assert not place.whole
    assert len(way) == 3


def test_a_record_used_again_is_not_the_folder_it_was() -> None:
    folders = Folders()
    folders.add_now(reference(40, 2), reference(5, 5), "new")
    assert folders.place(reference(40, 1)) == ("", False)
    assert folders.place(reference(40, 2)) == ("\\new", True)


def test_a_folder_has_the_name_of_that_moment() -> None:
    folders = Folders()
    folders.add_now(reference(40, 1), reference(5, 5), "c")
    folders.add_change(100, reference(40, 1), reference(5, 5), "a")
    folders.add_change(200, reference(40, 1), reference(5, 5), "b")
    folders.add_change(300, reference(40, 1), reference(5, 5), "c")
    below = reference(41, 1)
    folders.add_now(below, reference(40, 1), "x")
    assert [folders.place(below, usn).path for usn in (50, 150, 250, 350)] == ["\\a\\x", "\\a\\x", "\\b\\x", "\\c\\x"]
    assert folders.place(below).path == "\\c\\x"


@given(st.integers(1, 0xFFFF))
def test_freeing_counts_on(sequence: int) -> None:
    after = 1 if sequence == 0xFFFF else sequence + 1
    assert freed(after) == sequence


@settings(max_examples=50)
@given(st.dictionaries(st.integers(6, 40), st.tuples(st.integers(5, 40), st.text(min_size=1, max_size=5))))
def test_any_tree_has_an_end(steps: dict[int, tuple[int, str]]) -> None:
    for start in steps:
        place, way = resolve(steps.get, start)
        assert len(way) <= len(steps) + 1
        assert place.whole or not place.path.startswith("\\") or "\\" in place.path
