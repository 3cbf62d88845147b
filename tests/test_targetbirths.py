"""Context about the files that entries start: out of real spools, and in a whole run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from forensics.model import Fact, Source
from forensics.spool import encode_fact, open_spool
from forensics.targetbirths import births

TARGET = 'C:\\Users\\Public\\更新\\a"b.exe'


def fact(path: str, kind: str = "usn.file_created") -> Fact:
    source = Source("case", "C:/$Extend/$J", "ab" * 32, f"USN {kind} {path}")
    times = {"Creation Time": datetime(2024, 12, 2, 4, 0, tzinfo=UTC)}
    fields = {"file_path": path, "file_name": path.rpartition("\\")[2]}
    return Fact(kind, source, times, fields, context=True)


def spool(folder: Path, *facts: Fact, end: str = "") -> Path:
    path = folder / "001.context"
    with open_spool(path, "w") as handle:
        handle.writelines(encode_fact(item) + "\n" for item in facts)
        handle.write(end)
    return path


def test_only_the_files_that_are_named(tmp_path: Path) -> None:
    rows = [fact(TARGET.upper()), fact(TARGET, "mft.entry")]
    rest = [fact('C:\\Users\\a"b.exe'), fact(TARGET, "process.created"), fact(TARGET + "x")]
    path = spool(tmp_path, *rest, *rows, end='"file_name":"a\\"b.exe" no fact\n')
    found = births([path], [TARGET])
    assert [(item.kind, item.fields["file_path"], item.context) for item in found] == [
        ("usn.file_created", TARGET.upper(), False), ("mft.entry", TARGET, False),
    ]  # fmt: skip


def test_without_targets_nothing_is_read(tmp_path: Path) -> None:
    assert births([tmp_path / "not there"], []) == []
