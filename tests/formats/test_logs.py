from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics.formats import logzone, serverlog, tunnellog
from forensics.formats.logzone import Evidence, decide, naive, resolve
from forensics.formats.messages import meaning
from forensics.formats.serverlog import DayCounter, Entry, dated, find_dates
from forensics.times import NoTime
from tests.artifacts.file_inputs import TOKYO, TUNNEL_LOG, utc

LONDON = ZoneInfo("Europe/London")


def span(first: str, last: str) -> Evidence:
    return Evidence(naive(first), naive(last))


class TestGrammar:
    def test_prefixes_and_modules(self) -> None:
        line = tunnellog.parse_line("\x1b[2m[2024-12-04 10:15:57]\x1b[0m trace [tunnel.2] [rpc.10] hello [x] y")
        assert line is not None
        assert (line.stamp, line.level, line.tunnel, line.rpc) == ("2024-12-04 10:15:57", "trace", "2", "10")
        assert line.message == "hello [x] y"
        module = tunnellog.parse_line('[2024-12-04 10:15:57] debug [russh::ssh_read] Ok("SSH-2.0-x\\r\\n")')
        assert module is not None
        assert (module.module, module.meaning.known) == ("russh::ssh_read", True)

    @pytest.mark.parametrize(
        "text",
        ["", "plain", "[2024-12-04 10:15] info x", "[2024-12-04 10:15:57] notice x", "2024-12-04 10:15:57 info x"],
    )
    def test_what_is_no_stamped_line(self, text: str) -> None:
        assert tunnellog.parse_line(text) is None

    def test_every_line_of_the_composed_log_is_known(self) -> None:
        found = list(tunnellog.read(io.BytesIO(TUNNEL_LOG.encode())))
        assert len(found) == 19
        assert [line.number for line in found] == list(range(1, 20))
        assert all(line.meaning.known for line in found)
        offset = found[11].offset
        assert (
            TUNNEL_LOG.encode()[offset : offset + 60]
            == b"[2024-12-04 10:15:52] info [rpc.0] Starting server...\n[2024-"
        )

    def test_the_same_words_elsewhere_are_not_the_message(self) -> None:
        assert not meaning("cli", "xOpened new client on channel 2").known
        assert not meaning("cli", "Opened new client on channel 2x").known
        assert not meaning("cli", "sent liveness ping", "other::module").known
        assert meaning("server", "New connection established.", "ExtensionHostConnection").event == "message"
        assert not meaning("server", "New connection established.", "OtherConnection").known

    @settings(max_examples=200, deadline=None)
    @given(st.text(max_size=120))
    def test_any_text(self, text: str) -> None:
        for line in (text, f"[2024-12-04 10:15:57] info {text}", f"2024-12-04 10:15:57.204 [info] {text}"):
            tunnellog.parse_line(line)
            assert serverlog.parse_text(line).message is not None

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.sampled_from(["x", "* banner", "[2024-12-04 10:15:57] info a", "", "[10:15:57] b",
                                     "2024-12-04 10:15:57.204 [info] c"]), max_size=30))  # fmt: skip
    def test_no_line_is_lost(self, parts: list[str]) -> None:
        data = "".join(part + "\n" for part in parts).encode()
        for read in (tunnellog.read, serverlog.read):
            found = list(read(io.BytesIO(data)))
            assert sum(1 + len(item.more) for item in found) == len(parts)

    @pytest.mark.parametrize("unit", ["Checking and ", "requested to spawn a with args ", "microsoft.", " and "])
    def test_hostile_messages_do_not_hang(self, unit: str) -> None:
        text = "To grant access to the server, please log into https://microsoft" + unit * 20_000
        for message in (text, "Checking " + unit * 20_000, "requested to spawn " + unit * 20_000):
            meaning("cli", message)


@pytest.mark.samples
class TestSamples:
    def test_no_line_is_unmatched(self, samples: Path) -> None:
        """Stamped, banner, or a result that is printed without a stamp."""
        for name in ("cli_stdout_v1_127.log", "tunnel_service_2023_debug.log"):
            with (samples / "vscode-tunnel" / name).open("rb") as fh:
                assert all(line.stamp or line.banner or line.meaning.bare for line in tunnellog.read(fh))

    def test_desktop_logs_have_the_servers_shape_and_cli_lines_inside(self, samples: Path) -> None:
        inner = {}
        for name in ("remote_tunnel_1_82_local.log", "remote_tunnel_2026_utc_inner.log"):
            with (samples / "vscode-tunnel" / name).open("rb") as fh:
                entries = list(serverlog.read(fh))
            assert all(entry.stamp for entry in entries)
            found = [(entry, line) for entry in entries if (line := tunnellog.parse_line(entry.message))]
            inner[name] = [line.meaning.event for _, line in found]
            hours = {round((naive(e.stamp[:19]) - naive(line.stamp)) / timedelta(hours=1)) for e, line in found}
            assert hours == ({0} if "local" in name else {3, -4})
        assert inner == {
            "remote_tunnel_1_82_local.log": ["service_registered", "message"],
            "remote_tunnel_2026_utc_inner.log": [
                "service_registered", "client_serving", "message", "server_started", "client_disconnected",
                "client_connected", "message", "message", "message", "created",
            ],
        }  # fmt: skip


