from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.artifacts.run_keys import ARTIFACT
from forensics.formats.hive import Hive
from tests.artifacts.registry_inputs import NTUSER, SID, merged, nested, run
from tests.formats.crafted_hives import Tree, utf16

RUN = "Microsoft\\Windows\\CurrentVersion\\Run"
TUNNEL = (
    "C:\\t\\code-tunnel.exe --verbose --cli-data-dir C:\\Users\\田中\\.vscode\\cli tunnel service internal-run "
    "--log-to-file C:\\Users\\田中\\.vscode\\cli\\tunnel-service.log"
)
USER: Tree = merged(
    {"Environment": {}},
    nested(
        f"Software\\{RUN}",
        {
            "": [
                ("Visual Studio Code Tunnel", 1, utf16(TUNNEL)),
                ("\x00Updater", 1, utf16("mshta.exe javascript:0")),
                ("OneDrive", 1, utf16('"C:\\OneDrive.exe" /background')),
                ("", 1, b""),
            ]
        },
    ),
    nested(
        "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\StartupApproved\\Run",
        {"": [("OneDrive", 3, b"\x03" + bytes(11)), ("Visual Studio Code Tunnel", 3, b"\x02" + bytes(11))]},
    ),
    nested(
        "Software\\Microsoft\\Windows NT\\CurrentVersion\\Windows",
        {"": [("Load", 1, utf16("c:\\evil.exe")), ("Device", 1, utf16("printer"))]},
    ),
)


def test_entries_of_a_user() -> None:
    facts, problems = run(ARTIFACT, USER, NTUSER)
    assert problems == []
    by_name = {str(fact.fields["entry_name"]): fact for fact in facts}
    assert list(by_name) == ["Visual Studio Code Tunnel", "\x00Updater", "OneDrive", "Load"]
    tunnel = by_name["Visual Studio Code Tunnel"]
    assert tunnel.fields == {
        "mechanism": "run_key",
        "location": f"HKCU\\Software\\{RUN}",
        "entry_name": "Visual Studio Code Tunnel",
        "command_line": TUNNEL,
        "key_path": f"Software\\{RUN}",
        "value_name": "Visual Studio Code Tunnel",
        "enabled": True,
        "profile_user": "田中",
        "user_sid": SID,
    }
    assert tunnel.times == {"Content Modification Time": datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)}
    assert tunnel.source.locator == f"Software\\{RUN}\\Visual Studio Code Tunnel"
    assert not tunnel.context
    assert by_name["OneDrive"].fields["enabled"] is False
    assert "enabled" not in by_name["Load"].fields


def test_a_name_that_begins_with_nul_is_kept_and_tagged() -> None:
    facts, _ = run(ARTIFACT, USER, NTUSER)
    assert [fact.fields["command_line"] for fact in facts if "hidden_name" in fact.tags] == ["mshta.exe javascript:0"]


def test_a_name_longer_than_regedit_shows_is_tagged() -> None:
    content = merged({"Environment": {}}, nested(f"Software\\{RUN}", {"": [("x" * 300, 1, utf16("a.exe"))]}))
    (fact,), _ = run(ARTIFACT, content, NTUSER)
    assert fact.tags == ("hidden_name",)


def test_every_place_of_the_machine() -> None:
    keys = [
        RUN,
        f"{RUN}Once",
        f"{RUN}Services",
        f"{RUN}ServicesOnce",
        "Microsoft\\Windows\\CurrentVersion\\Policies\\Explorer\\Run",
        f"Wow6432Node\\{RUN}",
        f"Wow6432Node\\{RUN}Once",
        f"Microsoft\\Windows NT\\CurrentVersion\\Terminal Server\\Install\\Software\\{RUN}",
        f"{RUN}OnceEx\\0001",
    ]
    content = merged({"Classes": {}}, *(nested(key, {"": [("x", 1, utf16(f"{key}.exe"))]}) for key in keys))
    facts, problems = run(ARTIFACT, content, "C:/Windows/System32/config/SOFTWARE")
    assert problems == []
    assert {fact.fields["location"]: fact.fields["command_line"] for fact in facts} == {
        f"HKLM\\SOFTWARE\\{key}": f"{key}.exe" for key in keys
    }
    assert all("user_sid" not in fact.fields for fact in facts)


def test_a_service_profile_gets_its_sid() -> None:
    facts, _ = run(ARTIFACT, USER, "C:/Windows/ServiceProfiles/LocalService/NTUSER.DAT")
    assert {fact.fields["user_sid"] for fact in facts} == {"S-1-5-19"}


def test_no_text_is_shown_as_hex_and_an_unknown_user_stays_absent() -> None:
    content = merged({"Environment": {}}, nested(f"Software\\{RUN}", {"": [("b", 3, b"\x4d\x5a\x90")]}))
    (fact,), _ = run(ARTIFACT, content, "D:/export/NTUSER.DAT")
    assert fact.fields["command_line"] == "4d5a90"
    assert not {"profile_user", "user_sid"} & set(fact.fields)


@pytest.mark.samples
def test_a_real_user(samples: Path) -> None:
    opened = Hive.open((samples / "hives" / "NTUSER_with_winscp.DAT").read_bytes())
    facts, problems = run(ARTIFACT, opened, "C:/Users/tony/NTUSER.DAT")
    assert [fact.fields["entry_name"] for fact in facts] == ["OneDrive", "Ditto", "BCClipboard", "Docker Desktop"]
    assert problems == []
