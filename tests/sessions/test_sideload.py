"""Programs beside a library that they load: told outside their maker's folders, by whatever artifact names them."""

from __future__ import annotations

import pytest

from forensics.model import Finding
from forensics.rules import load
from tests.sessions.factory import Scene


def told(scene: Scene) -> list[Finding]:
    return [item for item in scene.build().findings if item.rule == "group.sideloading"]


@pytest.mark.parametrize("pair", load("group")["pairs"], ids=lambda pair: pair["id"])
def test_each_pair_at_its_example_and_at_home(pair: dict[str, str]) -> None:
    for place, count in ((pair["example"], 1), (pair["counterexample"], 0)):
        scene = Scene()
        for seconds, name in enumerate((pair["program"], pair["library"])):
            scene.journal("created", seconds, f"C:{place}\\{name}")
        found = told(scene)
        assert [item.level for item in found] == ["high"] * count
        assert all(len(item.events) == 2 and pair["id"] in item.why for item in found)


def test_different_artifacts_name_the_two() -> None:
    scene = Scene()
    scene.process(3, "C:\\ProgramData\\ScnCfg\\ScnCfg32.Exe")
    scene.remembered(
        "prefetch.run", 3, "SCNCFG32.EXE",
        file_names=("\\VOLUME{01d0c6f6a1b2c3d4-5a3f9c01}\\PROGRAMDATA\\SCNCFG\\VSODSCPL.DLL",),
    )  # fmt: skip
    (found,) = told(scene)
    assert (found.level, len(found.events)) == ("high", 2)


def test_one_alone_and_two_in_different_folders_are_weak() -> None:
    scene = Scene()
    scene.journal("created", 0, "C:\\Users\\Public\\ScnCfg32.exe")
    scene.journal("created", 1, "C:\\ProgramData\\x\\vsodscpl.dll")
    assert [item.level for item in told(scene)] == ["low", "low"]


def test_other_names_are_none() -> None:
    scene = Scene()
    for name in ("setup.exe", "version.dll", "ScnCfg32.exe.mui", "my_vsodscpl.dll"):
        scene.journal("created", 0, f"C:\\ProgramData\\x\\{name}")
    assert told(scene) == []
