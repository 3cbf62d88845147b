from __future__ import annotations

import random
import struct
from datetime import UTC, datetime

import pytest

from forensics.artifacts.cbs_log import ARTIFACT
from forensics.formats import cabinet as cabinets
from forensics.formats.servicinglog import Clock, Line, offset_of
from testdata.writers.cabinet import LZX, STORED, cabinet
from tests.artifacts.file_inputs import TOKYO, run, survives_truncation, utc

PATH = "C:/Windows/Logs/CBS/CBS.log"
PACKAGE = "Microsoft-Windows-Foundation-Package~31bf3856ad364e35~amd64~~10.0.19041.1"


def changed(
    clock: str, update: str, start: str, target: str, result: str = "0x0 (S_OK)", restart: str = "False", head: str = ""
) -> str:
    """The line that the servicing stack writes when a selectable update has changed, in the words of public logs."""
    return (
        f"{clock}, Info                  CBS    {head}Reporting selectable update change for package: {PACKAGE}, "
        f"update: {update}, start: {start}, applicable: Installed, target: {target}, "
        "client id: DISM Package Manager Provider, initiated offline: False, execution sequence: 82, "
        "first merged sequence: 82, download source: 0, download time"
        f" (secs): 4294967295, download status: 0x0 (S_OK),reboot required: {restart}, overall result:{result}"
    )


LOG = "\r\n".join(
    [
        "2024-12-02 11:41:10, Info                  CBS    TrustedInstaller service starts successfully.",
        "2024-12-02 11:41:12, Info                  CBS    Session: 31146322_220 initialized by client DISM Package Manager Provider.",  # noqa: E501
        "2024-12-02 11:41:13, Info                  CSI    00000005@2024/12/2:02:41:12.656 CSI Transaction @0x8f8fa30210 initialized for deployment engine",  # noqa: E501
        f"2024-12-02 11:41:20, Info                  CBS    Appl: Evaluating package applicability for package {PACKAGE}, update Containers-DisposableClientVM",  # noqa: E501
        f"2024-12-02 11:41:21, Info                  CBS    Plan: Package: {PACKAGE}, Update: Containers-DisposableClientVM, current: Staged, pending: Default, start: Staged, applicable: Installed, targeted: Installed, limit: Installed, selected: On",  # noqa: E501
        f"2024-12-02 11:41:21, Info                  CBS    Plan: Package: {PACKAGE}, Update: HypervisorPlatform, current: Staged, pending: Default, start: Staged, applicable: Installed, targeted: Staged, limit: Installed, selected: Off",  # noqa: E501
        changed("2024-12-02 11:43:40", "Containers-DisposableClientVM", "Staged", "Installed", restart="True"),
        changed("2024-12-02 11:43:40", "Microsoft-Hyper-V-Hypervisor", "Staged", "Installed", restart="True"),
        changed("2024-12-02 11:43:41", "TelnetClient", "Staged", "Installed"),
        "2024-12-02 12:06:41, Error                 CSI    00000091 (F) Installer: Container Installer\tBinary Name: containerai.dll\tErrorCode: 80070005\tPhase: 39",  # noqa: E501
        "    a line that goes on",
    ]
)


def test_a_change_of_the_feature() -> None:
    facts, problems = run(ARTIFACT, PATH, LOG)
    assert problems == []
    (change,) = [fact for fact in facts if fact.kind == "cbs.feature_changed" and not fact.context]
    assert change.times == {"Recorded Time": utc(2024, 12, 2, 2, 43, 40)}
    assert change.source.locator == "line 7"
    said = {key: value for key, value in change.fields.items() if not key.startswith(("log_", "file_", "line_"))}
    assert said == {
        "package_name": PACKAGE,
        "update_name": "Containers-DisposableClientVM",
        "state_before": "Staged",
        "state_target": "Installed",
        "client_id": "DISM Package Manager Provider",
        "result_code": "0x0",
        "restart_needed": True,
    }
    assert change.fields["log_zone_reason"] == (
        "local time of the host's zone, which agrees with UTC+9.00 h, told by the UTC time in line 3"
    )


