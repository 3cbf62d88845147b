from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest

from forensics.artifacts.cbs_packages import ARTIFACT
from forensics.formats.hive_deleted import layers, recover
from forensics.times import to_filetime
from testdata.writers.hive import REG_DWORD, REG_SZ, HiveWriter
from tests.artifacts.registry_inputs import SID, given, merged, nested, run, sorted_out
from tests.formats.crafted_hives import Tree, Value, utf16
from tests.formats.freed_hives import Freed

SOFTWARE = "C:/Windows/System32/config/SOFTWARE"
CBS = "Microsoft\\Windows\\CurrentVersion\\Component Based Servicing"
NAME = "Containers-DisposableClientVM-Package~31bf3856ad364e35~amd64~~10.0.19041.1"
WHEN = datetime(2024, 12, 2, 2, 43, 40, tzinfo=UTC)
LAST = datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)


def dword(name: str, number: int) -> Value:
    return (name, 4, struct.pack("<I", number))


def package(state: int = 0x70, user: str = SID) -> Tree:
    ticks = to_filetime(WHEN)
    values = [
        dword("CurrentState", state),
        dword("InstallTimeHigh", ticks >> 32),
        dword("InstallTimeLow", ticks & 0xFFFFFFFF),
        ("InstallClient", 1, utf16("DISM Package Manager Provider")),
        ("InstallUser", 1, utf16(user)),
    ]
    return {"": values, "Updates": {"": [dword("Containers-DisposableClientVM", 1)]}}


def test_the_package() -> None:
    tree = nested(f"{CBS}\\Packages", {NAME: package(), "Package_for_KB5~1": package()})
    (fact,), problems = run(ARTIFACT, tree, SOFTWARE)
    assert problems == []
    assert fact.times == {"Installation Time": WHEN, "Content Modification Time": LAST}
    assert fact.fields == {
        "package_name": NAME,
        "package_state": "installed",
        "package_state_code": "0x70",
        "client_id": "DISM Package Manager Provider",
        "user_sid": SID,
        "update_states": ("Containers-DisposableClientVM=1",),
        "key_path": f"{CBS}\\Packages\\{NAME}",
    }
    assert not fact.context


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (0x40, "staged"),
        (0x20, "resolved"),
        (0xFFFFFFC0, "staged, broken"),
        (0xFFFFFF13, "0xffffff13"),
        (0x33, "0x33"),
    ],
)
def test_states(state: int, word: str) -> None:
    facts, _ = run(ARTIFACT, nested(f"{CBS}\\Packages", {NAME: package(state)}), SOFTWARE)
    assert (facts[0].fields["package_state"], facts[0].fields["package_state_code"]) == (word, f"0x{state:x}")


def test_related_packages_are_context_and_times_may_be_absent() -> None:
    tree = nested(f"{CBS}\\Packages", {"HypervisorPlatform-Package~1": {"": [dword("InstallTimeHigh", 1)]}})
    (fact,), _ = run(ARTIFACT, tree, SOFTWARE)
    assert fact.context
    assert "Installation Time" in fact.no_times


def test_what_waits_for_a_restart() -> None:
    tree = merged(
        nested(f"{CBS}\\PackagesPending", {NAME: {}, "Package_for_KB5~1": {}}),
        nested(f"{CBS}\\RebootPending", {"": [dword("PackagesPending", 1)]}),
    )
    facts, _ = run(ARTIFACT, tree, SOFTWARE)
    assert [(fact.fields["pending_mark"], fact.fields.get("pending_packages"), fact.context) for fact in facts] == [
        ("PackagesPending", (NAME,), False),
        ("RebootPending", ("PackagesPending",), True),
    ]


def test_a_removed_package_is_recovered() -> None:
    writer = HiveWriter("ROOT", LAST)
    writer.key("Microsoft\\Windows NT\\CurrentVersion", LAST)
    path = f"{CBS}\\Packages\\{NAME}"
    writer.key(path, WHEN)
    writer.value(path, "CurrentState", REG_DWORD, 0x70)
    writer.value(path, "InstallClient", REG_SZ, "DISM Package Manager Provider")
    freed = Freed(writer.build())
    freed.delete_key(path, LAST)
    hive = freed.hive()
    found = recover(hive, bytes(freed.data))
    rows = [row for layer in layers(found, hive) for row in ARTIFACT.parse(layer, given(SOFTWARE))]
    facts, _ = sorted_out(ARTIFACT, rows)
    (fact,) = [fact for fact in facts if fact.kind == "feature.package"]
    assert (fact.fields["package_name"], fact.fields["package_state"]) == (NAME, "installed")
    assert "deleted" in fact.source.locator
