"""When a tunnel was hosted and connected to its relay: processes, locks, logs, the change journal."""

from __future__ import annotations

import pytest

from forensics.sessions.tunnel_call import output_of, tunnel_call, wrapped_call
from tests.sessions.factory import SYSTEM, at, looked
from tests.sessions.tunnels import CLI, CODE, COMMIT, LOG, MTIME, PROFILE, RUN, Tunnel, only

CMD = "C:\\Windows\\System32\\cmd.exe"
LINE = f"{CODE} tunnel --accept-server-license-terms --name desk"


def reasons(scene: Tunnel) -> str:
    return "\n".join(only(scene).reasons)


class TestProcesses:
    def test_the_hidden_second_process_is_the_run(self) -> None:
        scene = Tunnel()
        scene.process(0, CODE, RUN, pid="0x254c")
        scene.process(0.5, CODE, RUN, pid="9604", parent_pid="9548", parent_executable=CODE)
        scene.ended(1, CODE, "9548")
        scene.ended(500, CODE, "9604")
        (period,) = only(scene).hosting
        assert (period.start, period.end, period.pid, period.user) == (at(0), at(500), 9604, "田中")
        assert "started the same program again, hidden" in reasons(scene)

    def test_without_the_second_ones_end_it_went_on(self) -> None:
        scene = Tunnel()
        scene.process(0, CODE, RUN, pid="9548")
        scene.process(0.5, CODE, RUN, pid="9604", parent_pid="9548", parent_executable=CODE)
        scene.ended(1, CODE, "9548")
        (period,) = only(scene).hosting
        assert (period.end, period.pid) == (None, 9604)

    def test_two_logs_of_one_process_are_one_run(self) -> None:
        scene = Tunnel()
        for path in ("", "C:/Windows/System32/winevt/Logs/Sysmon.evtx"):
            scene.add("process.created", 0, path=path, executable=CODE, command_line=LINE, pid="7", user_name="田中")
            scene.add("process.exited", 60, path=path, executable=CODE, pid="7")
        (period,) = only(scene).hosting
        assert (period.start, period.end) == (at(0), at(60))

    def test_a_process_that_finds_it_running_attaches(self) -> None:
        scene = Tunnel()
        scene.process(0, CODE, LINE, pid="7")
        scene.process(300, CODE, LINE, pid="8")
        scene.ended(310, CODE, "8")
        scene.ended(900, CODE, "7")
        (period,) = only(scene).hosting
        assert (period.pid, period.end) == (7, at(900))
        assert "it attached and hosts nothing" in reasons(scene)

    def test_after_the_first_ended_the_next_hosts(self) -> None:
        scene = Tunnel()
        for start, number in ((0, "7"), (14400, "8"), (28800, "9")):
            scene.process(start, CODE, LINE, pid=number)
            scene.ended(start + 900, CODE, number)
        assert [period.pid for period in only(scene).hosting] == [7, 8, 9]

    def test_the_lock_tells_the_process_that_hosts(self) -> None:
        """No end of the first one is recorded, but the lock was written by the second."""
        scene = Tunnel()
        scene.process(0, CODE, LINE, pid="7")
        scene.process(14400, CODE, LINE, pid="8")
        scene.ended(20000, CODE, "8")
        scene.state("lock", "tunnel-stable.lock", 14401, pid="8", quality="Stable")
        assert [period.pid for period in only(scene).hosting] == [7, 8]

    def test_a_boot_lies_between(self) -> None:
        scene = Tunnel()
        scene.process(0, CODE, LINE, pid="7")
        scene.add("system.log_stopped", 5000)
        scene.boot(6000)
        scene.process(7000, CODE, LINE, pid="7")
        first, second = only(scene).hosting
        assert (first.end, first.end_reason) == (at(5000), "host shut down or restarted")
        assert (second.start, second.end) == (at(7000), None)

    def test_ctrl_c(self) -> None:
        scene = Tunnel()
        scene.process(0, CODE, LINE, pid="7")
        scene.ended(60, CODE, "7", "0xc000013a")
        (period,) = only(scene).hosting
        assert "Ctrl-C" in (period.end_reason or "")

    def test_the_login_before_the_lock(self) -> None:
        """The lock is written when a person has logged in, half a minute after the start."""
        scene = Tunnel()
        scene.process(0, CODE, LINE, pid="7")
        scene.state("lock", "tunnel-stable.lock", 27, pid="7", quality="Stable")
        assert [period.start for period in only(scene).hosting] == [at(0)]

    def test_system_hosts_in_a_folder_of_its_own(self) -> None:
        scene = Tunnel()
        line = f"{LINE} --cli-data-dir C:\\ProgramData\\d"
        scene.process(-60, CODE, f"{CODE} tunnel status --cli-data-dir C:\\ProgramData\\d", pid="6")
        scene.process(0, CODE, line, pid="7", user_sid=SYSTEM, user_name="WS-1$")
        session = only(scene)
        assert (session.profile_user, session.hosting[0].user, session.data_dir) == (
            "SYSTEM",
            "SYSTEM",
            "C:\\ProgramData\\d",
        )

    def test_an_attached_process_in_the_log(self) -> None:
        scene = Tunnel()
        scene.line("host_started", 0, command_line=LINE)
        scene.line("host_started", 50, path="C:/Users/田中/x.log", command_line=LINE)
        scene.line("log_message", 50, path="C:/Users/田中/x.log", log_message="starting as client to singleton")
        assert [period.start for period in only(scene).hosting] == [at(0)]

    def test_a_log_without_its_start_belongs_to_the_process(self) -> None:
        scene = Tunnel()
        scene.process(0, CODE, LINE, pid="7")
        scene.line("created", 160, tunnel_name="desk")
        (period,) = only(scene).hosting
        assert (period.start, period.pid) == (at(0), 7)