def test_what_is_kept_and_what_is_context() -> None:
    facts, _ = run(ARTIFACT, PATH, LOG)
    assert [(fact.kind, fact.fields.get("update_name"), fact.context) for fact in facts] == [
        ("cbs.feature_named", None, True),
        ("cbs.feature_planned", "Containers-DisposableClientVM", False),
        ("cbs.feature_named", None, True),  # planned to stay as it is
        ("cbs.feature_changed", "Containers-DisposableClientVM", False),
        ("cbs.feature_changed", "Microsoft-Hyper-V-Hypervisor", True),
        ("cbs.feature_named", None, False),  # the installer of the base layer failed
        ("servicing.log", None, True),
    ]
    log = facts[-1]
    assert log.fields["record_count"] == 11
    assert (log.fields["first_record_time"], log.fields["last_record_time"]) == (
        "2024-12-02 11:41:10",
        "2024-12-02 12:06:41",
    )


def test_a_failure_has_its_code() -> None:
    line = changed("2017-03-10 10:24:32", "Containers-DisposableClientVM", "Staged", "Installed", "0x800f0922 (X)")
    facts, _ = run(ARTIFACT, PATH, line)
    assert facts[0].fields["error_code"] == "0x800f0922"


def test_the_older_form_and_switching_off() -> None:
    line = changed("2024-12-06 09:00:00", "Containers-DisposableClientVM", "Installed", "Resolved", head="SQM: ")
    facts, _ = run(ARTIFACT, PATH, line)
    assert (facts[0].fields["state_before"], facts[0].fields["state_target"]) == ("Installed", "Resolved")
    assert "host's zone is assumed" in str(facts[0].fields["log_zone_reason"])


class TestZone:
    LINE = changed("2024-12-02 11:43:40", "Containers-DisposableClientVM", "Staged", "Installed")
    UTC_LINE = "2024-12-02 06:41:13, Info                  CSI    00000005@2024/12/2:02:41:12.656 CSI Transaction"

    def test_no_zone_no_time(self) -> None:
        facts, _ = run(ARTIFACT, PATH, self.LINE, zone=None)
        assert facts[0].times == {}
        assert "zone is not known" in facts[0].no_times["Recorded Time"]

    def test_the_log_itself_tells(self) -> None:
        facts, _ = run(ARTIFACT, PATH, f"{self.UTC_LINE}\r\n{self.LINE}", zone=None)
        assert facts[0].times == {"Recorded Time": utc(2024, 12, 2, 7, 43, 40)}

    def test_the_log_is_right_where_the_zone_was_another(self) -> None:
        facts, _ = run(ARTIFACT, PATH, f"{self.UTC_LINE}\r\n{self.LINE}", zone=TOKYO)
        assert facts[0].times == {"Recorded Time": utc(2024, 12, 2, 7, 43, 40)}
        assert "not the host's zone" in str(facts[0].fields["log_zone_reason"])

    @pytest.mark.parametrize(
        "text",
        ["@2024/12/2:02:41:12.656", "@2024/13/2:02:41:12.656", "@2024/12/9:02:41:12.656", "@2024/12/2:02:49:12.1"],
    )
    def test_only_a_sound_pair_counts(self, text: str) -> None:
        line = Line(1, 0, "2024-12-02 06:41:13", "Info", "CSI", f"00000005{text} x", cut=False)
        assert (offset_of(line) is not None) == (text == "@2024/12/2:02:41:12.656")

    def test_every_stamp_gives_a_time_or_a_reason(self) -> None:
        clock = Clock(UTC)
        assert clock.moment("2024-12-02 06:41:13") == datetime(2024, 12, 2, 6, 41, 13, tzinfo=UTC)
        assert not isinstance(clock.moment("2024-19-02 06:41:13"), datetime)


