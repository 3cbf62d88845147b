"""What a session says of what is not there: nothing found, not collected and could not be read are three things."""

from __future__ import annotations

import pytest

from forensics.model import Coverage, SandboxSession
from tests.sessions.factory import SYSTEM32, VM, VM2, VM3, Scene, at, looked

ON = {"wsb_networking": True, "wsb_defaults": ("Networking",)}
OFF = {"wsb_networking": False, "wsb_defaults": ()}


def only(scene: Scene, *coverage: Coverage) -> SandboxSession:
    (session,) = scene.build(coverage).sandbox_sessions
    return session


def told(session: SandboxSession, text: str) -> str:
    return next((reason for reason in session.reasons if text in reason), "")


def launched(fields: dict[str, object]) -> Scene:
    """A sandbox of a configuration, with its machine's logs and no adapter."""
    scene = Scene()
    path = "C:\\Users\\田中\\lab.wsb"
    scene.file("sandbox.config", path.replace("\\", "/"), {"Creation Time": -500}, **fields)  # type: ignore[arg-type]
    scene.process(0, "WindowsSandbox.exe", f'"{SYSTEM32}WindowsSandbox.exe" "{path}"')
    scene.vm(2, 600)
    return scene


class TestAdapter:
    @pytest.mark.parametrize(
        ("coverage", "said"),
        [
            (looked("event_vmswitch", "not_collected"), "not collected"),
            (looked("event_vmswitch", "unreadable"), "could not be read"),
            (looked("event_vmswitch", "complete", (-900, 900)), "nothing found at"),
            (looked("event_vmswitch", "partial", (-900, 900)), "nothing found, of what could be read"),
            (looked("event_vmswitch", "complete", (700, 900)), "collected, from 2024-12-02 03:41:40.000 UTC to"),
            (looked("event_vmswitch", "nothing_found", None), "collected, without a record"),
        ],
    )  # fmt: skip
    def test_its_absence_in_the_right_words(self, coverage: Coverage, said: str) -> None:
        session = only(launched(ON), coverage)
        assert session.networked is True
        reason = told(session, "networked: by its configuration (inference")
        assert f"the logs of virtual switches: {said}" in reason
        assert "no adapter event" not in reason

    @pytest.mark.parametrize(
        ("fields", "span", "conflict"), [(ON, (-900, 900), True), (ON, (700, 900), False), (OFF, (-900, 900), False)]
    )
    def test_a_covering_log_without_an_adapter_is_a_conflict(
        self, fields: dict[str, object], span: tuple[float, float], conflict: bool
    ) -> None:
        session = only(launched(fields), looked("event_vmswitch", "complete", span))
        assert bool(told(session, "conflict: the network was to be on")) is conflict

    def test_another_log_than_the_systems_is_no_conflict(self) -> None:
        coverage = looked(
            "event_vmswitch", "partial", (-900, 900), log="Microsoft-Windows-Hyper-V-VmSwitch-Operational"
        )
        assert not told(only(launched(ON), coverage), "conflict")

    def test_the_default_as_well(self) -> None:
        scene = Scene()
        scene.process(0, "WindowsSandbox.exe")
        scene.vm(2, 600)
        assert told(only(scene, looked("event_vmswitch", "complete", (-9, 900))), "conflict: the network was to be on")

    def test_an_adapter_against_the_configuration(self) -> None:
        scene = launched(OFF)
        row = scene.add("vm.nic_connected", 3, vm_id=VM, nic_name=f"{VM}--{VM3}", switch_name="Default Switch")
        session = only(scene)
        assert session.networked is True
        assert row.id in told(session, "conflict: its configuration disables the network")

    def test_an_adapter_of_a_machine_that_may_be_its(self) -> None:
        scene = Scene()
        scene.process(0, "WindowsSandbox.exe")
        row = scene.add("vm.nic_connected", 200, vm_id=VM2, nic_name=f"{VM2}--{VM3}", switch_name="WSL")
        assert row.id not in "".join(only(scene).reasons)
        scene.add("vm.nic_connected", 60, vm_id=VM2, nic_name=f"{VM2}--{VM3}", switch_name="WSL")
        session = only(scene, looked("event_vmswitch", "complete", (-900, 900)))
        assert "perhaps its own" in told(session, "networked: by default")
        assert not told(session, "conflict")

    def test_no_configuration(self) -> None:
        scene = Scene()
        scene.vm(0, 600)
        session = only(scene, looked("event_vmswitch", "not_collected"))
        assert session.networked is None
        assert "the logs of virtual switches: not collected" in told(session, "whether it was networked is not known")


