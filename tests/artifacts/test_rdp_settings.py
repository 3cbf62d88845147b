from __future__ import annotations

import struct

from forensics.artifacts.rdp_settings import ARTIFACT
from tests.artifacts.registry_inputs import merged, nested, run
from tests.formats.crafted_hives import Tree, Value

SYSTEM, SOFTWARE = (f"C:/Windows/System32/config/{name}" for name in ("SYSTEM", "SOFTWARE"))
SERVER = "Control\\Terminal Server"


def dword(name: str, number: int) -> Value:
    return (name, 4, struct.pack("<I", number))


def system(**values: int) -> Tree:
    select = nested("Select", {"": [dword("Current", 1), dword("Default", 1), dword("LastKnownGood", 1)]})
    server = nested(f"ControlSet001\\{SERVER}", {"": [dword(name, value) for name, value in values.items()]})
    listener = nested(f"ControlSet001\\{SERVER}\\WinStations\\RDP-Tcp", {"": [dword("PortNumber", 3390)]})
    return merged(select, server, listener)


def test_let_in_and_refused() -> None:
    for number, allowed in ((0, True), (1, False)):
        facts, problems = run(ARTIFACT, system(fDenyTSConnections=number, Unrelated=5), SYSTEM)
        assert problems == []
        assert [(fact.fields["value_name"], fact.fields.get("rdp_allowed")) for fact in facts] == [
            ("fDenyTSConnections", allowed),
            ("PortNumber", None),
        ]
        assert {fact.fields["policy_origin"] for fact in facts} == {"setting"}
        assert {fact.fields["control_set"] for fact in facts} == {"ControlSet001"}


def test_a_policy() -> None:
    path = "Policies\\Microsoft\\Windows NT\\Terminal Services"
    tree = merged(
        nested(path, {"": [dword("fDenyTSConnections", 0)]}), nested("Microsoft\\Windows NT\\CurrentVersion", {})
    )
    facts, _ = run(ARTIFACT, tree, SOFTWARE)
    assert [(fact.fields["policy_origin"], fact.fields["rdp_allowed"]) for fact in facts] == [("policy", True)]
    assert facts[0].source.locator == f"{path}\\fDenyTSConnections"
