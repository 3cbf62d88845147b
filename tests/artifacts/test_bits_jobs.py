from __future__ import annotations

import pytest

from forensics.artifacts.bits_jobs import ARTIFACT
from testdata.writers import bits
from tests.artifacts.autostarts import entries
from tests.artifacts.file_inputs import run

PATH = "C:/ProgramData/Microsoft/Network/Downloader/qmgr.db"
OWNER = "S-1-5-21-1111111111-2222222222-3333333333-1001"


def job(name: str, description: str, program: str, arguments: str, *, bare: bool = False) -> bytes:
    return bits.job(name, description, program, arguments, OWNER, bare=bare)


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("description", ["", "更新の確認"])
def test_a_job_with_a_command(description: str, bare: bool) -> None:
    data = bytes(4096) + job("Upd", description, "C:\\Windows\\System32\\cmd.exe", "cmd.exe /c C:\\x.bat", bare=bare)
    facts, problems = run(ARTIFACT, PATH, data)
    assert problems == []
    (fact,) = facts
    assert fact.fields["entry_name"] == "Upd"
    assert fact.fields["command_line"] == "C:\\Windows\\System32\\cmd.exe cmd.exe /c C:\\x.bat"
    assert fact.fields["user_sid"] == OWNER
    entry = entries(facts)["Upd"]
    assert entry.score > 40
    assert "T1197" in entry.attack


@pytest.mark.parametrize("description", ["", "更新の確認"])
@pytest.mark.parametrize("arguments", ["", "/c C:\\x.bat"])
@pytest.mark.parametrize("bare", [False, True])
def test_the_locator_leads_to_the_jobs_name(description: str, arguments: str, bare: bool) -> None:
    data = bytes(4096) + job("Upd-1", description, "C:\\a.exe", arguments, bare=bare) + bytes(64)
    (fact,), _ = run(ARTIFACT, PATH, data)
    place = int(fact.source.locator.removeprefix("offset 0x"), 16)
    assert place == data.index("Upd-1".encode("utf-16-le"))


@pytest.mark.parametrize("bare", [False, True])
def test_jobs_without_a_command_are_none(bare: bool) -> None:
    data = job("Font Download", "", "", "", bare=bare) + job("Chrome", "component", "", "", bare=bare)
    assert run(ARTIFACT, PATH, data) == ([], [])


@pytest.mark.parametrize("owner", [OWNER, "S-1-5-18", "S-1-12-1-1111111111-2222222222-3333333333-4444444444"])
@pytest.mark.parametrize(
    ("program", "arguments"), [("cmd", "/c C:\\x\\a.bat"), ("C:\\a.exe", ""), ("a.exe", "k" * 30_000)]
)
def test_owners_of_every_kind_and_commands_of_every_length(owner: str, program: str, arguments: str) -> None:
    facts, problems = run(ARTIFACT, PATH, b"\x11" * 64 + bits.job("Upd", "", program, arguments, owner) + b"\x22" * 64)
    assert problems == []
    assert [fact.fields["command_line"] for fact in facts] == [f"{program} {arguments}".strip()]
    assert facts[0].fields["user_sid"] == owner


def test_a_name_is_no_program() -> None:
    """A head without the two texts of a command: the texts before the owner are name and description."""
    data = b"\x11" * 64 + bits.counted("Font Download") + bits.counted("fonts") + bits.counted(OWNER) + bytes(40)
    assert run(ARTIFACT, PATH, data) == ([], [])


def test_a_long_job_across_two_blocks() -> None:
    one = bits.job("Upd", "d" * 20_000, "C:\\a.exe", "k" * 30_000, OWNER)
    facts, _ = run(ARTIFACT, PATH, b"\x11" * (8 * 1024 * 1024 - len(one) // 2) + one + b"\x22" * 1024)
    assert [fact.fields["entry_name"] for fact in facts] == ["Upd"]


def test_a_job_is_told_once_and_damage_costs_only_itself() -> None:
    one = job("A", "", "C:\\a.exe", "")
    facts, _ = run(ARTIFACT, PATH, one + bytes(100) + one + job("B", "x", "C:\\b c.exe", "-q"))
    assert [fact.fields["entry_name"] for fact in facts] == ["A", "B"]
    assert facts[1].fields["command_line"] == '"C:\\b c.exe" -q'
    for length in range(0, len(one), 3):
        run(ARTIFACT, PATH, one[:length])
    assert run(ARTIFACT, PATH, bits.counted(OWNER) * 50) == ([], [])


def test_a_job_in_its_database() -> None:
    (fact,), problems = run(ARTIFACT, PATH, bits.queue([job("A", "", "", ""), job("B", "", "C:\\b.exe", "-q")]))
    assert problems == []
    assert (fact.fields["entry_name"], fact.fields["command_line"]) == ("B", "C:\\b.exe -q")
