"""Crafted hives through the whole tool (r1 to r8, dirty hives): it ends, says what it met, and reads everything else.

What the reader makes of each is tested in formats/test_hive_hostile.py; here every fault stands where an artifact meets
it. Each run ends with 0 or 3 and no traceback, leaves the evidence as it was, keeps the sound Run value beside the
fault, and names the hive in problems.jsonl or the value's row.
"""

from __future__ import annotations

import csv
import json
import struct
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.formats.crafted_hives import NOWHERE, Builder, Tree, header, hive, log, utf16
from tests.running import Run, fingerprint, timeline

CURRENT = "Software\\Microsoft\\Windows\\CurrentVersion"
NTUSER, SYSTEM = "Users/someone/NTUSER.DAT", "Windows/System32/config/SYSTEM"
SOFTWARE = "Windows/System32/config/SOFTWARE"
CACHE = "Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache"


class Planted(Builder):
    """A user's hive: a sound Run value, and beside it the keys in which a fault is planted."""

    def __init__(self) -> None:
        super().__init__()
        self.root = self.nk(b"ROOT", flags=0x2C)
        self.cells: dict[str, int] = {"": self.root}
        self._children: dict[str, list[int]] = {}

    def key(self, path: str) -> int:
        """The key at a path, made with all above it; its list of subkeys is written by `finish`."""
        if path not in self.cells:
            above, _, name = path.rpartition("\\")
            cell = self.nk(name.encode(), parent=self.key(above))
            self.cells[path] = cell
            self._children.setdefault(above, []).append(cell)
        return self.cells[path]

    def values(self, path: str, *records: int) -> None:
        """Give a key these value records."""
        self.link(self.key(path), values=(len(records), self.offsets(records)))

    def finish(self, *, own: tuple[str, ...] = ()) -> bytes:
        """The file; keys in `own` have set their subkeys themselves."""
        for path, cells in self._children.items():
            if path not in own:
                self.link(self.cells[path], children=(len(cells), self.leaf(cells)))
        return self.build(self.root)


RUN, ASSIST = f"{CURRENT}\\Run", f"{CURRENT}\\Explorer\\UserAssist"
COUNT = f"{ASSIST}\\{{A}}\\Count"


def planted() -> Planted:
    made = Planted()
    made.values(RUN, made.value("Sound", 1, utf16("C:\\sound.exe")))
    made.key(COUNT)
    return made


def r1() -> bytes:
    made = planted()
    made.link(made.key(ASSIST), children=(1, made.leaf([made.root])))
    return made.finish(own=(ASSIST,))


def r2() -> bytes:
    made = planted()
    index = made.leaf([0], b"ri")
    made.patch(index, 4, index)
    made.link(made.key(ASSIST), children=(1, index))
    return made.finish(own=(ASSIST,))


def r2b() -> bytes:
    made = planted()
    last = made.leaf([made.key(f"{ASSIST}\\{{A}}")])
    for _ in range(40):
        last = made.leaf([last, last], b"ri")
    made.link(made.key(ASSIST), children=(0xFFFF, last))
    return made.finish(own=(ASSIST,))


def r3() -> bytes:
    made = planted()
    made.patch(made.key(COUNT), 0x10, made.key(COUNT))
    return made.finish()


def r4() -> bytes:
    data = bytearray(planted().finish())
    struct.pack_into("<I", data, 0x1008, 0)
    return bytes(data)


def r5() -> bytes:
    made = planted()
    data = made.cell(b"x" * 64, size=-0x7FFFFFFF)
    made.values(RUN, made.vk(b"Huge", 1, 0x7FFFFFFF, data), made.value("Sound", 1, utf16("C:\\sound.exe")))
    return made.finish()


def r5b() -> bytes:
    made = planted()
    segment = made.cell(b"y" * 16344)
    data = made.cell(struct.pack("<2sHI", b"db", 65535, made.offsets([segment] * 65535)))
    made.values(RUN, made.vk(b"Bomb", 3, 65535 * 16344, data), made.value("Sound", 1, utf16("C:\\sound.exe")))
    return made.finish()


