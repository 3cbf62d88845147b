from __future__ import annotations

from pathlib import Path

import pytest

from forensics.artifacts.installed_software import ARTIFACT
from forensics.formats.hive import Hive
from tests.artifacts.registry_inputs import NTUSER, SID, merged, nested, run
from tests.formats.crafted_hives import Tree, utf16

SOFTWARE = "C:/Windows/System32/config/SOFTWARE"
UNINSTALL = "Microsoft\\Windows\\CurrentVersion\\Uninstall"
USER_SETUP = "{771FD6B0-FA20-440A-A002-3B3BAC16DC50}_is1"


def entry(**values: str) -> Tree:
    return {"": [(name, 1, utf16(text)) for name, text in values.items()]}


def test_vs_code_of_one_user() -> None:
    code = entry(
        DisplayName="Microsoft Visual Studio Code (User)",
        DisplayVersion="1.95.3",
        Publisher="Microsoft Corporation",
        InstallDate="20241204",
        InstallLocation="C:\\Users\\田中\\AppData\\Local\\Programs\\Microsoft VS Code\\",
    )
    tree = nested(f"Software\\{UNINSTALL}", {USER_SETUP: code})
    (fact,), problems = run(ARTIFACT, tree, NTUSER)
    assert problems == []
    assert (fact.fields["user_name"], fact.fields["user_sid"]) == ("田中", SID)
    assert fact.fields["product_version"] == "1.95.3"
    assert fact.fields["install_date"] == "2024-12-04"
    assert fact.fields["software_meaning"] == "VS Code, user setup"
    assert fact.fields["software_scope"] == "user"
    assert list(fact.times) == ["Content Modification Time"]
    assert fact.times["Content Modification Time"].isoformat() == "2024-12-03T23:01:01+00:00"
    assert not fact.context


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Dev Tunnels", True),
        ("Visual Studio Community 2022", True),
        ("Cursor (User)", True),
        ("Microsoft Visual C++ 2015-2022 Redistributable", False),
        ("Custom Cursor Pack", False),
        ("Mozilla Firefox", False),
    ],
)
def test_what_is_kept(name: str, kept: bool) -> None:
    (fact,), _ = run(ARTIFACT, nested(UNINSTALL, {"x": entry(DisplayName=name)}), SOFTWARE)
    assert fact.context is not kept


def test_views_dates_and_entries_that_say_nothing() -> None:
    tree = merged(
        nested(UNINSTALL, {"a": entry(DisplayName="A", InstallDate="4.12.2024"), "nameless": entry(Publisher="x")}),
        nested(f"Wow6432Node\\{UNINSTALL}", {"b": entry(DisplayName="B", InstallDate="20241304")}),
    )
    facts, problems = run(ARTIFACT, tree, SOFTWARE)
    assert problems == []
    assert [(fact.fields["software_scope"], fact.fields["install_date"]) for fact in facts] == [
        ("machine", "4.12.2024"),
        ("machine, 32-bit view", "20241304"),
    ]


@pytest.mark.samples
def test_a_real_user_hive(samples: Path) -> None:
    opened = Hive.open((samples / "hives" / "NTUSER_with_winscp.DAT").read_bytes())
    facts, problems = run(ARTIFACT, opened, NTUSER)
    assert problems == []
    listing = opened.key(f"Software\\{UNINSTALL}")
    named = [key.name for key in listing.subkeys() if key.value("DisplayName")] if listing else []
    assert [fact.fields["uninstall_key"] for fact in facts] == named
