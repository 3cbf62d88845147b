"""Files that entries hand to MSBuild under names and in places where nobody looks for projects."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.artifacts.autorun_inputs import at
from tests.artifacts.test_msbuild_projects import CODE, XML
from tests.formats.crafted_hives import hive
from tests.running import timeline

RUN = "Microsoft\\Windows\\CurrentVersion\\Run"
BUILD = "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\MSBuild.exe"
COMMANDS: dict[str, str | int | tuple[str, ...] | bytes] = {
    "Text": f"{BUILD} C:\\ProgramData\\a.txt",
    "Deep": f'{BUILD} /nologo "C:\\Program Files\\Kit\\deep er\\b.log"',
    "Usual": f"{BUILD} C:\\ProgramData\\c.xml",
    "Plain": f"{BUILD} C:\\ProgramData\\plain.txt",
    "Gone": f"{BUILD} C:\\ProgramData\\gone.txt",
    "Shown": "C:\\Windows\\notepad.exe C:\\ProgramData\\d.txt",
}
PROJECTS = ("ProgramData/a.txt", "Program Files/Kit/deep er/b.log", "ProgramData/c.xml", "ProgramData/d.txt")


def test_what_entries_hand_to_msbuild_is_read(tmp_path: Path) -> None:
    files = {name: XML.encode() for name in PROJECTS} | {
        "Windows/System32/config/SOFTWARE": hive(at(RUN, COMMANDS)), "ProgramData/plain.txt": b"notes",
    }  # fmt: skip
    for name, data in files.items():
        path = tmp_path / "evidence" / "C" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    run = timeline(tmp_path / "evidence", tmp_path / "case", "-q")
    entries = {entry["name"]: entry for entry in run.document()["persistence"]}
    code = hashlib.sha256(CODE.strip().encode()).hexdigest()
    held = {name for name, entry in entries.items() if any(code in reason for reason in entry["reasons"])}
    assert held == {"Text", "Deep", "Usual"}
    for name in held:
        assert sum(reason.startswith("PER-60 ") for reason in entries[name]["reasons"]) == 1
        assert entries[name]["score"] >= 30
        assert "T1127.001" in entries[name]["attack"]
    lines = (*run.lines("timeline.jsonl"), *run.lines("undated.jsonl"))
    rows = [row for row in lines if row["kind"] == "msbuild.inline_task"]
    told = {row.get("fields", row)["file_path"] for row in rows}
    assert told == {f"C:\\{name}".replace("/", "\\") for name in PROJECTS[:3]}
    uids = {row["event_uid"] for row in rows}
    assert uids & set(entries["Text"]["events"])
    assert run.document()["problems"] == []
