"""The program's output in a file: what it prints and never logs, and what only has such a name."""

from __future__ import annotations

import pytest

from forensics.artifacts import tunnel_output
from tests.artifacts.file_inputs import BORN, COMMIT, MODIFIED, TUNNEL_LOG, run, utc

OUT = "C:/ProgramData/Intel/output14.txt"
OUTPUT = f"""*
* Visual Studio Code Server
*
To grant access to the server, please log into https://github.com/login/device and use code 4C7F-D19B
[2024-12-04 10:12:41] info Creating tunnel with the name: desk

Open this link in your browser https://vscode.dev/tunnel/desk/C:/Windows/system32

[2024-12-04 11:00:05] info [tunnels::connections::relay_tunnel_host] Opened new client on channel 2
[2024-12-04 11:00:06] info [rpc.0] Checking C:\\d\\servers\\Stable-{COMMIT}\\log.txt and C:\\d\\servers\\Stable-{COMMIT}\\pid.txt for a running server...
[2024-12-04 11:40:12] info [rpc.0] Forwarding port 5985 (public=true)
"""  # noqa: E501
END = {MODIFIED: utc(2024, 12, 4, 2, 40, 12)}


def test_lines_and_results_are_told() -> None:
    facts, problems = run(tunnel_output.ARTIFACT, OUT, OUTPUT, END)
    assert problems == []
    told = {fact.kind: fact for fact in facts}
    assert told["tunnel.login"].fields["user_code"] == "4C7F-D19B"
    assert told["tunnel.link_shown"].fields["tunnel_name"] == "desk"
    assert told["tunnel.client_connected"].times[BORN] == utc(2024, 12, 4, 2, 0, 5)
    assert told["tunnel.client_serving"].fields["commit"] == COMMIT
    assert (told["tunnel.port_forwarded"].fields["port"], told["tunnel.port_forwarded"].fields["public"]) == (
        5985,
        True,
    )


def test_its_folder_is_not_the_data_folder() -> None:
    facts, _ = run(tunnel_output.ARTIFACT, OUT, OUTPUT, END)
    assert facts
    assert not any("data_dir" in fact.fields for fact in facts)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (OUT, "results of the build\n* item\n[2024-12-04 10:12:41] info something of another program\n"),
        (OUT, ""),
        (OUT, "x" * 70_000 + "\n" + OUTPUT),
        ("C:/Users/hanako/.vscode/cli/tunnel-service.log", TUNNEL_LOG),
    ],
)
def test_other_files_give_nothing(path: str, text: str) -> None:
    assert run(tunnel_output.ARTIFACT, path, text, END) == ([], [])


@pytest.mark.parametrize("size", range(0, len(OUTPUT), 97))
def test_cut_anywhere(size: int) -> None:
    facts, problems = run(tunnel_output.ARTIFACT, OUT, OUTPUT[:size], END)
    assert len(facts) + len(problems) <= OUTPUT.count("\n") + 1
