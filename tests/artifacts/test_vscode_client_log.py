"""The desktop program as the client of a tunnel: names, ids and clusters of the machines it reached out to."""

from __future__ import annotations

import pytest

from forensics.artifacts.vscode_client_log import ARTIFACT
from forensics.evidence.globs import GlobSet
from tests.artifacts.file_inputs import BORN, run, utc

FOLDER = "C:/Users/hanako/AppData/Roaming/Code - Insiders"
PATH = f"{FOLDER}/logs/20241204T095755/window1/exthost/ms-vscode.remote-server/Remote - Tunnels.log"
LOG = """2024-12-04 10:00:00.118 [info] Resolver invoked with authority tunnel+desktop-4k2lq9a
2024-12-04 10:00:01.204 [info] Found tunnel (ID=0lhl8jhv, Cluster=usw2), connecting
2024-12-04 10:00:02.204 [info] Resolver invoked with authority ssh-remote+build
2024-12-04 10:00:03.204 [info] Connected
"""


def test_what_was_resolved() -> None:
    facts, problems = run(ARTIFACT, PATH, LOG)
    assert problems == []
    resolved, found, ssh, other = facts
    assert (resolved.fields["tunnel_name"], resolved.times) == (
        "desktop-4k2lq9a",
        {BORN: utc(2024, 12, 4, 1, 0, 0, 118000)},
    )
    assert (found.kind, found.fields["tunnel_id"], found.fields["tunnel_cluster"]) == (
        "vscode.remote_found",
        "0lhl8jhv",
        "usw2",
    )
    assert (ssh.fields["remote_authority"], ssh.context, "tunnel_name" in ssh.fields) == (
        "ssh-remote+build",
        True,
        False,
    )
    assert (other.kind, other.context) == ("vscode.remote_message", True)
    assert run(ARTIFACT, PATH, b"") == ([], [])
    for length in range(1, len(LOG), 7):
        cut, _ = run(ARTIFACT, PATH, LOG[:length])
        assert len(cut) >= max(1, LOG[:length].count("\n"))


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (PATH[3:], True),
        ("x/user-data/logs/2/window1/exthost/output_logging_2/5-Remote - Tunnels.log", True),
        (f"{FOLDER[3:]}/logs/2/remoteTunnelService.log", False),
    ],
)
def test_where_it_lies(path: str, wanted: bool) -> None:
    assert bool(GlobSet(ARTIFACT.paths).matches(path)) is wanted
