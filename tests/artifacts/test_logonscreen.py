"""Programs of the logon screen by the $MFT alone: sizes, hard links and births, out of the bytes of a table."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest

from forensics.artifacts import mft_entries
from forensics.artifacts._logonscreen import PROGRAMS
from forensics.artifacts.base import FileInput
from forensics.model import Fact, Host
from testdata.writers import mft
from testdata.writers.ntfs import Description, Times
from tests.artifacts.autostarts import entries
from tests.artifacts.registry_inputs import sorted_out

SETUP = datetime(2024, 5, 14, 2, 20, tzinfo=UTC)
SYSTEM, STORE = "Windows/System32", "Windows/WinSxS"
SHELL = 289_792


def times(moment: datetime) -> Times:
    return Times(moment, moment, moment, moment)


def screen(
    *, sizes: dict[str, int], unlinked: tuple[str, ...] = (), born: dict[str, datetime] | None = None
) -> list[Fact]:
    """The rows of a table with all seven programs and a shell."""
    names = [*sorted(PROGRAMS), "cmd.exe"]
    size = {name: 40_000 + 512 * number for number, name in enumerate(names)} | {"cmd.exe": SHELL} | sizes
    born = born or {}
    told = Description(
        contents={f"{SYSTEM}/{name}": (bytes(size[name]), times(born.get(name, SETUP))) for name in names},
        folders={path: times(SETUP) for path in ("Windows", SYSTEM, STORE, f"{STORE}/amd64_x")},
        whole=times(SETUP), serial=1,
        links={f"{SYSTEM}/{name}": (f"{STORE}/amd64_x/{name}",) for name in names if name not in unlinked},
    )  # fmt: skip
    data, _ = mft.build(told)
    given = FileInput("C:/$MFT", io.BytesIO(data), len(data), "0" * 64, "ev", Host(), None, {}, {})
    facts, problems = sorted_out(mft_entries.ARTIFACT, list(mft_entries.ARTIFACT.parse(given)))
    assert problems == []
    return [fact for fact in facts if fact.kind == "mft.program_odd"]


def test_as_windows_has_it() -> None:
    assert screen(sizes={}) == []


def test_a_copy_of_the_shell() -> None:
    later = SETUP + timedelta(days=200)
    (fact,) = screen(sizes={"sethc.exe": SHELL}, unlinked=("sethc.exe",), born={"sethc.exe": later})
    assert fact.fields["file_path"] == "C:\\Windows\\System32\\sethc.exe"
    assert fact.times == {"Creation Time": later}
    note = str(fact.fields["table_note"])
    for part in (
        "as large as cmd.exe (289792 bytes)",
        "no hard link of it below WinSxS, as 6 of 6",
        "its name was made at",
    ):
        assert part in note
    entry = entries([fact])["sethc.exe"]
    assert (entry.mechanism, entry.score) == ("accessibility_replaced", 90)
    assert entry.first_seen_source == "$MFT: birth of the file's name ($FN)"
    assert "T1546.008" in entry.attack


@pytest.mark.parametrize(("days", "score"), [(0, 20), (200, 45)])
def test_another_program(days: int, score: int) -> None:
    (fact,) = screen(sizes={}, unlinked=("osk.exe",), born={"osk.exe": SETUP + timedelta(days=days)})
    assert entries([fact])["osk.exe"].score == score


def test_an_update_keeps_the_link() -> None:
    assert screen(sizes={}, born={"osk.exe": SETUP + timedelta(days=200)}) == []


def test_a_system_that_was_copied_file_by_file_has_no_links() -> None:
    assert screen(sizes={}, unlinked=tuple(PROGRAMS)) == []


def test_two_at_once() -> None:
    found = screen(sizes={"sethc.exe": SHELL, "utilman.exe": SHELL}, unlinked=("sethc.exe", "utilman.exe"))
    assert {str(fact.fields["entry_name"]) for fact in found} == {"sethc.exe", "utilman.exe"}
    assert all("as 5 of 6" in str(fact.fields["table_note"]) for fact in found)
