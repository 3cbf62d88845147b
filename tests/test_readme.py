"""The two READMEs tell the same: every file, option, exit code and page that one names, the other names too."""

from __future__ import annotations

import re

import pytest

from forensics.case import CASE_FILES
from forensics.cli import main
from tests.conftest import ROOT

ENGLISH, JAPANESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ja.md"))


def links(text: str) -> set[str]:
    """The files of the project that a page leads to."""
    return set(re.findall(r"\]\(([^)#:]+)\)", text)) - {"README.md", "README.ja.md"}


def test_both_lead_to_the_same_pages_and_these_exist() -> None:
    assert links(ENGLISH) == links(JAPANESE)
    assert "docs/collections.md" in links(JAPANESE)
    assert [path for path in links(ENGLISH) if not (ROOT / path).is_file()] == []


def codes(text: str) -> list[str]:
    return re.findall(r"^\| (\d) \|", text, re.MULTILINE)


def test_both_have_the_same_exit_codes_and_files() -> None:
    assert codes(ENGLISH) == codes(JAPANESE) == ["0", "2", "3", "4", "5"]
    for text in (ENGLISH, JAPANESE):
        assert [name for name in CASE_FILES if f"`{name}`" not in text] == []


def test_every_command_is_in_both() -> None:
    for text in (ENGLISH, JAPANESE):
        assert [name for name in main.commands if f"mirrortrace {name} " not in text] == []


@pytest.mark.parametrize("text", [ENGLISH, JAPANESE], ids=["en", "ja"])
def test_what_a_reader_looks_for_is_named(text: str) -> None:
    for word in ("`findings`", "`session_ids`", "`record_id`", "sandbox.vhdx", "[guest]", "0 records", "cleared at"):
        assert word in text, word


def test_option_rows_are_the_same() -> None:
    options = [set(re.findall(r"`(--[a-z-]+)", text)) for text in (ENGLISH, JAPANESE)]
    assert options[0] ^ options[1] == set()
