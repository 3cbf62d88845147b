"""Evidence is opened for reading only, may be read-only, and may fail on the way; names do not lead out of it."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from forensics import collect, jobs
from forensics.artifacts.base import asked_for
from forensics.evidence import EvidenceError, open_evidence
from forensics.evidence.members import Member, MemberTree
from forensics.evidence.opened import OpenedEvidence
from forensics.model import Host
from tests.evidence.layouts import folder, tarred, tree, under, zipped
from tests.evidence.test_siblings import FIRST, LAST, files
from tests.running import BUILT, KAPE_FOLDER, LAYOUTS, Run, fingerprint, obedient, timeline

# Runs in every process of the tool before anything else: what would change a file is written down, with where.
SPY = """
import os, sys
_LOG = os.open(os.environ["SPY_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_TOP = os.environ["SPY_TOP"]
_CHANGES = {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod",
            "os.chown", "os.utime", "os.setxattr", "shutil.move", "shutil.rmtree", "sqlite3.connect"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

def _spy(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        kind = "write" if (flags or 0) & _WRITING else "read"
        paths = [path]
    elif event in _CHANGES:
        kind, paths = event, arguments
    else:
        return
    for path in paths:
        if isinstance(path, (str, bytes, os.PathLike)):
            name = os.fsdecode(path)
            place = os.path.abspath(name)
            # A bare name may be one in a folder of the evidence that is open: which one, the event does not tell.
            if (event == "open" and name == os.path.basename(name)) or place == _TOP or place.startswith(_TOP + os.sep):
                os.write(_LOG, (kind + " " + place + chr(10)).encode("utf-8", "surrogateescape"))

sys.addaudithook(_spy)
"""


def evidences(top: Path) -> dict[str, Path]:
    """A folder with a database and its log in it, an archive, and an image."""
    place = top / "evidence"
    shutil.copytree(KAPE_FOLDER, place / "folder/WS-TANAKA")
    folder(
        place / "folder/WS-TANAKA",
        under("C/", {name: data for name, data in files(FIRST, LAST).items() if "Users" in name}),
    )
    tarred(place / "a.tar.gz", under("C/", tree()), "w:gz")
    shutil.copytree(BUILT / "e01", place / "e01")
    return {"folder": place / "folder", "archive": place / "a.tar.gz", "image": place / "e01" / LAYOUTS["e01"].name}


@pytest.mark.parametrize("kind", ["folder", "archive", "image"])
def test_nothing_under_the_evidence_is_opened_for_writing(tmp_path: Path, kind: str) -> None:
    path = evidences(tmp_path)[kind]
    (tmp_path / "spy").mkdir()
    (tmp_path / "spy/sitecustomize.py").write_text(SPY)
    log = tmp_path / "spy/log"
    env = {
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "spy"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]),
        "SPY_LOG": str(log),
        "SPY_TOP": str(tmp_path / "evidence"),
    }
    done = timeline(path, tmp_path / "case", env=env)
    assert done.code in (0, 3), done.err
    seen = [line.partition(" ") for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    assert {kind for kind, _, _ in seen} == {"read"}
    if kind == "folder":
        assert any(place.endswith("ActivitiesCache.db-wal") for _, _, place in seen), "the spy sees what workers open"


def test_the_spy_sees_a_write(tmp_path: Path) -> None:
    """The tool made to write under what the spy watches: the case itself."""
    (tmp_path / "sitecustomize.py").write_text(SPY)
    env = {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
        "SPY_LOG": str(tmp_path / "log"),
        "SPY_TOP": str(tmp_path / "out"),
    }
    assert timeline(KAPE_FOLDER, tmp_path / "out/case", env=env).code == 0
    seen = {line.partition(" ")[0] for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines()}
    assert {"write", "os.rename", "os.mkdir"} <= seen


@pytest.mark.parametrize("kind", ["folder", "image"])
def test_read_only_evidence_is_enough(tmp_path: Path, kind: str) -> None:
    path = evidences(tmp_path)[kind]
    top = tmp_path / "evidence"
    everything = [top, *top.rglob("*")]
    before = {item: (item.stat().st_mtime_ns, item.stat().st_size) for item in everything}
    names, hashes = sorted(map(str, everything)), fingerprint(top)
    for item in everything:
        item.chmod(0o555 if item.is_dir() else 0o444)
    try:
        done = timeline(path, tmp_path / "case", before=obedient())
        after = {item: (item.stat().st_mtime_ns, item.stat().st_size) for item in everything}
        assert done.code == 0, done.err
        assert done.document()["tunnel_sessions"]
        assert sorted(map(str, [top, *top.rglob("*")])) == names
        assert (fingerprint(top), after) == (hashes, before)
    finally:
        for item in everything:
            item.chmod(0o755 if item.is_dir() else 0o644)


# -- a disk that fails -------------------------------------------------------------------------------------------------


class Failing(io.RawIOBase):
    """A file on a disk with a bad sector: reading beyond `good` bytes fails as the system says it."""

    def __init__(self, data: bytes, good: int) -> None:
        self._data, self._good, self._at = data, good, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, len(self._data))[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        block = self._data[self._at : self._at + len(buffer)]
        if self._at + len(block) > self._good:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        buffer[: len(block)] = block
        self._at += len(block)
        return len(block)


def failing(path: str, good: int) -> OpenedEvidence:
    """The built host, one file of which cannot be read beyond `good` bytes."""
    drive = MemberTree("C:")
    for name, data in tree().items():
        stream = (lambda data=data: io.BufferedReader(Failing(data, good))) if name == path else (
            lambda data=data: io.BytesIO(data)
        )  # fmt: skip
        drive.add(name, Member(tuple(name.split("/")), len(data), stream))
    drive.note({}, "c:")
    return OpenedEvidence("failing", "folder", [drive])


@pytest.fixture
def restored() -> Iterator[None]:
    yield
    jobs._evidence = None


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(
    "path",
    [
        "Windows/System32/winevt/Logs/Security.evtx",
        "Windows/System32/config/SOFTWARE",
        "Users/田中/.vscode/cli/tunnel-service.log",
        "$MFT",
    ],
)
def test_an_error_in_the_middle_costs_that_file(tmp_path: Path, path: str) -> None:
    jobs._evidence = evidence = failing(path, 5_000)
    found = evidence.find(collect.patterns(asked_for(carve=False)))
    plan = collect.make_plan(found, asked_for(carve=False), tmp_path, Host())
    results = {job.path: jobs.run_job(job) for job in plan.jobs}
    mine = results[f"C:/{path}"]
    assert {(problem.fault, "Input/output error" in problem.detail) for problem in mine.problems} == {
        ("unreadable", True)
    }
    others = [result for name, result in results.items() if name != f"C:/{path}"]
    assert all(problem.fault != "parser_failed" for result in others for problem in result.problems)
    assert sum(count.facts for result in others for count in result.counts.values()) > 100
    rows = {row.artifact: row for row in collect.coverage(
        asked_for(carve=False), plan.jobs, results, [*mine.problems], whole=False)}  # fmt: skip
    readers = {name for job in plan.jobs if job.path == f"C:/{path}" for name in job.artifacts}
    assert {(name, rows[name].state) for name in readers if rows[name].state not in ("partial", "unreadable")} == set()


@pytest.mark.usefixtures("restored")
def test_an_error_after_the_first_reading_is_said_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file is hashed first and read again by its parser: the disk may fail between the two."""
    path = "Windows/System32/winevt/Logs/Security.evtx"
    data = tree()[path]

    class Later(Failing):
        def seek(self, offset: int, whence: int = 0) -> int:
            if offset == 0 and whence == 0 and self._at >= len(self._data):
                self._good = 5_000
            return super().seek(offset, whence)

    monkeypatch.setattr(jobs, "_IN_MEMORY", 1_000)
    drive = MemberTree("C:")
    member = Member(tuple(path.split("/")), len(data), lambda: io.BufferedReader(Later(data, len(data)), 512))
    drive.add(path, member)
    jobs._evidence = evidence = OpenedEvidence("failing", "folder", [drive])
    plan = collect.make_plan(
        evidence.find(collect.patterns(asked_for(carve=False))), asked_for(carve=False), tmp_path, Host()
    )
    result = jobs.run_job(plan.jobs[0])
    assert {problem.fault for problem in result.problems} == {"unreadable"}
    assert result.sha256


def test_a_damaged_member_costs_itself(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", under("C/", tree()))
    import zipfile

    with zipfile.ZipFile(path) as archive:
        (info,) = [item for item in archive.infolist() if item.filename.endswith("Security.evtx")]
    data = bytearray(path.read_bytes())
    middle = info.header_offset + info.compress_size // 2
    data[middle : middle + 64] = b"\xff" * 64
    path.write_bytes(bytes(data))
    done = timeline(path, tmp_path / "case")
    assert done.code == 3
    rows = [row for row in done.lines("problems.jsonl") if row["source"]["path"].endswith("Security.evtx")]
    assert {row["fault"] for row in rows} == {"unreadable"}
    assert done.document()["tunnel_sessions"]


# -- without the SYSTEM hive -------------------------------------------------------------------------------------------


Places = dict[str, set[tuple[str | None, str]]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return places(timeline(KAPE_FOLDER, tmp_path_factory.mktemp("whole") / "case", "--all-events"))


def places(run: Run) -> Places:
    """Where the rows of each kind come from, dated or not."""
    found: Places = {}
    for row in (*run.lines("timeline.jsonl"), *run.lines("undated.jsonl")):
        found.setdefault(row["kind"], set()).add((row.get("source_path"), row.get("source_locator", "")))
    return found


@pytest.mark.parametrize("damage", ["missing", "empty", "junk", "cut", "header"])
def test_a_lost_system_hive_hides_no_log_no_prefetch_and_no_task(tmp_path: Path, whole: Places, damage: str) -> None:
    top = tmp_path / "in"
    shutil.copytree(KAPE_FOLDER, top, ignore=shutil.ignore_patterns("*_copylog.csv"))
    hive = top / "C/Windows/System32/config/SYSTEM"
    data = hive.read_bytes()
    changed = {"empty": b"", "junk": b"\x00junk" * 5000, "cut": data[:4000], "header": b"\xff" * 512 + data[512:]}
    hive.unlink()
    if damage != "missing":
        hive.write_bytes(changed[damage])
    done = timeline(top, tmp_path / "case", "--all-events")
    assert done.code == (0 if damage == "missing" else 3), done.err
    host = done.document()["host"]
    assert host["timezone"] is None
    assert "SYSTEM" in host["unknown"]["timezone"], "what is not known, and why, is said"
    found = places(done)
    for kind in ("prefetch.run", "task.defined", "process.created", "task.registered", "vm.started", "userassist.run"):
        assert whole[kind], kind
        assert found[kind] == whole[kind], kind


# -- names that climb --------------------------------------------------------------------------------------------------

CLIMBING = (
    "uploads/auto/C%3A/Users/%2e%2e%2f%2e%2e%2fevil.wsb",
    "uploads/auto/C%3A/Users/..%2F..%2Fevil2.wsb",
    "uploads/auto/C%3A/Users/%2E%2E/evil3.wsb",
    "uploads/auto/C%3A/Users/a%5C..%5C..%5Cevil4.wsb",
)
PLAIN = {"uploads/auto/C%3A/Windows/System32/config/SYSTEM": b"regf", "uploads/auto/C%3A/Users/a/lab.wsb": b"one"}


@pytest.mark.parametrize("kind", ["zip", "folder", "tar"])
def test_escaped_names_do_not_climb(tmp_path: Path, kind: str) -> None:
    content = PLAIN | dict.fromkeys(CLIMBING, b"<Configuration/>")
    make = {
        "zip": lambda: zipped(tmp_path / "in/a.zip", content),
        "tar": lambda: tarred(tmp_path / "a.tar", content),
        "folder": lambda: folder(tmp_path / "in/c", content),
    }
    path = make[kind]()
    before = fingerprint(tmp_path)
    evidence = open_evidence(path)
    assert [item.path for item in evidence.find(["**/*.wsb", "*.wsb"])] == ["C:/Users/a/lab.wsb"]
    refused = [item for item in evidence.refusals if item.fault == "refused"]
    assert len(refused) == len(CLIMBING)
    assert fingerprint(tmp_path) == before
    for outside in ("C:/Users/../../evil.wsb", "C:/../a.zip", "C:/Users/a/../../../../etc/hostname"):
        with pytest.raises((OSError, EvidenceError)):
            evidence.open(outside)


def test_names_that_become_the_same_are_both_kept_and_said(tmp_path: Path) -> None:
    content = PLAIN | {"uploads/auto/C%3A/Users/a/l%61b.wsb": b"two", "uploads/auto/C%3A/Users%2Fa%2Flab.wsb": b"three"}
    evidence = open_evidence(zipped(tmp_path / "a.zip", content))
    contents = {evidence.open(item.path).read() for item in evidence.find(["Users/*/*.wsb"])}
    assert contents == {b"one", b"two", b"three"}
    assert len([item for item in evidence.refusals if item.fault == "name_collision"]) == 2
