from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from forensics.artifacts import com_hijacks, shell_extensions
from forensics.artifacts._com import SOFTWARE
from forensics.artifacts.base import RegistryArtifact
from forensics.formats.hive import Hive
from forensics.model import Fact
from tests.artifacts.autostarts import entries, scores
from tests.artifacts.registry_inputs import SID, given, merged, nested, sorted_out
from tests.formats.crafted_hives import Tree, hive, utf16

USRCLASS = "C:/Users/田中/AppData/Local/Microsoft/Windows/UsrClass.dat"
MACHINE_FILE = f"C:/{SOFTWARE}"
TASK = "{0F87369F-A4E5-4CFC-BD3E-73E6154572DD}"
FOUND, OWN, SENT, SCRIPT, LIBRARY = (f"{{0000000{n}-AAAA-BBBB-CCCC-000000000000}}" for n in range(5))
SCHED = "C:\\Windows\\System32\\TaskSchdPS.dll"
ONEDRIVE = "C:\\Users\\田中\\AppData\\Local\\Microsoft\\OneDrive\\24.1.1\\FileSyncShell64.dll"


def text(value: str) -> Tree:
    return {"": [("", 1, utf16(value))]}


def server(class_id: str, path: str, how: str = "InprocServer32") -> Tree:
    return nested(f"CLSID\\{class_id}\\{how}", text(path))


MACHINE: Tree = merged(
    {"Microsoft": {}, "Policies": {}},
    nested("Classes", merged(
        server(TASK, SCHED),
        server(FOUND, "%SystemRoot%\\System32\\thumbcache.dll"),
        server("{00000009-AAAA-BBBB-CCCC-000000000000}", "C:\\Users\\Public\\shared.dll"),
        nested("[x]\\y", {}),
        nested("*\\shellex\\ContextMenuHandlers\\Sharing", text(FOUND)),
        nested("Directory\\shellex\\PropertySheetHandlers\\{00000009-AAAA-BBBB-CCCC-000000000000}", {}),
    )),
    nested("Microsoft\\Windows\\CurrentVersion\\Explorer\\ShellIconOverlayIdentifiers\\ OneDrive1", text(OWN)),
)  # fmt: skip
USER: Tree = merged(
    {"Local Settings": {}},
    server(TASK, "C:\\Users\\田中\\AppData\\Roaming\\Mozilla\\upd.dll"),
    server(FOUND, "C:\\Windows\\System32\\thumbcache.dll"),
    server(OWN, ONEDRIVE),
    server(SENT, TASK, "TreatAs"),
    server(SCRIPT, "http://192.0.2.7/a.sct", "ScriptletURL"),
    nested(f"TypeLib\\{LIBRARY}\\1.1\\0\\win64", text("script:http://192.0.2.7/b.sct")),
    nested("Directory\\Background\\shellex\\ContextMenuHandlers\\Upd", text(TASK)),
)


def run(artifact: RegistryArtifact, tree: Tree | Hive, path: str, machine: Tree | None = None) -> list[Fact]:
    opened = tree if isinstance(tree, Hive) else Hive.open(hive(tree))
    file = given(path)
    if machine is not None:
        file = replace(file, companions={SOFTWARE: io.BytesIO(hive(machine))})
    facts, problems = sorted_out(artifact, list(artifact.parse(opened, file)))
    assert problems == []
    return facts


def test_what_stands_before_the_machines_classes() -> None:
    facts = run(com_hijacks.ARTIFACT, USER, USRCLASS, MACHINE)
    by_id = {str(fact.fields["entry_name"]): fact for fact in facts}
    assert set(by_id) == {TASK, OWN, SENT, SCRIPT, LIBRARY}, "the same library under another spelling is no override"
    hijack = by_id[TASK]
    assert hijack.fields["reason"] == f"InprocServer32; overrides the machine's server {SCHED}"
    assert hijack.fields["location"] == f"HKCU\\Software\\Classes\\CLSID\\{TASK}\\InprocServer32"
    assert hijack.fields["user_sid"] == SID
    found = scores(facts)
    assert {name for name, score in found.items() if score > 40} == {TASK, SENT, SCRIPT, LIBRARY}
    assert found[OWN] <= 5
    assert "T1546.015" in entries(facts)[TASK].attack


def test_without_the_machines_hive_the_place_tells() -> None:
    facts = run(com_hijacks.ARTIFACT, USER, USRCLASS)
    assert scores(facts)[TASK] >= 15
    assert "overrides" not in str(next(f.fields["reason"] for f in facts if f.fields["entry_name"] == TASK))


def test_the_machines_own_classes_are_not_told_unless_users_can_write_them() -> None:
    facts = run(com_hijacks.ARTIFACT, MACHINE, MACHINE_FILE)
    assert [fact.fields["command_line"] for fact in facts] == ["C:\\Users\\Public\\shared.dll"]
    assert scores(facts).popitem()[1] > 40


def test_extensions_of_the_machine() -> None:
    facts = run(shell_extensions.ARTIFACT, MACHINE, MACHINE_FILE)
    told = {str(fact.fields["entry_name"]): fact for fact in facts}
    assert set(told) == {"Sharing", "{00000009-AAAA-BBBB-CCCC-000000000000}", " OneDrive1"}
    assert told["Sharing"].fields["command_line"] == "%SystemRoot%\\System32\\thumbcache.dll"
    assert told["Sharing"].context
    assert "no library" in str(told[" OneDrive1"].fields["reason"])
    found = scores(facts)
    assert found["Sharing"] == found[" OneDrive1"] == 0
    assert found["{00000009-AAAA-BBBB-CCCC-000000000000}"] > 40


def test_an_extension_of_a_user_gets_the_users_class() -> None:
    (fact,) = run(shell_extensions.ARTIFACT, USER, USRCLASS, MACHINE)
    assert fact.fields["command_line"] == "C:\\Users\\田中\\AppData\\Roaming\\Mozilla\\upd.dll"
    assert scores([fact])["Upd"] > 40


def test_a_damaged_machine_hive_costs_only_the_comparison() -> None:
    file = replace(given(USRCLASS), companions={SOFTWARE: io.BytesIO(b"regf" + bytes(5000))})
    facts, problems = sorted_out(com_hijacks.ARTIFACT, list(com_hijacks.ARTIFACT.parse(Hive.open(hive(USER)), file)))
    assert {fact.fields["entry_name"] for fact in facts} >= {TASK, OWN, SENT}
    assert problems == []


@pytest.mark.samples
@pytest.mark.parametrize("artifact", [com_hijacks.ARTIFACT, shell_extensions.ARTIFACT], ids=lambda item: item.name)
@pytest.mark.parametrize("name", ["UsrClass.dat", "NTUSER_with_winscp.DAT"])
def test_real_users_are_quiet(samples: Path, artifact: RegistryArtifact, name: str) -> None:
    opened = Hive.open((samples / "hives" / name).read_bytes())
    facts = run(artifact, opened, USRCLASS if name.startswith("Usr") else "C:/Users/tony/NTUSER.DAT")
    assert max(scores(facts).values(), default=0) <= 20, scores(facts)
