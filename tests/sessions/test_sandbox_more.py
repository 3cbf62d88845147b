"""Lesser witnesses of a session: disks let go, adapters in the registry, PowerShell's records, Defender's log."""

from __future__ import annotations

import pytest

from forensics.model import SandboxSession, Value
from forensics.sessions.sandbox_calls import verb_of
from tests.sessions.factory import DEV, VM, Scene, at

_DISK = f"C:\\ProgramData\\Microsoft\\Windows\\Containers\\Sandboxes\\{VM}\\sandbox.vhdx"
_ID = "7E51C8D3-2F4B-4A09-B6E7-90D3A1F582C4"


def _only(scene: Scene) -> SandboxSession:
    (session,) = scene.build().sandbox_sessions
    return session


def _told(session: SandboxSession, start: str) -> str:
    (found,) = [text for text in session.reasons if text.startswith(start)]
    return found


class TestADiskLetGo:
    def scene(self) -> Scene:
        scene = Scene()
        scene.process(0, "WindowsSandbox.exe", pid="9")
        scene.add("compute.started", 2, vm_id=VM, result_code="0x0")
        scene.add("vm.disk_opened", 1.5, vm_id=VM, disk_path=_DISK, disk_handle="0xffff01")
        return scene

    @pytest.mark.parametrize(
        ("kind", "fields"),
        [
            ("vm.disk_closed", {"disk_path": _DISK, "vm_id": VM}),
            ("vm.disk_detached", {"disk_path": _DISK}),
            ("file.deleted", {"file_path": _DISK}),
            ("vm.disk_traced", {"disk_handle": "0xffff01", "event_identifier": 14}),
        ],
    )
    def test_ends_a_session_that_nothing_else_ends(self, kind: str, fields: dict[str, Value]) -> None:
        scene = self.scene()
        row = scene.add(kind, 700, **fields)
        session = _only(scene)
        assert (session.end, session.end_kind, session.end_earliest) == (at(700), "stopped", None)
        assert "inference" in _told(session, "end ")
        assert row.id in session.events

    def test_is_no_end_beside_a_stop(self) -> None:
        scene = self.scene()
        scene.add("compute.terminated", 600, vm_id=VM, result_code="0x0")
        scene.add("vm.disk_closed", 700, vm_id=VM, disk_path=_DISK)
        assert _only(scene).end == at(600)

    def test_as_it_is_made_is_no_end(self) -> None:
        scene = self.scene()
        scene.add("vm.disk_closed", 1.9, vm_id=VM, disk_path=_DISK)
        scene.add("vm.disk_closed", 20, vm_id=VM, disk_path=_DISK)
        assert _only(scene).end is None

    def test_of_a_number_that_another_disk_was_given_is_none(self) -> None:
        scene = self.scene()
        scene.add("vm.disk_opened", 300, disk_path="D:\\other.vhdx", disk_handle="0xffff01")
        scene.add("vm.disk_traced", 700, disk_handle="0xffff01", event_identifier=14)
        assert _only(scene).end is None


def test_an_adapter_that_is_still_registered_says_networked() -> None:
    scene = Scene()
    scene.process(0, "WindowsSandbox.exe", "")
    scene.vm(2, 600)
    scene.file(
        "vm.nic_registered", "C:/Windows/System32/config/SYSTEM", {}, "NicList", vm_id=VM, nic_name=f"{VM}--{_ID}"
    )
    session = _only(scene)
    assert session.networked is True
    assert scene.undated[0].kind == "vm.nic_registered"
    assert "from memory" in _told(session, "networked: a network adapter of this machine is registered")


class TestPowershellCommands:
    def test_a_call_that_was_carried_out_is_a_session_with_its_configuration(self) -> None:
        scene = Scene()
        line = f"wsb start --id {_ID} -c '<Networking>Disable</Networking>'"
        scene.add("powershell.command", 0, script_text=line, user_sid=DEV)
        session = _only(scene)
        assert (session.launch.method, session.launch.user, session.launch.command_line) == ("cli", "田中", line)
        assert session.config is not None
        assert session.config.networking is False
        assert session.certainty == "probable"

    def test_the_script_block_of_the_same_call_is_no_second_call(self) -> None:
        scene = Scene()
        line = f"wsb start --id {_ID}"
        scene.add("powershell.script_block", 0, script_text=line, user_sid=DEV)
        scene.add("powershell.command", 0.5, script_text=line, user_sid=DEV)
        assert [call.verb for call in _only(scene).cli_calls] == ["start"]


def test_a_line_of_defenders_log_is_no_start_and_no_end() -> None:
    scene = Scene()
    scene.add("antivirus.process_seen", 0, executable_name="WindowsSandboxClient.exe", pid="9")
    session = _only(scene)
    assert (session.start, session.start_latest, session.end_earliest) == (None, at(0), None)
    assert session.certainty == "probable"
    assert "Defender's log" in _told(session, "start unknown")


def test_a_configuration_in_the_recycle_bin_is_joined_by_the_place_it_had() -> None:
    scene = Scene()
    place = "C:\\Users\\田中\\lab.wsb"
    scene.process(0, "WindowsSandbox.exe", f'WindowsSandbox.exe "{place}"')
    bin_ = f"C:/$Recycle.Bin/{DEV}/"
    scene.file("file.recycled", f"{bin_}$IA1B2C3.wsb", {"Deletion Time": 900.0}, file_path=place)
    config: dict[str, Value] = {"wsb_networking": False, "wsb_mapped_folders": (), "wsb_defaults": ()}
    scene.file("sandbox.config", f"{bin_}$RA1B2C3.wsb", {"Creation Time": -900.0}, **config)
    session = _only(scene)
    assert session.config is not None
    assert session.config.source == f"{bin_}$RA1B2C3.wsb"
    assert "lies in the recycle bin now" in _told(session, f"configuration joined by its path {place}")
    assert "moved to the recycle bin by 田中" in _told(session, "its configuration")


@pytest.mark.parametrize(
    ("line", "verb"),
    [
        ("$x=wsb start", "start"),
        ("`wsb stop", "stop"),
        (f'"wsb" --id {_ID} exec -r System', "exec"),
        (f"wsb.exe --raw --id={_ID} connect", "connect"),
        ("& 'C:\\p\\wsb.exe' `\r\n  share -f C:\\x", "share"),
        ("newsb start", None),
        ("wsb.exe.config start", None),
    ],
)
def test_calls_are_read_as_they_are_written(line: str, verb: str | None) -> None:
    assert verb_of(line) == verb


def test_an_unknown_window_says_why() -> None:
    scene = Scene()
    scene.vm(0, 600)
    session = _only(scene)
    assert session.headless is None
    assert _told(session, "whether it had a window that a person saw is not known")
