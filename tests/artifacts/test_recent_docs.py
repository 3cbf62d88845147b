from __future__ import annotations

import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.artifacts.recent_docs import ARTIFACT, _link_name
from forensics.formats.hive import Hive
from tests.artifacts.registry_inputs import NTUSER, SID, merged, nested, run
from tests.formats.crafted_hives import Tree, Value, utf16

RECENT = "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\RecentDocs"
WHEN = datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)


def entry(number: int, name: str) -> Value:
    link = utf16(f"{name}.lnk")
    block = struct.pack("<HHI", 48 + len(link), 9, 0xBEEF0004).ljust(46, b"\0") + link + b"\x1e\0"
    item = b"\x32\0".ljust(12, b"\0") + b"SHORT.lnk\0" + block
    return (str(number), 3, utf16(name) + struct.pack("<H", len(item) + 2) + item + b"\0\0")


def order(*numbers: int) -> Value:
    return ("MRUListEx", 3, struct.pack(f"<{len(numbers) + 1}I", *numbers, 0xFFFFFFFF))


def hive(*keys: Tree) -> Tree:
    return merged({"Environment": {}}, *keys)


def test_only_the_newest_has_a_time() -> None:
    key = nested(
        f"{RECENT}\\.wsb", {"": [order(1, 0), entry(0, "old.wsb"), entry(1, "田中.wsb"), entry(2, "lost.wsb")]}
    )
    facts, problems = run(ARTIFACT, hive(key), NTUSER)
    assert problems == []
    assert [(fact.fields["file_name"], fact.fields.get("order"), bool(fact.times)) for fact in facts] == [
        ("old.wsb", 2, False),
        ("田中.wsb", 1, True),
        ("lost.wsb", None, False),  # an entry that the list no longer names
    ]
    newest = facts[1]
    assert newest.times == {"Content Modification Time": WHEN}
    assert newest.fields["value_data"] == "田中.wsb.lnk"
    assert newest.fields["user_sid"] == SID
    assert newest.source.locator == f"{RECENT}\\.wsb\\1"
    assert not newest.context


def test_the_key_above_survives_a_deleted_one() -> None:
    key = nested(RECENT, {"": [order(1, 0), entry(0, "lab.WSB"), entry(1, "notes.txt")]})
    (fact,), problems = run(ARTIFACT, hive(key), NTUSER)
    assert (problems, fact.fields["file_name"], fact.fields["order"], fact.times) == ([], "lab.WSB", 2, {})


@pytest.mark.parametrize("raw", [b"", b"\0", b"\xff" * 3])
def test_damage(raw: bytes) -> None:
    values = [("MRUListEx", 3, raw), ("0", 3, raw), ("odd", 3, raw)]
    facts, problems = run(ARTIFACT, hive(nested(f"{RECENT}\\.wsb", {"": values})), NTUSER)
    assert facts == []
    assert len(problems) <= 1


@pytest.mark.samples
def test_a_real_user_without_wsb_files(samples: Path) -> None:
    opened = Hive.open((samples / "hives" / "NTUSER_with_winscp.DAT").read_bytes())
    assert run(ARTIFACT, opened, "C:/Users/tony/NTUSER.DAT") == ([], [])
    key = opened.key(RECENT)
    assert key is not None
    links = [_link_name(value.raw) for value in key.values()]
    assert "VelocityCon.docx.lnk" in links
    assert sum(link is not None and link.endswith(".lnk") for link in links) > 100
