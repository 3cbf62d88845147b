from __future__ import annotations

import json

import pytest

from forensics.artifacts import tunnel_token
from forensics.evidence.globs import GlobSet
from tests.artifacts.file_inputs import BORN, CLI, MODIFIED, run, survives_truncation, utc

FILE = f"{CLI}/token.json"
TIMES = {BORN: utc(2024, 12, 3, 12), MODIFIED: utc(2024, 12, 4, 1, 2, 11)}
SECRET = "gho_" + "S3cr3tS3cr3tS3cr3tS3cr3t"
OWNER = {"data_dir": "C:\\Users\\hanako\\.vscode\\cli", "profile_user": "hanako"}


def plain(**changes: object) -> str:
    value = {"p": "Github", "a": SECRET, "r": None, "e": None, **changes}
    return json.dumps(json.dumps(value))


def shown(text: str, path: str = FILE) -> dict[str, object]:
    (fact,), problems = run(tunnel_token.ARTIFACT, path, text, TIMES)
    assert problems == []
    assert (fact.kind, fact.times) == ("tunnel.token", TIMES)
    assert "S3cr3t" not in repr(fact)
    return dict(fact.fields)


def test_an_open_credential_tells_provider_and_expiry_and_no_token() -> None:
    assert shown(plain(p="Microsoft", r="S3cr3t-refresh", e="2024-12-05T01:02:03Z")) == {
        **OWNER,
        "credential_state": "plain",
        "provider_name": "microsoft",
        "secret_length": 28,
        "refresh_token_present": True,
        "expires_at": "2024-12-05T01:02:03.000000+00:00",
    }
    assert shown(plain())["refresh_token_present"] is False


def test_a_sealed_and_a_removed_credential() -> None:
    assert shown(json.dumps("QUJD" * 40)) == {**OWNER, "credential_state": "sealed", "secret_length": 160}
    assert shown("null") == {**OWNER, "credential_state": "logged out"}


@pytest.mark.parametrize("text", ['{"access_token":"S3cr3t"}', '"short S3cr3t"', "[1]", '"S3cr3t', "7"])
def test_what_is_none_is_a_problem_in_the_clis_folder_and_nothing_elsewhere(text: str) -> None:
    facts, (problem,) = run(tunnel_token.ARTIFACT, FILE, text)
    assert facts == []
    assert "S3cr3t" not in problem.detail
    assert run(tunnel_token.ARTIFACT, "C:/Users/hanako/google/token.json", text) == ([], [])


def test_elsewhere_the_form_decides_and_says_so() -> None:
    (fact,), _ = run(tunnel_token.ARTIFACT, "C:/ProgramData/x/token.json", plain())
    assert fact.fields["reason"].startswith("by its form")
    assert not fact.context
    (fact,), _ = run(tunnel_token.ARTIFACT, "C:/ProgramData/x/token.json", "null")
    assert fact.context


def test_cut_at_every_byte_no_part_of_a_token_is_told() -> None:
    data = plain(r="S3cr3t-refresh").encode()
    survives_truncation(tunnel_token.ARTIFACT, FILE, data)
    for length in range(len(data)):
        assert "S3cr" not in repr(run(tunnel_token.ARTIFACT, FILE, data[:length]))


@pytest.mark.parametrize("path", ["Users/x/.vscode-cli/token.json", "ProgramData/a/b/token.json", "tools/token.json"])
def test_it_is_looked_for_everywhere(path: str) -> None:
    assert GlobSet(tunnel_token.ARTIFACT.paths).matches(path)