class TestOutput:
    def test_the_shell_that_started_it_knows(self) -> None:
        scene = Tunnel()
        scene.process(0, CMD, f"{CMD} /c {LINE} > C:\\ProgramData\\out.txt 2>&1", pid="6")
        scene.process(0.3, CODE, LINE, pid="7", parent_pid="6", parent_executable=CMD)
        session = only(scene)
        assert session.hosting[0].output_to == "C:\\ProgramData\\out.txt"
        assert any(reason.startswith("TUN-14") for reason in session.reasons)

    def test_a_shell_of_another_boot_does_not(self) -> None:
        scene = Tunnel()
        scene.process(0, CMD, f"{CMD} /c {LINE} > C:\\out.txt", pid="6")
        scene.boot(100)
        scene.process(200, CODE, LINE, pid="7", parent_pid="6", parent_executable=CMD)
        assert only(scene).hosting[-1].output_to is None

    @pytest.mark.parametrize(
        ("line", "path"),
        [
            ("cmd /c a.exe > C:\\o.txt 2>&1", "C:\\o.txt"),
            ('cmd /c a.exe >> "C:\\a b\\o.txt"', "C:\\a b\\o.txt"),
            ("cmd /c a.exe 2> C:\\errors.txt", None),
            ("cmd /c a.exe > nul 2>&1", None),
            ("cmd /c a.exe", None),
            ("code.exe tunnel *>&1 | Out-File -FilePath C:\\o.txt", "C:\\o.txt"),
            ("Start-Process code.exe -RedirectStandardOutput 'C:\\a b.txt'", "C:\\a b.txt"),
        ],
    )
    def test_redirections(self, line: str, path: str | None) -> None:
        assert output_of(line) == path

    def test_a_wrapped_call(self) -> None:
        call = wrapped_call(f'cmd.exe /q /c "{CODE}" tunnel --name x > C:\\o.txt 2>&1')
        assert call
        assert (call.executable, call.verb, call.options["--name"]) == (CODE, "host", "x")
        assert tunnel_call(f"cmd.exe /c {CODE} tunnel") is None