class TestZone:
    def test_the_modification_time_decides(self) -> None:
        evidence = span("2026-03-01 09:00:00", "2026-03-01 18:30:00")
        assert decide(evidence, utc(2026, 3, 1, 18, 30, 2), TOKYO).zone == "utc"
        assert decide(evidence, utc(2026, 3, 1, 9, 30, 2), TOKYO).zone == "local"
        assert decide(evidence, utc(2026, 3, 1, 12, 7), TOKYO).zone == "undecided"
        assert decide(evidence, None, TOKYO).zone == "undecided"

    @pytest.mark.parametrize(
        ("first", "last", "zone"),
        [
            ("2023-05-08 11:43:46", "2023-05-08 11:43:49", "local"),
            ("2025-09-19 00:00:00", "2025-09-19 23:59:59", "local"),
            ("2025-09-19 00:00:00", "2025-09-20 00:00:00", "undecided"),
            ("2026-06-30 23:59:59", "2026-07-05 00:00:00", "undecided"),
            ("2026-07-01 00:00:00", "2026-07-05 00:00:00", "utc"),
        ],
    )
    def test_the_dates_decide_as_an_inference(self, first: str, last: str, zone: str) -> None:
        decision = decide(span(first, last), None, TOKYO)
        assert decision.zone == zone
        assert decision.reason.startswith("inference") is (zone != "undecided")

    def test_a_host_at_utc_raises_no_question_but_summer_does(self) -> None:
        assert decide(span("2026-01-10 10:00:00", "2026-01-10 11:00:00"), None, LONDON).zone == "utc"
        assert decide(span("2026-05-10 10:00:00", "2026-05-10 11:00:00"), None, LONDON).zone == "undecided"

    @pytest.mark.parametrize(
        ("clock", "host", "zone"),
        [
            ((10, 15, 57), TOKYO, "local"),
            ((19, 15, 58), TOKYO, "utc"),
            ((19, 15, 58), None, "utc"),
            ((13, 0, 0), TOKYO, "undecided"),
        ],
    )
    def test_the_servers_clock_decides(self, clock: tuple[int, int, int], host: ZoneInfo | None, zone: str) -> None:
        stamp = naive("2026-03-01 10:15:57")
        pair = (stamp, timedelta(hours=clock[0], minutes=clock[1], seconds=clock[2]))
        assert decide(Evidence(stamp, stamp, (pair, pair)), None, host).zone == zone

    def test_an_empty_log(self) -> None:
        assert decide(Evidence(None, None), utc(2026, 1, 1), None).zone == "undecided"

    def test_readings(self) -> None:
        text = "2026-02-01 10:00:00"
        assert resolve(text, logzone.LogZone("utc", ""), None) == (utc(2026, 2, 1, 10), None)
        assert resolve(text, logzone.LogZone("local", ""), TOKYO) == (utc(2026, 2, 1, 1), None)
        moment, other = resolve(text, logzone.LogZone("undecided", ""), None)
        assert isinstance(moment, NoTime)
        assert other == "2026-02-01T10:00:00+00:00"

    @pytest.mark.parametrize("stamp", ["0001-01-01 00:00:00", "9999-12-31 23:59:59", "2024-13-01 00:00:00"])
    def test_impossible_stamps_are_no_times(self, stamp: str) -> None:
        for zone in ("utc", "local", "undecided"):
            moment, _ = resolve(stamp, logzone.LogZone(zone, ""), TOKYO)
            assert isinstance(moment, NoTime)
        for host in (TOKYO, LONDON, ZoneInfo("America/New_York"), None):
            decide(span(stamp, stamp), utc(2024, 1, 1), host)

    def test_the_same_lines_in_the_desktops_log_decide_first(self) -> None:
        line = "[2026-02-01 10:00:00] info [rpc.3] Server started"
        desktop = f"2026-02-01 13:00:00.120 [info] {line}\n2026-02-01 13:00:01.000 [info] No other tunnel running\n"
        outer = list(tunnellog.outer_lines(io.BytesIO(desktop.encode())))
        assert len(outer) == 1
        data = line.encode()
        told = tunnellog.evidence(io.BytesIO(data), len(data), outer)
        assert told.outer == (timedelta(hours=3),)
        # Even a modification time that speaks for local time: the file may have been copied.
        zone = decide(told, utc(2026, 2, 1, 1, 0, 0), TOKYO)
        assert (zone.zone, "+3.00 h" in zone.reason) == ("utc", True)
        local = tunnellog.evidence(io.BytesIO(data), len(data), [outer[0]._replace(local=outer[0].inner)])
        assert decide(local, None, TOKYO).zone == "local"

    def test_other_lines_in_the_desktops_log_only_help_where_the_file_does_not(self) -> None:
        desktop = b"2026-02-01 13:00:00.120 [info] [2026-02-01 10:00:00] info [rpc.3] Server started\n"
        outer = list(tunnellog.outer_lines(io.BytesIO(desktop)))
        data = b"[2026-02-01 10:09:00] info [rpc.7] Server started\n"
        told = tunnellog.evidence(io.BytesIO(data), len(data), outer)
        assert (told.outer, told.near) == ((), (timedelta(hours=3),))
        assert decide(told, utc(2026, 2, 1, 1, 9, 0), TOKYO).zone == "local"
        assert decide(told, None, TOKYO).zone == "utc"
        far = tunnellog.evidence(io.BytesIO(data.replace(b"02-01", b"04-01")), len(data), outer)
        assert decide(far, None, TOKYO).zone == "undecided"

    def test_clocks_that_differ_by_no_zone_decide_nothing(self) -> None:
        odd = span("2026-02-01 10:00:00", "2026-02-01 11:00:00")._replace(outer=(timedelta(hours=3, minutes=8),))
        assert decide(odd, None, TOKYO).zone == "undecided"

    def test_a_version_in_the_log_is_an_inference(self) -> None:
        data = b"  Visual Studio Code Tunnel v1.130.0\n[2026-05-01 10:00:00] info Server started\n"
        zone = decide(tunnellog.evidence(io.BytesIO(data), len(data)), None, TOKYO)
        assert (zone.zone, "1.130" in zone.reason) == ("utc", True)
        old = data.replace(b"1.130", b"1.120")
        assert decide(tunnellog.evidence(io.BytesIO(old), len(old)), None, TOKYO).zone == "undecided"

    @pytest.mark.parametrize("host", [TOKYO, None])
    def test_another_zone_of_the_host_is_seen_to_the_second(self, host: ZoneInfo | None) -> None:
        log = span("2024-12-04 10:00:00", "2024-12-04 18:30:00")
        zone = decide(log, utc(2024, 12, 4, 13, 0, 2), host)
        assert (zone.zone, zone.offset) == ("local", timedelta(hours=5, minutes=30))
        assert "inference" in zone.reason
        assert resolve("2024-12-04 10:00:00", zone, host) == (utc(2024, 12, 4, 4, 30), None)
        assert decide(log, utc(2024, 12, 4, 13, 2, 0), host).offset is None

    def test_the_hour_that_a_clock_shows_twice(self) -> None:
        local = logzone.LogZone("local", "")
        first, _ = resolve("2024-10-27 01:10:00", local, LONDON)
        assert first == utc(2024, 10, 27, 0, 10)
        assert resolve("2024-10-27 01:50:00", local, LONDON, first) == (utc(2024, 10, 27, 0, 50), None)
        assert resolve("2024-10-27 01:05:00", local, LONDON, utc(2024, 10, 27, 0, 50)) == (
            utc(2024, 10, 27, 1, 5), None,
        )  # fmt: skip
        # Elsewhere a line that goes back stays where it is.
        assert resolve("2024-10-26 01:05:00", local, LONDON, first)[0] == utc(2024, 10, 26, 0, 5)
        assert resolve("2024-03-31 01:30:00", local, LONDON, utc(2024, 12, 1))[0] == utc(2024, 3, 31, 1, 30)

    @settings(max_examples=150, deadline=None)
    @given(
        st.sampled_from(["Asia/Tokyo", "Europe/London", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
        st.datetimes(datetime(2023, 1, 1), datetime(2026, 12, 31)),  # noqa: DTZ001
        st.lists(st.integers(0, 6 * 3600), min_size=1, max_size=20),
        st.booleans(),
        st.integers(0, 20),
    )
    def test_whatever_zone_it_was_written_in_is_found(
        self, name: str, start: datetime, steps: list[int], in_utc: bool, lag: int
    ) -> None:
        """A log written with a known clock is read back to the same times, wherever and whenever that was."""
        zone = ZoneInfo(name)
        begin = start.replace(microsecond=0, tzinfo=UTC)
        moments = [begin + timedelta(seconds=sum(steps[:count])) for count in range(len(steps) + 1)]
        stamps = [(moment if in_utc else moment.astimezone(zone)).strftime("%Y-%m-%d %H:%M:%S") for moment in moments]
        data = "".join(f"[{stamp}] info Server started\n" for stamp in stamps).encode()
        modified = moments[-1] + timedelta(seconds=lag)
        decision = decide(tunnellog.evidence(io.BytesIO(data), len(data)), modified, zone)
        found: list[datetime] = []
        for stamp in stamps:
            moment, other = resolve(stamp, decision, zone, found[-1] if found else None)
            assert other is None
            assert isinstance(moment, datetime)
            found.append(moment)
        if all(moment.astimezone(zone).utcoffset() for moment in (moments[0], moments[-1])):
            assert decision.zone == ("utc" if in_utc else "local")
        folded = any(moment.astimezone(zone).fold for moment in moments)
        assert found == moments or folded

    def test_evidence_of_a_long_log_comes_from_both_ends(self) -> None:
        body = "".join(
            f"[2024-12-04 {10 + i // 3600:02d}:{i // 60 % 60:02d}:{i % 60:02d}] trace [tunnels::connections::ws] sent\n"
            for i in range(20_000)
        )
        data = (body + "a continuation\n").encode()
        found = tunnellog.evidence(io.BytesIO(data), len(data))
        assert found.first == naive("2024-12-04 10:00:00")
        assert found.last == naive("2024-12-04 15:33:19")


class TestDates:
    def entries(self, *clocks: str) -> list[Entry]:
        return [serverlog.parse_text(f"[{clock}] x") for clock in clocks]

    def stamps(self, *clocks: str, born: datetime | None = None, modified: datetime | None = None) -> list[str]:
        entries = self.entries(*clocks)
        return [entry.stamp for entry in dated(entries, find_dates(entries, born, modified, TOKYO))]

    def test_a_day_for_each_time_the_clock_goes_back(self) -> None:
        found = self.stamps("23:00:00", "01:00:00", "00:30:00", modified=utc(2024, 12, 5, 15, 30))
        assert found == ["2024-12-04 23:00:00", "2024-12-05 01:00:00", "2024-12-06 00:30:00"]

    def test_a_small_step_back_is_disorder(self) -> None:
        found = self.stamps("10:00:05", "10:00:04", "10:09:00", "10:00:06", modified=utc(2024, 12, 4, 1, 9))
        assert {stamp[:10] for stamp in found} == {"2024-12-04"}

    def test_the_last_line_may_be_of_the_day_before(self) -> None:
        assert self.stamps("23:59:59", modified=utc(2024, 12, 4, 15, 0, 1)) == ["2024-12-04 23:59:59"]

    def test_from_the_birth_alone(self) -> None:
        assert self.stamps("00:05:00", born=utc(2024, 12, 4, 14, 59)) == ["2024-12-05 00:05:00"]

    def test_contradicting_file_times_are_said(self) -> None:
        entries = self.entries("10:00:00")
        dates = find_dates(entries, utc(2024, 12, 8), utc(2024, 12, 4, 1), TOKYO)
        assert "creation time is later" in dates.reason

    def test_nothing_known(self) -> None:
        assert find_dates(self.entries("10:00:00"), None, None, TOKYO).first is None
        assert find_dates(self.entries("10:00:00"), None, utc(2024, 1, 1), None).first is None
        assert find_dates([], None, utc(2024, 1, 1), TOKYO).first is None

    @given(st.lists(st.integers(0, 86_399), min_size=1, max_size=50))
    def test_days_never_go_back_and_the_clocks_stay(self, seconds: list[int]) -> None:
        clocks = [str(timedelta(seconds=value)).rjust(8, "0") for value in seconds]
        counter = DayCounter()
        days = [counter.take(clock) for clock in clocks]
        assert days == sorted(days)
        found = self.stamps(*clocks, modified=datetime(2024, 12, 4, 1, tzinfo=UTC))
        assert [stamp[11:] for stamp in found] == clocks


@pytest.mark.parametrize(
    ("read", "first"),
    [
        (tunnellog.read, b"[2024-12-04 10:02:11] info Adopting\n"),
        (serverlog.read, b"2024-12-04 10:02:11.123 [info] Adopting\n"),
    ],
)
def test_a_record_of_too_many_lines_says_that_it_was_cut(read: Any, first: bytes) -> None:
    (whole,) = read(io.BytesIO(first + b"goes on\n" * 500))
    (cut,) = read(io.BytesIO(first + b"goes on\n" * 501))
    assert (whole.cut, cut.cut, len(cut.more)) == (False, True, 500)