def r8() -> bytes:
    made = Planted()
    made.key("Classes")
    made.values("Microsoft\\Windows\\CurrentVersion\\Run", made.value("Sound", 1, utf16("C:\\sound.exe")))
    above = made.key(f"{CACHE}\\Tree")
    for _ in range(5000):
        child = made.nk(b"A", parent=above)
        made.link(above, children=(1, made.leaf([child])))
        above = child
    return made.finish()


def _run(tmp_path: Path, files: dict[str, bytes]) -> Run:
    for name, data in files.items():
        path = tmp_path / "host" / "C" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "host" / "C" / "Windows").mkdir(exist_ok=True)
    before = fingerprint(tmp_path / "host")
    run = timeline(tmp_path / "host", tmp_path / "case")
    assert run.code in (0, 3), run.err
    assert "Traceback" not in run.err
    assert fingerprint(tmp_path / "host") == before
    died = [
        row for row in run.lines("problems.jsonl") if row["fault"] in ("parser_failed", "killed_timeout", "crashed")
    ]
    assert died == []
    return run


def _entries(run: Run) -> dict[str, str]:
    return {entry["name"]: entry["command"] for entry in run.document()["persistence"]}


@pytest.mark.parametrize(
    ("name", "craft", "said"),
    [
        (NTUSER, r1, "lists itself or a key above it (cycle)"),
        (NTUSER, r2, "used again (cycle)"),
        (NTUSER, r2b, "nested deeper than 2"),
        (NTUSER, r3, "another parent"),
        (NTUSER, r4, "bad bin header"),
        (NTUSER, r5, "is cut to"),
        (NTUSER, r5b, "names a segment twice"),
        (SOFTWARE, r8, "nested deeper than 512"),
    ],
    ids=lambda item: getattr(item, "__name__", None),
)
def test_a_crafted_hive_is_read_around_its_fault_and_named(
    tmp_path: Path, name: str, craft: Callable[[], bytes], said: str
) -> None:
    run = _run(tmp_path, {name: craft()})
    assert run.code == 3
    problems = [row for row in run.lines("problems.jsonl") if row["source"]["path"] == f"C:/{name}"]
    assert any(said in row["detail"] for row in problems), problems
    assert any(row["source"]["locator"].startswith("offset 0x") for row in problems if said in row["detail"])
    assert _entries(run)["Sound"] == "C:\\sound.exe", "the rest of the hive is read"
    states = {row["artifact"]: row["state"] for row in run.document()["coverage"]}
    assert states["run_keys"] == "partial"


def test_r6_odd_names_are_escaped_in_every_file(tmp_path: Path) -> None:
    names = ["\u202egpj.exe", "\x1b]0;x\x07", "\x00hidden", "a\ud800b"]
    made = planted()
    cells = [made.cell(utf16(f"C:\\sound{number}.exe")) for number in range(len(names))]
    encoded = [name.encode("utf-16-le", "surrogatepass") for name in names]
    made.values(RUN, *(made.vk(raw, 1, 28, cell, flags=0) for raw, cell in zip(encoded, cells, strict=True)))
    run = _run(tmp_path, {NTUSER: made.finish()})
    for file in ("timeline.jsonl", "timeline.csv", "sessions.json", "undated.jsonl", "problems.jsonl"):
        raw = (run.case / file).read_bytes()
        assert not any(byte in raw for byte in (b"\x1b", b"\x07", b"\x00", "\u202e".encode())), file
        raw.decode("utf-8")
    rows = [row for row in run.lines("timeline.jsonl") if row["kind"] == "autorun.configured"]
    kept = {text for row in rows for text in row["raw_hex"]}
    assert len(rows) == len(names)
    stored = {f"value_name={name.encode('utf-8', 'surrogatepass').hex()}" for name in names}
    assert stored <= kept, "the names as they were can be had back"
    with (run.case / "timeline.csv").open(encoding="utf-8", newline="") as handle:
        assert len(list(csv.DictReader(handle))) == len(run.lines("timeline.jsonl"))
    assert pq.read_table(run.case / "events.parquet").num_rows >= len(names)


