"""What stands around a tunnel: its program's way to the host, the login, what steers it, remembered runs."""

from __future__ import annotations

import pytest

from forensics.model import TunnelSession
from tests.sessions.factory import SYSTEM, at
from tests.sessions.tunnels import CLI, CODE, COMMIT, MTIME, PROFILE, RUN, SERVER, Tunnel, only

EXTRACTED = f"{PROFILE}\\Downloads\\cli\\code.exe"
ZIP = f"{PROFILE}\\Downloads\\vscode_cli_win32_x64_cli.zip"
URL = f"https://vscode.download.prss.microsoft.com/dbazure/download/stable/{COMMIT}/vscode_cli_win32_x64_cli.zip"
HISTORY = f"{PROFILE}/AppData/Local/Microsoft/Edge/User Data/Default/History".replace("\\", "/")
DESKTOP = f"{PROFILE}\\AppData\\Local\\Programs\\Microsoft VS Code"
DEV = "C:\\Users\\Public\\devtunnel.exe"
SHELL = f'powershell.exe -noexit -command "try {{ . \\"{SERVER}\\out\\shellIntegration.ps1\\" }} catch {{}}"'


def hosted(line: str = RUN, executable: str = CODE) -> Tunnel:
    scene = Tunnel()
    scene.identity(5)
    scene.process(0, executable, line, pid="0x10")
    return scene


def visit(scene: Tunnel, seconds: float, url: str, **fields: str) -> None:
    scene.file("browser.visited", HISTORY, {"Last Visited Time": seconds}, f"visit {url} {seconds}",
               url=url, profile_user=fields.pop("profile_user", "田中"), **fields)  # fmt: skip


def text(session: TunnelSession) -> str:
    return "\n".join(session.reasons)


class TestHowItCame:
    def test_download_mark_and_inventory(self) -> None:
        scene = hosted(f"{EXTRACTED} tunnel --accept-server-license-terms", EXTRACTED)
        (got,) = scene.file("browser.downloaded", HISTORY, {"Start Time": -600}, "download 1",
                            url=URL, file_path=ZIP, profile_user="田中")  # fmt: skip
        mark = f"{EXTRACTED}:Zone.Identifier".replace("\\", "/")
        (marked,) = scene.file("file.mark_of_the_web", mark, {"Creation Time": -500},
                               file_path=EXTRACTED, referrer_url=ZIP, profile_user="田中")  # fmt: skip
        listed = scene.add("amcache.file", -400, path="C:/Windows/AppCompat/Programs/Amcache.hve",
                           executable=EXTRACTED, file_sha1="ab" * 20)  # fmt: skip
        session = only(scene)
        assert f"its program was downloaded by a browser at 2024-12-02 03:20:00.000 UTC: {URL} to {ZIP}" in text(
            session
        )
        assert "its program was marked as come from the web" in text(session)
        assert f"SHA-1 {'ab' * 20}" in text(session)
        assert {got.id, marked.id, listed.id} <= set(session.events)

    def test_bits_and_commands(self) -> None:
        scene = hosted()
        scene.add("bits.transfer", -300, url=URL)
        scene.process(-200, "curl.exe", f"curl -o c.zip {URL}", pid="0x9")
        session = only(scene)
        assert "its program was fetched by BITS" in text(session)
        assert "its program was fetched by a command" in text(session)

    @pytest.mark.parametrize(
        ("seconds", "profile", "url"),
        [(600, "田中", URL), (-600, "佐藤", URL), (-600, "田中", "https://a.example/b.zip")],
    )
    def test_what_did_not_bring_it(self, seconds: float, profile: str, url: str) -> None:
        scene = hosted()
        path = f"C:\\Users\\{profile}\\Downloads\\a.zip"
        scene.file("browser.downloaded", HISTORY, {"Start Time": seconds}, "download 1",
                   url=url, file_path=path, profile_user=profile)  # fmt: skip
        assert "its program was" not in text(only(scene))

    def test_a_devtunnel_is_not_brought_by_the_other_program(self) -> None:
        scene = Tunnel()
        scene.process(0, DEV, f"{DEV} host -p 80", pid="7")
        scene.add("bits.transfer", -300, url=URL)
        assert "its program was" not in text(only(scene))
        scene.add("bits.transfer", -200, url="https://aka.ms/TunnelsCliDownload/win-x64")
        assert "its program was fetched by BITS" in text(only(scene))

    def test_an_installed_program_is_named(self) -> None:
        program = f"{DESKTOP}\\bin\\code-tunnel.exe"
        scene = hosted(f"{program} tunnel --accept-server-license-terms", program)
        for folder, name in ((DESKTOP, "Microsoft Visual Studio Code (User)"), ("C:\\Other", "Other")):
            scene.add("software.installed", -9000, path="C:/Users/田中/NTUSER.DAT", install_folder=folder,
                      product_name=name, product_version="1.95.3")  # fmt: skip
        assert "part of an installed program: Microsoft Visual Studio Code (User) 1.95.3" in text(only(scene))
        assert "Other" not in text(only(scene))


