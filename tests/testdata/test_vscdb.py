"""VS Code's state database as SQLite itself and the project's own reader have it, with and without its log."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from forensics.formats.sqlitejournal import frames_of
from testdata.host import scenario
from testdata.render import render
from testdata.writers import vscdb

SETTLED = {"theme": "dark", "kept": "before"}
LATER = ({"session": '{"accountLabel":"example-user"}', "kept": "after"}, {"used": "true"}, {"session": None})
GLOBAL = "Users/鈴木/AppData/Roaming/Code/User/globalStorage/state.vscdb"


def items(folder: Path, main: bytes, wal: bytes) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    path = folder / "state.vscdb"
    path.write_bytes(main)
    if wal:
        (folder / "state.vscdb-wal").write_bytes(wal)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return dict(database.execute("SELECT key, value FROM ItemTable"))


def test_only_the_log_tells_what_came_later(tmp_path):
    made = vscdb.build(SETTLED, LATER)
    assert items(tmp_path / "alone", made.main, b"") == SETTLED
    assert items(tmp_path / "both", made.main, made.wal) == {"theme": "dark", "kept": "after", "used": "true"}


def test_without_later_steps_there_is_no_log(tmp_path):
    made = vscdb.build(SETTLED)
    assert made.wal == b""
    assert items(tmp_path / "alone", made.main, made.wal) == SETTLED


@pytest.mark.parametrize("steps", range(1, len(LATER) + 1))
def test_every_frame_of_the_log_is_committed(tmp_path, steps):
    wal = vscdb.build(SETTLED, LATER[:steps]).wal
    told = frames_of(io.BytesIO(wal), len(wal))
    pages = 2 * steps  # each step changes the table's page and that of its index
    assert (told.whole, told.committed, told.older, told.rest) == (pages, pages, 0, 0)


def test_the_removed_key_is_left_in_an_earlier_page_image(tmp_path):
    made = vscdb.build(SETTLED, LATER)
    assert b"example-user" in made.wal
    assert b"example-user" not in made.main
    # Cut behind the first transaction, the log still tells of the session.
    assert "session" in items(tmp_path / "cut", made.main, made.wal[: 32 + 2 * (24 + vscdb.PAGE)])


def test_the_same_story_gives_the_same_bytes():
    assert vscdb.build(SETTLED, LATER) == vscdb.build(SETTLED, LATER)


def test_a_frame_with_a_wrong_checksum_is_not_applied(tmp_path):
    """The fixed salts are worth something only if SQLite really checks the sums that were made for them."""
    made = vscdb.build(SETTLED, LATER)
    broken = bytearray(made.wal)
    broken[32 + 24 + 100] ^= 1
    assert items(tmp_path / "broken", made.main, bytes(broken)) == SETTLED


def test_a_scenario_has_both_files(tmp_path):
    files = render(scenario("tunnel-desktop"))
    main, wal = files[GLOBAL].data, files[GLOBAL + "-wal"].data
    found = items(tmp_path / "host", main, wal)
    assert "remoteTunnelServiceUsed" in found
    assert "remoteTunnelSession" not in found
    assert b'"accountLabel":"example-user"' in wal
    assert b"remoteTunnelServiceUsed" not in main
