from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from forensics.formats import shellitems
from forensics.formats.hive import Hive
from forensics.formats.shellitems import (
    FILE,
    FOLDER,
    KNOWN_FOLDER,
    NETWORK,
    ROOT,
    UNKNOWN,
    VOLUME,
    ShellItem,
    item_list,
)
from forensics.times import NoTime
from testdata.writers import shell_items as build

MODIFIED = datetime(2024, 12, 3, 23, 1, 2, tzinfo=UTC)
CREATED = datetime(2024, 12, 1, 0, 0, 0, tzinfo=UTC)
ACCESSED = datetime(2024, 12, 4, 12, 30, 58, tzinfo=UTC)
TIMES = (MODIFIED, CREATED, ACCESSED)
DIALOGS = "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\ComDlg32"
BUILT = build.item_list(
    build.root(build.THIS_PC),
    build.volume("C:\\"),
    build.file("Users", 0, TIMES, (1234, 1), folder=True),
    build.file("設定 サンドボックス.wsb", 312, TIMES, (98765, 7)),
)
LISTS = {
    "drive": BUILT,
    "desktop": build.item_list(
        build.root(build.THIS_PC),
        build.shell_folder(build.DESKTOP),
        build.file("long configuration.wsb", 1, TIMES, (5, 6), short="LONGCO~1.WSB"),
    ),
    "user": build.item_list(
        build.root(build.USER_FILES), build.known_folder(build.DESKTOP), build.delegated("source", TIMES, (77, 3))
    ),
    "share": build.item_list(build.network("\\\\server\\share"), build.file("x.wsb")),
}


def test_a_file_is_described() -> None:
    found = item_list(BUILT)
    assert found.faults == ()
    assert found.end == len(BUILT)
    assert [item.kind for item in found.items] == [ROOT, VOLUME, FOLDER, FILE]
    assert found.items[1].name == "C:\\"
    last = found.items[-1]
    assert (last.name, last.file_size, last.mft_record, last.mft_sequence) == ("設定 サンドボックス.wsb", 312, 98765, 7)
    assert (last.modified, last.created, last.accessed) == TIMES


def test_delegates_known_folders_and_shares() -> None:
    user = item_list(LISTS["user"]).items
    assert [item.kind for item in user] == [ROOT, KNOWN_FOLDER, FOLDER]
    assert (user[2].name, user[2].mft_record, user[2].delegate) == (
        "source",
        77,
        "{DFFACDC5-679F-4156-8947-C5C76BC0B67F}",
    )
    assert (user[2].modified, user[2].created) == (MODIFIED, CREATED)
    share = item_list(LISTS["share"]).items
    assert (share[0].kind, share[0].name) == (NETWORK, "\\\\server\\share")
    assert isinstance(share[1].created, NoTime)
    assert share[1].mft_record is None


def test_an_unknown_item_is_kept() -> None:
    odd = struct.pack("<HB", 9, 0x01) + b"abcdef"
    (item, last) = item_list(build.item_list(odd, build.file("x"))).items
    assert (item.kind, item.raw) == (UNKNOWN, odd)
    assert item.note == "shell item of type 0x01, 9 bytes"
    assert last.name == "x"


@pytest.mark.parametrize(
    ("data", "count", "fault"),
    [
        (b"", 0, "no end"),
        (b"\x00", 0, "no end"),
        (b"\x01\x00\x1f", 0, "cannot take 1 bytes"),
        (b"\x02\x00", 0, "cannot take 2 bytes"),
        (b"\xff\xff\x32", 1, "claims 65535 bytes, 3 are left"),
        (build.file("a")[:-3], 1, "claims"),
        (build.file("a"), 1, "no end"),
        (b"\x03\x00\x1f" * 1000, shellitems.MAX_ITEMS, "more than 256"),
    ],
)
def test_hostile_sizes(data: bytes, count: int, fault: str) -> None:
    found = item_list(data)
    assert len(found.items) == count
    assert [fault in str(problem) for problem in found.faults] == [True]
    assert found.end <= len(data) or not data


@pytest.mark.parametrize("name", LISTS)
def test_a_cut_keeps_the_items_before_it(name: str) -> None:
    data = LISTS[name]
    whole = item_list(data).items
    ends = [item.offset for item in whole[1:]] + [len(data) - 2]
    for cut in range(len(data)):
        found = item_list(data[:cut])
        complete = sum(end <= cut for end in ends)
        assert found.items[:complete] == whole[:complete]
        assert found.faults


