"""Machines that ran and are no sandbox are named with the cause, and findings have times."""

from __future__ import annotations

from forensics.model import Finding
from tests.sessions.factory import VM, VM2, VM3, Scene, at


def _others(scene: Scene) -> list[Finding]:
    return [item for item in scene.build().findings if item.rule == "machine.other"]


def test_a_sandbox_is_no_other_machine() -> None:
    scene = Scene()
    scene.vm(0, 600)
    assert len(scene.build().sandbox_sessions) == 1
    assert _others(scene) == []


def test_each_cause_is_one_finding() -> None:
    scene = Scene()
    for start, ident in ((0, VM), (4000, VM), (9000, VM2)):
        name = "WSL" if ident == VM else "DC01"
        scene.add("compute.created", start, vm_id=ident, vm_name=name, result_code="0x0")
        scene.add("vm.started", start + 1, vm_id=ident, vm_name=name)
        scene.add("vm.turned_off", start + 600, vm_id=ident, vm_name=name)
    wsl, dc = _others(scene)
    told = "a machine that is no sandbox: its name or owner is DC01, while a Sandbox's is WindowsSandbox or Madrid; it "
    assert dc.why.startswith(told + "started: ")
    assert (dc.vm_id, dc.first, dc.last) == (VM2, at(9000), at(9600))
    assert "its name or owner is WSL, while a Sandbox's is WindowsSandbox or Madrid; it started 2 times: " in wsl.why
    assert (wsl.first, wsl.last) == (at(0), at(4600))


def test_application_guard_and_templates_say_what_they_are() -> None:
    scene = Scene()
    scene.process(-2, "hvsimgr.exe")
    scene.vm(0, 600)
    place = "C:\\ProgramData\\Microsoft\\Windows\\Containers\\Snapshots\\x\\SystemTemplate.vhdx"
    scene.add("compute.created", 5000, vm_id=VM2, result_code="0x0")
    scene.add("vm.disk_opened", 5001, vm_id=VM2, disk_path=place)
    scene.add("compute.created", 9000, vm_id="4f" * 32, result_code="0x0")
    causes = " ".join(item.why for item in _others(scene))
    assert "programs of Application Guard" in causes
    assert "its disk is a template" in causes
    assert "its id is that of a container" in causes


def test_a_machine_that_nothing_attributes_has_times_network_and_id() -> None:
    scene = Scene()
    scene.vm(0, 600, VM3, disk=False, nic=True)
    (found,) = scene.build().findings
    assert found.rule == "sandbox.unattributed_vm"
    assert (found.vm_id, found.networked, found.first, found.last) == (VM3, True, at(0), at(600.5))
    quiet = Scene()
    quiet.vm(0, 600, VM3, disk=False)
    assert quiet.build().findings[0].networked is None
