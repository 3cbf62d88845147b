"""Rules of attacks.yml: what they rest on is kept by itself, and what administrators do every day is not told."""

from __future__ import annotations

from typing import Any

import pytest

from forensics.model import Value
from forensics.rules import load
from forensics.rules.engine import Rule, rules_of
from forensics.rules.watch import is_autostart_key, is_loopback, is_steered, is_watched
from tests.sessions.factory import SYSTEM32, Scene

RULES = rules_of("attacks", "findings")
STARTS = [
    rule
    for rule in RULES
    if rule.example.get("kind", "process.created") == "process.created" and not {"path", "file"} & set(rule.example)
]
VALUES = [rule for rule in RULES if rule.example.get("kind") == "registry.value_set"]
PIPES = [rule for rule in RULES if "pipe_name" in rule.example]


def _placed(name: object) -> str:
    text = str(name or "")
    return text if not text or "\\" in text else SYSTEM32 + text


@pytest.mark.parametrize("rule", STARTS, ids=lambda rule: rule.id)
def test_a_start_that_a_rule_rests_on_is_kept(rule: Rule) -> None:
    """Else it would only be context, and the rule would see it near a session alone."""
    about: dict[str, Any] = dict(rule.example)
    image = _placed(about.get("program") or about.get("name"))
    command = about.get("command") or image
    assert is_watched(
        image, command, _placed(about.get("parent")), about.get("parent_command", ""), about.get("original_name", "")
    )


@pytest.mark.parametrize("rule", VALUES, ids=lambda rule: rule.id)
def test_a_value_that_a_rule_rests_on_is_kept(rule: Rule) -> None:
    path = f"{rule.example['key']}\\{rule.example.get('value_name', '(Default)')}"
    assert is_watched(path) or is_autostart_key(path)


@pytest.mark.parametrize("rule", PIPES, ids=lambda rule: rule.id)
def test_a_pipe_that_a_rule_rests_on_is_kept(rule: Rule) -> None:
    name = str(rule.example["pipe_name"])
    assert is_watched(name, str(rule.example.get("program", ""))) or is_steered("ipc$", name)


def test_every_rule_says_how_it_is_told() -> None:
    levels = {"critical", "high", "medium", "low", "informational"}
    for item in load("attacks")["findings"]:
        assert item["level"] in levels, item["id"]
        assert item["finding"], item["id"]
        assert item["subject"], item["id"]


def told(scene: Scene) -> set[tuple[str, str]]:
    return {(item.rule, item.level) for item in scene.build().findings if item.rule != "machine.other"}


IPC = {"share_name": "\\\\*\\IPC$"}
DRIVERS = "C:\\Windows\\system32\\spool\\drivers"
EXE_FILES = "HKLM\\SOFTWARE\\Classes\\exefile\\shell\\open\\command"
HARMLESS: dict[str, tuple[str, dict[str, Value]]] = {
    "a user's account": ("account.changed", {"target_user_name": "hanako", "action": "created", "user_name": "admin"}),
    "a computer's own password": (
        "account.changed", {"target_user_name": "PC1$", "action": "given a new password", "user_name": "PC1$"},
    ),
    "an account that was deleted": ("account.changed", {"target_user_name": "a$", "action": "deleted"}),
    "a file server": (
        "share.accessed",
        {"share_name": "\\\\*\\docs", "share_target": "a.exe", "share_access": "read", "source_ip": "192.0.2.7"},
    ),
    "a printer's pipe": ("share.accessed", {**IPC, "share_target": "spoolss", "source_ip": "192.0.2.7"}),
    "services of the machine itself": ("share.accessed", {**IPC, "share_target": "svcctl", "source_ip": "::1"}),
    "a share of documents": ("share.configured", {"share_name": "\\\\*\\docs", "share_path": "D:\\docs"}),
    "a printer's share": ("share.configured", {"share_name": "\\\\*\\print$", "share_path": DRIVERS}),
    "remote desktop": ("rdp.client_reached", {"source_ip": "192.0.2.7", "user_name": "hanako"}),
    "a web server at home": (
        "network.connected", {"source_ip": "127.0.0.1", "destination_ip": "127.0.0.1", "destination_port": "8080"},
    ),
    "a pipe of a vendor": ("pipe.created", {"pipe_name": "\\vendor-12-state", "executable": "C:\\v.exe"}),
    "a class of a product": (
        "registry.value_set", {"key_path": EXE_FILES, "value_name": "(Default)", "value_data": '"%1" %*'},
    ),
    "the question for rights stays on": (
        "registry.value_set",
        {"key_path": "HKLM\\x\\System", "value_name": "EnableLUA", "value_data": "DWORD (0x00000001)"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMLESS)
def test_everyday_rows_are_not_told(name: str) -> None:
    scene = Scene()
    kind, fields = HARMLESS[name]
    scene.add(kind, 5, **fields)
    assert told(scene) == set()


STARTED = {
    "explorer.exe": ("cmd.exe", "cmd.exe"),
    "services.exe": ("cmd.exe", "cmd.exe /c backup.bat"),
    "utilman.exe": ("osk.exe", "osk.exe"),
    "svchost.exe": ("taskhostw.exe", "taskhostw.exe"),
    "mmc.exe": ("rundll32.exe", "rundll32.exe shell32.dll,Control_RunDLL"),
    "wmiprvse.exe": ("msiexec.exe", "msiexec.exe /i \\\\srv\\a.msi"),
    "svchost.exe -k DcomLaunch": (
        "rundll32.exe",
        "rundll32.exe shell32.dll,SHCreateLocalServerRunDll {9aa46009-3ce0-458a-a354} -Embedding",
    ),
    "spoolsv.exe": ("splwow64.exe", "splwow64.exe 8192"),
    "cmd.exe": ("regsvr32.exe", "regsvr32 /s C:\\Program Files\\V\\a.dll"),
    "winword.exe": ("rundll32.exe", "rundll32.exe printui.dll,PrintUIEntry /in"),
    "powershell.exe": ("schtasks.exe", "schtasks /query"),
    "sqlservr.exe": ("conhost.exe", "conhost.exe 0x4"),
}


@pytest.mark.parametrize("parent", STARTED)
def test_everyday_starts_are_not_told(parent: str) -> None:
    scene = Scene()
    name, command = STARTED[parent]
    program = SYSTEM32 + parent.partition(" ")[0]
    scene.process(5, name, command, parent_executable=program, parent_command_line=SYSTEM32 + parent)
    assert told(scene) == set()


def test_a_tunnelled_desktop_is_one_finding_for_each_kind_of_row() -> None:
    scene = Scene()
    for second in (1, 2):
        scene.add("rdp.client_reached", second, source_ip="127.0.0.1", user_name="hanako")
        scene.add(
            "network.connected", second, executable="C:\\p.exe", source_ip="127.0.0.1", source_port="49186",
            destination_ip="127.0.0.2", destination_port="3389",
        )  # fmt: skip
    assert told(scene) == {("rdp.tunnelled", "medium")}
    assert len([item for item in scene.build().findings if item.rule == "rdp.tunnelled"]) == 2


@pytest.mark.parametrize(
    ("address", "looped"),
    [("127.0.0.1", True), ("127.45.0.9", True), ("::1", True), ("0:0:0:0:0:0:0:1", True), ("::ffff:127.0.0.1", True),
     ("128.0.0.1", False), ("10.127.0.1", False), ("::", False), ("", False), ("127.0.0.1.evil.example", False)],
)  # fmt: skip
def test_loopback(address: str, looped: bool) -> None:
    assert is_loopback(address) is looped
