from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from forensics.formats import serverlog, tunnellog
from forensics.formats.messages import UNKNOWN, bare_meaning, meaning
from forensics.formats.tunnelid import Link, link_of

LINES: dict[str, list[Any]] = yaml.safe_load(Path(__file__).with_name("tunnel_catalogue.yml").read_text("utf-8"))
STAMP = "[2024-12-04 10:02:11]"


def read(text: str) -> list[tunnellog.Line]:
    return list(tunnellog.read(io.BytesIO(text.encode())))


def unmatched(found: list[tunnellog.Line]) -> list[str]:
    """The lines of a log that nothing explains: neither banner nor blank, with a message that no catalogue has."""
    strays = [text for line in found for text in line.more if text.strip()]
    return strays + [line.message for line in found if not (line.banner or line.meaning.known or not line.text)]


@pytest.mark.parametrize("case", LINES["cli"], ids=lambda case: case[1][:40])
def test_a_stamped_line(case: list[Any]) -> None:
    level, text, event, *values = case
    (line,) = read(f"{STAMP} {level} {text}\n")
    assert (line.level, line.meaning.known, line.meaning.event) == (level, True, event)
    assert (values[0] if values else {}).items() <= line.meaning.values.items()


@pytest.mark.parametrize("case", LINES["bare"], ids=lambda case: case[0][:40])
def test_a_line_that_needs_no_stamp(case: list[Any]) -> None:
    text, event, *values = case
    first, line = read(f"{STAMP} info Server started\n{text}\n")
    assert first.more == []
    assert (line.stamp, line.after, line.meaning.event) == ("", STAMP[1:-1], event)
    assert (values[0] if values else {}).items() <= line.meaning.values.items()


@pytest.mark.parametrize("case", LINES["server"], ids=lambda case: case[0][:60])
@pytest.mark.parametrize(
    "form", ["2024-12-04 10:15:57.204 [info] {}", "[2024-12-04 10:15:57.204] [remoteagent] [info] {}", "[10:15:57] {}"]
)
def test_a_line_of_the_server(case: list[Any], form: str) -> None:
    text, event, *values = case
    entry = serverlog.parse_text(form.format(text))
    assert entry.meaning.known
    assert entry.meaning.event == event
    assert (values[0] if values else {}).items() <= entry.meaning.values.items()
    (copy,) = read(f"{STAMP} trace [rpc.1] [codeserver.2] {form.format(text)}\n")
    assert copy.meaning == entry.meaning


def test_the_banner_and_no_other_line() -> None:
    text = "\n".join(LINES["banner"])
    assert all(line.banner for line in read(text))
    assert not meaning("cli", "Tunnel: x").known
    assert not meaning("cli", "see https://vscode.dev/tunnel/lab").known


@pytest.mark.parametrize("name", ["tunnel_service_2023_debug.log", "cli_stdout_v1_127.log"])
def test_public_logs_hold_no_unmatched_line(samples: Path, name: str) -> None:
    data = (samples / "vscode-tunnel" / name).read_bytes()
    found = list(tunnellog.read(io.BytesIO(data)))
    assert len(found) >= 9
    assert unmatched(found) == []


def test_the_public_output_of_2026_tells_code_name_and_link(samples: Path) -> None:
    data = (samples / "vscode-tunnel" / "cli_stdout_v1_127.log").read_bytes()
    events = [line.meaning.event for line in tunnellog.read(io.BytesIO(data)) if line.meaning.known]
    assert events[:6] == ["login", "login", "created", "message", "link_shown", "link_shown"]


@pytest.mark.parametrize("name", ["remote_tunnel_1_82_local.log", "remote_tunnel_2026_utc_inner.log"])
def test_what_the_desktop_captured_of_the_cli_is_known(samples: Path, name: str) -> None:
    data = (samples / "vscode-tunnel" / name).read_bytes()
    texts = [entry.message for entry in serverlog.read(io.BytesIO(data)) if entry.stamp]
    inner = [line for text in texts if (line := tunnellog.parse_line(text))]
    assert len(inner) >= 2
    assert unmatched(inner) == []


def test_a_link_names_tunnel_and_folder() -> None:
    assert link_of("https://vscode.dev/tunnel/lab/C:/Users/u") == Link("lab", "C:/Users/u")
    assert link_of("https://insiders.vscode.dev/tunnel/lab%2D1?vscode-lang=ja") == Link("lab-1", "")
    assert link_of("https://example.com/tunnel/lab") is None


@pytest.mark.parametrize("text", [case[1] for case in LINES["cli"]] + [case[0] for case in LINES["bare"]])
def test_the_short_way_of_lines_without_a_stamp_is_the_long_one(text: str) -> None:
    whole = meaning("cli", text)
    assert bare_meaning("cli", text) == (whole if whole.bare else UNKNOWN)


def test_lines_that_continue_another_are_passed_over_quickly() -> None:
    begun = time.process_time()
    (line,) = read(f"{STAMP} info Server started\n" + "y\n" * 50_000)
    assert time.process_time() - begun < 0.6
    assert len(line.more) == 500
