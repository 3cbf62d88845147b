from __future__ import annotations

import io
import random
import struct
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pylnk
import pytest

from forensics.formats import FormatError, shelllink
from forensics.formats.shelllink import APP_USER_MODEL_ID, Link
from forensics.times import NoTime
from testdata.writers.shelllink import APP_ID, Content, Machine, Target, build

BORN = datetime(2024, 12, 3, 23, 1, 1, 250000, tzinfo=UTC)
WRITTEN = datetime(2024, 12, 4, 1, 2, 3, tzinfo=UTC)
READ = datetime(2024, 12, 5, 0, 0, 0, tzinfo=UTC)
WSB = Target("C:\\Users\\田中\\Documents\\検証 lab.wsb", BORN, WRITTEN, READ, 315)
FULL = Content(
    description="検証用",
    relative_path="..\\..\\..\\..\\..\\Documents\\検証 lab.wsb",
    working_directory="C:\\Users\\田中\\Documents",
    arguments='--title "検証"',
    icon="%SystemRoot%\\System32\\imageres.dll",
    environment_path="%USERPROFILE%\\Documents\\検証 lab.wsb",
    window=7,
    properties={APP_ID: "MicrosoftWindows.WindowsSandbox_cw5n1h2txyewy!App"},
)
WHOLE = build(WSB, Machine(label="ボリューム"), FULL)


def peer(data: bytes, code_page: str = "cp1252") -> pylnk.file:
    found = pylnk.file()
    found.set_ascii_codepage(code_page)
    found.open_file_object(io.BytesIO(data))
    return found


def same(link: Link, other: pylnk.file) -> None:
    """Everything that the independent reader tells is what ours tells."""
    assert (link.info.path or "") == (other.local_path or "")
    assert (link.info.network_path or "") == (other.network_path or "")
    assert (link.info.label or "") == (other.volume_label or "")
    serial = other.drive_serial_number
    assert link.info.serial == (None if not serial else f"{serial >> 16:04X}-{serial & 0xFFFF:04X}")
    assert link.description == (other.description or "")
    assert link.relative_path == (other.relative_path or "")
    assert link.working_directory == (other.working_directory or "")
    assert link.arguments == (other.command_line_arguments or "")
    assert link.icon == (other.icon_location or "")
    assert link.environment_path == (other.environment_variables_location or "")
    assert link.size == other.file_size
    moments = [(link.created, other.file_creation_time), (link.modified, other.file_modification_time)]
    for mine, theirs in [*moments, (link.accessed, other.file_access_time)]:
        if isinstance(mine, NoTime):
            assert theirs.year == 1601
        else:
            assert mine.replace(tzinfo=None) == theirs
    tracker = link.tracker
    assert (tracker.machine if tracker else None) == other.machine_identifier
    if tracker:
        ids = (tracker.volume, tracker.file, tracker.birth_volume, tracker.birth_file)
        assert tuple(map(str, ids)) == (
            other.droid_volume_identifier,
            other.droid_file_identifier,
            other.birth_droid_volume_identifier,
            other.birth_droid_file_identifier,
        )


def test_everything_of_a_link() -> None:
    link = shelllink.read(WHOLE)
    assert link.problems == []
    assert link.end == len(WHOLE)
    assert (link.created, link.modified, link.accessed, link.size) == (BORN, WRITTEN, READ, 315)
    assert (link.attributes, link.window, link.run_as_administrator) == (("archive",), "minimised", False)
    assert link.target == ("C:\\Users\\田中\\Documents\\検証 lab.wsb", "link info")
    assert link.item_path == "C:\\Users\\田中\\Documents\\検証 lab.wsb"
    assert (link.info.drive_type, link.info.serial, link.info.guessed) == ("fixed", "5CB0-A3E1", False)
    assert link.info.label == "ボリューム"
    assert link.properties == {APP_USER_MODEL_ID: "MicrosoftWindows.WindowsSandbox_cw5n1h2txyewy!App"}
    assert link.tracker is not None
    assert link.tracker.machine == "ws-tanaka"
    ticks = 0x01EFB1A35B0E2F11 - 0x01B21DD213814000  # 100 ns; the second is 1970 counted from 1582
    assert shelllink.uuid_clock(link.tracker.file) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        microseconds=ticks // 10
    )
    assert shelllink.uuid_card(link.tracker.file) == "00:15:5d:0a:1b:2c"
    assert isinstance(shelllink.uuid_clock(link.tracker.volume), NoTime)
    assert shelllink.uuid_card(link.tracker.volume) is None