class TestLogin:
    def test_the_page_of_the_login_tells_the_provider(self) -> None:
        scene = hosted()
        visit(scene, 60, "https://github.com/login/device?user_code=ABCD-1234")
        session = only(scene)
        assert session.provider == "github"
        assert "a device login was opened in a browser of this host at 2024-12-02 03:31:00.000 UTC" in text(session)

    @pytest.mark.parametrize(
        ("seconds", "fields"),
        [
            (-9000, {}),
            (60, {"profile_user": "佐藤"}),
            (60, {"visit_origin": "synchronised from another device"}),
        ],
    )
    def test_another_login(self, seconds: float, fields: dict[str, str]) -> None:
        scene = hosted()
        visit(scene, seconds, "https://github.com/login/device", **fields)
        session = only(scene)
        assert session.provider is None
        assert "device login" not in text(session)

    def test_the_log_counts_more_than_a_page(self) -> None:
        scene = hosted()
        scene.line("login", 10, provider_name="microsoft")
        visit(scene, 60, "https://github.com/login/device")
        assert only(scene).provider == "microsoft"

    def test_the_stored_credential(self) -> None:
        scene = hosted()
        asked = scene.add("credential.read", 3, credential_target="vscode-cli-0.vscode-cli", user_name="田中",
                          user_sid="S-1-5-21-1-2-3-1001", pid="16", credentials_returned=1)  # fmt: skip
        scene.add("credential.read", 4, credential_target="vscode-cli-0.vscode-cli", user_name="SYSTEM",
                  user_sid=SYSTEM, pid="99")  # fmt: skip
        session = only(scene)
        assert "asked for in Credential Manager by 田中, 1 time, by the process that hosted; one was stored" in text(
            session
        )
        assert asked.id in session.events

    def test_its_own_page(self) -> None:
        scene = hosted()
        visit(scene, 9000, "https://vscode.dev/tunnel/print-svc-07/C:/Users", profile_user="佐藤")
        visit(scene, 9001, "https://vscode.dev/tunnel/print-svc-071")
        own, other = (event.id for event in scene.events[-2:])
        session = only(scene)
        (reason,) = [item for item in session.reasons if "own page" in item]
        assert own in reason
        assert own in session.events
        assert other not in session.events

    def test_its_own_page_elsewhere(self) -> None:
        scene = hosted()
        visit(scene, 9000, "https://vscode.dev/tunnel/print-svc-07", visit_origin="synchronised from another device")
        assert "on another device" in text(only(scene))


