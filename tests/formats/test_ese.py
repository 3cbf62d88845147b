"""ESE databases: the public SRUDB.dat against another tool's rows and a second reader; damage; compressed values."""

from __future__ import annotations

import io
import json
import random
import struct
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dissect.database.ese import ESE
from dissect.util.compression import lzxpress, sevenbit
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics.formats import FormatError, esefile
from forensics.formats.esefile import Row, moment
from forensics.formats.esepacked import lz77, unpacked
from forensics.times import NoTime, from_filetime, to_filetime

USAGE = "{D10CA2FE-6FCF-4F6D-848E-B2E99266FA89}"
NETWORK = "{973F5D5C-1D90-4944-BE8E-24B94231A174}"


@pytest.fixture(scope="module")
def database(samples: Path) -> bytes:
    return (samples / "srum/SRUDB.dat").read_bytes()


@pytest.fixture(scope="module")
def expected(samples: Path) -> dict[str, list[dict[str, Any]]]:
    """Chainsaw's rows by table."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in json.loads((samples / "srum/analysis_srum_database_json.txt").read_text()):
        found[row["Table"]].append(row)
    return found


def rows(data: bytes, table: str, *wanted: str) -> list[Row]:
    with esefile.opened(io.BytesIO(data), len(data)) as opened:
        items = list(opened.rows(table, wanted))
    assert [item for item in items if isinstance(item, FormatError)] == []
    return [item for item in items if isinstance(item, Row)]


@pytest.mark.samples
@pytest.mark.parametrize("table", [USAGE, NETWORK, "SruDbIdMapTable", "{DD6636C4-8929-4683-974E-22C046A43763}"])
def test_every_row_is_as_another_tool_has_it(
    database: bytes, expected: dict[str, list[dict[str, Any]]], table: str
) -> None:  # fmt: skip
    ours, theirs = rows(database, table), expected[table]
    assert len(ours) == len(theirs) > 0
    for row, other in zip(ours, theirs, strict=True):
        for name, value in row.values.items():
            if isinstance(value, datetime):  # theirs cuts the fraction of a second, of which OLE dates have none
                assert 0 <= (value - datetime.fromisoformat(other[name])).total_seconds() <= 1, name
            elif isinstance(value, bytes):
                assert list(value) == other[name]
            elif name.endswith("Time") and isinstance(value, int) and isinstance(other[name], str):
                assert str(from_filetime(value))[:19] == other[name][:19].replace("T", " ")
            else:
                assert value == other.get(name), name


@pytest.mark.samples
def test_a_second_reader_sees_the_same(database: bytes) -> None:
    second = ESE(io.BytesIO(database))
    names = [table.name for table in second.tables()]
    with esefile.opened(io.BytesIO(database), len(database)) as opened:
        assert (opened.state, opened.problems) == ("clean", [])
        assert set(opened.tables) >= set(names) - {"MSysDatabaseMaintenance"}
        for name in (USAGE, NETWORK, "SruDbIdMapTable", "MSysObjids"):
            theirs = list(second.table(name).records())
            ours = list(opened.rows(name))
            assert len(ours) == len(theirs)
            for row, other in zip(ours, theirs, strict=True):
                assert isinstance(row, Row)
                for column, value in row.values.items():
                    if not isinstance(value, datetime):
                        assert value == other[column], (name, column)


@pytest.mark.samples
def test_only_the_wanted_columns_are_decoded(database: bytes) -> None:
    first = rows(database, NETWORK, "BytesSent", "TimeStamp", "NoSuchColumn")[0]
    assert first.values == {"BytesSent": 1721816, "TimeStamp": datetime(2022, 3, 10, 16, 35, tzinfo=UTC)}
    assert first.number == 0
    with esefile.opened(io.BytesIO(database), len(database)) as opened:
        (lost,) = opened.rows("NoSuchTable")
    assert "no table" in str(lost)


@pytest.mark.samples
def test_the_state_is_the_headers(database: bytes) -> None:
    dirty = bytearray(database)
    struct.pack_into("<I", dirty, 52, 2)
    with esefile.opened(io.BytesIO(_summed(dirty)), len(dirty)) as opened:
        assert opened.state == "dirty"
        assert len(list(opened.rows(NETWORK))) == 96


def _summed(data: bytearray) -> bytes:
    """The header's checksum made right again: the words of its page, by exclusive or."""
    total = 0x89ABCDEF
    for (word,) in struct.iter_unpack("<I", bytes(data[4:4096])):
        total ^= word
    struct.pack_into("<I", data, 0, total)
    return bytes(data)


