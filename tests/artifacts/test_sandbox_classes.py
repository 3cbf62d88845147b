from __future__ import annotations

from datetime import UTC, datetime

import pytest

from forensics.artifacts.sandbox_classes import ARTIFACT
from forensics.formats.hive_deleted import layers, recover
from testdata.writers.hive import HiveWriter
from tests.artifacts.registry_inputs import SID, given, merged, nested, run
from tests.formats.crafted_hives import Tree, utf16
from tests.formats.freed_hives import Freed

SOFTWARE = "C:/Windows/System32/config/SOFTWARE"
USRCLASS = "C:/Users/田中/AppData/Local/Microsoft/Windows/UsrClass.dat"
WHEN = datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)
STOCK = '%windir%\\System32\\WindowsSandbox.exe "%1"'


def classes(command: str, prefix: str = "Classes\\", name: str = "") -> Tree:
    return merged(
        nested(f"{prefix}.wsb", {"": [("", 1, utf16("Windows.Sandbox"))]}),
        nested(f"{prefix}Windows.Sandbox\\shell\\open\\command", {"": [(name, 2, utf16(command))]}),
    )


def test_the_classes_of_the_feature() -> None:
    extra = nested("Microsoft\\Windows Sandbox\\Capabilities\\FileAssociations", {"": [(".wsb", 1, utf16("x"))]})
    facts, problems = run(ARTIFACT, merged(classes(STOCK), extra), SOFTWARE)
    assert problems == []
    assert [(fact.fields["key_path"], fact.fields.get("command_overridden")) for fact in facts] == [
        ("Classes\\.wsb", None),
        ("Classes\\Windows.Sandbox", None),
        ("Classes\\Windows.Sandbox\\shell\\open\\command", False),
        ("Microsoft\\Windows Sandbox\\Capabilities", None),
        ("Microsoft\\Windows Sandbox\\Capabilities\\FileAssociations", None),
    ]
    assert facts[0].fields["value_data"] == "Windows.Sandbox"
    assert facts[0].times == {"Content Modification Time": WHEN}


@pytest.mark.parametrize(
    ("command", "overridden"),
    [
        (STOCK, False),
        ('"C:\\Windows\\System32\\WindowsSandbox.exe" "%1"', False),
        ("%SystemRoot%\\system32\\windowssandbox.exe %1", False),
        ('C:\\Users\\Public\\WindowsSandbox.exe "%1"', True),
        ('cmd /c start %windir%\\System32\\WindowsSandbox.exe "%1"', True),
        ('%windir%\\System32\\WindowsSandbox.exe "%1" & calc', True),
    ],
)
def test_another_command(command: str, overridden: bool) -> None:
    facts, _ = run(ARTIFACT, classes(command), SOFTWARE)
    assert facts[-1].fields["command_overridden"] is overridden
    assert facts[-1].fields["command_line"] == command


def test_a_delegate_takes_the_place_of_the_command() -> None:
    facts, _ = run(ARTIFACT, classes("{4ED3A719-CEA8-4BD9-910D-E252F997AFC2}", name="DelegateExecute"), SOFTWARE)
    assert facts[-1].fields["command_overridden"] is True


def test_a_users_own() -> None:
    facts, _ = run(ARTIFACT, classes("evil.exe %1", ""), USRCLASS)
    assert [(fact.fields["profile_user"], fact.fields["user_sid"]) for fact in facts] == [("田中", SID)] * 3
    assert facts[-1].fields["command_overridden"] is True


def test_a_live_key_is_not_told_as_deleted() -> None:
    writer = HiveWriter("ROOT", WHEN)
    for path in ("Microsoft\\Windows NT\\CurrentVersion", "Classes\\.wsb\\ShellNew"):
        writer.key(path, WHEN)
    freed = Freed(writer.build())
    freed.delete_key("Classes\\.wsb\\ShellNew", WHEN)
    hive = freed.hive()
    found = recover(hive, bytes(freed.data))
    assert [key.name for key in found.keys] == ["ShellNew"]
    assert [row for layer in layers(found, hive) for row in ARTIFACT.parse(layer, given(SOFTWARE))] == []
