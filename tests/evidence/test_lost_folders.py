"""NTFS folders that lost their index or record: their files are read all the same, and nothing is called absent."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from forensics.artifacts.base import all_artifacts
from forensics.collect import coverage, patterns
from forensics.evidence import OpenedEvidence, open_evidence
from forensics.evidence.globs import GlobSet
from forensics.model import Problem
from testdata import image
from testdata.host import scenario
from testdata.render import render
from testdata.writers.ntfs import missing_tools
from tests.evidence.layouts import raw_of
from tests.running import timeline

RECORD, BLOCK = 1024, 4096
LOGS, CONFIG = "Windows/System32/winevt/Logs", "Windows/System32/config"
SECURITY = f"C:/{LOGS}/Security.evtx"


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return raw_of(tmp_path_factory.mktemp("disk"))


def _volume(disk: Path) -> Any:
    return open_evidence(disk).trees["C:"].fs  # type: ignore[attr-defined]


def _place(disk: Path, path: str) -> int:
    """Where the MFT record of a path lies in the raw media (the test volume's table is in one piece)."""
    record = _volume(disk).get(path).entry
    found = disk.read_bytes().find(record.data[:48])  # up to the first guarded sector end nothing was put back
    assert found >= 0
    return found


def _index_block(disk: Path, path: str) -> int:
    """Where the first index block of a folder lies in the raw media."""
    record = _volume(disk).get(path).entry
    block = record.open("$I30", 0xA0).read(BLOCK)
    found = disk.read_bytes().find(block)
    assert (block[:4], found % BLOCK) == (b"INDX", 0)
    return found


def _zeroed(data: bytearray, at: int) -> None:
    data[at : at + RECORD] = bytes(RECORD)


def _bad_mark(data: bytearray, at: int) -> None:
    data[at : at + 4] = b"BAAD"


def _torn(data: bytearray, at: int) -> None:
    data[at + 510 : at + 512] = b"\xde\xad"


def _hurt(disk: Path, top: Path, change: Callable[[bytearray], None]) -> Path:
    data = bytearray(disk.read_bytes())
    change(data)
    target = top / "hurt.raw"
    target.write_bytes(data)
    return target


def _all(evidence: OpenedEvidence) -> dict[str, bytes]:
    return {item.path: evidence.open(item.path).read() for item in evidence.find(patterns(all_artifacts()))}


@cache
def _whole(disk: Path) -> dict[str, bytes]:
    """What the disk holds that nobody hurt."""
    return _all(open_evidence(disk))


def _rows(evidence: OpenedEvidence) -> dict[str, str]:
    """The state of every artifact if nothing at all had been found: what only the folders' state may say."""
    hurt = [(refusal.path, refusal.why) for refusal in evidence.refusals if refusal.folder]
    problems: list[Problem] = []
    rows = coverage(all_artifacts(), [], {}, problems, folders=hurt, whole=True)
    return {row.artifact: row.state for row in rows}


@pytest.mark.parametrize("harm", [_zeroed, _bad_mark, _torn])
@pytest.mark.parametrize("folder", [LOGS, CONFIG, "Windows/System32", "Windows", "Users", "Windows/Prefetch"])
def test_a_folder_without_its_record_keeps_its_files(
    disk: Path, tmp_path: Path, folder: str, harm: Callable[[bytearray, int], None]
) -> None:
    place = _place(disk, folder)
    evidence = open_evidence(_hurt(disk, tmp_path, lambda data: harm(data, place)))
    whole, found = _whole(disk), _all(evidence)
    assert {path: data for path, data in found.items() if "$MFT" not in path} == {
        path: data for path, data in whole.items() if "$MFT" not in path
    }
    said = [refusal for refusal in evidence.refusals if refusal.path == f"C:/{folder}" and refusal.folder]
    assert any("MFT record" in refusal.why and "cannot be read" in refusal.why for refusal in said)


@pytest.mark.parametrize("folder", [LOGS, "Windows/System32", "Windows/Prefetch"])
def test_a_lost_index_block_costs_no_file(disk: Path, tmp_path: Path, folder: str) -> None:
    place = _index_block(disk, folder)

    def change(data: bytearray) -> None:
        data[place : place + BLOCK] = bytes(BLOCK)

    evidence = open_evidence(_hurt(disk, tmp_path, change))
    assert _all(evidence).keys() == _whole(disk).keys()
    assert any(
        refusal.path == f"C:/{folder}" and "block 0 is zeroed" in refusal.why and refusal.folder
        for refusal in evidence.refusals
    )


@pytest.mark.parametrize("at", [0, 20, BLOCK // 2 - 2])
def test_an_index_block_with_a_few_wrong_bytes_is_noticed(disk: Path, tmp_path: Path, at: int) -> None:
    place = _index_block(disk, LOGS)

    def change(data: bytearray) -> None:
        data[place + at : place + at + 8] = b"\xff" * 8

    evidence = open_evidence(_hurt(disk, tmp_path, change))
    found = [item.path for item in evidence.find([f"{LOGS}/*.evtx"])]
    sound = [item.path for item in open_evidence(disk).find([f"{LOGS}/*.evtx"])]
    assert found == sound
    if at != 20:  # the checkpoint of the journal, of which nothing can be said
        assert any(refusal.path == f"C:/{LOGS}" and refusal.folder for refusal in evidence.refusals)


def test_the_reason_is_never_empty(disk: Path, tmp_path: Path) -> None:
    place = _place(disk, LOGS)
    evidence = open_evidence(_hurt(disk, tmp_path, lambda data: _zeroed(data, place)))
    _all(evidence)
    assert evidence.refusals
    assert not any("()" in refusal.why or refusal.why.endswith(": ") for refusal in evidence.refusals)
    (told,) = [refusal.why for refusal in evidence.refusals if "were read by their MFT records" in refusal.why]
    assert "Security.evtx (record " in told or "..." in told


def test_a_file_whose_way_is_lost_is_read_by_its_record(disk: Path, tmp_path: Path) -> None:
    places = [_place(disk, "Windows/System32/winevt"), _place(disk, "Windows/System32")]

    def change(data: bytearray) -> None:
        for place in places:
            _zeroed(data, place)

    evidence = open_evidence(_hurt(disk, tmp_path, change))
    found = {item.path: item for item in evidence.find(patterns(all_artifacts()))}
    (path,) = [path for path in found if path.endswith("/Logs/Security.evtx")]
    assert found[path].loose
    assert path.startswith("C:/$Lost/")
    whole = open_evidence(disk).open(SECURITY).read()
    assert evidence.open(path).read() == whole
    again = open_evidence(tmp_path / "hurt.raw")  # as a worker does, which has not made the list
    assert again.open(path).read() == whole
    assert any(refusal.path == path and "lost" in refusal.why for refusal in evidence.refusals)


def test_a_worker_that_made_no_list_opens_what_the_list_says(disk: Path, tmp_path: Path) -> None:
    place = _place(disk, "Windows/System32")
    hurt = _hurt(disk, tmp_path, lambda data: _zeroed(data, place))
    assert open_evidence(hurt).open(SECURITY).read() == open_evidence(disk).open(SECURITY).read()
    with pytest.raises(FileNotFoundError):
        open_evidence(hurt).open(f"C:/{CONFIG}/SYSTEM.LOG9")


@pytest.mark.parametrize("folder", [LOGS, CONFIG])
def test_nothing_below_a_lost_folder_is_called_absent(disk: Path, tmp_path: Path, folder: str) -> None:
    place = _place(disk, folder)
    evidence = open_evidence(_hurt(disk, tmp_path, lambda data: _zeroed(data, place)))
    _all(evidence)
    states = _rows(evidence)
    below = {artifact.name for artifact in all_artifacts() if GlobSet(_sought(artifact)).may_contain(_parts(folder))}
    assert below
    assert not {name for name in below if states[name] == "nothing_found"}
    assert "nothing_found" in states.values()  # and not all is doubted for it


def _sought(artifact: Any) -> tuple[str, ...]:
    from forensics.collect import sought

    return sought(artifact)


def _parts(folder: str) -> tuple[str, ...]:
    return tuple(folder.casefold().split("/"))


def test_a_record_that_is_in_use_and_gone_is_said(disk: Path, tmp_path: Path) -> None:
    place = _place(disk, f"{LOGS}/Security.evtx")
    evidence = open_evidence(_hurt(disk, tmp_path, lambda data: _zeroed(data, place)))
    assert SECURITY not in _all(evidence)
    assert any("MFT records that are in use are no records" in refusal.why for refusal in evidence.refusals)
    assert any(refusal.path == SECURITY and "leads nowhere" in refusal.why for refusal in evidence.refusals)
    assert [item.path for item in evidence.blocked([f"{LOGS}/Security.evtx"])] == [SECURITY]


def test_a_wanted_file_of_one_name_whose_record_is_gone_is_said(disk: Path, tmp_path: Path) -> None:
    """Looked up by its exact name, not listed: it must not pass for one that never was."""
    place = _place(disk, f"{CONFIG}/SYSTEM")
    evidence = open_evidence(_hurt(disk, tmp_path, lambda data: _zeroed(data, place)))
    assert evidence.find([f"{CONFIG}/SYSTEM"]) == []
    assert [item.path for item in evidence.blocked([f"{CONFIG}/SYSTEM"])] == [f"C:/{CONFIG}/SYSTEM"]


def test_a_sound_volume_has_nothing_to_say(disk: Path) -> None:
    evidence = open_evidence(disk)
    assert _all(evidence)
    assert evidence.refusals == []


@pytest.mark.samples
def test_a_real_volume_has_nothing_to_say(samples: Path) -> None:
    evidence = open_evidence(samples / "images/partition_image.E01")
    assert _all(evidence)
    assert evidence.refusals == []


def test_from_a_lost_folder_to_the_case(disk: Path, tmp_path: Path) -> None:
    place = _place(disk, LOGS)
    hurt = timeline(_hurt(disk, tmp_path, lambda data: _zeroed(data, place)), tmp_path / "hurt", "-q")
    whole = timeline(disk, tmp_path / "whole", "-q")
    assert (whole.code, hurt.code) == (0, 3)
    assert len(hurt.lines("timeline.jsonl")) == len(whole.lines("timeline.jsonl"))
    rows = {row["artifact"]: row for row in hurt.document()["coverage"]}
    assert rows["event_process_audit"]["state"] == "partial"
    assert f"C:/{LOGS}" in rows["event_process_audit"]["detail"]


@pytest.mark.skipif(bool(missing_tools()), reason="needs mkntfs and ntfs-3g")
def test_a_name_in_a_block_that_the_folder_freed_is_no_broken_file(tmp_path: Path) -> None:
    host = scenario("sandbox-three-a-day")
    with image.volume(host, render(host), tmp_path) as made:
        evidence = open_evidence(image.raw_disk(made, tmp_path / "disk.raw"))
    record = evidence.trees["C:"].fs.get("ProgramData/Microsoft/Windows/Containers/Sandboxes").entry  # type: ignore[attr-defined]
    assert any(entry.attribute for entry in record.index("$I30").entries())  # the volume has such a name indeed
    assert _all(evidence)
    assert [refusal for refusal in evidence.refusals if "Sandboxes" in refusal.path] == []
