"""Marks of the web: from streams as collectors leave them, from an NTFS volume, and from the $MFT alone."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from forensics.artifacts import mark_of_the_web, mft_entries
from forensics.evidence import open_evidence
from forensics.evidence.globs import GlobSet
from forensics.formats import FormatError, zoneid
from testdata.writers.ntfs import table_of
from tests.artifacts.file_inputs import BORN, MODIFIED, run, survives_truncation, utc
from tests.evidence.layouts import volume
from tests.formats.test_wsb import PUBLISHED
from tests.running import timeline

URL = "https://files.example.test/a/lab.wsb?x=1&y=2"
STREAM = (
    "[ZoneTransfer]\r\nZoneId=3\r\nReferrerUrl=https://files.example.test/\r\n"
    f"HostUrl={URL}\r\nHostIpAddress=203.0.113.7\r\nAppZoneId=4\r\n"
)
LAB = "Users/田中/Downloads/lab.wsb"
CLI = "Users/田中/Downloads/cli/code.exe"
LONG_LAB = "Users/田中/Downloads/long.wsb"
LONG = STREAM.replace("lab.wsb", "lab.wsb" + "z" * 3000)  # does not fit into a record of 1 KiB


class TestTheFormat:
    def test_every_line(self) -> None:
        mark = zoneid.read(STREAM.encode())
        assert (mark.zone, mark.meaning, mark.host_url, mark.referrer_url, mark.host_ip, mark.writer, mark.others) == (
            3, "internet", URL, "https://files.example.test/", "203.0.113.7", "", ("AppZoneId=4",),
        )  # fmt: skip

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "ascii"])
    def test_encodings(self, encoding: str) -> None:
        assert zoneid.read(STREAM.encode(encoding)).host_url == URL

    def test_on_one_line_and_without_a_head(self) -> None:
        flat = zoneid.read(STREAM.replace("\r\n", " ").encode())
        assert (flat.zone, flat.host_url) == (3, URL)
        assert zoneid.read(b"zoneid = 2").meaning == "trusted sites"

    def test_a_zone_that_is_no_number_is_kept(self) -> None:
        mark = zoneid.read(b"[ZoneTransfer]\nZoneId=three\nHostUrl=about:internet")
        assert (mark.zone, mark.meaning, mark.host_url, mark.others) == (None, "", "about:internet", ("ZoneId=three",))
        assert zoneid.read(b"ZoneId=77").meaning == ""

    @pytest.mark.parametrize("data", [b"", b"\x00" * 40, b"<Configuration/>", b"\xff\xfe", b"ZoneId"])
    def test_what_is_no_mark(self, data: bytes) -> None:
        with pytest.raises(FormatError):
            zoneid.read(data)


class TestCollectedStreams:
    @pytest.mark.parametrize("joint", [":", "%3A", "_", "\uf03a", ""])
    def test_the_row_is_about_the_file(self, joint: str) -> None:
        path = f"{LAB}{joint}Zone.Identifier"
        assert GlobSet(mark_of_the_web.ARTIFACT.paths).matches(path)
        times = {BORN: utc(2024, 12, 3, 5), MODIFIED: utc(2024, 12, 3, 6)}
        (fact,), problems = run(mark_of_the_web.ARTIFACT, "C:/" + path, STREAM, times)
        assert problems == []
        assert (fact.kind, fact.times, fact.source.path) == ("file.mark_of_the_web", {BORN: times[BORN]}, "C:/" + path)
        assert fact.fields == {
            "file_path": "C:\\Users\\田中\\Downloads\\lab.wsb", "file_name": "lab.wsb", "profile_user": "田中",
            "zone_id": 3, "zone_meaning": "internet", "host_url": URL, "referrer_url": "https://files.example.test/",
            "host_address": "203.0.113.7", "zone_others": ("AppZoneId=4",), "zone_identifier": STREAM,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("path", "sought"),
        [
            (CLI, True), ("Users/a/Desktop/vscode_cli_win32_x64_cli (1).zip", True), ("Tools/x.wsb", True),
            ("Users/a/Downloads/photo.jpg", False), ("Users/a/Desktop/code.exe", False),
            ("$Recycle.Bin/S-1-5-21-1-2-3-1001/$RABCDEF.wsb", True),
            ("Users/a/AppData/Local/Microsoft/Windows/INetCache/Content.Outlook/AB12/lab.wsb", True),
        ],
    )  # fmt: skip
    def test_whose_marks_are_sought(self, path: str, sought: bool) -> None:
        globs = GlobSet(mark_of_the_web.ARTIFACT.paths)
        assert bool(globs.matches(f"{path}:Zone.Identifier")) is sought
        assert not globs.matches(path)

    def test_what_is_no_mark_is_said(self) -> None:
        facts, (problem,) = run(mark_of_the_web.ARTIFACT, f"C:/{LAB}:Zone.Identifier", b"MZ\x90")
        assert (facts, problem.fault) == ([], "bad_record")
        survives_truncation(mark_of_the_web.ARTIFACT, f"C:/{LAB}:Zone.Identifier", STREAM.encode("utf-16"))

    def test_a_huge_stream_is_read_in_part_and_said(self) -> None:
        (fact,), (problem,) = run(mark_of_the_web.ARTIFACT, f"C:/{LAB}:Zone.Identifier", STREAM + "x" * 100_000)
        assert (fact.fields["zone_id"], problem.fault) == (3, "truncated")

    def test_nothing_but_blanks_costs_no_time(self) -> None:
        started = time.process_time()
        mark = zoneid.read(b"ZoneId=3 HostUrl=http://a.test/" + b" " * 60_000 + b"x  ReferrerUrl=b")
        assert time.process_time() - started < 1
        assert (mark.zone, mark.referrer_url) == (3, "b")


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A volume whose files were marked by ntfscp: one with a short mark, one with a long one, one with none."""
    top = tmp_path_factory.mktemp("marked")
    files = {
        LAB: PUBLISHED.encode(), CLI: b"MZ", LONG_LAB: b"<Configuration/>",
        "Users/田中/Downloads/bare.wsb": b"<Configuration/>", "Users/田中/Downloads/photo.jpg": b"x",
        "Windows/System32/config/SYSTEM": b"regf",
    }  # fmt: skip
    image = volume(top, files)
    marks = {LAB: STREAM, CLI: STREAM, LONG_LAB: LONG, "Users/田中/Downloads/photo.jpg": STREAM}
    for number, (path, text) in enumerate(marks.items()):
        source = top / f"mark{number}"
        source.write_text(text, newline="")
        subprocess.run(["ntfscp", "-q", "-N", "Zone.Identifier", image, source, path], check=True, capture_output=True)
    return image


