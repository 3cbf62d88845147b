"""`--extract`: copies of saved files under neutral names, whatever the evidence calls them."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from forensics import blobextraction, extraction
from forensics.extraction import MANIFEST, SUFFIX, safe_name, saved_copies
from forensics.pipeline import Options
from forensics.workers import Limits
from testdata.writers.hive import REG_BINARY, REG_SZ, HiveWriter
from testdata.writers.noopdoor import HARMLESS, seal
from tests.running import KAPE_FOLDER, timeline, tool

HISTORY = "C/Users/x/.vscode-server/data/User/History"
OPTIONS = Options(limits=Limits(jobs=1))


def manifest(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / MANIFEST).read_text(encoding="ascii").splitlines()]


def collected(root: Path, files: dict[str, bytes]) -> Path:
    (root / "C/Windows/System32/config").mkdir(parents=True)
    (root / "C/Windows/System32/config/SYSTEM").write_bytes(b"regf")
    for name, data in files.items():
        path = root / HISTORY / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def test_the_shipped_host(tmp_path: Path) -> None:
    run = timeline(KAPE_FOLDER, tmp_path / "case", "--extract", tmp_path / "copies")
    assert run.code == 0
    lines = manifest(tmp_path / "copies")
    saved = {item["sha256"] for session in run.document()["tunnel_sessions"] for item in session["files_saved"]}
    assert {line["sha256"] for line in lines} == saved - {None}
    for line in lines:
        content = (tmp_path / "copies" / line["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == line["sha256"]
        assert (KAPE_FOLDER / "C" / line["source_path"].removeprefix("C:/")).read_bytes() == content
        assert line["original_path"].startswith("C:\\Users\\")
        assert line["tunnel_name"] == "print-svc-07"
        assert line["host"] == "WS-TANAKA"
        assert line["saved_at"].startswith("2024-12-05T")
    assert {path.name for path in (tmp_path / "copies").iterdir()} == {MANIFEST, *(line["file"] for line in lines)}
    assert "3 saved copies extracted" in run.err


@pytest.mark.parametrize("place", ["evidence", "case", "full"])
def test_where_nothing_is_extracted(tmp_path: Path, place: str) -> None:
    evidence = collected(tmp_path / "evidence", {"1/a.txt": b"x"})
    (tmp_path / "full").mkdir()
    (tmp_path / "full/there").write_text("mine", encoding="utf-8")
    target = {"evidence": evidence / "out", "case": tmp_path / "case" / "out", "full": tmp_path / "full"}[place]
    done = tool("timeline", evidence, "-o", tmp_path / "case", "--extract", target)
    assert done.returncode == 2
    assert not (tmp_path / "case").exists()
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["there"]
    assert not (evidence / "out").exists()


def test_hostile_lists_lead_nowhere(tmp_path: Path) -> None:
    resource = "file:///c%3A/x/..%2F..%2F..%2Fevil%00%E2%80%AE.exe"
    told = {"resource": resource, "entries": [{"id": "a.exe", "timestamp": 1e300}, {"id": "../b"}, 3, {"id": []}]}
    evidence = collected(
        tmp_path / "evidence",
        {
            "1/entries.json": json.dumps(told).encode(),
            "1/a.exe": b"MZ",
            "1/b": b"MZ",
            "2/CON": b"",
            "2/entries.json": b"{",
        },
    )
    lines = saved_copies([evidence], tmp_path / "out", OPTIONS)
    assert {(line.source_path.rpartition("/")[2], line.size) for line in lines} == {("a.exe", 2), ("b", 2), ("CON", 0)}
    files = {line.file for line in lines}
    assert len(files) == 2, "equal contents are written once"
    assert all(name and name.endswith(SUFFIX) and name.isascii() and "/" not in name for name in files)
    assert {path.name for path in tmp_path.iterdir()} == {"evidence", "out"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {MANIFEST, *files}
    assert all(not path.stat().st_mode & 0o111 for path in (tmp_path / "out").iterdir())
    first = next(line for line in lines if line.source_path.endswith("a.exe"))
    assert first.saved_at is None
    assert first.original_path is not None
    assert first.original_path.startswith("C:\\x\\..\\")


@pytest.mark.parametrize(
    "path",
    ["C:\\a\\b.exe", "../../etc/passwd", "CON", "", "...", "a\x00b\u202egpj.exe", "x" * 500, "議事録.lnk", "-rf"],
)
def test_names(path: str) -> None:
    name = safe_name(7, path)
    assert name.startswith("00007-")
    assert name.endswith(SUFFIX)
    assert len(name) < 90
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def test_budgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = collected(tmp_path / "evidence", {f"1/{number}": bytes([number]) * 10 for number in range(1, 6)})
    monkeypatch.setattr(extraction, "TOTAL_LIMIT", 35)
    lines = saved_copies([evidence], tmp_path / "out", OPTIONS)
    assert [line.file is None for line in lines] == [False, False, False, True, True]
    assert all("in all" in (line.fault or "") for line in lines[3:])
    assert all(line.sha256 for line in lines)


def test_a_copy_that_is_too_large(tmp_path: Path) -> None:
    evidence = collected(tmp_path / "evidence", {"1/big": b"x" * (extraction.FILE_LIMIT + 1), "1/small": b"y"})
    big, small = saved_copies([evidence], tmp_path / "out", OPTIONS)
    assert (big.file, big.sha256) == (None, None)
    assert "larger than" in (big.fault or "")
    assert small.file is not None


def test_evidence_that_cannot_be_opened_is_in_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "no.E01").write_bytes(b"none")
    (line,) = saved_copies([tmp_path / "no.E01"], tmp_path / "out", OPTIONS)
    assert line.fault
    assert manifest(tmp_path / "out") == [{**manifest(tmp_path / "out")[0], "fault": line.fault, "file": None}]


def test_a_login_in_a_name_is_masked(tmp_path: Path) -> None:
    token = "gho_" + "Ab1Cd2Ef3G" * 3 + "XyZ012"
    resource = f"vscode-remote://tunnel%2B{token}/c%3A/x/{token}.ps1"
    told = {"resource": resource, "entries": [{"id": f"{token}.ps1", "source": token}]}
    files = {f"{token}/entries.json": json.dumps(told).encode(), f"{token}/{token}.ps1": b"x"}
    evidence = collected(tmp_path / "evidence", files)
    (line,) = saved_copies([evidence], tmp_path / "out", OPTIONS)
    assert line.save_source == "<secret>"
    assert token[4:] not in str(line)
    assert token[4:] not in (tmp_path / "out" / MANIFEST).read_text(encoding="ascii")
    assert token[4:] not in " ".join(path.name for path in (tmp_path / "out").iterdir())


def test_payloads_of_the_registry(tmp_path: Path) -> None:
    """The stored value and, since the hash proves it, what it holds; under names made here, no program."""
    machine, name, when = "{0A1B2C3D-1111-2222-3333-444455556666}", "0123ABCD4567", datetime(2024, 12, 3, tzinfo=UTC)
    evidence = collected(tmp_path / "evidence", {"1/a.txt": b"copy"})
    software, user = HiveWriter("CMI-CreateHive{x}", when), HiveWriter("CMI-CreateHive{y}", when)
    for path in ("Microsoft\\SQMClient", "Classes"):
        software.key(path, when)
    software.value("Microsoft\\SQMClient", "MachineId", REG_SZ, machine)
    user.key("Software\\License", when)
    sealed = seal(HARMLESS, machine, name)
    user.value("Software\\License", name, REG_BINARY, sealed)
    (evidence / "C/Windows/System32/config/SOFTWARE").write_bytes(software.build())
    (evidence / "C/Users/x/NTUSER.DAT").write_bytes(user.build())
    lines = saved_copies([evidence], tmp_path / "out", OPTIONS)
    assert [line.fault for line in lines] == [None] * 3
    told = {line.save_source: line for line in lines}
    for how, content in ((blobextraction.STORED, sealed), (blobextraction.OPENED, HARMLESS)):
        line = told[how]
        assert line.original_path == f"HKCU\\Software\\License\\{name}"
        assert line.source_path.endswith("NTUSER.DAT")
        assert line.file is not None
        assert line.file.endswith(SUFFIX)
        assert (tmp_path / "out" / line.file).read_bytes() == content
        assert line.sha256 == hashlib.sha256(content).hexdigest()
    said = extraction.summary_of(lines, tmp_path)
    assert said.startswith("1 saved copies and 2 contents of registry values extracted")


def test_no_login_in_any_output(tmp_path: Path) -> None:
    """In the name of a file that is damaged, the text of a log, a tunnel's name; case, log file, screen."""
    token = "gho_" + "Ab1Cd2Ef3G" * 3 + "XyZ012"
    told = f"[2024-12-05 01:00:00] info Creating tunnel with the name: {token}\nx%22{token}%22\n"
    log = told.encode() + told.encode("utf-16-le")
    evidence = collected(tmp_path / "evidence", {f"{token}/entries.json": b"[" * 100_000})
    folder = evidence / "C/Users/x/.vscode/cli"
    folder.mkdir(parents=True)
    (folder / "tunnel-service.log").write_bytes(log)
    (folder / "token.json").write_text(f'"{token}', encoding="ascii")
    (evidence / f"C/Users/x/{token}.txt").write_bytes(log)
    done = tool("timeline", evidence, "-o", tmp_path / "case", "--log-file", tmp_path / "run.log", "--verbose")
    written = [path.read_bytes() for path in (*(tmp_path / "case").iterdir(), tmp_path / "run.log")]
    wide = "".join(f"{letter}\\x00" for letter in token[4:12]).encode()
    assert len(written) > 5
    for text in (*written, done.stdout.encode(), done.stderr.encode()):
        assert token[4:].encode() not in text
        assert wide not in text


def test_each_host_of_the_manifest_has_its_name(tmp_path: Path) -> None:
    """By the name that its case has, by its folder where nothing tells one."""
    shutil.copytree(KAPE_FOLDER, tmp_path / "in/one")
    collected(tmp_path / "in/two", {"1/a.txt": b"x"})
    run = timeline(tmp_path / "in", tmp_path / "case", "--extract", tmp_path / "copies")
    assert run.code in (0, 3), run.err
    assert {line["host"] for line in manifest(tmp_path / "copies")} == {"WS-TANAKA", "two"}
