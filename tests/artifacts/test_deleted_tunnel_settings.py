"""What somebody removed to make a tunnel possible, or to hide that there was one: told out of free cells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from forensics.artifacts import installed_software, tunnel_environment, tunnel_policies
from forensics.artifacts.base import RegistryArtifact
from forensics.formats.hive_deleted import layers, recover
from forensics.model import Fact
from testdata.writers.hive import REG_DWORD, REG_EXPAND_SZ, REG_SZ, HiveWriter
from tests.artifacts.registry_inputs import given
from tests.formats.freed_hives import Freed

MADE = datetime(2024, 12, 1, 8, 0, tzinfo=UTC)
GONE = MADE + timedelta(hours=5)
UNINSTALL = "Microsoft\\Windows\\CurrentVersion\\Uninstall"


def recovered(artifact: RegistryArtifact, made: HiveWriter, gone: str) -> list[Fact]:
    freed = Freed(made.build())
    freed.delete_key(gone, GONE)
    hive = freed.hive()
    return [
        row
        for layer in layers(recover(hive, bytes(freed.data)), hive)
        for row in artifact.parse(layer, given("C:/x"))
        if isinstance(row, Fact) and layer.find_of(row.source.locator)
    ]


def test_a_removed_policy() -> None:
    made = HiveWriter("x", MADE)
    for path in ("Policies\\Microsoft\\DevTunnels", "Policies\\Microsoft\\Edge"):
        made.key(path, MADE)
        made.value(path, "DisableAnonymousAccess", REG_DWORD, 1)
    (fact,) = recovered(tunnel_policies.ARTIFACT, made, "Policies\\Microsoft\\DevTunnels")
    assert (fact.fields["policy_program"], fact.fields["value_data"]) == ("dev tunnels", "1")
    assert "deleted" in fact.source.locator


def test_a_program_that_was_removed() -> None:
    made = HiveWriter("x", MADE)
    for name in ("a", "{EA457B21-F73E-494C-ACAB-524FDE069978}_is1"):
        path = f"{UNINSTALL}\\{name}"
        made.key(path, MADE)
        made.value(path, "DisplayName", REG_SZ, f"program {name}")
        made.value(path, "UninstallString", REG_SZ, "x")
    (fact,) = recovered(installed_software.ARTIFACT, made, f"{UNINSTALL}\\{{EA457B21-F73E-494C-ACAB-524FDE069978}}_is1")
    assert fact.fields["software_meaning"] == "VS Code, system setup"
    assert not fact.context


def test_a_removed_variable() -> None:
    made = HiveWriter("x", MADE)
    made.key("Software", MADE)
    made.key("Environment", MADE)
    made.value("Environment", "VSCODE_CLI_DATA_DIR", REG_EXPAND_SZ, "C:\\ProgramData\\x")
    made.value("Environment", "VSCODE_CLI_ACCESS_TOKEN", REG_SZ, "gho_planted")
    rows = recovered(tunnel_environment.ARTIFACT, made, "Environment")
    assert sorted(str(fact.fields["variable_name"]) for fact in rows) == [
        "VSCODE_CLI_ACCESS_TOKEN",
        "VSCODE_CLI_DATA_DIR",
    ]
    assert "gho_planted" not in str(rows)
