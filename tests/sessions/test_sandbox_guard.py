"""Machines that may be Application Guard's: what tells them from the Sandbox's, and what is said where nothing does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from forensics.model import Value
from tests.sessions.factory import VM, Scene, at

_SYSTEM32 = "C:\\Windows\\System32\\"


def _table(scene: Scene, names: list[str], **more: Value) -> None:
    """A file table that has these programs in System32."""
    for number, name in enumerate(names):
        scene.file(
            "mft.entry", "C:/$MFT", {"Creation Time": -1e6}, f"MFT record {number}", file_name=name,
            file_path=_SYSTEM32 + name, file_rule="FS-04", file_deleted=False,
        )  # fmt: skip
    scene.file("mft.table", "C:/$MFT", {}, file_count=9, **more)


def test_a_host_without_application_guard_makes_its_machines_probable_and_no_more() -> None:
    """That its programs are not there now is one absence, and no proof of then."""
    scene = Scene()
    scene.vm(0, 600)
    _table(scene, ["WindowsSandbox.exe"])
    (session,) = scene.build().sandbox_sessions
    assert session.certainty == "probable"
    assert any("that it was no machine of Application Guard is inferred" in text for text in session.reasons)
    (why,) = [text for text in session.reasons if text.startswith("not Application Guard's")]
    assert "no program of Application Guard (inference" in why


def test_a_table_with_damage_excludes_nothing() -> None:
    scene = Scene()
    scene.vm(0, 600)
    _table(scene, ["WindowsSandbox.exe"], missing_parts=3)
    assert [item.certainty for item in scene.build().sandbox_sessions] == ["possible"]


def test_the_layout_from_24h2_has_no_application_guard() -> None:
    scene = Scene()
    scene.disk(0, 60, "ContainerStorages")
    (session,) = scene.build().sandbox_sessions
    assert session.certainty == "probable"
    assert any("layout from 24H2 on, which has none (from memory)" in text for text in session.reasons)
    scene.vm(0, 60, disk=False)
    (session,) = scene.build().sandbox_sessions
    assert session.certainty == "probable", "several logs of one machine, and memory that it is the Sandbox's"
    scene.add("vm.started", 0.6, vm_id=VM, vm_name="WindowsSandbox")
    (session,) = scene.build().sandbox_sessions
    assert session.certainty == "confirmed"
    assert any("named or owned as Windows Sandbox" in text for text in session.reasons)


@pytest.mark.parametrize("sign", ["file", "feature", "prefetch"])
def test_where_it_is_on_the_host_a_machine_alone_is_a_finding(sign: str) -> None:
    scene = Scene()
    scene.vm(0, 600)
    if sign == "file":
        _table(scene, ["WindowsSandbox.exe", "hvsimgr.exe"])
    elif sign == "feature":
        scene.add("feature.enabled", -1e6, update_name="Windows-Defender-ApplicationGuard")
    else:
        scene.add("prefetch.run", -9e4, executable_name="HVSIMGR.EXE")
    verdicts = scene.build()
    assert verdicts.sandbox_sessions == ()
    (finding,) = verdicts.findings
    assert (finding.rule, VM in finding.why) == ("sandbox.unattributed_vm", True)
    assert "it was Windows Sandbox or Application Guard" in finding.why
    assert finding.first is not None
    assert abs(finding.first - at(0)) < timedelta(minutes=1), "its programs are there for long, its machine is not"
    assert finding.last is not None
    assert abs(finding.last - at(600)) < timedelta(minutes=1)


def test_a_launch_makes_it_the_sandbox_although_application_guard_is_there() -> None:
    scene = Scene()
    scene.process(-1, "WindowsSandbox.exe", parent_executable="C:\\Windows\\explorer.exe")
    scene.vm(0, 600)
    _table(scene, ["WindowsSandbox.exe", "hvsimgr.exe"])
    assert [item.certainty for item in scene.build().sandbox_sessions] == ["confirmed"]


def test_a_configuration_read_at_its_start_tells_for_the_sandbox() -> None:
    """Known by its name alone: the join is an inference, and so is whose it may be."""
    scene = Scene()
    scene.vm(0, 600)
    place = "C:\\Users\\田中\\Documents\\build.wsb"
    times = {"Creation Time": -9000.0, "Last Access Time": -2.0}
    scene.file("mft.entry", "C:/$MFT", times, "MFT record 77", file_path=place, file_deleted=False)
    (session,) = scene.build().sandbox_sessions
    assert (session.certainty, session.config, session.start) == ("probable", None, at(0.5))
    assert (session.launch.wsb_path, session.launch.user) == (place, None)
    told = "\n".join(session.reasons)
    assert "build.wsb joined by time: it was last read at that time (inference)" in told
    assert "its content is not in the evidence" in told
    assert "it may be 田中's" in told


def test_of_two_names_alike_none_is_taken() -> None:
    scene = Scene()
    scene.vm(0, 600)
    for number, name in enumerate(("one", "two")):
        place = f"C:\\Users\\田中\\Documents\\{name}.wsb"
        scene.file("mft.entry", "C:/$MFT", {"Last Access Time": -2.0 - number}, f"MFT record {number}", file_path=place)
    (session,) = scene.build().sandbox_sessions
    assert session.launch.wsb_path is None
    assert any("none is taken" in text and "one.wsb" in text and "two.wsb" in text for text in session.reasons)


def test_a_launched_configuration_that_is_gone_counts_by_its_place() -> None:
    scene = Scene()
    scene.process(0, "WindowsSandbox.exe", "WindowsSandbox.exe C:\\ProgramData\\Intel\\igfx.wsb")
    (session,) = scene.build().sandbox_sessions
    assert session.score == 20
    assert any(text.startswith("WSB-07 ") for text in session.reasons)
    assert any("its configuration was not read" in text for text in session.reasons)
