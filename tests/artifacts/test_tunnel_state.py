from __future__ import annotations

import pytest

from forensics.artifacts import (
    tunnel_consent,
    tunnel_file_history,
    tunnel_identity,
    tunnel_lock,
    tunnel_server_lru,
)
from forensics.artifacts._vscode import resource_fields
from forensics.evidence.globs import GlobSet
from tests.artifacts.file_inputs import (
    BORN,
    CLI,
    COMMIT,
    HISTORY,
    LOCK,
    MODIFIED,
    PIPE,
    TOKEN,
    run,
    survives_truncation,
    utc,
)

TIMES = {BORN: utc(2024, 12, 3, 12), MODIFIED: utc(2024, 12, 4, 1, 2, 11)}
OWNER = {"data_dir": "C:\\Users\\hanako\\.vscode\\cli", "profile_user": "hanako"}
IDENTITY = '{"name":"desktop-4k2lq9a","id":"q7m2xk4d","cluster":"jpe1"}'
FILE = f"{CLI}/code_tunnel.json"
HISTORY_FILE = "C:/Users/hanako/.vscode-server/data/User/History/-6d1c9f2a/entries.json"


class TestIdentity:
    def test_the_composed_file(self) -> None:
        (fact,), problems = run(tunnel_identity.ARTIFACT, FILE, IDENTITY, TIMES)
        assert problems == []
        assert (fact.kind, fact.times, fact.context) == ("tunnel.identity", TIMES, False)
        assert fact.fields == {
            **OWNER,
            "file_name": "code_tunnel.json",
            "tunnel_name": "desktop-4k2lq9a",
            "tunnel_id": "q7m2xk4d",
            "tunnel_cluster": "jpe1",
            "tunnel_connection_token": TOKEN,
            "tunnel_unregistered": False,
        }

    @pytest.mark.parametrize("text", ["null", "\ufeffnull", "null\n"])
    def test_unregistered(self, text: str) -> None:
        (fact,), problems = run(tunnel_identity.ARTIFACT, FILE, text, TIMES)
        assert fact.fields == {**OWNER, "file_name": "code_tunnel.json", "tunnel_unregistered": True}
        assert problems == []

    def test_invalid_parts_are_flagged_and_kept(self) -> None:
        (fact,), _ = run(tunnel_identity.ARTIFACT, FILE, '{"name":"x y","id":"NOPE","cluster":7}')
        assert fact.fields["invalid_fields"] == ("name", "id", "cluster")
        assert (fact.fields["tunnel_name"], fact.fields["tunnel_id"]) == ("x y", "NOPE")
        assert "tunnel_cluster" not in fact.fields
        assert fact.no_times == {MODIFIED: "the evidence kept no times of the file"}

    def test_a_damaged_file_is_carved(self) -> None:
        (fact,), (problem,) = run(tunnel_identity.ARTIFACT, FILE, IDENTITY[:-15], TIMES)
        assert (fact.fields["tunnel_id"], fact.fields["reason"]) == ("q7m2xk4d", "carved from a damaged file")
        assert "tunnel_unregistered" not in fact.fields
        assert problem.fault == "bad_record"

    def test_cut_at_every_byte(self) -> None:
        survives_truncation(tunnel_identity.ARTIFACT, FILE, IDENTITY.encode())

    @pytest.mark.parametrize("text", ["[]", "7", '"x"', "[" * 5000])
    def test_other_json_is_a_problem(self, text: str) -> None:
        facts, problems = run(tunnel_identity.ARTIFACT, FILE, text)
        assert (facts, len(problems)) == ([], 1)

    @pytest.mark.parametrize(
        ("path", "user"),
        [
            ("Users/hanako/.vscode/cli/code_tunnel.json", "hanako"),
            ("Users/hanako/AppData/Local/Temp/x/code_tunnel.json", "hanako"),
            ("ProgramData/x/code_tunnel.json", None),
            ("Windows/System32/config/systemprofile/.vscode/cli/code_tunnel.json", "SYSTEM"),
            ("Windows/ServiceProfiles/NetworkService/.vscode/cli/code_tunnel.json", "NetworkService"),
            ("Users/hanako/.cursor/cli/code_tunnel.json", "hanako"),
        ],
    )
    def test_where_it_is_found_and_whose_it_is(self, path: str, user: str | None) -> None:
        assert GlobSet(tunnel_identity.ARTIFACT.paths).matches(path)
        (fact,), _ = run(tunnel_identity.ARTIFACT, f"C:/{path}", IDENTITY)
        assert fact.fields.get("profile_user") == user
        assert fact.fields["data_dir"] == "C:\\" + path.rpartition("/")[0].replace("/", "\\")


