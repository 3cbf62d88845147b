from __future__ import annotations

import struct
from pathlib import Path

import pytest

from forensics.artifacts.hns_firewall_rules import ARTIFACT
from forensics.formats.hive import Hive
from tests.artifacts.registry_inputs import nested, run
from tests.formats.crafted_hives import Tree, Value, utf16

SYSTEM = "C:/Windows/System32/config/SYSTEM"
RULES = "Services\\SharedAccess\\Parameters\\FirewallPolicy\\FirewallRules"
SWITCH = "C08CB7B8-9B3C-408E-8E30-5E16A3AEB444"


def hive(current: list[Value], other: list[Value] | None = None) -> Tree:
    return {
        "Select": {"": [("Current", 4, struct.pack("<I", 1))]},
        "ControlSet001": nested(RULES, {"": current}),
        "ControlSet002": nested(RULES, {"": other or []}),
    }


def rule(name: str, text: str) -> Value:
    return (name, 1, utf16(text))


def test_a_network_of_guests() -> None:
    name = f"HNS Container Networking - ICS DNS (TCP-In) - {SWITCH} - 0"
    text = f"v2.32|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=53|App=%SystemRoot%\\System32\\svchost.exe|Svc=SharedAccess|Name={name}|"  # noqa: E501
    (fact,), problems = run(ARTIFACT, hive([rule("HNS-1", text)]), SYSTEM)
    assert problems == []
    assert fact.fields["network_id"] == SWITCH
    assert "Default Switch" in str(fact.fields["network_meaning"])
    assert (fact.fields["protocol"], fact.fields["local_ports"], fact.fields["enabled"]) == ("TCP", "53", True)
    assert fact.context


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=47000|Name=Cortana|", True),
        ("v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=80|LPort=47000|Name=Cortana|", True),
        ("v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=147000|Name=Cortana|", False),
        ("v2.30|Action=Allow|Dir=Out|App=C:\\Users\\a\\.vscode\\cli\\code-tunnel.exe|Name=x|", True),
        ("v2.30|Action=Allow|Dir=Out|App=C:\\Windows\\System32\\WindowsSandboxClient.exe|Name=x|", True),
        ("v2.30|Action=Block|Active=TRUE|Dir=Out|App=C:\\a.exe|Name=Telemetry|", False),
        ("", False),
        ("|||=|", False),
    ],
)
def test_what_is_told(text: str, told: bool) -> None:
    facts, problems = run(ARTIFACT, hive([rule("{A}", text)]), SYSTEM)
    assert problems == []
    assert [fact.context for fact in facts] == ([False] if told else [])


def test_another_control_set_tells_only_what_differs() -> None:
    text = "v2.30|Action=Allow|Dir=In|Protocol=6|LPort=47000|Name=a|"
    older = [rule("{A}", text), rule("{B}", text)]
    facts, _ = run(ARTIFACT, hive([rule("{A}", text)], older), SYSTEM)
    assert [(fact.fields["control_set"], fact.fields["value_name"]) for fact in facts] == [
        ("ControlSet001", "{A}"),
        ("ControlSet002", "{B}"),
    ]


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("C:\\Users\\a\\AppData\\Local\\Programs\\Microsoft VS Code\\Code.exe", True),
        ("C:\\Program Files\\nodejs\\node.exe", True),
        ("C:\\tools\\barcode.exe", False),
    ],
)
def test_rules_of_editors_are_context(program: str, told: bool) -> None:
    text = f"v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|App={program}|Name=x|"
    facts, _ = run(ARTIFACT, hive([rule("{A}", text)]), SYSTEM)
    assert [(fact.context, fact.fields["executable"]) for fact in facts] == ([(True, program)] if told else [])


@pytest.mark.samples
def test_a_real_system_without_such_rules(samples: Path) -> None:
    opened = Hive.open((samples / "hives" / "SYSTEM_B").read_bytes())
    assert run(ARTIFACT, opened, SYSTEM) == ([], [])
    key = opened.key(f"ControlSet001\\{RULES}")
    assert key is not None
    assert sum(value.text().startswith("v2.") for value in key.values()) == 443
