"""State databases of the desktop program: live rows, superseded pages of the log, freed space, hostile files."""

from __future__ import annotations

import io
import json
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from forensics.artifacts import vscode_state
from forensics.artifacts.base import FileInput
from forensics.formats import FormatError, sqliteremnants
from forensics.model import Fact, Host, Problem
from forensics.timeline import COMMON_FIELDS
from testdata.host import scenario
from testdata.render import render
from testdata.writers import vscdb
from tests.artifacts.file_inputs import MODIFIED, utc
from tests.artifacts.registry_inputs import sorted_out

PATH = "C:/Users/鈴木/AppData/Roaming/Code/User/globalStorage/state.vscdb"
WHEN = utc(2025, 2, 3, 7, 55, 30)
SESSION = '{"providerId":"github","sessionId":"4f1c9b7a0e5d2386","accountLabel":"example-user"}'
SECRET = "gho_0000MadeUpSecretOfTheDesktop00000000"


def run(main: bytes, log: bytes | None = None) -> tuple[list[Fact], list[Problem]]:
    beside = {} if log is None else {"-wal": io.BytesIO(log)}
    given = FileInput(
        PATH, io.BytesIO(main), len(main), None, "test", Host(), None, {MODIFIED: WHEN}, siblings={**beside}
    )
    rows = list(vscode_state.parse(given))
    sorted_out(vscode_state.ARTIFACT, [_own(row) for row in rows])
    return [row for row in rows if isinstance(row, Fact)], [row for row in rows if isinstance(row, Problem)]


def _own(row: Fact | Problem) -> Fact | Problem:
    """The row without the fields that any recovered row has."""
    if isinstance(row, Problem):
        return row
    return replace(row, fields={name: value for name, value in row.fields.items() if name not in COMMON_FIELDS})


def scene(name: str, suffix: str = "") -> bytes:
    return render(scenario(name))[PATH.removeprefix("C:/") + suffix].data


def recovered(facts: list[Fact]) -> list[tuple[str, str, str]]:
    return [
        (fact.kind, str(fact.fields.get("account", "")), str(fact.fields["recovery_grade"]))
        for fact in facts
        if "recovered" in fact.tags
    ]


def test_what_turning_off_removed_stands_in_the_log() -> None:
    facts, problems = run(scene("tunnel-desktop"), scene("tunnel-desktop", "-wal"))
    assert problems == []
    live = [fact for fact in facts if "recovered" not in fact.tags]
    assert sorted((fact.kind, str(fact.fields["state_key"])) for fact in live) == [
        ("vscode.tunnel_service_used", "remoteTunnelServiceUsed"),
        ("vscode.tunnel_state", "remoteTunnelHasUsed"),
        ("vscode.tunnel_state", "remoteTunnelServicePromptedPreview"),
    ]
    used = next(fact for fact in live if fact.kind == "vscode.tunnel_service_used")
    assert used.times == {"Last Used Time": utc(2025, 2, 3, 0, 41, 16)}
    assert used.fields["tunnel_name"] == "suzuki-desk"
    (account,) = [fact for fact in facts if fact.kind == "tunnel.account"]
    assert account.fields["account"] == "example-user"
    assert account.fields["provider_name"] == "github"
    assert account.fields["auth_session_id"] == "4f1c9b7a0e5d2386"
    assert account.fields["recovery_grade"] == "row"
    assert str(account.fields["recovered_from"]).startswith("the write-ahead log, log frame ")
    assert account.no_times == {MODIFIED: "a remnant of a database has no time of its own"}
    offset = int(account.source.locator.rpartition("0x")[2], 16)
    assert scene("tunnel-desktop", "-wal")[offset:].startswith(b"remoteTunnelSession{")
    service = [fact for fact in facts if fact.fields.get("state_key") == "remoteTunnelIsService"]
    assert [fact.fields["state_value"] for fact in service] == ["false"]


def test_without_its_log_the_database_knows_nothing_of_it() -> None:
    facts, problems = run(scene("tunnel-desktop", ".backup"))
    assert (facts, problems) == ([], [])


def test_no_secret_is_told() -> None:
    facts, problems = run(scene("tunnel-desktop"), scene("tunnel-desktop", "-wal"))
    assert SECRET.encode() in scene("tunnel-desktop")
    assert SECRET not in repr(facts) + repr(problems)
    token = SESSION.replace("4f1c9b7a0e5d2386", SECRET)
    facts, _ = run(vscdb.build({"remoteTunnelSession": token}).main)
    assert SECRET not in repr(facts)
    assert "unusual shape" in str(facts[0].fields["reason"])


def test_a_session_in_force() -> None:
    made = vscdb.build({"theme": "dark"}, [{"remoteTunnelSession": SESSION, "remoteTunnelIsService": "true"}])
    facts, problems = run(made.main, made.wal)
    assert problems == []
    account, service = sorted(facts, key=lambda fact: fact.kind)
    assert (account.kind, account.times, account.tags) == ("tunnel.account", {MODIFIED: WHEN}, ())
    assert account.fields["as_service"] is True
    assert "applied" in str(account.fields["database_state"])
    assert service.fields["state_value"] == "true"