LINKS = {
    "whole": (WSB, Machine(), FULL),
    "no unicode": (WSB, Machine(), Content(wide=False, relative_path=".\\検証 lab.wsb", arguments="a b")),
    "path beyond the code page": (Target("C:\\試験\\한국.wsb", BORN), Machine(), Content()),
    "korean": (
        Target("C:\\한국어\\시험.wsb", BORN),
        Machine(code_page="cp949"),
        Content(relative_path=".\\한국어\\시험.wsb"),
    ),
    "share": (
        Target("Z:\\tools\\検証.wsb", BORN),
        Machine(),
        Content(share="\\\\nas01\\共有", relative_path="検証.wsb"),
    ),
    "no items": (Target("D:\\lab.wsb"), Machine(), Content(with_items=False)),
    "variables only": (None, None, Content(environment_path="%windir%\\System32\\WindowsSandbox.exe")),
    "nothing": (None, None, Content()),
}


@pytest.mark.parametrize("name", LINKS)
def test_an_independent_reader_reads_the_same(name: str) -> None:
    target, machine, content = LINKS[name]
    data = build(target, machine, content)
    link = shelllink.read(data)
    assert link.problems == []
    same(link, peer(data, machine.code_page if machine else "cp1252"))
    if target and content.with_items:
        assert link.item_path == target.path
        assert link.info.path in (target.path, None)
        assert not link.info.guessed


def test_a_code_page_that_nothing_shows_is_said_to_be_guessed() -> None:
    link = shelllink.read(build(WSB, Machine(), Content(with_items=False)))
    assert link.info.guessed
    assert link.info.path is not None
    assert link.info.path.startswith("C:\\Users\\")
    assert link.target[1] == "link info"


def test_a_stated_code_page_goes_first() -> None:
    data = build(Target("C:\\дом.wsb"), Machine(code_page="cp1251"), Content(relative_path="дом.wsb"))
    stated = data[:-4] + struct.pack("<3I", 12, 0xA0000004, 1251) + bytes(4)
    assert shelllink.read(stated).info.path == "C:\\дом.wsb"


def test_truncation_everywhere_keeps_what_was_before() -> None:
    whole = shelllink.read(WHOLE)
    for length in range(76):
        with pytest.raises(FormatError):
            shelllink.read(WHOLE[:length])
    for length in range(76, len(WHOLE)):
        link = shelllink.read(WHOLE[:length])
        assert link.problems, length
        assert link.end <= length
        assert (link.created, link.size) == (whole.created, whole.size)
    strings_end = WHOLE.index("imageres.dll".encode("utf-16-le")) + 24
    link = shelllink.read(WHOLE[:strings_end])
    assert (link.arguments, link.icon, link.info.serial) == (whole.arguments, whole.icon, whole.info.serial)


def test_damage_anywhere_never_escapes() -> None:
    chance = random.Random(7)
    sound = 0
    for _ in range(4000):
        data = bytearray(WHOLE)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(20, len(data))] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
        link = shelllink.read(bytes(data))
        sound += not link.problems
        assert link.end <= len(data)
        assert all(isinstance(problem, FormatError) for problem in link.problems)
    assert 100 < sound < 3900


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (76, b"\xff\xff", "item list is longer than the file"),
        (78, b"\x00\x00", ""),  # an empty list of items is none
        (78, b"\x01\x00", "item list has no end"),
    ],
)
def test_lying_item_lists(place: int, value: bytes, said: str) -> None:
    data = bytearray(WHOLE)
    data[place : place + len(value)] = value
    problems = shelllink.read(bytes(data)).problems
    assert said in str(problems)
    assert bool(problems) == bool(said)