class TestSmallFiles:
    def test_consent(self) -> None:
        (fact,), _ = run(tunnel_consent.ARTIFACT, f"{CLI}/license_consent.json", '{"consented":true}', TIMES)
        assert (fact.fields, fact.times) == ({**OWNER, "consented": True}, TIMES)
        survives_truncation(tunnel_consent.ARTIFACT, f"{CLI}/license_consent.json", b'{"consented":true}')

    def test_lock(self) -> None:
        (fact,), problems = run(tunnel_lock.ARTIFACT, f"{CLI}/tunnel-stable.lock", LOCK, TIMES)
        assert problems == []
        assert fact.fields == {
            **OWNER, "pid": "9604", "pipe_name": PIPE, "quality": "Stable", "file_name": "tunnel-stable.lock",
        }  # fmt: skip
        assert fact.source.locator == "offset 0x1"
        survives_truncation(tunnel_lock.ARTIFACT, f"{CLI}/tunnel-stable.lock", LOCK)

    def test_a_damaged_lock_is_carved_and_said(self) -> None:
        (fact,), (problem,) = run(tunnel_lock.ARTIFACT, f"{CLI}/tunnel-stable.lock", LOCK[:-1])
        assert fact.fields["pipe_name"] == PIPE
        assert "pid" not in fact.fields
        assert "pid is lost" in problem.detail

    def test_lru(self) -> None:
        other = "0" * 40
        text = f'["Stable-{COMMIT}","Insiders-{other}",7,"odd"]'
        facts, problems = run(tunnel_server_lru.ARTIFACT, f"{CLI}/servers/lru.json", text, TIMES)
        shown = [(f.fields["order"], f.fields.get("quality"), f.fields.get("commit"), f.times) for f in facts]
        assert shown == [(1, "Stable", COMMIT, TIMES), (2, "Insiders", other, {}), (4, None, None, {})]
        assert [problem.source.locator for problem in problems] == ["entry 3"]
        assert {fact.fields["data_dir"] for fact in facts} == {OWNER["data_dir"]}
        survives_truncation(tunnel_server_lru.ARTIFACT, f"{CLI}/servers/lru.json", text.encode())


class TestFileHistory:
    def test_the_composed_file(self) -> None:
        facts, problems = run(tunnel_file_history.ARTIFACT, HISTORY_FILE, HISTORY)
        assert problems == []
        assert [fact.times for fact in facts] == [
            {MODIFIED: utc(2024, 12, 4, 5, 18, 32, 345_000)},
            {MODIFIED: utc(2024, 12, 4, 5, 20, 33, 107_000)},
        ]
        assert facts[0].fields == {
            "server_data_dir": "C:\\Users\\hanako\\.vscode-server",
            "profile_user": "hanako",
            "saved_path": "C:\\ProgramData\\run.ps1",
            "remote_authority": "tunnel+desktop-4k2lq9a",
            "tunnel_name": "desktop-4k2lq9a",
            "saved_id": "Ux3p.ps1",
        }
        survives_truncation(tunnel_file_history.ARTIFACT, HISTORY_FILE, HISTORY.encode())

    @pytest.mark.parametrize(
        ("uri", "path", "name"),
        [
            ("vscode-remote://tunnel+pc/c%3A/%E7%94%B0.ps1", "C:\\田.ps1", "pc"),
            ("vscode-remote://tunnel%2Bpc/home/x", "/home/x", "pc"),
            ("vscode-remote://ssh-remote%2Bsrv/c%3A/x", "C:\\x", None),
            ("file:///c%3A/Users/x/a%20b.txt", "C:\\Users\\x\\a b.txt", None),
            ("untitled:Untitled-1", "untitled:Untitled-1", None),
            ("%FF%FE", "%FF%FE", None),
        ],
    )
    def test_resources(self, uri: str, path: str, name: str | None) -> None:
        fields = resource_fields(uri)
        assert (fields["saved_path"], fields.get("tunnel_name")) == (path, name)

    def test_odd_entries(self) -> None:
        text = '{"resource":7,"entries":[{"id":"a"},{"id":"b","timestamp":true},{"timestamp":0},{"timestamp":1e400},5]}'
        facts, problems = run(tunnel_file_history.ARTIFACT, HISTORY_FILE, text.replace("1e400", "1e300"))
        assert [next(iter(fact.no_times.values())).partition(" (")[0] for fact in facts] == [
            "no timestamp", "no timestamp", "zero: never set", "out of range",
        ]  # fmt: skip
        assert [problem.source.locator for problem in problems] == ["entry 5"]
        facts, problems = run(tunnel_file_history.ARTIFACT, HISTORY_FILE, text)
        assert facts or problems