class TestWhatSteersIt:
    def test_variables(self) -> None:
        scene = hosted()
        hive = "C:/Users/田中/NTUSER.DAT"
        for name, value in (("VSCODE_CLI_DATA_DIR", "C:\\Elsewhere"), ("VSCODE_CLI_USE_FILE_KEYCHAIN", "1")):
            scene.file("tunnel.environment_set", hive, {MTIME: -50}, name, variable_name=name, variable_value=value,
                       environment_of="user", user_name="田中")  # fmt: skip
        scene.file("tunnel.environment_set", "C:/Users/佐藤/NTUSER.DAT", {MTIME: -50}, "x",
                   variable_name="VSCODE_CLI_ACCESS_TOKEN", environment_of="user", user_name="佐藤")  # fmt: skip
        session = only(scene)
        assert "VSCODE_CLI_USE_FILE_KEYCHAIN = 1 of the user 田中" in text(session)
        assert "VSCODE_CLI_DATA_DIR" not in text(session)
        assert "ACCESS_TOKEN" not in text(session)

    def test_its_own_folder(self) -> None:
        scene = hosted()
        scene.file("tunnel.environment_set", "C:/Windows/System32/config/SYSTEM", {MTIME: -50}, "x",
                   variable_name="VSCODE_CLI_DATA_DIR", variable_value=CLI, environment_of="machine")  # fmt: skip
        assert f"VSCODE_CLI_DATA_DIR = {CLI} of the machine" in text(only(scene))

    @pytest.mark.parametrize("by", ["option", "user", "machine", None])
    def test_a_server_folder_of_any_name(self, by: str | None) -> None:
        """Its logs lie in no profile: they are the tunnel's only where something names the folder."""
        scene = hosted(RUN + (" --server-data-dir C:\\agent" if by == "option" else ""))
        if by in ("user", "machine"):
            hive = "C:/Users/田中/NTUSER.DAT" if by == "user" else "C:/Windows/System32/config/SYSTEM"
            scene.file("tunnel.environment_set", hive, {MTIME: -50}, "x", environment_of=by,
                       variable_name="VSCODE_AGENT_FOLDER", variable_value="C:\\Agent")  # fmt: skip
        for kind, second in (("opened", 60), ("closed", 90)):
            scene.file(f"server.window_{kind}", "C:/agent/data/logs/20241202T123000/remoteagent.log",
                       {"Creation Time": second}, f"line {second}", connection_id="aaaaaaaa",
                       server_data_dir="C:\\agent")  # fmt: skip
        assert [(client.start, client.end) for client in only(scene).clients] == ([(at(60), at(90))] if by else [])

    def test_policies(self) -> None:
        scene = hosted()
        scene.file("tunnel.policy_set", "C:/Windows/System32/config/SOFTWARE", {MTIME: -50}, "x",
                   policy_name="DisableAnonymous", policy_program="dev tunnels", value_data="1")  # fmt: skip
        assert "policies about tunnels stand in the registry" in text(only(scene))


class TestRemembered:
    def test_runs_are_a_kind_of_evidence_of_their_own(self) -> None:
        scene = Tunnel()
        scene.process(0, CODE, f"{CODE} tunnel --accept-server-license-terms", pid="0x10")
        assert only(scene).certainty == "probable"
        scene.remembered("bam.run", 900, CODE, user_sid="S-1-5-21-1-2-3-1001")
        session = only(scene)
        assert session.certainty == "confirmed"
        assert "that it ran, not what it was told to do" in text(session)

    @pytest.mark.parametrize("path", [f"{DESKTOP}\\Code.exe", f"{DESKTOP}\\bin\\code-tunnel.exe"])
    def test_the_desktop_program_is_none(self, path: str) -> None:
        scene = Tunnel()
        scene.process(0, CODE, f"{CODE} tunnel --accept-server-license-terms", pid="0x10")
        scene.remembered("userassist.run", 900, path, profile_user="田中")
        assert only(scene).certainty == "probable"

    def test_a_copy_by_its_place_and_a_renamed_one_by_its_role(self) -> None:
        scene = Tunnel()
        scene.identity(0)
        copy = scene.remembered("userassist.run", 900, EXTRACTED, profile_user="田中")
        role = scene.remembered(
            "prefetch.run", 950, "SVC.EXE", executable=f"{PROFILE}\\svc.exe", program_role="tunnel CLI"
        )
        other = scene.remembered(
            "prefetch.run", 960, "S2.EXE", executable="C:\\Users\\佐藤\\s.exe", program_role="tunnel CLI"
        )
        events = set(only(scene).events)
        assert {copy.id, role.id} <= events
        assert other.id not in events

    def test_a_desktops_tunnel_program_alone_is_no_session(self) -> None:
        scene = Tunnel()
        scene.remembered("prefetch.run", 0, "CODE-TUNNEL.EXE", program_role="tunnel CLI")
        assert scene.build().tunnel_sessions == ()

    def test_prefetch_alone_shows_one_by_the_files_that_were_read(self) -> None:
        """All else was wiped: the program is known by the file of the tunnel among those that it read."""
        scene = Tunnel()
        names = ("\\WINDOWS\\SYSTEM32\\NTDLL.DLL", "\\VOLUME{01d9}\\USERS\\田中\\.VSCODE\\CLI\\CODE_TUNNEL.JSON")
        run = scene.remembered("prefetch.run", 0, "SVC.EXE", program_role="tunnel CLI", file_names=names)
        session = only(scene)
        assert (session.profile_user, session.certainty, session.data_dir) == ("田中", "probable", None)
        assert run.id in session.events

    def test_an_editor_that_read_the_same_file_is_none(self) -> None:
        scene = Tunnel()
        names = ("\\USERS\\田中\\.VSCODE\\CLI\\CODE_TUNNEL.JSON",)
        scene.remembered("prefetch.run", 0, "NOTEPAD.EXE", file_names=names)
        assert scene.build().tunnel_sessions == ()