class TestCabinet:
    PATH = "C:/Windows/Logs/CBS/CbsPersist_20241202033000.cab"

    @pytest.fixture
    def text(self) -> bytes:
        noise = random.Random(4)
        lines = [f"2024-12-02 11:00:00, Info                  CBS    nothing {noise.random()}" for _ in range(3000)]
        return "\r\n".join([*lines, LOG]).encode()

    @pytest.mark.parametrize("method", [STORED, 1])
    def test_a_packed_log_says_the_same(self, text: bytes, method: int) -> None:
        plain, _ = run(ARTIFACT, PATH, text)
        packed, problems = run(ARTIFACT, self.PATH, cabinet({"CbsPersist_20241202033000.log": text}, method))
        assert problems == []
        assert [(fact.kind, fact.times) for fact in packed] == [(fact.kind, fact.times) for fact in plain]
        assert packed[0].source.locator == "CbsPersist_20241202033000.log line 3004"

    def test_the_builder_is_read_by_another_parser(self, text: bytes) -> None:
        peer = pytest.importorskip("cabarchive")
        archive = peer.CabArchive(cabinet({"a.log": text, "b.log": b"b" * 70000}))
        assert (archive["a.log"].buf, archive["b.log"].buf) == (text, b"b" * 70000)

    def test_other_packings_are_said(self, text: bytes) -> None:
        facts, problems = run(ARTIFACT, self.PATH, cabinet({"a.log": text}, LZX))
        assert facts == []
        assert [(item.fault, "LZX" in item.detail) for item in problems] == [("unreadable", True)]

    def test_damage_keeps_what_came_before(self, text: bytes) -> None:
        data = bytearray(cabinet({"a.log": LOG.encode() + b"\r\n" + text}))
        data[-200:] = bytes(200)
        facts, problems = run(ARTIFACT, self.PATH, bytes(data))
        assert any(fact.kind == "cbs.feature_changed" for fact in facts)
        assert [item.fault for item in problems] == ["truncated"]

    def test_cuts(self, text: bytes) -> None:
        data = cabinet({"a.log": text[-9000:]})
        survives_truncation(ARTIFACT, self.PATH, data, step=7)

    def test_a_bomb_is_bounded(self) -> None:
        data = cabinet({"a.log": b"\x00" * 40 * 32768})
        facts, problems = run(ARTIFACT, self.PATH, data)
        assert [fact.fields["record_count"] for fact in facts] == [1]
        assert problems == []

    def test_files_that_share_their_blocks_are_bounded_together(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cabinets, "OUTPUT_LIMIT", 100 * 32768)
        data = bytearray(cabinet({**{f"{number:03}.log": b"" for number in range(90)}, "z.log": bytes(40 * 32768)}))
        for number in range(90):
            struct.pack_into("<I", data, data.find(b"%03d.log" % number) - 16, 40 * 32768)
        facts, problems = run(ARTIFACT, self.PATH, bytes(data))
        assert [fact.fields["record_count"] for fact in facts] == [1, 1, 1]
        said = [(problem.fault, problem.source.locator) for problem in problems]
        assert said == [("truncated", "002.log"), ("budget", "003.log")]
        assert "88 files of the cabinet are not read" in problems[1].detail

    def test_a_file_that_cannot_be_had_costs_no_other(self) -> None:
        data = cabinet({"a.log": LOG.encode(), "b.log": LOG.encode(), "c.log": LOG.encode()})
        place = data.find(b"b.log") - 16
        for folder, why in ((0xFFFE, "goes on in another cabinet"), (7, "is in folder 7, which is not there")):
            damaged = bytearray(data)
            struct.pack_into("<H", damaged, place + 8, folder)
            facts, (problem,) = run(ARTIFACT, self.PATH, bytes(damaged))
            assert {fact.source.locator[:5] for fact in facts} == {"a.log", "c.log"}
            assert f"b.log {why}" in problem.detail

    def test_a_table_that_ends_early_keeps_the_files_before(self) -> None:
        data = cabinet({"a.log": LOG.encode(), "b.log": LOG.encode()})
        damaged = bytearray(data)
        damaged[28:30] = (9).to_bytes(2, "little")  # files
        facts, problems = run(ARTIFACT, self.PATH, bytes(damaged))
        assert {"a.log", "b.log"} <= {fact.source.locator[:5] for fact in facts}
        assert problems

    def test_more_files_than_are_read_are_said(self) -> None:
        facts, (problem,) = run(ARTIFACT, self.PATH, cabinet({f"{number}.log": b"x" for number in range(1001)}))
        assert (len(facts), "only the first 1000" in problem.detail) == (1000, True)


def test_cuts_of_the_log() -> None:
    survives_truncation(ARTIFACT, PATH, LOG.encode(), step=11)


def test_a_flood_is_counted() -> None:
    line = "2024-12-02 11:41:20, Info                  CBS    Appl: Containers-DisposableClientVM\r\n"
    facts, problems = run(ARTIFACT, PATH, line * 5010)
    assert len(facts) == 5001
    assert [(item.fault, "10 more" in item.detail) for item in problems] == [("budget", True)]
