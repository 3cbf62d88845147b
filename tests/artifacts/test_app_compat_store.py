from __future__ import annotations

import struct
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from dissect.regf import RegistryHive

from forensics.artifacts.app_compat_store import ARTIFACT
from forensics.formats.hive import Hive
from forensics.timeline import render
from tests.artifacts.registry_inputs import NTUSER, SID, merged, nested, run
from tests.formats.crafted_hives import Tree, Value, utf16

FLAGS = "Microsoft\\Windows NT\\CurrentVersion\\AppCompatFlags"
STORE = f"Software\\{FLAGS}\\Compatibility Assistant\\Store"
WHEN = datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)
SANDBOX = "C:\\Windows\\System32\\WindowsSandbox.exe"


def sacp(size: int = 306_784, checksum: int = 0x4EF85, *, second: bool = False) -> bytes:
    """A value as real hives have it: header of 12 bytes, block 7, sometimes a block 2 behind it."""
    data = b"SACP" + struct.pack("<II", 1, 0) + struct.pack("<II", 7, 0x28)
    data += struct.pack("<III", size, checksum, 1).ljust(0x28, b"\0")
    return data + struct.pack("<II", 2, 0x28) + bytes(0x28) if second else data


def entry(name: str, data: bytes = sacp()) -> Value:
    return (name, 3, data)


def hive(*keys: Tree) -> Tree:
    return merged({"Environment": {}}, *keys)


def test_programs_of_a_user() -> None:
    medium = "SIGN.MEDIA=19F1470 tools\\code-tunnel.exe"
    names = [entry(SANDBOX), entry(medium, sacp(second=True)), entry("C:\\x\\y.exe", sacp(0, 0))]
    facts, problems = run(ARTIFACT, hive(nested(STORE, {"": names})), NTUSER)
    assert problems == []
    sandbox, tunnel, other = facts
    assert sandbox.fields["executable_name"] == "WindowsSandbox.exe"
    assert (sandbox.fields["file_size"], sandbox.fields["pe_checksum"]) == (306_784, "0x0004ef85")
    assert (sandbox.fields["profile_user"], sandbox.fields["user_sid"]) == ("田中", SID)
    assert sandbox.times == {"Content Modification Time": WHEN}
    assert sandbox.source.locator == f"{STORE}\\{SANDBOX}"
    assert tunnel.fields["executable"] == "tools\\code-tunnel.exe"
    assert tunnel.fields["media_signature"] == "19F1470"
    assert tunnel.fields["value_name"] == medium
    assert [fact.context for fact in facts] == [False, False, True]
    assert {"file_size", "pe_checksum", "media_signature"}.isdisjoint(other.fields)
    assert "from the medium 19F1470" in render(
        "compat.program", ARTIFACT.emits["compat.program"].message, tunnel.fields
    )


def test_persisted_of_windows_7_and_layers() -> None:
    persisted = nested(f"Software\\{FLAGS}\\Compatibility Assistant\\Persisted", {"": [(SANDBOX, 4, b"\1\0\0\0")]})
    layers = nested(
        f"Software\\{FLAGS}\\Layers",
        {"": [("C:\\t\\wsb.exe", 1, utf16("~ RUNASADMIN WIN7RTM")), ("", 1, utf16("x")), ("C:\\a.exe", 1, utf16("~"))]},
    )
    (program, layer, other), problems = run(ARTIFACT, hive(persisted, layers), NTUSER)
    assert problems == []
    assert (program.kind, program.fields["executable"]) == ("compat.program", SANDBOX)
    assert "file_size" not in program.fields
    assert (layer.kind, layer.fields["compat_layers"]) == ("compat.layer", "~ RUNASADMIN WIN7RTM")
    assert (layer.context, other.context) == (False, True)


@pytest.mark.parametrize("root", ["", "Wow6432Node\\"])
def test_the_machine_s_settings(root: str) -> None:
    tree = merged(
        {"Microsoft": {}, "Classes": {}}, nested(f"{root}{FLAGS}\\Layers", {"": [(SANDBOX, 1, utf16("~ X"))]})
    )
    (fact,), problems = run(ARTIFACT, tree, "C:/Windows/System32/config/SOFTWARE")
    assert problems == []
    assert fact.fields["executable"] == SANDBOX
    assert {"profile_user", "user_sid"}.isdisjoint(fact.fields)


@pytest.mark.parametrize("length", range(len(sacp(second=True))))
def test_a_cut_value_still_names_its_program(length: int) -> None:
    data = sacp(second=True)[:length]
    (fact,), problems = run(ARTIFACT, hive(nested(STORE, {"": [entry(SANDBOX, data)]})), NTUSER)
    assert fact.fields["executable"] == SANDBOX
    if 4 <= length < 60:
        assert problems[0].source.locator == f"{STORE}\\{SANDBOX}"
        assert "file_size" not in fact.fields
    else:
        assert problems == []


def test_hostile_sizes() -> None:
    data = b"SACP" + struct.pack("<II", 1, 0) + struct.pack("<II", 1, 0) * 1000 + struct.pack("<II", 7, 0xFFFFFFFF)
    facts, (problem,) = run(ARTIFACT, hive(nested(STORE, {"": [entry(SANDBOX, data)]})), NTUSER)
    assert len(facts) == 1
    assert "leaves the value" in problem.detail


@pytest.mark.samples
@pytest.mark.parametrize(("name", "count"), [("NTUSER_with_winscp.DAT", 54), ("NTUSER-WSL.DAT", 4)])
def test_real_users(samples: Path, name: str, count: int) -> None:
    data = (samples / "hives" / name).read_bytes()
    facts, problems = run(ARTIFACT, Hive.open(data), "C:/Users/tony/NTUSER.DAT")
    assert problems == []
    key = RegistryHive(BytesIO(data)).open(STORE)
    expected = {value.name: value.value for value in key.values()}
    assert {str(fact.fields["value_name"]) for fact in facts} == set(expected)
    assert len(facts) == len(expected) == count
    for fact in facts:
        raw = expected[str(fact.fields["value_name"])]
        assert fact.fields.get("file_size", 0) == struct.unpack_from("<I", raw, 20)[0]
        assert abs((fact.times["Content Modification Time"] - key.timestamp).total_seconds()) < 0.001
