"""Files that entries hand to MSBuild under names and in places where nobody looks for projects."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from forensics.handedprojects import MOST_HASHED, MOST_READ, Order, _affordable
from forensics.model import Host, Problem
from forensics.sessions.persistence import NOTHING
from forensics.sessions.persistence_built import handed
from forensics.sessions.persistence_scored import Judged
from forensics.sessions.rows import Row
from forensics.targetplaces import Place
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


SPELLED: dict[str, str | int | tuple[str, ...] | bytes] = {
    "Inner": f'cmd.exe /c "{BUILD} C:\\Intel\\inner.bin"',
    "Rooted": f"{BUILD} \\Intel\\rooted.md",
    "Folder": f'cmd.exe /c "cd /d C:\\Intel\\kit & {BUILD} relative.yml"',
    "Bare": f'cmd.exe /c "cd C:\\Intel\\bare && {BUILD}"',
    "Response": f'{BUILD} @"C:\\Intel\\more words.rsp"',
    "Escaped": f"{BUILD} C:\\In^tel\\escaped.txt",
    "Agent": f"{BUILD} C:\\agent\\_work\\a.proj",
}
LAID = {
    "Inner": "Intel/inner.bin", "Rooted": "Intel/rooted.md", "Folder": "Intel/kit/relative.yml",
    "Bare": "Intel/bare/x.csproj", "Response": "Intel/told/by.rsp.txt", "Escaped": "Intel/escaped.txt",
    "Agent": "agent/_work/a.proj",
}  # fmt: skip


def test_projects_are_read_however_the_command_spells_them(tmp_path: Path) -> None:
    files = {name: XML.encode() for name in LAID.values()} | {
        "Windows/System32/config/SOFTWARE": hive(at(RUN, SPELLED)),
        "Intel/more words.rsp": b"/nologo\r\ntold\\by.rsp.txt\r\n",
    }  # fmt: skip
    for name, data in files.items():
        path = tmp_path / "evidence" / "C" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    run = timeline(tmp_path / "evidence", tmp_path / "case", "-q")
    entries = {entry["name"]: entry for entry in run.document()["persistence"]}
    held = {name for name, entry in entries.items() if any(text.startswith("PER-60 ") for text in entry["reasons"])}
    assert held == set(SPELLED)
    assert all(entry["score"] >= 41 for name, entry in entries.items() if name != "Agent")
    assert entries["Agent"]["score"] == 30, "a build agent's tree, but for the code in it"
    assert NOTHING not in entries["Agent"]["reasons"]


def test_a_large_file_is_named_rather_than_waited_for(tmp_path: Path) -> None:
    command = f"{BUILD} C:\\ProgramData\\big.bin"
    root = tmp_path / "evidence" / "C"
    for name, data in {"Windows/System32/config/SOFTWARE": hive(at(RUN, {"Big": command})),
                       "ProgramData/big.bin": XML.encode()}.items():  # fmt: skip
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    with (root / "ProgramData/big.bin").open("r+b") as handle:
        handle.truncate(MOST_HASHED + 1)
    run = timeline(tmp_path / "evidence", tmp_path / "case", "-q")
    told = [item["detail"] for item in run.document()["problems"] if item["artifact"] == "msbuild_projects"]
    assert any(text.startswith(f"{MOST_HASHED + 1} bytes are handed to MSBuild: not hashed") for text in told)


def test_all_files_together_have_a_budget() -> None:
    host = Host()
    sizes = (1 << 40, 1 << 40, 1 << 40, 100)
    orders = [Order(Place(f"C/{number}", size), "e", host) for number, size in enumerate(sizes)]
    problems: list[Problem] = []
    kept = _affordable(orders, problems)
    assert [order.place.path for order in kept] == ["C/3", "C/0"]
    assert [item.source.path for item in problems if "not read" in item.detail] == ["C/1", "C/2"]
    assert MOST_READ < 1 << 30


@pytest.mark.parametrize(
    ("command", "paths"),
    [
        (f"{BUILD} %APPDATA%\\u.txt", ("C:\\Users\\bob\\AppData\\Roaming\\u.txt",)),
        (f"{BUILD} /l:X,C:\\a.dll D:/a.sln", ("C:\\a.dll", "D:\\a.sln")),
        ("dotnet build C:\\Intel\\a", ("C:\\Intel\\a",)),
        ("notepad.exe C:\\Intel\\a.xml", ()),
    ],
)
def test_paths_are_those_of_the_arguments(command: str, paths: tuple[str, ...]) -> None:
    assert handed([Judged(command, "", list[Row]())], "C:\\Users\\bob") == paths