def deleted(tmp_path: Path, *, filler: int = 0) -> bytes:
    """A database out of which SQLite itself deleted the session, without wiping what it frees."""
    path = tmp_path / "freed.vscdb"
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute("PRAGMA secure_delete=OFF")
        made.execute("CREATE TABLE ItemTable (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)")
        for number in range(filler):
            made.execute("INSERT INTO ItemTable VALUES (?, ?)", (f"filler{number}", "x" * 300))
        made.execute("INSERT INTO ItemTable VALUES ('remoteTunnelSession', ?)", (SESSION,))
        made.execute("INSERT INTO ItemTable VALUES ('remoteTunnelIsService', 'false')")
        made.execute("DELETE FROM ItemTable WHERE key LIKE 'remoteTunnel%'")
        assert made.execute("SELECT count(*) FROM ItemTable").fetchone() == (filler,)
    return path.read_bytes()


@pytest.mark.parametrize("filler", [0, 3, 200])
def test_a_deleted_row_is_carved_from_freed_space(tmp_path: Path, filler: int) -> None:
    data = deleted(tmp_path, filler=filler)
    facts, problems = run(data)
    assert problems == []
    accounts = [fact for fact in facts if fact.kind == "tunnel.account"]
    assert [fact.fields["account"] for fact in accounts] == ["example-user"]
    assert accounts[0].fields["recovery_grade"] in ("record", "fragment")
    assert str(accounts[0].fields["recovered_from"]).startswith("the database file, page ")


def test_a_row_that_is_still_there_is_told_once() -> None:
    made = vscdb.build({"remoteTunnelSession": SESSION}, [{"other": "1"}, {"other": "2"}])
    facts, _ = run(made.main, made.wal)
    assert [fact.kind for fact in facts] == ["tunnel.account"]


def test_the_host_as_a_client_is_said_to_be_one() -> None:
    facts, problems = run(scene("tunnel-developer"))
    assert problems == []
    recommended, opened = sorted(facts, key=lambda fact: fact.kind, reverse=True)
    assert (recommended.fields["state_key"], recommended.context) == ("remoteTunnelExtensionRecommended", True)
    assert opened.kind == "vscode.remote_opened"
    assert opened.fields["tunnel_name"] == "build-box"
    assert opened.fields["opened_path"] == "C:\\src\\shop"
    assert opened.fields["display_text"] == "shop [Tunnel]"
    assert "CLIENT" in vscode_state.ARTIFACT.emits[opened.kind].message


def test_a_forgotten_remote_folder_and_other_remotes() -> None:
    def recent(*uris: str) -> str:
        return json.dumps({"entries": [{"folderUri": uri} for uri in uris] + [7, {"workspace": 3}]})

    old, ssh = "vscode-remote://tunnel%2Bgone/c%3A/x", "vscode-remote://ssh-remote%2Bbox/home"
    made = vscdb.build({"theme": "dark"}, [{"history.recentlyOpenedPathsList": recent(old, ssh)},
                                           {"history.recentlyOpenedPathsList": recent(ssh)}])  # fmt: skip
    facts, problems = run(made.main, made.wal)
    assert problems == []
    other, gone = facts
    assert (other.fields["remote_authority"], other.context) == ("ssh-remote+box", True)
    assert (gone.fields["tunnel_name"], gone.fields["recovery_grade"]) == ("gone", "fragment")
    assert recovered([gone]) == [("vscode.remote_opened", "", "fragment")]


def test_damage_is_said() -> None:
    made = vscdb.build({"remoteTunnelSession": SESSION}, [{"a": "1"}])
    facts, problems = run(b"no database at all" * 20, made.wal)
    assert [fact.fields["account"] for fact in facts if fact.kind == "tunnel.account"] in ([], ["example-user"])
    assert {problem.fault for problem in problems} == {"unreadable", "bad_record"}
    facts, problems = run(
        vscdb.build({"remoteTunnelSession": "{broken", "remoteTunnelServiceUsed": '{"timeStamp":[]}'}).main
    )
    assert [problem.detail.partition(":")[0] for problem in problems] == ["remoteTunnelSession"]
    assert facts[0].no_times == {"Last Used Time": "no timestamp ([])"}
    with pytest.raises(FormatError):
        list(sqliteremnants.frames_of(io.BytesIO(b"\x00" * 64)))
    with pytest.raises(FormatError):
        list(sqliteremnants.pages_of(io.BytesIO(b"SQLite format 3\x00" + b"\xff" * 100)))


def test_cut_and_noised_files_are_survived() -> None:
    main, log = scene("tunnel-desktop"), scene("tunnel-desktop", "-wal")
    chance = random.Random(5)
    for length in (*range(0, 200, 7), *range(200, len(main), 1_777)):
        facts, problems = run(main[:length], log)
        assert facts or problems
    for length in range(0, len(log), 911):
        run(main, log[:length])
    for _ in range(40):
        noised = bytearray(log)
        for _ in range(30):
            noised[chance.randrange(len(noised))] = chance.randrange(256)
        facts, _ = run(main, bytes(noised))
        assert SECRET not in repr(facts)
