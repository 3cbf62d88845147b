"""SQLite databases: journals, damage, and what was made to harm; SQLite's own writer makes the files."""

from __future__ import annotations

import io
import random
import sqlite3
import struct
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from dissect.database.sqlite3 import SQLite3

from forensics.formats import FormatError, sqlitefile, sqlitejournal
from forensics.formats.sqlitefile import Row

PAGE = 4096


class Files(NamedTuple):
    """A database and what lies beside it."""

    main: bytes
    wal: bytes = b""
    journal: bytes = b""


class Read(NamedTuple):
    rows: list[Row]
    lost: list[str]
    problems: list[str]
    state: str


@pytest.fixture(autouse=True)
def scratch(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the copies are made; nothing may be left there."""
    folder = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def made(tmp_path: Path, *statements: str, log: tuple[str, ...] = (), mode: str = "WAL") -> Files:
    """A database; what the statements of `log` change is in its write-ahead log alone."""
    place = tmp_path / "made.db"
    with closing(sqlite3.connect(place, isolation_level=None)) as database:
        database.execute(f"PRAGMA page_size={PAGE}")
        database.execute(f"PRAGMA journal_mode={mode}")
        for statement in statements:
            database.execute(statement)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for statement in log:
            database.execute(statement)
        beside = place.with_name("made.db-wal")
        return Files(place.read_bytes(), beside.read_bytes() if beside.exists() else b"")


def read(files: Files, table: str = "t", wanted: tuple[str, ...] = ()) -> Read:
    streams = {suffix: io.BytesIO(data) for suffix, data in (("-wal", files.wal), ("-journal", files.journal)) if data}
    with sqlitefile.opened(io.BytesIO(files.main), streams) as database:
        items = list(database.rows(table, wanted))
        problems = [str(problem) for problem in database.problems]
        rows = [item for item in items if isinstance(item, Row)]
        return Read(rows, [str(item) for item in items if isinstance(item, FormatError)], problems, database.state)


def filled(count: int = 400) -> tuple[str, ...]:
    """A table with an index, over many pages."""
    numbers = f"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x<{count})"
    return (
        "CREATE TABLE t(number INT, name TEXT, data BLOB)",
        "CREATE INDEX i ON t(number)",
        f"{numbers} INSERT INTO t SELECT x, 'name ' || x, randomblob(200) FROM n",
    )


def numbers(found: Read) -> list[object]:
    return [row.values["number"] for row in found.rows]


# -- what is read ------------------------------------------------------------------------------------------------------


def test_values_keep_their_types_and_rows_their_numbers(tmp_path: Path) -> None:
    files = made(
        tmp_path,
        "CREATE TABLE t(a, b TEXT, c BLOB, d REAL, e AS (a+1), rowid TEXT)",
        "INSERT INTO t VALUES (1, '田中', x'00ff', 1.5, 'r')",
        "INSERT INTO t(_rowid_, a) VALUES (9000000000, NULL)",
        "INSERT INTO t(b) VALUES (CAST(x'41ff42' AS TEXT))",
    )
    found = read(files)
    assert found.rows == [
        Row("t", 1, {"a": 1, "b": "田中", "c": b"\x00\xff", "d": 1.5, "rowid": "r"}),
        Row("t", 9_000_000_000, dict.fromkeys(("a", "b", "c", "d", "rowid"))),
        Row("t", 9_000_000_001, {"a": None, "b": "A\udcffB", "c": None, "d": None, "rowid": None}),
    ]
    assert found.lost == found.problems == []
    assert read(files, wanted=("B", "nothing")).rows[0].values == {"b": "田中"}


def test_another_reader_sees_the_same(tmp_path: Path) -> None:
    files = made(tmp_path, *filled())
    theirs = [(row["number"], row["name"], row["data"]) for row in SQLite3(io.BytesIO(files.main)).table("t").rows()]
    ours = [tuple(row.values.values()) for row in read(files).rows]
    assert len(ours) == 400
    assert ours == theirs


def test_a_table_without_row_numbers(tmp_path: Path) -> None:
    files = made(
        tmp_path, "CREATE TABLE t(k TEXT PRIMARY KEY, v) WITHOUT ROWID", "INSERT INTO t VALUES ('x', 1), ('a', 2)"
    )
    assert read(files).rows == [Row("t", None, {"k": "a", "v": 2}), Row("t", None, {"k": "x", "v": 1})]


# -- journals ----------------------------------------------------------------------------------------------------------


def test_the_log_is_applied_and_said(tmp_path: Path) -> None:
    files = made(tmp_path, *filled(3), log=("DELETE FROM t WHERE number=1", "INSERT INTO t(number) VALUES (4)"))
    with_log, without = read(files), read(Files(files.main))
    assert (numbers(with_log), numbers(without)) == ([2, 3, 4], [1, 2, 3])
    frames = sqlitejournal.frames_of(io.BytesIO(files.wal), len(files.wal))
    assert with_log.state == f"{frames.committed} pages of the write-ahead log were applied"
    assert without.state == "no write-ahead log was beside it"
    assert with_log.problems == without.problems == []


def test_a_database_that_is_all_in_its_log(tmp_path: Path) -> None:
    files = made(tmp_path, log=filled(3))
    assert numbers(read(files)) == [1, 2, 3]


def test_a_broken_log_costs_what_is_in_it(tmp_path: Path) -> None:
    files = made(tmp_path, *filled(3), log=tuple(f"INSERT INTO t(number) VALUES ({n})" for n in range(4, 9)))
    whole = sqlitejournal.frames_of(io.BytesIO(files.wal), len(files.wal))
    flipped = bytearray(files.wal)
    flipped[len(flipped) // 2] ^= 1
    found = read(Files(files.main, bytes(flipped)))
    assert 3 <= len(found.rows) < 8
    assert any(f"of the {whole.committed} committed pages" in text for text in found.problems)
    for log, what in ((b"junk" * 100, "cannot be applied"), (files.wal[:20], "cannot be applied"),
                      (files.wal[:-50], "is cut")):  # fmt: skip
        found = read(Files(files.main, log))
        assert numbers(found)[:3] == [1, 2, 3]
        assert any(what in text for text in found.problems), log[:10]


def test_the_log_of_another_database_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = made(tmp_path / "other", "CREATE TABLE u(x)", log=("INSERT INTO u VALUES (1)",))
    files = made(tmp_path, *filled(50))
    with sqlitefile.opened(io.BytesIO(files.main), {"-wal": io.BytesIO(other.wal)}) as database:
        assert database.tables
        list(database.rows("t"))


def hot_journal(tmp_path: Path) -> Files:
    """A database in the middle of a transaction that reached the disk, and the journal that takes it back."""
    place = tmp_path / "hot.db"
    with closing(sqlite3.connect(place, isolation_level=None)) as database:
        database.execute(f"PRAGMA page_size={PAGE}")
        database.execute("PRAGMA cache_size=2")
        for statement in filled():
            database.execute(statement)
        database.execute("BEGIN")
        database.execute("UPDATE t SET name='changed', number=number+1000")
        found = Files(place.read_bytes(), b"", place.with_name("hot.db-journal").read_bytes())
        database.execute("ROLLBACK")
    return found


def test_an_unfinished_transaction_is_taken_back(tmp_path: Path) -> None:
    files = hot_journal(tmp_path)
    assert sqlitejournal.is_hot(io.BytesIO(files.journal), len(files.journal))
    found = read(files)
    assert numbers(found) == list(range(1, 401))
    assert "rolled back" in found.state
    assert found.problems == found.lost == []
    finished = read(Files(files.main, b"", bytes(28) + files.journal[28:]))
    assert finished.state == "no unfinished transaction in its journal"


def test_a_journal_cannot_have_files_of_the_examiner_deleted(tmp_path: Path) -> None:
    """SQLite deletes the super-journal that a journal names: shown first, then that ours does not let it."""
    files, victim = hot_journal(tmp_path), tmp_path / "examiner.txt"
    name = str(victim).encode()
    record = struct.pack(">I", 0x40000000 // PAGE + 1) + name
    record += struct.pack(">II", len(name), sum(name)) + b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
    padded = files.journal + bytes(-len(files.journal) % 512)
    evil = Files(files.main, b"", padded + record)
    plain = tmp_path / "plain.db"
    for attempt in ("by SQLite alone", "by the tool"):
        victim.write_bytes(b"the examiner's notes")
        if attempt == "by SQLite alone":
            plain.write_bytes(evil.main)
            plain.with_name("plain.db-journal").write_bytes(evil.journal)
            with closing(sqlite3.connect(plain)) as database:
                database.execute("SELECT count(*) FROM sqlite_master").fetchall()
            assert not victim.exists(), "the attack works on SQLite itself"
            continue
        found = read(evil)
        assert victim.read_bytes() == b"the examiner's notes"
        assert any("several databases" in text for text in found.problems)


# -- damage ------------------------------------------------------------------------------------------------------------


def test_a_damaged_page_costs_its_own_rows(tmp_path: Path) -> None:
    files = made(tmp_path, *filled())
    hurt = 0
    for page in range(1, len(files.main) // PAGE):
        data = bytearray(files.main)
        data[page * PAGE : (page + 1) * PAGE] = b"\xff" * PAGE
        found = read(Files(bytes(data)))
        if found.lost and found.rows:
            hurt += 1
            assert 400 - 20 <= len(found.rows) < 400, page
            assert any(f"{len(found.rows)} of 400 rows could be read" in text for text in found.lost)
            assert any("is lost" in text for text in found.lost)
        left = {row.values["number"] for row in found.rows}
        assert left <= set(range(1, 401))
    assert hurt > 15


def test_a_cut_file_says_so_and_keeps_its_rows(tmp_path: Path) -> None:
    files = made(tmp_path, *filled())
    found = read(Files(files.main[: len(files.main) - 8 * PAGE]))
    assert found.rows
    assert any("the header claims" in text for text in found.problems)
    before = 0
    for pages in range(2, len(files.main) // PAGE, 5):
        found = read(Files(files.main[: pages * PAGE]))
        assert len(found.rows) >= before
        assert found.problems
        before = len(found.rows)


@pytest.mark.parametrize("data", [b"", b"\x00" * 5000, b"SQLite format 3\x00", b"SQLite format 3\x00" + b"\xff" * 500])
def test_what_is_none_is_one_error(data: bytes) -> None:
    with pytest.raises(FormatError):
        read(Files(data))


def test_changed_bytes_are_no_crash_and_come_to_an_end(tmp_path: Path) -> None:
    files = made(tmp_path, *filled(150), log=("INSERT INTO t(number) VALUES (4)",))
    chance = random.Random(7)
    for _ in range(150):
        data, log = bytearray(files.main), bytearray(files.wal)
        for _ in range(chance.choice([1, 20, 200])):
            data[chance.randrange(16, len(data))] = chance.randrange(256)
        if chance.random() < 0.3:
            log[chance.randrange(len(log))] ^= 0xFF
        try:
            found = read(Files(bytes(data), bytes(log)))
        except FormatError:
            continue
        assert len(found.rows) < 5_000


# -- hostile -----------------------------------------------------------------------------------------------------------


def test_a_view_that_never_ends_is_not_asked(tmp_path: Path) -> None:
    files = made(
        tmp_path,
        "CREATE TABLE real(x)",
        "CREATE VIEW t AS WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM r) SELECT x FROM r",
    )
    with sqlitefile.opened(io.BytesIO(files.main)) as database:
        assert database.tables == ("real",)
        assert [str(item) for item in database.rows("t")] == ["no table t with these columns"]
        with pytest.raises(sqlite3.DatabaseError, match=r"prohibited|authorized"):
            database.connection.execute("SELECT x FROM t")


def disguised(tmp_path: Path, sql: str) -> Files:
    """A database whose schema calls a table what `sql` makes something else."""
    place = tmp_path / "evil.db"
    with closing(sqlite3.connect(place, isolation_level=None)) as database:
        database.execute("CREATE TABLE good(number)")
        database.execute("INSERT INTO good VALUES (7)")
        database.execute("CREATE TABLE t(x)")
        database.execute("PRAGMA writable_schema=ON")
        database.execute("UPDATE sqlite_master SET sql=? WHERE name='t'", (sql,))
    return Files(place.read_bytes())


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE VIEW t AS WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM r) SELECT x FROM r",
        "CREATE TABLE t(" + ",".join(f"c{number}" for number in range(100_000)) + ")",
        "CREATE VIRTUAL TABLE t USING dbstat",
        "CREATE TABLE t(x, y AS (zeroblob(1000000000)))",
        "CREATE TABLE t(x DEFAULT (load_extension('/tmp/x')))",
        "CREATE TABLE t(",
        "",
    ],
    ids=["view", "columns", "virtual", "generated", "function", "broken", "nothing"],
)
def test_a_schema_that_lies_costs_its_own_table(tmp_path: Path, sql: str) -> None:
    files = disguised(tmp_path, sql)
    assert numbers(read(files, "good")) == [7]
    assert len(read(files, "t").rows) == 0


def test_a_huge_value_is_cut_and_one_beyond_memory_costs_its_row(tmp_path: Path) -> None:
    files = made(
        tmp_path,
        "CREATE TABLE t(number, data)",
        "INSERT INTO t VALUES (1, 'a'), (2, zeroblob(3000000)), (3, zeroblob(70000000)), (4, 'b')",
        mode="DELETE",
    )
    found = read(files)
    assert numbers(found) == [1, 2, 4]
    assert len(found.rows[1].values["data"] or b"") == sqlitefile.VALUE_LIMIT
    assert any("row 2: data was cut" in text for text in found.lost)
    assert any("row 3 is lost" in text for text in found.lost)
    assert numbers(read(files, wanted=("number",))) == [1, 2, 3, 4]


def _varint(value: int) -> bytes:
    """A number of up to 28 bits in SQLite's form."""
    groups = [value >> shift & 0x7F for shift in (21, 14, 7, 0)]
    first = next((index for index, group in enumerate(groups) if group), 3)
    return bytes([*(group | 0x80 for group in groups[first:-1]), groups[-1]])


def _sharing(main: bytes, rows: int) -> bytes:
    """The empty table t(number, data) on page 2 filled with rows whose megabyte lies in the same pages, behind it."""
    local, rest = 489, PAGE - 4  # what a leaf keeps of a long row, what a further page takes
    payload = local + 4000 + rest * 256
    kind = next(
        12 + 2 * size for size in range(payload - 9, payload) if 3 + len(_varint(12 + 2 * size)) + size == payload
    )
    head = bytes([2 + len(_varint(kind)), 1]) + _varint(kind)
    chain = len(main) // PAGE + 1
    pages = -(-(payload - local) // rest)
    leaf, start = bytearray(PAGE), PAGE
    for number in range(rows):
        record = (head + bytes([number])).ljust(local, b"x")
        cell = _varint(payload) + _varint(number + 1) + record + struct.pack(">I", chain)
        start -= len(cell)
        leaf[start : start + len(cell)] = cell
        struct.pack_into(">H", leaf, 8 + 2 * number, start)
    struct.pack_into(">BHHH", leaf, 0, 13, 0, rows, start)
    following = b"".join(
        struct.pack(">I", 0 if page == pages - 1 else chain + page + 1).ljust(PAGE, b"y") for page in range(pages)
    )
    out = bytearray(main[:PAGE] + leaf + following)
    struct.pack_into(">I", out, 28, len(out) // PAGE)
    return bytes(out)


def test_rows_that_share_their_pages_do_not_multiply_them(tmp_path: Path) -> None:
    empty = made(tmp_path, "CREATE TABLE t(number, data)", mode="DELETE").main
    two, eight = _sharing(empty, 2), _sharing(empty, 8)
    assert len(eight) == len(two)
    assert numbers(read(Files(two))) == [0, 1]
    found = read(Files(eight))
    assert numbers(found) == [0, 1, 2]
    assert any("the rows hold more than the file" in text for text in found.lost)
    assert "t: 3 of 8 rows could be read" in found.lost


def test_a_tree_that_leads_back_to_itself_comes_to_an_end(tmp_path: Path) -> None:
    files = made(tmp_path, *filled(3_000))
    data = bytearray(files.main)
    roots = [page for page in range(1, len(data) // PAGE) if data[page * PAGE] == 5]  # interior pages of tables
    for page in roots:
        cells = struct.unpack_from(">H", data, page * PAGE + 3)[0]
        for cell in range(cells):
            place = page * PAGE + struct.unpack_from(">H", data, page * PAGE + 12 + 2 * cell)[0]
            struct.pack_into(">I", data, place, page + 1)
    found = read(Files(bytes(data)))
    assert roots
    assert len(found.rows) <= 3_000
    assert found.lost


def test_what_takes_too_many_steps_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from forensics.formats import sqlitescratch

    files = made(tmp_path, *filled(3_000))
    monkeypatch.setattr(sqlitescratch, "_LEAST_STEPS", 40_000)
    monkeypatch.setattr(sqlitescratch, "_STEPS_OF_A_BYTE", 0)
    found = read(files)
    assert 0 < len(found.rows) < 3_000
    assert any("too many steps" in text for text in found.lost)
