"""What was deleted from the compatibility keys: told where the live hive no longer has it, and only then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from forensics.artifacts import amcache, app_compat_store, shimcache
from forensics.artifacts.base import RegistryArtifact
from forensics.formats.hive_deleted import layers, recover
from forensics.model import Fact
from testdata.writers.appcompatcache import Program, windows_10
from testdata.writers.hive import REG_BINARY, REG_DWORD, REG_SZ, HiveWriter
from tests.artifacts.registry_inputs import given
from tests.formats.freed_hives import Freed

MADE = datetime(2024, 12, 1, 8, 0, tzinfo=UTC)
GONE = MADE + timedelta(hours=5)
SANDBOX = "C:\\Windows\\System32\\WindowsSandbox.exe"


def recovered(artifact: RegistryArtifact, made: HiveWriter, gone: str) -> list[Fact]:
    freed = Freed(made.build())
    freed.delete_key(gone, GONE)
    hive = freed.hive()
    rows = [
        row
        for layer in layers(recover(hive, bytes(freed.data)), hive)
        for row in artifact.parse(layer, given("C:/x"))
        if isinstance(row, Fact) and layer.find_of(row.source.locator)  # the place leads back to the find
    ]
    assert rows
    return rows


def test_a_removed_amcache_entry() -> None:
    made = HiveWriter("x", MADE)
    for name in ("a|1", "b|2"):
        path = f"Root\\InventoryApplicationFile\\{name}"
        made.key(path, MADE)
        made.value(path, "LowerCaseLongPath", REG_SZ, f"c:\\{name[0]}.exe")
        made.value(path, "FileId", REG_SZ, "0000" + name[0] * 40)
    (fact,) = recovered(amcache.ARTIFACT, made, "Root\\InventoryApplicationFile\\b|2")
    assert (fact.fields["executable"], fact.fields["file_sha1"]) == ("c:\\b.exe", "b" * 40)


def test_a_removed_store() -> None:
    made = HiveWriter("x", MADE)
    path = "Software\\Microsoft\\Windows NT\\CurrentVersion\\AppCompatFlags\\Compatibility Assistant\\Store"
    made.key(path, MADE)
    made.value(path, SANDBOX, REG_BINARY, b"odd")
    (fact,) = recovered(app_compat_store.ARTIFACT, made, path)
    assert fact.fields["executable"] == SANDBOX


@pytest.mark.parametrize("other", [True, False])
def test_a_removed_shimcache_tells_what_the_live_one_lacks(*, other: bool) -> None:
    """The live control set has the second program; of a removed set only what it does not have is told."""
    made = HiveWriter("x", MADE)
    made.key("Select", MADE)
    made.value("Select", "Current", REG_DWORD, 1)
    programs = [Program(SANDBOX, MADE, executed=True), Program("C:\\b.exe", MADE)]
    for name, kept in (("ControlSet001", programs[1:] if other else programs), ("ControlSet002", programs)):
        path = f"{name}\\Control\\Session Manager\\AppCompatCache"
        made.key(path, MADE)
        made.value(path, "AppCompatCache", REG_BINARY, windows_10(kept))
    gone = "ControlSet002\\Control\\Session Manager\\AppCompatCache"
    rows = recovered(shimcache.ARTIFACT, made, gone)
    told = [row.fields["executable"] for row in rows if row.kind == "shimcache.entry"]
    assert told == ([SANDBOX] if other else [])