class TestFilesAlone:
    def test_the_journal_tells_of_a_run_whose_files_are_gone(self) -> None:
        scene = Tunnel()
        for second, name in ((0, "tunnel-stable.lock"), (0.1, "tunnel-service.log"), (3, "code_tunnel.json")):
            scene.journal("created", second, f"{CLI}\\{name}")
            scene.journal("deleted", 9000 + second, f"{CLI}\\{name}")
        session = only(scene)
        (period,) = session.hosting
        assert (period.start, period.as_service, session.certainty) == (at(0), True, "probable")
        assert session.data_dir == CLI

    def test_each_write_of_the_lock_is_a_start(self) -> None:
        scene = Tunnel()
        scene.journal("created", 0, f"{CLI}\\tunnel-stable.lock")
        scene.journal("written", 14400, f"{CLI}\\tunnel-stable.lock")
        assert [period.start for period in only(scene).hosting] == [at(0), at(14400)]

    def test_records_of_files_that_are_there_count_once(self) -> None:
        scene = Tunnel()
        scene.line("host_started", 0, command_line=RUN, log_message="x")
        scene.journal("created", 0.1, f"{CLI}\\tunnel-service.log")
        assert only(scene).certainty == "probable"

    def test_a_birth_of_the_lock_is_said_only(self) -> None:
        scene = Tunnel()
        lock = f"{CLI}/tunnel-stable.lock".replace("\\", "/")
        scene.file("tunnel.lock", lock, {"Creation Time": -90000, MTIME: 0}, data_dir=CLI, pid="7")
        assert [period.start for period in only(scene).hosting] == [at(0)]
        assert "it was first hosted then" in reasons(scene)

    def test_clients_alone_tell_of_an_earlier_run(self) -> None:
        scene = Tunnel()
        scene.line("host_started", 0, command_line=RUN)
        scene.window("opened", -40000, "aaaaaaaa")
        scene.window("closed", -39000, "aaaaaaaa")
        first, second = only(scene).hosting
        assert (first.start, first.start_latest, first.end_earliest) == (None, at(-40000), at(-39000))
        assert second.start == at(0)

    def test_a_deleted_lock_says_that_it_was_over(self) -> None:
        scene = Tunnel()
        scene.journal("created", 0, f"{CLI}\\tunnel-stable.lock")
        scene.journal("deleted", 5000, f"{CLI}\\tunnel-stable.lock")
        scene.add("system.log_stopped", 9000)
        scene.boot(20000)
        (period,) = only(scene).hosting
        assert (period.start, period.end) == (at(0), None)
        assert "was over by then (inference)" in reasons(scene)

    def test_only_a_whole_commit_is_a_server(self) -> None:
        scene = Tunnel()
        scene.journal("created", 0, "D:\\games\\servers\\stable-1234567")
        assert scene.build().tunnel_sessions == ()


class TestRelay:
    def test_up_down_up(self) -> None:
        scene = Tunnel()
        scene.line("host_started", 0, command_line=RUN)
        scene.line("relay_connected", 3)
        scene.line("relay_connected", 3, reason="session established")
        scene.line("relay_lost", 600, reason="Tunnel exited unexpectedly, reconnecting: reset")
        scene.line("relay_lost", 630, reason="Error connecting to relay, will retry: eof")
        scene.line("relay_connected", 700)
        scene.line("host_stopped", 5000, reason="Ctrl-C received")
        first, second = only(scene).relay
        assert (first.start, first.end) == (at(3), at(600))
        assert (second.start, second.end, second.end_reason) == (at(700), at(5000), "Ctrl-C received")
        assert "1 attempt to come back failed" in reasons(scene)

    def test_no_end_is_told(self) -> None:
        scene = Tunnel()
        scene.line("relay_connected", 3)
        assert [(item.start, item.end) for item in only(scene).relay] == [(at(3), None)]

    @pytest.mark.parametrize("pings", [True, False])
    def test_a_silent_hour_of_a_log_that_pings(self, *, pings: bool) -> None:
        scene = Tunnel()
        scene.line("relay_connected", 0)
        for second in (60, 120, 3800, 3860):
            text = "sent liveness ping" if pings else "anything"
            scene.line("log_message", second, log_message=text)
        assert ("the host slept or had no network" in reasons(scene)) is pings