@pytest.mark.samples
def test_cut_and_changed_databases_are_no_crash(database: bytes) -> None:
    whole = {(row.number, row.values["AutoIncId"]) for row in rows(database, USAGE)}
    chance = random.Random(5)
    for attempt in range(60):
        data = bytearray(database[: chance.randrange(len(database))] if attempt % 2 else database)
        if not attempt % 2:
            for _ in range(400):
                data[chance.randrange(4096, len(data))] = chance.randrange(256)
        try:
            with esefile.opened(io.BytesIO(bytes(data)), len(data)) as opened:
                items = [item for table in (USAGE, "SruDbIdMapTable") for item in opened.rows(table)]
                said = opened.problems
        except FormatError:
            continue
        lost = [item for item in items if isinstance(item, FormatError)]
        kept = [item for item in items if isinstance(item, Row) and item.table == USAGE]
        assert len(kept) == len(whole) or lost or said, f"attempt {attempt} lost rows without a word"


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 100, b"\x00" * 5000, b"\x00" * 4 + b"\xef\xcd\xab\x89" + b"\xff" * 9000]
)
def test_what_is_none_is_one_error(data: bytes) -> None:
    with pytest.raises(FormatError), esefile.opened(io.BytesIO(data), len(data)):
        pass


# -- values ------------------------------------------------------------------------------------------------------------


def test_a_date_is_an_ole_date_or_a_filetime() -> None:
    assert moment(struct.pack("<d", 44630.5)) == datetime(2022, 3, 10, 12, tzinfo=UTC)
    assert moment(struct.pack("<Q", to_filetime(datetime(2022, 3, 10, tzinfo=UTC)))) == datetime(
        2022, 3, 10, tzinfo=UTC
    )
    for odd in (b"\x00" * 8, struct.pack("<d", float("nan")), struct.pack("<d", 1e300), struct.pack("<d", -5.0), b"x"):
        assert isinstance(moment(odd), NoTime)


def test_lz77_as_the_specification_shows_it() -> None:
    """[MS-XCA] 3.2: its two examples."""
    letters = bytes.fromhex("3f000000") + b"abcdefghijklmnopqrstuvwxyz"
    assert lz77(letters, 26) == b"abcdefghijklmnopqrstuvwxyz"
    assert lz77(bytes.fromhex("ffffff1f61626317000fff2601"), 300) == b"abc" * 100


def test_compressed_values() -> None:
    text = b"C:\\Windows\\System32"
    assert unpacked(_seven(text, 1)) == text
    assert unpacked(_seven(text, 2)) == text.decode().encode("utf-16-le")
    assert sevenbit.decompress(_seven(text, 1)[1:])[: len(text)] == text
    packed = b"\x18" + struct.pack("<H", 300) + bytes.fromhex("ffffff1f61626317000fff2601")
    assert unpacked(packed) == b"abc" * 100
    for bad in (b"\x18\x00", b"\x28abc", b"", b"\x18\xff\xff" + bytes.fromhex("ffffff1f616263"),
                b"\x18\x10\x00" + bytes.fromhex("ffffffff0700")):  # fmt: skip
        with pytest.raises(FormatError):
            unpacked(bad)


def _seven(text: bytes, scheme: int) -> bytes:
    """Seven bits a character, as ESE packs them."""
    stream = sum(value << 7 * number for number, value in enumerate(text))
    bits = 7 * len(text)
    packed = stream.to_bytes((bits + 7) // 8, "little")
    return bytes([scheme << 3 | (bits - 1) % 8]) + packed


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 400))
def test_lz77_agrees_with_another_reader(data: bytes, size: int) -> None:
    try:
        ours = lz77(data, size)
    except FormatError:
        return
    assert len(ours) == size
    try:
        theirs = lzxpress.decompress(data)
    except Exception:  # noqa: BLE001  # it goes on behind the size and may fail there
        return
    assert theirs[:size] == ours
