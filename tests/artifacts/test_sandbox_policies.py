from __future__ import annotations

import struct

from forensics.artifacts.sandbox_policies import ARTIFACT
from tests.artifacts.registry_inputs import merged, nested, run
from tests.formats.crafted_hives import Value, utf16

SOFTWARE = "C:/Windows/System32/config/SOFTWARE"
GROUP = "Policies\\Microsoft\\Windows\\Sandbox"
DEVICE = "Microsoft\\PolicyManager\\current\\device\\WindowsSandbox"


GROUP_VALUES = (("AllowNetworking", 0), ("AllowMappedFolders", 1), ("AllowWindowsSandbox", 0))


def dword(name: str, number: int) -> Value:
    return (name, 4, struct.pack("<I", number))


def test_what_is_forbidden() -> None:
    tree = merged(
        nested(
            GROUP, {"": [dword("AllowNetworking", 0), dword("AllowMappedFolders", 1), dword("AllowWindowsSandbox", 0)]}
        ),
        nested(DEVICE, {"": [dword("AllowNetworking", 1), ("AllowNetworking_WinningProvider", 1, utf16("{A}"))]}),
    )
    facts, problems = run(ARTIFACT, tree, SOFTWARE)
    assert problems == []
    assert [
        (
            fact.fields["policy_origin"],
            fact.fields["policy_name"],
            fact.fields.get("policy_allows"),
            fact.fields["policy_known"],
            fact.context,
        )
        for fact in facts
    ] == [
        ("group policy", "AllowNetworking", False, True, False),
        ("group policy", "AllowMappedFolders", True, True, False),
        ("group policy", "AllowWindowsSandbox", False, False, False),
        ("device management", "AllowNetworking", True, True, False),
        ("device management", "AllowNetworking_WinningProvider", None, False, True),
    ]
    assert facts[0].fields["policy_forbids"] is True
    assert facts[0].source.locator == f"{GROUP}\\AllowNetworking"


def test_as_received_from_a_management() -> None:
    path = "Microsoft\\PolicyManager\\providers\\B1E9301C\\default\\Device\\WindowsSandbox"
    facts, _ = run(ARTIFACT, nested(path, {"": [dword("AllowVideoInput", 0)]}), SOFTWARE)
    assert facts[0].fields["policy_origin"] == "device management, as received"


def test_a_value_that_decides_nothing() -> None:
    values = [("AllowNetworking", 1, utf16("off")), ("AllowVGPU", 4, b"\x01")]
    facts, _ = run(ARTIFACT, nested(GROUP, {"": values}), SOFTWARE)
    assert [(fact.fields["value_data"], fact.fields.get("policy_allows")) for fact in facts] == [
        ("off", None),
        ("01", None),
    ]
