"""Where a tunnel's state was on the host, of files that were collected without their folders; what starts it."""

from __future__ import annotations

import pytest

from forensics.model import TunnelSession
from forensics.sessions.tunnel_call import data_dir_of, is_on_host, on_host
from tests.sessions.tunnels import CODE, MTIME, Tunnel, only

ODD = "C:\\ProgramData\\Intel\\d"
TASK = f"C:\\ProgramData\\Intel\\igfxsvc.exe tunnel --accept-server-license-terms --name igfx --cli-data-dir {ODD}"


def text(session: TunnelSession) -> str:
    return "\n".join(session.reasons)


class Loose(Tunnel):
    def registered(self, place: str = "loose:") -> None:
        folder = place.replace("\\", "/")
        self.file(
            "tunnel.identity", f"{folder}/code_tunnel.json", {MTIME: 5}, data_dir=place, tunnel_name="igfx",
            tunnel_id="n5rj8v6g", tunnel_unregistered=False,
        )  # fmt: skip

    def task(self, trigger: str = "LogonTrigger Enabled=true") -> None:
        self.file(
            "task.defined", "C:/Windows/System32/Tasks/Intel/Telemetry", {MTIME: 1}, task_name="\\Intel\\Telemetry",
            command_line=TASK, task_trigger=trigger, task_run_as="S-1-5-18",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("loose:/C/Users/x/.vscode/cli/a.log", "C:\\Users\\x\\.vscode\\cli"),
        ("C:/Users/x/.vscode/cli/a.log", "C:\\Users\\x\\.vscode\\cli"),
    ],
)
def test_a_drives_tree_among_loose_files_is_the_hosts(path: str, place: str) -> None:
    assert data_dir_of(path) == (place, "vscode")


def test_a_file_without_its_folders_lies_nowhere() -> None:
    assert not is_on_host("loose:")
    assert is_on_host(on_host("loose:\\c\\Users"))
    assert on_host("loose:\\c\\Users") == "C:\\Users"


def test_the_collections_folder_is_no_choice_of_the_intruder() -> None:
    scene = Loose()
    scene.registered()
    session = only(scene)
    assert session.data_dir is None
    assert "TUN-11" not in text(session)


def test_a_log_beside_it_tells_where_they_lay() -> None:
    scene = Loose()
    scene.registered()
    scene.file(
        "tunnel.host_started", "loose:/tunnel-service.log", {MTIME: 6}, "line 1", data_dir="loose:",
        command_line=f"code {TASK}",
    )  # fmt: skip
    session = only(scene)
    assert (session.data_dir, session.tunnel_id) == (ODD, "n5rj8v6g")
    assert "TUN-11 (+10)" in text(session), "that folder was chosen"


def test_the_name_on_a_command_line_joins_them() -> None:
    scene = Loose()
    scene.registered()
    scene.task()
    session = only(scene)
    assert (session.data_dir, session.tunnel_id) == (ODD, "n5rj8v6g")


class TestStarts:
    @pytest.mark.parametrize(
        ("trigger", "words"),
        [
            ("LogonTrigger Enabled=true", "by a scheduled task, at logon"),
            (
                "TimeTrigger Interval=PT4H StartBoundary=2025-02-03T10:10:00 Enabled=true",
                "at a time, every PT4H, from 2025-02-03T10:10:00 (local time of the host)",
            ),
            ("TimeTrigger StartBoundary=2025-02-03T10:10:00Z", "at a time, from 2025-02-03T10:10:00Z ["),
            ("BootTrigger Enabled=false", "at boot, switched off"),
        ],
    )
    def test_a_task_is_told_by_its_trigger(self, trigger: str, words: str) -> None:
        scene = Loose()
        scene.task(trigger)
        (reason,) = [item for item in only(scene).reasons if item.startswith("TUN-02")]
        assert words in reason

    def test_a_run_as_a_service_without_its_entry(self) -> None:
        scene = Tunnel()
        scene.process(0, CODE, f"{CODE} tunnel service internal-run", pid="7000")
        assert "TUN-02 (+10): starts by itself: as what its Run value" in text(only(scene))

    def test_a_start_by_hand_is_none(self) -> None:
        scene = Tunnel()
        scene.process(0, CODE, f"{CODE} tunnel", pid="7000")
        assert "TUN-02" not in text(only(scene))