class TestOnAVolume:
    def test_the_streams_of_sought_files_and_no_others(self, disk: Path) -> None:
        evidence = open_evidence(disk)
        found = {item.path: item for item in evidence.find(mark_of_the_web.ARTIFACT.paths)}
        assert set(found) == {
            f"C:/{path}:Zone.Identifier" for path in (LAB, CLI, LONG_LAB)
        }  # fmt: skip
        assert found[f"C:/{LAB}:Zone.Identifier"].size == len(STREAM)
        assert not evidence.refusals
        for path, text in ((LAB, STREAM), (LONG_LAB, LONG)):
            with evidence.open(f"C:/{path}:Zone.Identifier") as handle:
                assert handle.read().decode() == text
        assert evidence.times(f"C:/{LAB}:Zone.Identifier") == evidence.times(f"C:/{LAB}")

    def test_other_globs_find_what_they_did(self, disk: Path) -> None:
        evidence = open_evidence(disk)
        alone = evidence.find(["**/*.wsb"])
        both = evidence.find(["**/*.wsb", *mark_of_the_web.ARTIFACT.paths])
        assert [item for item in both if ":Zone" not in item.path] == alone
        assert len(alone) == 3

    def test_the_table_alone_has_the_short_ones_and_says_of_the_long_one(self, disk: Path) -> None:
        table = table_of(disk)
        facts, problems = run(mft_entries.ARTIFACT, "C:/$MFT", table)
        marks = {fact.fields["file_name"]: fact for fact in facts if fact.kind == "file.mark_of_the_web"}
        assert problems == []
        assert set(marks) == {"lab.wsb", "code.exe", "long.wsb"}
        lab = marks["lab.wsb"]
        assert (lab.fields["host_url"], lab.fields["recovered"], lab.fields["file_deleted"]) == (URL, True, False)
        assert lab.fields["file_path"] == "C:\\Users\\田中\\Downloads\\lab.wsb"
        assert set(lab.times) == {"Creation Time"}
        assert "outside the $MFT" in str(marks["long.wsb"].fields["reason"])
        assert "host_url" not in marks["long.wsb"].fields

    def test_the_table_cut_anywhere(self, disk: Path) -> None:
        table = table_of(disk)
        for length in range(0, len(table), 4999):
            facts, problems = run(mft_entries.ARTIFACT, "C:/$MFT", table[:length])
            assert facts or problems


def test_a_whole_run_tells_each_mark_where_it_was_found(disk: Path, tmp_path: Path) -> None:
    done = timeline(disk, tmp_path / "case")
    rows = [row for row in done.lines("timeline.jsonl") if row["data_type"].endswith("mark_of_the_web")]
    told = {(row["source_path"], row["file_name"]) for row in rows}
    assert told == {
        *((f"C:/{path}:Zone.Identifier", path.rpartition("/")[2]) for path in (LAB, CLI, LONG_LAB)),
        *(("C:/$MFT", name) for name in ("lab.wsb", "code.exe", "long.wsb")),
    }
    assert {row["host_url"] for row in rows if row["file_name"] == "lab.wsb"} == {URL}