def test_both_readings_of_an_undecided_zone() -> None:
    scene = Tunnel()
    later = at(32400).isoformat()
    scene.line("host_started", 0, command_line=RUN, log_time_if_utc=later)
    scene.line("host_stopped", 60, reason="Ctrl-C received", log_time_if_utc=at(32460).isoformat())
    (period,) = only(scene).hosting
    assert (period.start, period.start_if_utc, period.end_if_utc) == (at(0), at(32400), at(32460))
    assert "the zone of the log is undecided" in reasons(scene)


class TestScore:
    def test_a_program_that_only_the_log_names(self) -> None:
        scene = Tunnel()
        scene.line("host_started", 0, command_line="code C:\\ProgramData\\Sync\\code.exe --verbose tunnel --name x")
        assert "lies where no installer puts it: C:\\ProgramData\\Sync\\code.exe" in reasons(scene)

    def test_hidden_window(self) -> None:
        scene = Tunnel()
        parent = "powershell.exe -w hidden -File C:\\x.ps1"
        scene.process(0, CODE, LINE, pid="7", parent_command_line=parent)
        assert any(reason.startswith("TUN-13") for reason in only(scene).reasons)

    @pytest.mark.parametrize(("days", "hour", "odd"), [(6, 18, True), (6, 1, False), (3, 18, False)])
    def test_the_time_of_day(self, days: int, hour: int, *, odd: bool) -> None:
        """The scene's host has no zone: one is given; the day begins at 03:30 UTC, 12:30 in Tokyo."""
        from dataclasses import replace

        from forensics.sessions import build
        from tests.sessions.factory import HOST

        scene = Tunnel()
        for day in range(1, days + 1):
            scene.boot(-day * 86400 - 3 * 3600)
            scene.add("system.log_stopped", -day * 86400 + 5 * 3600)
        scene.process(hour * 3600, CODE, LINE, pid="7")
        host = replace(HOST, timezone="Tokyo Standard Time", bias_minutes=-540)
        (session,) = build(scene.events, host, "case").tunnel_sessions
        assert any(reason.startswith("TUN-15") for reason in session.reasons) is odd
        assert any("not judged" in reason for reason in session.reasons) is (days < 5)


class TestNotKnown:
    def coverage(self, state: str) -> list[str]:
        scene = Tunnel()
        scene.process(0, CODE, LINE, pid="7")
        names = ("tunnel_log", "remoteagent_log", "tunnel_server_log")
        (session,) = scene.build([looked(name, state) for name in names]).tunnel_sessions
        assert session.clients == ()
        return [reason for reason in session.reasons if "client" in reason and "log" in reason]

    def test_sources_that_were_not_collected(self) -> None:
        text = "\n".join(self.coverage("not_collected"))
        assert "whether clients connected is not known" in text
        assert "the CLI's log: not collected" in text

    def test_sources_that_could_not_be_read(self) -> None:
        assert "the CLI's log: could not be read" in "\n".join(self.coverage("unreadable"))

    def test_the_log_was_read(self) -> None:
        scene = Tunnel()
        scene.line("host_started", 0, command_line=RUN)
        assert "no remote connection is recorded in the logs at hand" in reasons(scene)
        assert LOG.endswith("tunnel-service.log")
        assert COMMIT not in reasons(scene)
        assert PROFILE
