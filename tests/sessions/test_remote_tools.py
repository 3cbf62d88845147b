from __future__ import annotations

from tests.sessions.factory import Scene

BORN = "Creation Time"


def test_one_finding_for_each_tool() -> None:
    scene = Scene()
    scene.file("remote_tool.present", "C:/Windows/System32/config/SYSTEM", {BORN: 50}, "x", tool_name="AnyDesk",
               found_as="service", service_name="AnyDesk")  # fmt: skip
    scene.file("remote_tool.present", "C:/ProgramData/AnyDesk/ad.trace", {BORN: 10}, tool_name="AnyDesk",
               found_as="file", file_path="C:\\ProgramData\\AnyDesk\\ad.trace")  # fmt: skip
    scene.file("remote_tool.present", "C:/ProgramData/x", {BORN: 20}, tool_name="RustDesk", found_as="file",
               file_path="C:\\ProgramData\\x")  # fmt: skip
    found = [item for item in scene.build().findings if item.rule == "remote_tool.present"]
    assert [item.level for item in found] == ["informational", "informational"]
    first = found[0]
    assert first.why.startswith("AnyDesk, with which this machine can be worked on from elsewhere")
    assert "service AnyDesk" in first.why
    assert "C:\\ProgramData\\AnyDesk\\ad.trace" in first.why
    assert len(first.events) == 2


def test_none_without_a_tool() -> None:
    assert [item for item in Scene().build().findings if item.rule == "remote_tool.present"] == []
