"""Ports that the editor published, as its output channel keeps them."""

from __future__ import annotations

import pytest

from forensics.artifacts.vscode_forwarding_log import ARTIFACT
from forensics.evidence.globs import GlobSet
from tests.artifacts.file_inputs import BORN, run, utc

FOLDER = "C:/Users/hanako/AppData/Roaming/Code"
PATH = f"{FOLDER}/logs/20241204T095755/window1/exthost/vscode.tunnel-forwarding/Port Forwarding.log"
LOG = """2024-12-04 10:00:00.118 [info] [forwarding] starting CLI
2024-12-04 10:00:03.204 [info] [2024-12-04 10:00:03] info forwarding port 8080 at Public
2024-12-04 10:00:04.204 [info] [2024-12-04 10:00:04] info forwarding port 3000 at Private
2024-12-04 10:05:03.330 [info] [2024-12-04 10:05:03] info stopped forwarding port 8080 at Public
2024-12-04 10:06:00.402 [info] [forwarding] no more ports, stopping forwarding CLI
2024-12-04 10:06:01.402 [info] [forwarding] exited with code 0
2024-12-04 10:06:02.402 [info] something new
"""


def test_ports_opened_and_closed() -> None:
    facts, problems = run(ARTIFACT, PATH, LOG)
    assert problems == []
    assert [(fact.kind, fact.context) for fact in facts] == [
        ("vscode.forwarding_message", False),
        ("vscode.port_forwarded", False),
        ("vscode.port_forwarded", False),
        ("vscode.port_closed", False),
        ("vscode.forwarding_message", False),
        ("vscode.forwarding_message", False),
        ("vscode.forwarding_message", True),
    ]
    opened, private = facts[1:3]
    assert opened.times == {BORN: utc(2024, 12, 4, 1, 0, 3, 204000)}
    assert (opened.fields["port"], opened.fields["public"], opened.fields["profile_user"]) == (8080, True, "hanako")
    assert (private.fields["port"], private.fields["public"]) == (3000, False)
    assert opened.source.locator == "line 2"


def test_without_a_zone_and_damaged() -> None:
    facts, _ = run(ARTIFACT, PATH, LOG, zone=None)
    assert all(not fact.times or not hasattr(fact.times[BORN], "year") for fact in facts)
    assert run(ARTIFACT, PATH, b"") == ([], [])
    for length in range(1, len(LOG), 7):
        cut, _ = run(ARTIFACT, PATH, LOG[:length])
        assert len(cut) >= max(1, LOG[:length].count("\n"))


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (PATH[3:], True),
        (PATH[3:].replace("/Code/", "/Cursor/"), True),
        (PATH[3:].replace(".log", ".1.log"), True),
        ("portable/data/user-data/logs/2/window2/exthost/output_logging_2/3-Port Forwarding.log", True),
        (f"{FOLDER[3:]}/logs/2/window1/exthost/vscode.git/Git.log", False),
    ],
)
def test_where_it_lies(path: str, wanted: bool) -> None:
    assert bool(GlobSet(ARTIFACT.paths).matches(path)) is wanted