@pytest.mark.parametrize(("ticks", "reason"), [(0, "zero"), (2**64 - 1, "never"), (2**63, "out of range")])
def test_r7_a_time_that_is_none_stays_undated_with_its_reason(tmp_path: Path, ticks: int, reason: str) -> None:
    made = planted()
    struct.pack_into("<Q", made.body, made.key(RUN) + 8, ticks)
    run = _run(tmp_path, {NTUSER: made.finish()})
    (row,) = [row for row in run.lines("undated.jsonl") if row["fields"].get("entry_name") == "Sound"]
    assert reason in row["no_times"]["Content Modification Time"]
    assert not any(row.get("kind") == "autorun.configured" for row in run.lines("timeline.jsonl"))
    (entry,) = run.document()["persistence"]
    assert (entry["name"], entry["last_write"]) == ("Sound", None)


# -- line 10: dirty hives ----------------------------------------------------------------------------------------------


def _system(image: str) -> Tree:
    return {
        "Select": {"": [("Current", 4, b"\x01\x00\x00\x00")]},
        "ControlSet001": {"Services": {"Svc": {"": [("ImagePath", 2, utf16(image)), ("Start", 4, b"\x02\0\0\0")]}}},
    }


OLD, NEW = hive(_system("C:\\before.exe"), sequences=(8, 7)), hive(_system("C:\\behind.exe"))
SIZE = len(OLD) - 0x1000
GOOD = log([(0, NEW[0x1000:])], sequence=7, size=SIZE)
OTHER = log([(0, NEW[0x1000:])], sequence=7, size=SIZE, name="other")
STALE = log([(0, NEW[0x1000:])], sequence=3, size=SIZE)


@pytest.mark.parametrize(
    ("logs", "state", "image", "said"),
    [
        ({"LOG1": GOOD}, "replayed", "C:\\behind.exe", None),
        ({"LOG1": b"", "LOG2": GOOD}, "replayed", "C:\\behind.exe", None),
        ({"LOG1": STALE, "LOG2": GOOD}, "replayed", "C:\\behind.exe", "older than the hive"),
        ({}, "dirty_not_replayed", "C:\\before.exe", "missing or empty"),
        ({"LOG1": OTHER}, "dirty_not_replayed", "C:\\before.exe", "another hive"),
        ({"LOG1": STALE}, "dirty_not_replayed", "C:\\before.exe", "older than the hive"),
        ({"LOG1": GOOD[:900]}, "dirty_not_replayed", "C:\\before.exe", "could not be applied"),
    ],
    ids=["LOG1", "LOG2", "one of two", "missing", "of another hive", "too old", "cut"],
)
def test_a_dirty_hive_is_replayed_or_says_so(
    tmp_path: Path, logs: dict[str, bytes], state: str, image: str, said: str | None
) -> None:
    run = _run(tmp_path, {SYSTEM: OLD, **{f"{SYSTEM}.{name}": data for name, data in logs.items()}})
    assert _entries(run) == {"Svc": image}
    (read,) = json.loads((run.case / "run.json").read_text(encoding="utf-8"))["hives"]
    assert (read["path"], read["kind"], read["state"]) == (f"C:/{SYSTEM}", "SYSTEM", state)
    details = {row["artifact"]: row["detail"] for row in run.document()["coverage"]}
    assert f"hives: 1 {state}" in details["services"]
    problems = [row for row in run.lines("problems.jsonl") if row["source"]["path"] == f"C:/{SYSTEM}"]
    assert any(said in row["detail"] for row in problems) if said else problems == []
    faults = {row["fault"] for row in problems}
    assert ("dirty_not_replayed" in faults) == (state == "dirty_not_replayed")


def test_a_hive_without_a_key_is_named(tmp_path: Path) -> None:
    run = _run(tmp_path, {SYSTEM: header(NOWHERE, 0, (1, 1), "x"), NTUSER: planted().finish()})
    assert run.code == 3
    assert any(row["source"]["path"] == f"C:/{SYSTEM}" for row in run.lines("problems.jsonl"))
    assert _entries(run)["Sound"] == "C:\\sound.exe"
