"""Settings and windows of the desktop program: what they say of tunnels hosted and used."""

from __future__ import annotations

import json

from forensics.artifacts import vscode_settings, vscode_storage
from forensics.artifacts.base import FileArtifact
from forensics.evidence.globs import GlobSet
from testdata.host import scenario
from testdata.render import render
from tests.artifacts.file_inputs import BORN, MODIFIED, run, utc

FOLDER = "C:/Users/鈴木/AppData/Roaming/Code"
SETTINGS = f"{FOLDER}/User/settings.json"
STORAGE = f"{FOLDER}/User/globalStorage/storage.json"
TIMES = {BORN: utc(2024, 6, 11), MODIFIED: utc(2025, 2, 3)}


def survives(artifact: FileArtifact, path: str, data: bytes) -> None:
    """Cut anywhere, the file gives rows or a problem; an empty one is no fault."""
    assert run(artifact, path, b"") == ([], [])
    for length in range(1, len(data.rstrip())):
        facts, problems = run(artifact, path, data[:length])
        assert facts or problems, length


def test_the_scenarios_settings() -> None:
    data = render(scenario("tunnel-desktop"))[SETTINGS.removeprefix("C:/")].data
    facts, problems = run(vscode_settings.ARTIFACT, SETTINGS, data, TIMES)
    assert problems == []
    name, sleep = facts
    assert name.fields == {
        "user_data_dir": "C:\\Users\\鈴木\\AppData\\Roaming\\Code",
        "profile_user": "鈴木",
        "setting_name": "remote.tunnels.access.hostNameOverride",
        "setting_value": "suzuki-desk",
        "tunnel_name": "suzuki-desk",
    }
    assert sleep.fields["setting_value"] == "false"
    assert name.times == TIMES
    survives(vscode_settings.ARTIFACT, SETTINGS, data)


def test_settings_without_tunnels_and_damaged_ones() -> None:
    assert run(vscode_settings.ARTIFACT, SETTINGS, "") == ([], [])
    assert run(vscode_settings.ARTIFACT, SETTINGS, '{"editor.fontSize": 13,}') == ([], [])
    for text in ("[]", "{", "\x00" * 20):
        facts, problems = run(vscode_settings.ARTIFACT, SETTINGS, text)
        assert facts == []
        assert [problem.fault for problem in problems] == ["bad_record"]
    many = json.dumps({f"remote.tunnels.access.{number}": [number] for number in range(300)})
    facts, problems = run(vscode_settings.ARTIFACT, SETTINGS, many)
    assert (len(facts), [problem.fault for problem in problems]) == (200, ["truncated"])


def test_windows_on_other_machines() -> None:
    tunnel, ssh = "vscode-remote://tunnel%2Bbuild-box/c%3A/src/shop", "vscode-remote://ssh-remote+box/home/x"
    told = {
        "windowsState": {"lastActiveWindow": {"folder": tunnel}, "openedWindows": [{"folder": "file:///c%3A/x"}]},
        "backupWorkspaces": {"folders": [{"folderUri": tunnel, "remoteAuthority": "tunnel+build-box"}]},
        "profileAssociations": {"workspaces": {ssh: "__default__profile__"}},
    }
    facts, problems = run(vscode_storage.ARTIFACT, STORAGE, json.dumps(told), TIMES)
    assert problems == []
    found = {str(fact.fields["remote_authority"]): fact for fact in facts}
    assert set(found) == {"tunnel+build-box", "ssh-remote+box"}
    assert len(facts) == 2
    assert found["tunnel+build-box"].fields["opened_path"] == "C:\\src\\shop"
    assert not found["tunnel+build-box"].context
    assert found["ssh-remote+box"].context
    assert found["ssh-remote+box"].source.locator == "profileAssociations.workspaces"
    survives(vscode_storage.ARTIFACT, STORAGE, json.dumps(told).encode())


def test_a_file_of_nothing_but_addresses() -> None:
    text = json.dumps([f"vscode-remote://tunnel+t{number}/x" for number in range(1_500)])
    facts, problems = run(vscode_storage.ARTIFACT, STORAGE, text)
    assert (len(facts), [problem.fault for problem in problems]) == (1_000, ["truncated"])


def test_where_they_are_looked_for() -> None:
    assert GlobSet(vscode_storage.ARTIFACT.paths).matches("Users/x/AppData/Roaming/Code/storage.json")
    assert GlobSet(vscode_storage.ARTIFACT.paths).matches(
        "Users/x/AppData/Roaming/Kiro/User/globalStorage/storage.json"
    )
    assert GlobSet(vscode_settings.ARTIFACT.paths).matches("Users/x/AppData/Roaming/VSCodium/User/settings.json")