def test_random_damage_raises_nothing() -> None:
    chance = random.Random(4)
    for _ in range(3000):
        data = bytearray(LISTS[chance.choice(list(LISTS))])
        for _ in range(chance.randrange(1, 12)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        found = item_list(bytes(data))
        assert len(found.items) <= shellitems.MAX_ITEMS
        for item in found.items:
            assert len(item.name) <= len(data)


def test_delegates_in_delegates_end() -> None:
    item = build.delegated("x", TIMES, (1, 1))
    for _ in range(40):
        nested = b"CFSF" + item
        tail = nested + build._DELEGATE + build._FILES_OF_USER
        item = build._sized(struct.pack("<BBH", 0x74, 0, len(nested)) + tail)
    assert item_list(build.item_list(item)).items[0].kind == UNKNOWN


# -- held against libfwsi ----------------------------------------------------------------------------------------------


def compared(raw: bytes) -> Iterator[tuple[ShellItem, Any]]:
    pyfwsi = pytest.importorskip("pyfwsi")
    theirs = pyfwsi.item_list()
    theirs.copy_from_byte_stream(raw)
    ours = item_list(raw)
    assert ours.faults == ()
    yield from zip(ours.items, theirs.items, strict=True)


def same(raw: bytes) -> int:
    """The number of items; each must be read the same by libfwsi."""
    count = 0
    for ours, theirs in compared(raw):
        check = CHECKS.get(type(theirs).__name__)
        if check:
            check(ours, theirs)
            count += 1
    return count


def same_file(ours: ShellItem, theirs: Any) -> None:
    assert ours.kind in (FILE, FOLDER)
    assert (ours.short_name, ours.attributes) == (theirs.name, theirs.file_attribute_flags)
    assert ours.kind == FOLDER or ours.file_size == theirs.file_size
    same_time(ours.modified, theirs.get_modification_time_as_integer())
    extensions = [block for block in theirs.extension_blocks if type(block).__name__ == "file_entry_extension"]
    for block in extensions[:1]:
        reference = block.file_reference or 0
        assert ours.name == block.long_name
        assert (ours.mft_record or 0, ours.mft_sequence or 0) == (reference & 0xFFFFFFFFFFFF, reference >> 48)
        same_time(ours.created, block.get_creation_time_as_integer())
        same_time(ours.accessed, block.get_access_time_as_integer())


def same_time(ours: object, theirs: int) -> None:
    """libfwsi gives date and time words as one number, or says nothing where both are zero."""
    if isinstance(ours, datetime):
        words = build._fat(ours)
        assert theirs in (int.from_bytes(words, "little"), int.from_bytes(words[2:] + words[:2], "little"))
    else:
        assert not theirs


def same_folder(ours: ShellItem, theirs: Any) -> None:
    assert ours.identifier == f"{{{theirs.shell_folder_identifier}}}".upper()


def same_volume(ours: ShellItem, theirs: Any) -> None:
    if theirs.name:
        assert ours.name == theirs.name
    elif not ours.delegate:
        assert ours.identifier == f"{{{theirs.shell_folder_identifier or theirs.identifier}}}".upper()


def same_view(ours: ShellItem, theirs: Any) -> None:
    known = theirs.known_folder_identifier
    assert ours.identifier == (f"{{{known}}}".upper() if known else "")


CHECKS = {
    "file_entry": same_file,
    "root_folder": same_folder,
    "volume": same_volume,
    "users_property_view": same_view,
}


@pytest.mark.parametrize("name", LISTS)
def test_what_is_built_is_read_the_same(name: str) -> None:
    assert same(LISTS[name]) >= len(item_list(LISTS[name]).items) - 1  # a share is no type that is checked


def real_lists(hives: Path) -> Iterator[bytes]:
    for name in ("NTUSER_with_winscp.DAT", "NTUSER-WSL.DAT"):
        hive = Hive.open((hives / name).read_bytes())
        for key in hive.glob(f"{DIALOGS}\\OpenSavePidlMRU\\*"):
            yield from (value.raw for value in key.values() if value.name.isdecimal())
    hive = Hive.open((hives / "UsrClass.dat").read_bytes())
    for key in hive.walk(hive.key("Local Settings\\Software\\Microsoft\\Windows\\Shell\\BagMRU")):
        yield from (value.raw for value in key.values() if value.name.isdecimal())


@pytest.mark.samples
def test_real_lists_are_read_the_same(samples: Path) -> None:
    assert sum(same(raw) for raw in real_lists(samples / "hives")) > 300


@pytest.mark.samples
def test_real_files_are_built_byte_for_byte(samples: Path) -> None:
    count = 0
    for raw in real_lists(samples / "hives"):
        found = item_list(raw)
        bounds = [item.offset for item in found.items] + [found.end - 2]
        for item, end in zip(found.items, bounds[1:], strict=True):
            stored = raw[item.offset : end]
            if _plain_file(item, stored):
                assert _known_part(_again(item)) == _known_part(stored)
                count += 1
    assert count > 150


def _again(item: ShellItem) -> bytes:
    moments = (item.modified, item.created, item.accessed)
    times = moments if all(isinstance(moment, datetime) for moment in moments) else None
    record = (item.mft_record or 0, item.mft_sequence or 0)
    return build.file(
        item.name,
        item.file_size or 0,
        times,  # type: ignore[arg-type]
        record,
        short=item.short_name,
        folder=item.kind == FOLDER,
        attributes=item.attributes,
    )


def _plain_file(item: ShellItem, raw: bytes) -> bool:
    """Whether this is what the builder makes: one extension block of version 9, no localised name, no wrapper."""
    if item.kind not in (FILE, FOLDER) or item.delegate or raw[2] not in (0x31, 0x32):
        return False
    place = int.from_bytes(raw[-2:], "little")
    size, version = struct.unpack_from("<HH", raw, place)
    return place + size == len(raw) and version == 9 and not any(raw[place + 36 : place + 38])


def _known_part(raw: bytes) -> bytes:
    """Without the two numbers of the extension whose meaning is not known."""
    place = int.from_bytes(raw[-2:], "little")
    return raw[: place + 28] + raw[place + 36 : place + 42] + raw[place + 46 :]
