from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from forensics.artifacts import tunnel_output
from forensics.evidence.globs import GlobSet
from tests.artifacts.file_inputs import BORN, COMMIT, MODIFIED, TUNNEL_LOG, run, utc

AT = "C:/ProgramData/sys/o.txt"
CODE = "To grant access to the server, please log into https://github.com/login/device and use code AB12-CD34"
LINK = "Open this link in your browser https://vscode.dev/tunnel/lab/C:/ProgramData/sys"
OUTPUT = f"""*
* Visual Studio Code Server
*
{CODE}
[2024-12-04 10:02:11] info Creating tunnel with the name: lab

{LINK}

[2024-12-04 10:15:40] info [tunnels::connections::relay_tunnel_host] Opened new client on channel 2
"""
TIMES = {BORN: utc(2024, 12, 4, 1), MODIFIED: utc(2024, 12, 4, 1, 15, 40)}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-8-sig"])
def test_link_code_and_lines_in_any_encoding(encoding: str) -> None:
    data = OUTPUT.encode(encoding)
    facts, problems = run(tunnel_output.ARTIFACT, AT, data, TIMES)
    assert problems == []
    assert [fact.kind.partition(".")[2] for fact in facts] == [
        "output", "login", "created", "link_shown", "client_connected",
    ]  # fmt: skip
    about, login, created, link, client = facts
    digest = hashlib.sha256(data).hexdigest()
    assert about.times == TIMES
    assert about.fields == {
        "file_path": "C:\\ProgramData\\sys\\o.txt", "file_size": len(data), "file_sha256": digest, "tunnel_name": "lab",
    }  # fmt: skip
    assert (login.fields["user_code"], login.fields["provider_name"]) == ("AB12-CD34", "github")
    assert (link.fields["tunnel_name"], link.fields["opened_path"]) == ("lab", "C:/ProgramData/sys")
    assert link.no_times[BORN].startswith("a line without a stamp, after that of 2024-12-04 10:02:11")
    assert created.times == {BORN: utc(2024, 12, 4, 1, 2, 11)}
    assert client.times == {BORN: utc(2024, 12, 4, 1, 15, 40)}
    assert {fact.source.sha256 for fact in facts} == {digest}


@pytest.mark.parametrize("text", [CODE, LINK, TUNNEL_LOG, "* Visual Studio Code Server\n", f"C:\\>x\r\n{LINK}\r\n"])
def test_each_mark_is_enough(text: str) -> None:
    facts, _ = run(tunnel_output.ARTIFACT, AT, text)
    assert facts[0].kind == "tunnel.output"


@pytest.mark.parametrize(
    "text",
    [
        "", "\0" * 5000, "hello\n" * 1000, "[2024-12-04 10:02:11] info some other program\n", "x" * 4096 + CODE,
        "2024-12-04 10:02:11 info Server started", "see https://vscode.dev/tunnel/lab",
        "  >  Tunnel:   ssh", "  >  Open:  https://example.com/",
    ],
)  # fmt: skip
def test_other_files_give_nothing(text: str) -> None:
    assert run(tunnel_output.ARTIFACT, AT, text) == ([], [])


@pytest.mark.parametrize("name", ["tunnel-service.log", "o.ps1", f"servers/Stable-{COMMIT}/log.txt"])
def test_what_others_read_or_is_no_output_is_left(name: str) -> None:
    assert run(tunnel_output.ARTIFACT, f"C:/ProgramData/{name}", OUTPUT) == ([], [])


@pytest.mark.parametrize(
    "path",
    ["ProgramData/a/b/c.out", "ProgramData/out", "Users/Public/x.txt", "Users/u/AppData/Local/Temp/t.tmp", "Users/u/o",
     "Windows/Temp/o.log", "Users/u/Documents/o.txt"],
)  # fmt: skip
def test_where_it_is_looked_for(path: str) -> None:
    assert GlobSet(tunnel_output.ARTIFACT.paths).matches(path)


def test_cut_anywhere_nothing_escapes() -> None:
    data = OUTPUT.encode("utf-16")
    for length in range(0, len(data), 3):
        run(tunnel_output.ARTIFACT, AT, data[:length])


@pytest.mark.samples
def test_the_public_output_of_2026(samples: Path) -> None:
    data = (samples / "vscode-tunnel" / "cli_stdout_v1_127.log").read_bytes()
    facts, problems = run(tunnel_output.ARTIFACT, AT, data)
    assert problems == []
    assert (facts[0].fields["tunnel_name"], facts[0].fields["product_version"]) == ("example", "1.127.0")
    assert sum(fact.kind == "tunnel.link_shown" for fact in facts) == 2
