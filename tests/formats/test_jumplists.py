from __future__ import annotations

import io
import random
import struct
import time
from datetime import UTC, datetime
from pathlib import Path

import olefile
import pylnk
import pyolecf
import pytest
from dissect.target.plugins.os.windows.jumplist import CustomDestinationFile

from forensics.formats import FormatError, jumplists
from forensics.formats.compound import Compound
from forensics.formats.jumplists import app_id, read_automatic, read_custom
from testdata.writers.jumplists import Used, automatic, compound, custom
from testdata.writers.shelllink import Content, Machine, Target, build

WHEN = datetime(2024, 12, 4, 1, 2, 3, 456789, tzinfo=UTC)
EARLIER = datetime(2024, 12, 3, 9, 0, 0, tzinfo=UTC)
LAB, OTHER = "C:\\Users\\田中\\Documents\\lab.wsb", "C:\\Users\\田中\\Documents\\メモ.txt"


def link(path: str, **content: object) -> bytes:
    return build(Target(path, EARLIER, EARLIER, EARLIER, 315), Machine(), Content(**content))  # type: ignore[arg-type]


LISTS = [Used(LAB, link(LAB), WHEN, count=3), Used(OTHER, link(OTHER), EARLIER, pin=0)]
WHOLE = automatic(LISTS)
CUSTOM = custom(
    [
        (None, [link("C:\\Program Files\\Microsoft VS Code\\Code.exe", arguments="-n")]),
        (
            "最近のフォルダー",
            [
                link("C:\\Code.exe", arguments='--folder-uri "vscode-remote://tunnel%2Bdesktop-4k2lq9a/c%3A/x"'),
                link("C:\\Code.exe", arguments='--folder-uri "file:///c%3A/src"'),
            ],
        ),
    ]
)


def streams(data: bytes) -> dict[str, bytes]:
    return {stream.name: stream.data for stream in Compound.open(data).streams()}


def peers(data: bytes) -> dict[str, bytes]:
    """The streams as two independent readers read them, who must agree."""
    first = olefile.OleFileIO(io.BytesIO(data))
    one = {path[0]: first.openstream(path).read() for path in first.listdir()}
    second = pyolecf.file()
    second.open_file_object(io.BytesIO(data))
    two = {item.name: item.read(item.size) if item.size else b"" for item in second.root_item.sub_items}
    assert one == two
    return one


def arguments(data: bytes) -> list[str]:
    """The arguments of a custom list's links as dissect reads them; it takes the id inside a header for a link too."""
    found = CustomDestinationFile(io.BytesIO(data), "1ced32d74a95c7bc.customDestinations-ms")
    return [item.stringdata.command_line_arguments.string for item in found if item.link_header]


def test_everything_of_an_automatic_list() -> None:
    found = read_automatic(WHOLE)
    assert (found.version, found.problems, found.carved) == (4, [], False)
    first, second = (item.listed for item in found.destinations)
    assert first is not None
    assert second is not None
    assert (first.path, first.used, first.count, first.pin, first.order) == (LAB, WHEN, 3, None, 1)
    assert (second.path, second.used, second.count, second.pin, second.order) == (OTHER, EARLIER, 1, 0, 2)
    assert found.destinations[0].where == "DestList 0x20, stream 2"
    assert [item.link and item.link.target[0] for item in found.destinations] == [LAB, OTHER]
    assert all(item.link and item.listed and item.link.tracker == item.listed.tracker for item in found.destinations)


@pytest.mark.parametrize("version", [1, 3, 4])
def test_versions_and_containers_as_independent_readers_see_them(version: int) -> None:
    many = [Used(f"C:\\f\\{number}.txt", link(f"C:\\f\\{number}.txt"), WHEN) for number in range(40)]
    data = automatic(many, version=version)
    assert streams(data) == peers(data)
    found = read_automatic(data)
    assert found.problems == []
    assert [item.listed and item.listed.path for item in found.destinations] == [entry.path for entry in many]
    for item in found.destinations:
        other = pylnk.file()
        other.open_file_object(io.BytesIO(peers(data)[f"{item.listed.number:x}"] if item.listed else b""))
        assert item.link is not None
        assert item.link.target[0] == other.local_path


