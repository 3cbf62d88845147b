from __future__ import annotations

import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest
from Registry import Registry

from forensics.formats import FormatError
from forensics.formats.hive import Hive
from tests.formats.crafted_hives import SYSTEM, Builder, Tree, hive, read_all, texts

# -- sound hives ----------------------------------------------------------------------------------------------------


def test_keys_and_values_by_path() -> None:
    found = Hive.open(hive(SYSTEM))
    assert (found.state, found.kind, found.root_name, texts(found)) == ("clean", "SYSTEM", "ROOT", [])
    key = found.key("controlset002\\SERVICES\\Code_Tunnel")
    assert key is not None
    assert key.path == "ControlSet002\\Services\\code_tunnel"
    assert key.last_write == datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)
    assert [(value.name, value.type_name, value.data) for value in key.values()] == [
        ("ImagePath", "REG_EXPAND_SZ", "C:\\t\\code.exe tunnel"),
        ("Start", "REG_DWORD", 2),
    ]
    assert key.value("IMAGEPATH") is not None
    assert key.value("absent") is None
    japanese = found.key("ControlSet002\\Services\\日本")
    assert japanese is not None
    value = japanese.value("値")
    assert value is not None
    assert value.text() == "データ"
    assert found.key("ControlSet002\\Services\\absent\\deeper") is None


def test_globs_walk_and_control_sets() -> None:
    found = Hive.open(hive(SYSTEM))
    assert found.control_sets() == ["ControlSet002", "ControlSet001"]
    assert [key.path for key in found.glob("ControlSet*\\Services\\?ld")] == ["ControlSet001\\Services\\Old"]
    assert [key.name for key in found.glob("*\\Services\\*")] == ["Old", "code_tunnel", "Ünïcode", "日本"]
    assert len(list(found.walk())) == 10
    assert len(list(found.walk(found.key("ControlSet002")))) == 5


@pytest.mark.parametrize(
    ("content", "root", "kind"),
    [
        ({"Microsoft": {}, "Classes": {}}, "x", "SOFTWARE"),
        ({"Software": {}, "Environment": {}}, "x", "NTUSER"),
        ({"Software": {}}, "x", "NTUSER"),
        ({"Software": {}, "ControlSet001": {}}, "x", "UNKNOWN"),
        ({".wsb": {}}, "S-1-5-21-1_Classes", "USRCLASS"),
        ({"Local Settings": {}}, "x", "USRCLASS"),
        ({"SAM": {}}, "x", "SAM"),
        ({"Policy": {}, "Cache": {}, "SAM": {}}, "x", "SECURITY"),
        ({"Root": {"InventoryApplicationFile": {}}}, "x", "AMCACHE"),
        ({"Root": {}}, "x", "UNKNOWN"),
        ({}, "x", "UNKNOWN"),
    ],
)
def test_kind_is_told_by_content(content: Tree, root: str, kind: str) -> None:
    assert Hive.open(hive(content, root_name=root)).kind == kind


@pytest.mark.parametrize("signature", [b"lf", b"lh", b"li"])
def test_every_kind_of_leaf_and_an_index_of_leaves(signature: bytes) -> None:
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    keys = [builder.nk(f"k{number}".encode(), parent=root) for number in range(4)]
    leaves = [builder.leaf(keys[:2], signature), builder.leaf(keys[2:], signature)]
    builder.link(root, children=(4, builder.leaf(leaves, b"ri")))
    found = Hive.open(builder.build(root))
    assert [key.name for key in found.root.subkeys()] == ["k0", "k1", "k2", "k3"]
    assert texts(found) == []


def test_big_data_is_joined() -> None:
    builder = Builder()
    root = builder.nk(b"ROOT", flags=0x2C)
    raw = bytes(range(256)) * 130
    parts = [builder.cell(raw[:16344]), builder.cell(raw[16344:32688]), builder.cell(raw[32688:])]
    data = builder.cell(struct.pack("<2sHI", b"db", 3, builder.offsets(parts)))
    value = builder.vk(b"big", 3, len(raw), data)
    builder.link(root, values=(1, builder.offsets([value])))
    found = Hive.open(builder.build(root))
    big = found.root.value("BIG")
    assert big is not None
    assert big.raw == raw
    assert texts(found) == []


