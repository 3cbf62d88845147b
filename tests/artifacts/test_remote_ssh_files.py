"""What Remote-SSH leaves of its own in the server's folder, by which it is told from a tunnel."""

from __future__ import annotations

import pytest

from forensics.artifacts import tunnel_server_log
from forensics.artifacts.remote_ssh_files import ARTIFACT
from forensics.evidence.globs import GlobSet
from tests.artifacts.file_inputs import BORN, COMMIT, MODIFIED, run, utc

FOLDER = "C:/Users/hanako/.vscode-server"
TIMES = {BORN: utc(2024, 12, 4, 1), MODIFIED: utc(2024, 12, 4, 2)}


def test_the_process() -> None:
    (fact,), problems = run(ARTIFACT, f"{FOLDER}/.{COMMIT}.pid", "4711\r\n", TIMES)
    assert problems == []
    assert fact.fields == {
        "data_dir": "C:\\Users\\hanako\\.vscode-server",
        "profile_user": "hanako",
        "commit": COMMIT,
        "server_pid": "4711",
    }
    assert fact.times == TIMES


def test_the_token_is_not_told() -> None:
    (fact,), _ = run(ARTIFACT, f"{FOLDER}/.{COMMIT}.token", "5c1f09be-2b34-4e0a-9d11-0c6f7a1e2b34", TIMES)
    assert (fact.fields["present"], fact.fields["secret_length"]) == (True, 36)
    assert "5c1f09be" not in repr(fact)
    (empty,), _ = run(ARTIFACT, f"{FOLDER}/.{COMMIT}.token", b"", TIMES)
    assert empty.fields["present"] is False


@pytest.mark.parametrize("data", [b"", b"\x00\x00", b"abc", b"99999999999"])
def test_no_process(data: bytes) -> None:
    facts, problems = run(ARTIFACT, f"{FOLDER}/.{COMMIT}.pid", data)
    assert (facts, [problem.fault for problem in problems]) == ([], ["bad_record"])


def test_a_file_of_another_name_is_none_of_it() -> None:
    assert run(ARTIFACT, f"{FOLDER}/.{'z' * 40}.pid", "12") == ([], [])


def test_where_they_lie_and_the_output_beside_them() -> None:
    globs = GlobSet(ARTIFACT.paths)
    assert globs.matches(f"{FOLDER[3:]}/.{COMMIT}.pid")
    assert globs.matches(f"Windows/System32/config/systemprofile/.vscode-server-insiders/.{COMMIT}.token")
    assert not globs.matches(f"{FOLDER[3:]}/bin/.{COMMIT}.pid")
    path = f"{FOLDER}/.{COMMIT}.log"
    assert GlobSet(tunnel_server_log.ARTIFACT.paths).matches(path[3:])
    line = "[10:15:57] [<unknown>][5c1f09be][ManagementConnection] New connection established.\n"
    (fact,), _ = run(tunnel_server_log.ARTIFACT, path, line, TIMES)
    assert (fact.kind, fact.fields["data_dir"]) == ("server.window_opened", "C:\\Users\\hanako\\.vscode-server")
