from __future__ import annotations

import struct

from forensics.artifacts.tunnel_environment import ARTIFACT
from tests.artifacts.registry_inputs import NTUSER, merged, nested, run
from tests.formats.crafted_hives import Tree, utf16

SYSTEM = "C:/Windows/System32/config/SYSTEM"
SECRET = "gho_16C7e42F292c6912E7710c838347Ae178B4a"  # planted, must not come out


def multi(*texts: str) -> bytes:
    return b"".join(utf16(text) for text in texts) + b"\x00\x00"


def test_variables_of_a_user() -> None:
    values = [
        ("VSCODE_CLI_DATA_DIR", 2, utf16("C:\\ProgramData\\x")),
        ("VSCODE_CLI_ACCESS_TOKEN", 1, utf16(SECRET)),
        ("Path", 2, utf16("C:\\x")),
        ("MY_VSCODE_CLI_DATA_DIR", 1, utf16("no")),
    ]
    facts, problems = run(ARTIFACT, nested("Environment", {"": values}), NTUSER)
    assert problems == []
    assert [(fact.fields["variable_name"], fact.fields.get("variable_value")) for fact in facts] == [
        ("VSCODE_CLI_DATA_DIR", "C:\\ProgramData\\x"),
        ("VSCODE_CLI_ACCESS_TOKEN", None),
    ]
    assert (facts[1].fields["present"], facts[1].fields["secret_length"]) == (True, len(SECRET))
    assert SECRET not in str(facts)
    assert {fact.fields["user_name"] for fact in facts} == {"田中"}


def test_variables_of_the_machine_and_of_services() -> None:
    services: Tree = {
        "Upd": {"": [("Environment", 7, multi("A=1", "VSCODE_AGENT_FOLDER=C:\\y"))]},
        "Nssm": {"Parameters": {"": [("AppEnvironmentExtra", 7, multi("+VSCODE_CLI_REFRESH_TOKEN=abc", "no equals"))]}},
        "Odd": {"": [("Environment", 4, b"\x01\x00\x00\x00")]},
    }
    shared = [("vscode_cli_use_file_keychain", 1, utf16("1"))]
    tree = merged(
        {"Select": {"": [("Current", 4, struct.pack("<I", 1))]}},
        nested("ControlSet001\\Control\\Session Manager\\Environment", {"": shared}),
        nested("ControlSet001\\Services", services),
    )  # fmt: skip
    facts, problems = run(ARTIFACT, tree, SYSTEM)
    assert problems == []
    assert [
        (
            fact.fields["environment_of"],
            fact.fields.get("service_name"),
            fact.fields["variable_name"],
            fact.fields.get("variable_value"),
        )
        for fact in facts
    ] == [
        ("machine", None, "vscode_cli_use_file_keychain", "1"),
        ("service", "Upd", "VSCODE_AGENT_FOLDER", "C:\\y"),
        ("service", "Nssm", "VSCODE_CLI_REFRESH_TOKEN", None),
    ]
    assert facts[2].fields["secret_length"] == 3