# -- real hives -----------------------------------------------------------------------------------------------------

REAL = {
    "NTUSER-WSL.DAT": ("NTUSER", "clean", 3074),
    "NTUSER_with_winscp.DAT": ("NTUSER", "dirty_not_replayed", 5328),
    "amcache.hve": ("AMCACHE", "dirty_not_replayed", 2105),
    "malformed/ez-SAM": ("SAM", "clean", 68),
    "malformed/ez-SAMBadHBinHeader": ("SAM", "clean", 68),
    "malformed/ez-SECURITY": ("SECURITY", "dirty_not_replayed", 242),
    "malformed/ez-UsrClassDeletedBags.dat": ("USRCLASS", "clean", 37),
    "yarp/ManySubkeysHive": ("UNKNOWN", "clean", 5003),
}


@pytest.mark.samples
@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", REAL)
def test_real_hives(samples: Path, name: str) -> None:
    found = Hive.open((samples / "hives" / name).read_bytes())
    assert (found.kind, found.state, read_all(found)[0]) == REAL[name]
    expected = {"clean": 0, "dirty_not_replayed": 1}[found.state] + ("BadHBin" in name)
    assert len(found.problems) == expected


@pytest.mark.samples
@pytest.mark.timeout(60)
@pytest.mark.parametrize("folder", ["yarp", "malformed"])
def test_broken_hives_give_keys_or_a_format_error(samples: Path, folder: str) -> None:
    opened = refused = 0
    for path in sorted((samples / "hives" / folder).iterdir()):
        try:
            found = Hive.open(path.read_bytes())
        except FormatError:
            refused += 1
            continue
        read_all(found)
        opened += 1
    assert (opened, refused) == {"yarp": (22, 23), "malformed": (12, 4)}[folder]


@pytest.mark.samples
@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("UnicodeHive", ["Привет"]),
        ("ExtendedASCIIHive", ["ëigenaardig"]),
        ("BogusKeyNamesHive", ["testnew\r\nne", "testnu\x00l"]),
        ("CompHive", ["\x9f", "Ÿ"]),
    ],
)
def test_real_odd_names(samples: Path, name: str, names: list[str]) -> None:
    found = Hive.open((samples / "hives" / "yarp" / name).read_bytes())
    assert [key.name for key in found.root.subkeys()] == names


@pytest.mark.samples
@pytest.mark.timeout(120)
def test_a_second_reader_sees_the_same(samples: Path) -> None:
    """python-registry's own walk, which trusts every offset, over a sound hive."""
    path = samples / "hives" / "NTUSER-WSL.DAT"
    found = Hive.open(path.read_bytes())
    ours = {key.path: (key.last_write, {value.name: value for value in key.values()}) for key in found.walk()}
    stack = [Registry.Registry(str(path)).root()]
    seen = 0
    while stack:
        key = stack.pop()
        stack.extend(key.subkeys())
        seen += 1
        moment, values = ours[key.path().partition("\\")[2]]
        if isinstance(moment, datetime):
            assert abs(moment.replace(tzinfo=None) - key.timestamp()).total_seconds() < 0.00001
        assert len(values) == key.values_number()
        for value in key.values():
            name = "" if value.name() == "(default)" else value.name()
            if value.value_type() in (1, 2, 3) and values[name].type < 16:
                assert values[name].raw == value.raw_data()[: len(values[name].raw)]
    assert seen == len(ours) == 3074


@pytest.mark.samples
@pytest.mark.timeout(120)
def test_a_real_hive_cut_at_many_places(samples: Path) -> None:
    whole = (samples / "hives" / "malformed" / "ez-SECURITY").read_bytes()
    claimed = 0x1000 + struct.unpack_from("<I", whole, 0x28)[0]
    for length in range(0, claimed, 1531):
        try:
            found = Hive.open(whole[:length])
        except FormatError:
            continue
        read_all(found)
        assert any("truncated" in text for text in texts(found))
