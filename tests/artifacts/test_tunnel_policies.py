from __future__ import annotations

import struct

from forensics.artifacts.tunnel_policies import ARTIFACT
from tests.artifacts.registry_inputs import NTUSER, SID, merged, nested, run
from tests.formats.crafted_hives import Value, utf16

SOFTWARE = "C:/Windows/System32/config/SOFTWARE"


def dword(name: str, number: int) -> Value:
    return (name, 4, struct.pack("<I", number))


def test_policies_of_the_machine() -> None:
    tree = merged(
        nested("Policies\\Microsoft\\DevTunnels", {"": [dword("DisableAnonymousAccess", 1)]}),
        nested("Policies\\Microsoft\\DevTunnels\\Tenants", {"": [("1", 1, utf16("x"))]}),
        nested("Policies\\Microsoft\\VSCode", {"": [("UpdateMode", 1, utf16("none")), dword("RemoteTunnels", 0)]}),
        nested("Policies\\Microsoft\\Edge", {"": [dword("RemoteDebuggingAllowed", 0)]}),
    )  # fmt: skip
    facts, problems = run(ARTIFACT, tree, SOFTWARE)
    assert problems == []
    assert sorted(
        (fact.fields["policy_program"], fact.fields["policy_name"], fact.fields["value_data"], fact.context)
        for fact in facts
    ) == [
        ("VS Code", "RemoteTunnels", "0", False),
        ("VS Code", "UpdateMode", "none", True),
        ("dev tunnels", "1", "x", False),
        ("dev tunnels", "DisableAnonymousAccess", "1", False),
    ]
    assert {fact.fields["policy_origin"] for fact in facts} == {"machine"}
    assert "Policies\\Microsoft\\DevTunnels\\DisableAnonymousAccess" in {fact.source.locator for fact in facts}


def test_policies_of_a_user_and_values_that_are_lost() -> None:
    tree = nested("Software\\Policies\\Microsoft\\VSCode", {"": [dword("remote.tunnels.access", 0)]})
    (fact,), _ = run(ARTIFACT, tree, NTUSER)
    assert (fact.fields["policy_origin"], fact.fields["user_sid"]) == ("user", SID)
    assert not fact.context
