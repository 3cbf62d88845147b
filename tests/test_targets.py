"""The files that autostart entries start: their paths, whether they are there, and their hashes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from forensics import targets
from forensics.sessions.persistence_targets import target_of
from tests.artifacts.autorun_inputs import at
from tests.formats.crafted_hives import hive
from tests.running import LAYOUTS, timeline, tool

HOME = "C:\\Users\\x"


@pytest.mark.parametrize(
    ("command", "library", "wanted"),
    [
        ('"C:\\Program Files\\A\\a.exe" -x', "", "C:\\Program Files\\A\\a.exe"),
        ("C:\\Program Files\\A\\a.exe -x", "", "C:\\Program Files\\A\\a.exe"),
        ("C:\\x\\a.dll", "{0A1B2C3D-0000-4000-8000-0000000000C1}", "C:\\x\\a.dll"),
        ("%SystemRoot%\\System32\\np.dll", "NPPSpy", "C:\\Windows\\System32\\np.dll"),
        ("%windir%\\system32\\a.exe", "", "C:\\Windows\\system32\\a.exe"),
        ("%LocalAppData%\\a.exe /b", "", "C:\\Users\\x\\AppData\\Local\\a.exe"),
        ("\\??\\C:\\ProgramData\\d.sys", "", "C:\\ProgramData\\d.sys"),
        ("\\SystemRoot\\System32\\drivers\\d.sys", "", "C:\\Windows\\System32\\drivers\\d.sys"),
        ("system32\\drivers\\d.sys", "", "C:\\Windows\\system32\\drivers\\d.sys"),
        ("svchost.exe -k netsvcs", "%SystemRoot%\\System32\\s.dll", "C:\\Windows\\System32\\s.dll"),
        ("mimilib.dll", "", "C:\\Windows\\System32\\mimilib.dll"),
        ("rundll32.exe C:\\Users\\Public\\a.dll,Run", "", "C:\\Users\\Public\\a.dll"),
        ('wscript.exe //B "C:\\Users\\Public\\a b.vbs" x', "", "C:\\Users\\Public\\a b.vbs"),
        ("powershell -enc AAAA", "", None),
        ("%unknown%\\a.exe", "", None),
        ("", "", None),
    ],
)
def test_paths(command: str, library: str, wanted: str | None) -> None:
    assert target_of(command, library, HOME) == wanted


def planted(top: Path) -> Path:
    run = "Microsoft\\Windows\\CurrentVersion\\Run"
    values: dict[str, str | int | tuple[str, ...] | bytes] = {
        "There": "C:\\Users\\Public\\Evil.exe -x", "Gone": "C:\\Users\\Public\\gone.exe",
        "None": "powershell -enc AAAA", "Odd": "C:\\Users\\Public\\[a].exe",
    }  # fmt: skip
    files = {
        "Windows/System32/config/SOFTWARE": hive(at(run, values)),
        "Users/Public/evil.exe": b"MZ" + bytes(100),
    }
    for name, data in files.items():
        path = top / "C" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return top


def test_a_file_at_hand_is_hashed(tmp_path: Path) -> None:
    run = timeline(planted(tmp_path / "evidence"), tmp_path / "case", "-q")
    told = {entry["name"]: entry for entry in run.document()["persistence"]}
    there, gone = told["There"], told["Gone"]
    assert there["target"] == "C:\\Users\\Public\\Evil.exe"
    assert there["target_exists"] is True
    assert there["target_sha256"] == hashlib.sha256(b"MZ" + bytes(100)).hexdigest()
    # A folder of collected files: what is not in it may have been there.
    assert (gone["target_exists"], gone["target_sha256"], gone["target_note"]) == (None, None, "not collected")
    assert "not looked at" in told["Odd"]["target_note"]
    assert told["None"]["target"] is None
    text = tool("show", run.case, "persistence").stdout
    assert "target: C:\\Users\\Public\\Evil.exe, there" in text
    assert "target: C:\\Users\\Public\\gone.exe: not collected" in text


def test_budgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "MOST_FILES", 1)
    run = timeline(planted(tmp_path / "evidence"), tmp_path / "case", "-q")
    notes = [entry["target_note"] or "" for entry in run.document()["persistence"] if entry["target"]]
    assert sum("more than 1 files" in note for note in notes) == len(notes) - 1


def test_an_image_tells_that_a_file_is_gone(tmp_path: Path) -> None:
    run = timeline(LAYOUTS["e01"], tmp_path / "case", "-q")
    told = {entry["target_exists"] for entry in run.document()["persistence"] if entry["score"] and entry["target"]}
    assert told
    assert None not in told