class TestTraffic:
    def test_the_program_is_known_by_the_log_alone(self) -> None:
        """Without process auditing the log's first line names it, behind the product's name."""
        scene = Tunnel()
        scene.identity(0)
        scene.line("host_started", 0, command_line=f"code {RUN}")
        for program, number in ((CODE, 700), (f"{DESKTOP}\\Code.exe", 9)):
            scene.add("srum.network_usage", 1800, path="C:/Windows/System32/sru/SRUDB.dat", bytes_sent=number,
                      executable=program.replace("C:", "\\Device\\HarddiskVolume3"), bytes_received=1)  # fmt: skip
        assert only(scene).bytes_sent == 700


class TestTerminals:
    def test_opened_and_closed(self) -> None:
        scene = hosted()
        scene.add("powershell.started", 100, host_application=SHELL, powershell_host_id="a")
        scene.add("powershell.stopped", 160, host_application=SHELL, powershell_host_id="a")
        session = only(scene)
        assert "a terminal opened at 2024-12-02 03:31:40.000 UTC was closed at 2024-12-02 03:32:40.000 UTC" in text(
            session
        )
        assert [(item.time, item.source) for item in session.commands] == [(at(100), "powershell.started")]

    def test_where_the_start_is_overwritten(self) -> None:
        scene = hosted()
        for second in (100, 101):
            scene.add("powershell.provider_started", second, host_application=SHELL, powershell_host_id="a")
        scene.add("powershell.stopped", 160, host_application=SHELL, powershell_host_id="a")
        scene.add("powershell.stopped", 170, host_application=SHELL, powershell_host_id="b")
        session = only(scene)
        assert [(item.time, item.source) for item in session.commands] == [(at(100), "powershell.provider_started")]
        assert text(session).count("a terminal opened") == 1

    def test_an_end_alone_shows_the_tunnel(self) -> None:
        scene = Tunnel()
        scene.add("powershell.stopped", 160, host_application=SHELL, powershell_host_id="b")
        assert only(scene).data_dir == CLI


class TestTasks:
    PROGRAM = "C:\\ProgramData\\code.exe"

    def defined(self) -> Tunnel:
        scene = Tunnel()
        line = f"{self.PROGRAM} tunnel --accept-server-license-terms --cli-data-dir C:\\ProgramData\\x"
        scene.file("task.defined", "C:/Windows/System32/Tasks/Upd", {"Creation Time": -900}, task_name="\\Upd",
                   command_line=line, task_run_as="S-1-5-18")  # fmt: skip
        return scene

    def test_runs_without_process_auditing(self) -> None:
        scene = self.defined()
        for start, number, end in ((0, "100", 500), (4000, "200", None)):
            scene.add("task.process_created", start, task_name="Upd", executable=self.PROGRAM, pid=number)
            if end:
                scene.add("task.action_completed", end, task_name="\\Upd", executable=self.PROGRAM, result_code="0")
        periods = [(item.start, item.end, item.pid) for item in only(scene).hosting]
        assert periods == [(at(0), at(500), 100), (at(4000), None, 200)]

    def test_the_end_of_a_later_run_is_not_that_of_an_earlier(self) -> None:
        scene = self.defined()
        for start, number in ((0, "100"), (4000, "200")):
            scene.add("task.process_created", start, task_name="Upd", executable=self.PROGRAM, pid=number)
        scene.add("task.action_completed", 5000, task_name="Upd", executable=self.PROGRAM, result_code="0")
        periods = [(item.start, item.end) for item in only(scene).hosting]
        assert periods == [(at(0), None), (at(4000), at(5000))]

    def test_with_process_auditing_both_are_one(self) -> None:
        scene = self.defined()
        scene.process(0, self.PROGRAM, f"{self.PROGRAM} tunnel --cli-data-dir C:\\ProgramData\\x", pid="0x64")
        scene.add("task.process_created", 0.4, task_name="Upd", executable=self.PROGRAM, pid="100")
        (period,) = only(scene).hosting
        assert (period.start, period.pid) == (at(0), 100)
        assert period.command_line

    def test_another_task_or_program(self) -> None:
        scene = self.defined()
        scene.add("task.process_created", 0, task_name="Other", executable=self.PROGRAM, pid="1")
        scene.add("task.process_created", 0, task_name="Upd", executable="C:\\Windows\\System32\\cmd.exe", pid="2")
        assert only(scene).hosting == ()