class TestUnknown:
    def test_launch_account_configuration_and_end(self) -> None:
        scene = Scene()
        scene.disk(0, None, "Sandboxes")
        session = only(
            scene,
            looked("event_process_audit", "complete", (-900, 900)),
            looked("event_sysmon", "not_collected"),
            looked("userassist", "unreadable"),
            looked("wsb_files", "not_collected"),
            looked("usn_journal", "complete"),
            looked("event_system_power", "not_collected"),
        )
        launch = told(session, "how it was started is not known")
        assert "the Security log: nothing found; process starts of Sysmon: not collected" in launch
        assert "UserAssist: could not be read" in told(session, "whose it was is not known")
        assert ".wsb files: not collected" in told(session, "its configuration is not known")
        assert "System log: not collected" in told(session, "end unknown")

    def test_nothing_is_claimed_where_it_is_not_known_how_far_one_looked(self) -> None:
        scene = Scene()
        scene.disk(0, None, "Sandboxes")
        text = "".join(only(scene).reasons)
        assert "whose it was is not known" in text
        assert "nothing found" not in text
        assert "not collected" not in text

    def test_a_known_launch_has_none_of_these(self) -> None:
        session = only(launched(ON))
        assert not told(session, "not known")

    def test_a_launch_without_a_file(self) -> None:
        scene = Scene()
        row = scene.process(0, "WindowsSandbox.exe")
        session = only(scene)
        assert session.launch.method == "hand"
        assert row.id in told(session, "by hand, without a file: explorer.exe is its parent")
        assert not told(session, "no start of its launcher")

    def test_a_launch_without_its_machine(self) -> None:
        scene = Scene()
        scene.remembered("prefetch.run", 0, "WINDOWSSANDBOX.EXE")
        session = only(scene, looked("event_compute", "not_collected"), looked("event_vhdmp", "complete", (-9, 9)))
        reason = told(session, "no trace of a virtual machine")
        assert "the Hyper-V compute log: not collected; the virtual disk log: nothing found" in reason
        assert session.start == at(0)


class TestEveryReasonNamesItsRows:
    def told(self, scene: Scene) -> list[str]:
        """The reasons without rows that say something is there."""
        (session,) = scene.build().sandbox_sessions
        negative = ("not known", "end unknown", "what was written", "no change of", "the reasons add up")
        return [text for text in session.reasons if "[" not in text and not any(part in text for part in negative)]

    def test_of_a_file(self) -> None:
        assert self.told(launched(OFF)) == []

    def test_of_a_file_that_is_lost(self) -> None:
        scene = Scene()
        scene.process(0, "WindowsSandbox.exe", f'"{SYSTEM32}WindowsSandbox.exe" "C:\\Users\\田中\\lab.wsb"')
        scene.vm(2, 600, nic=True)
        assert self.told(scene) == []

    def test_of_the_defaults(self) -> None:
        scene = Scene()
        scene.process(0, "WindowsSandbox.exe")
        assert self.told(scene) == []

    def test_of_system(self) -> None:
        scene = Scene()
        scene.process(0, "WindowsSandbox.exe", user_sid="S-1-5-18", user_name="SYSTEM")
        assert self.told(scene) == []

    def test_of_a_disk(self) -> None:
        scene = Scene()
        scene.disk(0, 600, "Sandboxes")
        assert self.told(scene) == []

    def test_of_a_machine_and_its_disk_by_time(self) -> None:
        scene = Scene()
        scene.vm(0, 600, disk=False)
        scene.disk(0, 600, "ContainerStorages", VM3)
        assert self.told(scene) == []