@pytest.mark.parametrize("size", [0, 1, 63, 64, 4095, 4096, 70_000])
def test_streams_of_every_size(size: int) -> None:
    data = compound({"a": bytes(range(256)) * (size // 256 + 1), "DestList": b"x" * size, "b": b"y" * 100})
    assert streams(data) == peers(data)


def test_an_entry_without_a_link_and_a_link_without_an_entry() -> None:
    gone = Used("C:\\gone.wsb", None, WHEN)
    found = read_automatic(automatic([gone], unlisted=[link("C:\\secret.wsb")]))
    assert found.problems == []
    first, second = found.destinations
    assert (first.link, first.listed and first.listed.path) == (None, "C:\\gone.wsb")
    assert second.listed is None
    assert second.link is not None
    assert second.link.target[0] == "C:\\secret.wsb"
    assert second.where == "stream 2"


def test_an_empty_list_holds_nothing_and_says_nothing() -> None:
    found = read_automatic(compound({"DestList": b""}))
    assert (found.destinations, found.problems) == ([], [])


def test_a_property_store_behind_a_path_is_stepped_over() -> None:
    data = streams(WHOLE)["DestList"]
    end = 32 + 130 + 2 * len(LAB)
    store = struct.pack("<I4s", 24, b"1SPS") + bytes(16)
    changed = data[:end] + struct.pack("<I", len(store)) + store + data[end + 4 :]
    problems: list[FormatError] = []
    entries, version = jumplists.read_list(changed, problems)
    assert (version, problems) == (4, [])
    assert [entry.path for entry in entries] == [LAB, OTHER]


def test_truncation_everywhere_is_said() -> None:
    for length in range(len(WHOLE)):
        try:
            found = read_automatic(WHOLE[:length])
        except FormatError:
            continue
        assert found.problems, length


def test_a_file_without_its_tables_still_gives_its_links() -> None:
    found = read_automatic(WHOLE[:2560])  # the directory and the tables lie behind the streams
    assert found.carved
    assert found.problems
    assert found.destinations[0].link is not None
    assert found.destinations[0].link.target[0] == LAB
    assert found.destinations[0].where == "offset 0x200"


def test_a_damaged_list_leaves_the_links() -> None:
    data = bytearray(WHOLE)
    place = WHOLE.index(streams(WHOLE)["DestList"][:64])
    struct.pack_into("<H", data, place + 32 + 128, 0xFFFF)
    found = read_automatic(bytes(data))
    assert "ends inside a path" in str(found.problems[0])
    assert "says 2 entries, 0 were read" in str(found.problems[1])
    assert [item.link and item.link.target[0] for item in found.destinations] == [LAB, OTHER]


def test_damage_anywhere_never_escapes() -> None:
    chance = random.Random(5)
    for whole, reader in ((WHOLE, read_automatic), (CUSTOM, read_custom)):
        for _ in range(2000):
            data = bytearray(whole)
            for _ in range(chance.randint(1, 5)):
                data[chance.randrange(len(data))] = chance.choice((0, 0xFF, 0xFE, chance.randrange(256)))
            try:
                found = reader(bytes(data))
            except FormatError:
                continue
            assert len(getattr(found, "destinations", ())) < 10


def test_hostile_tables_cost_nothing() -> None:
    data = bytearray(compound({f"{number:x}": b"z" * 5000 for number in range(1, 60)}))
    directory = struct.unpack_from("<I", data, 48)[0]
    for index in range(1, 60):
        struct.pack_into("<I", data, (directory + 1) * 512 + index * 128 + 116, 0)
        struct.pack_into("<Q", data, (directory + 1) * 512 + index * 128 + 120, 0xFFFFFFFF)
    fat = struct.unpack_from("<I", data, 76)[0]
    for index in range(128):  # every chain is a circle
        struct.pack_into("<I", data, (fat + 1) * 512 + index * 4, (index + 1) % 100)
    started = time.monotonic()
    container = Compound.open(bytes(data))
    assert sum(len(stream.data) for stream in container.streams()) <= len(data)
    assert container.problems
    heads = (jumplists.CLASS_ID.join([b"\x4c\0\0\0", b"\xff" * 56])) * 50_000
    assert "ends inside a category" in str(read_custom(b"\x02\0\0\0" + b"\xff" * 8).problems)
    found = read_custom(b"\x02\0\0\0" + struct.pack("<2I", 0xFFFFFFFF, 0) + heads)
    assert "no more are looked for" in str(found.problems[-1])
    assert time.monotonic() - started < 5


def test_a_damaged_directory_loses_nothing_in_silence() -> None:
    """An entry whose type makes no sense, and chains that end at a free sector or in themselves."""
    directory, fat = struct.unpack_from("<I", WHOLE, 48)[0], struct.unpack_from("<I", WHOLE, 76)[0]
    odd = bytearray(WHOLE)
    odd[(directory + 1) * 512 + 128 + 66] = 0x7F
    assert "entry 1 of the directory is of unknown type 127" in str(read_automatic(bytes(odd)).problems)
    for following in (0xFFFFFFFF, directory):
        broken = bytearray(WHOLE)
        struct.pack_into("<I", broken, (fat + 1) * 512 + 4 * directory, following)
        assert "the chain of the directory has no end" in str(read_automatic(bytes(broken)).problems)


def test_everything_of_a_custom_list() -> None:
    found = read_custom(CUSTOM)
    assert found.problems == []
    assert [(item.category, item.link.arguments) for item in found.offered] == [
        ("tasks", "-n"),
        ("最近のフォルダー", '--folder-uri "vscode-remote://tunnel%2Bdesktop-4k2lq9a/c%3A/x"'),
        ("最近のフォルダー", '--folder-uri "file:///c%3A/src"'),
    ]
    assert [item.link.arguments for item in found.offered] == arguments(CUSTOM)


def test_a_cut_custom_list_keeps_its_links() -> None:
    whole = read_custom(CUSTOM).offered
    for length in range(len(CUSTOM)):
        try:
            found = read_custom(CUSTOM[:length])
        except FormatError:
            assert length < 12
            continue
        assert found.problems, length
        complete = sum(item.link.end <= length for item in whole)
        assert [item.offset for item in found.offered][:complete] == [item.offset for item in whole][:complete]


def test_a_damaged_category_leaves_the_links_behind_it() -> None:
    data = bytearray(CUSTOM)
    struct.pack_into("<I", data, 12, 77)
    found = read_custom(bytes(data))
    assert "unknown kind of category 77" in str(found.problems[0])
    assert [(item.category, item.offset) for item in found.offered] == [
        (None, item.offset) for item in read_custom(CUSTOM).offered
    ]


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("Microsoft.Windows.Explorer", "f01b4d95cf55d32a"),
        ("{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\notepad.exe", "9b9cdc69c1c24e2b"),
        ("{D65231B0-B2F1-4857-A4CE-A8E7C6EA7D27}\\notepad.exe", "918e0ecb43d17e23"),
        ("Microsoft.VisualStudioCode", "1ced32d74a95c7bc"),
        ("Chrome", "5d696d521de238c3"),
    ],
)
def test_the_hash_gives_the_published_ids(name: str, published: str) -> None:
    assert app_id(name) == app_id(name.lower()) == published


# -- real files -------------------------------------------------------------------------------------------------------


@pytest.mark.samples
@pytest.mark.parametrize(("name", "version", "entries"), [("3d2110c4a0cb6d15", 4, 41), ("1b4dd67f29cb1962", 1, 4)])
def test_real_automatic_lists(samples: Path, name: str, version: int, entries: int) -> None:
    data = (samples / "jumplists" / f"{name}.automaticDestinations-ms").read_bytes()
    raw = peers(data)
    assert streams(data) == raw
    found = read_automatic(data)
    assert (found.version, found.problems, len(found.destinations)) == (version, [], entries)
    assert {f"{item.listed.number:x}" for item in found.destinations if item.listed} == set(raw) - {"DestList"}
    for item in found.destinations:
        assert item.listed is not None
        assert item.link is not None
        other = pylnk.file()
        other.open_file_object(io.BytesIO(raw[f"{item.listed.number:x}"]))
        assert item.link.info.path == other.local_path
        if version == 4:  # the other list names libraries by their shell path
            assert item.listed.path.casefold() == other.local_path.casefold()
        if other.machine_identifier:
            assert item.listed.tracker.machine == other.machine_identifier
            assert str(item.listed.tracker.file) == other.droid_file_identifier
        assert isinstance(item.listed.used, datetime)
    used = [item.listed.used for item in found.destinations if item.listed]
    assert used == sorted(used, reverse=True)  # type: ignore[type-var]


@pytest.mark.samples
def test_a_real_custom_list(samples: Path) -> None:
    path = samples / "jumplists" / "1ced32d74a95c7bc.customDestinations-ms"
    found = read_custom(path.read_bytes())
    assert found.problems == []
    assert [item.category for item in found.offered] == ["tasks", *["Recent Folders & Workspaces"] * 7]
    assert [item.link.arguments for item in found.offered] == arguments(path.read_bytes())


@pytest.mark.samples
@pytest.mark.timeout(120)
def test_a_real_automatic_list_cut(samples: Path) -> None:
    data = (samples / "jumplists" / "1b4dd67f29cb1962.automaticDestinations-ms").read_bytes()
    for length in range(len(data)):
        try:
            found = read_automatic(data[:length])
        except FormatError:
            continue
        assert found.problems or found.destinations == read_automatic(data).destinations, length