@pytest.mark.parametrize("place", range(4, 0x1C, 4))
def test_lying_link_info(place: int) -> None:
    """Each offset of the link info far outside: only what it leads to is lost."""
    data = bytearray(build(Target("C:\\lab.wsb"), Machine(), Content(with_items=False, arguments="x")))
    struct.pack_into("<I", data, 76 + place, 0xFFFFFFF0)
    link = shelllink.read(bytes(data))
    assert link.arguments == "x"
    if place in (12, 16, 24):
        assert "outside the link info" in str(link.problems)


def test_hostile_lengths_cost_nothing() -> None:
    tail = struct.pack("<2I", 8, 0xA0000000) * 400_000
    started = time.monotonic()
    link = shelllink.read(build(None, None)[:-4] + tail)
    assert "more than 256 extra blocks" in str(link.problems)
    items = struct.pack("<HB", 3, 0x32) * 21_000
    data = bytearray(build(None, None))
    struct.pack_into("<I", data, 20, 0x81)
    link = shelllink.read(bytes(data[:76]) + struct.pack("<H", len(items)) + items + bytes(4))
    assert "more than 1024 items" in str(link.problems)
    assert time.monotonic() - started < 2


def test_a_link_info_of_megabytes_costs_nothing() -> None:
    """Texts without an end, each looked for to the end of what the info claims."""
    info = bytearray(b"a\0" * (1024 * 512))
    struct.pack_into("<9I", info, 0, len(info), 0x24, 3, 0x40, 0x40, 0x60, 0x40, 0x80, 0x80)
    struct.pack_into("<5I", info, 0x40, 0xFFFFFFFF, 3, 1, 0x14, 0x80)
    data = bytearray(build(None, None)[:76])
    struct.pack_into("<I", data, 20, 2)
    started = time.process_time()
    link = shelllink.read(bytes(data + info))
    assert "local path lies outside the link info" in str(link.problems)
    struct.pack_into("<I", info, 0, 1 << 30)
    assert "link info of 1073741824 bytes" in str(shelllink.read(bytes(data + info)).problems)
    assert time.process_time() - started < 0.5


def test_halves_of_two_characters_do_not_end_a_text() -> None:
    data = build(Target("D:\\a\u6200b\u0100\u0001.wsb"), Machine(), Content(with_items=False))
    assert shelllink.read(data).target[0] == "D:\\a\u6200b\u0100\u0001.wsb"


def test_bytes_behind_the_end_are_not_read() -> None:
    link = shelllink.read(WHOLE + b"MZ" * 1000)
    assert (link.end, link.problems) == (len(WHOLE), [])


def test_a_random_node_is_no_network_card() -> None:
    assert shelllink.uuid_card(uuid.UUID("5b0e2f11-b1a3-11ef-9d52-01155d0a1b2c")) is None


@pytest.mark.samples
def test_real_links_read_as_the_independent_reader_reads_them(samples: Path) -> None:
    paths = sorted((samples / "lnk").glob("*.lnk"))
    assert len(paths) == 37
    for path in paths:
        data = path.read_bytes()
        link = shelllink.read(data)
        assert link.problems == [], path.name
        assert link.end == len(data), path.name
        same(link, peer(data))
        local = link.info.path
        if local and link.item_path:
            assert local.casefold().endswith(link.item_path.casefold()), path.name


@pytest.mark.samples
def test_a_real_link_cut_at_every_byte(samples: Path) -> None:
    data = (samples / "lnk" / "2sg2ss4105-dray.zip.lnk").read_bytes()
    whole = shelllink.read(data)
    for length in range(76, len(data)):
        link = shelllink.read(data[:length])
        assert link.problems, length
        assert link.size == whole.size
