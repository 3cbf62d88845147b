"""What the terminal tells of sessions, tunnels, other machines and coverage, rendered from the sessions document."""

from __future__ import annotations

import io
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC
from typing import Any

import pytest
from rich.console import Console

from forensics.export.sessions_json import document
from forensics.show.findings import print_findings, print_leads, print_machines
from forensics.show.sandboxes import print_sandbox
from forensics.show.summary import print_persistence, show_summary
from forensics.show.tables import coverage_lines
from forensics.show.terminal import console, counted, zone_of
from forensics.show.tunnels import print_tunnels
from tests.cases import HOST, made_case
from tests.running import Run, tool

WHEN = "2024-12-04T01:02:11.123456+00:00"
LATER = "2024-12-04T03:02:11.123456+00:00"
FOLDER = "C:\\Users\\Public\\drop"


@pytest.fixture
def case() -> Any:
    return deepcopy(document(made_case([])))


def shown(print_it: Any, *given: Any, **how: Any) -> str:
    out = Console(file=io.StringIO(), width=400, markup=False, highlight=False, emoji=False)
    print_it(*given, UTC, out, **how)
    text = out.file.getvalue()  # type: ignore[attr-defined]
    return str(text)


# -- sandboxes -----------------------------------------------------------------------------------------------------


def test_a_session_tells_configuration_calls_and_writes(case: Any) -> None:
    session = case["sandbox_sessions"][0]
    session["cli_calls"] = [
        {"time": WHEN, "verb": "exec", "command_line": f'"C:\\x y\\wsb.exe" exec -r System -c "cmd /c {number}"'}
        for number in range(9)
    ]
    session["host_writes"] = [
        {"time": LATER, "path": f"{FOLDER}\\{number}.7z", "action": "created"} for number in range(7)
    ]
    short, full = (shown(print_sandbox, case, full=full) for full in (False, True))
    assert (
        "config  network on, clipboard unknown, vGPU unknown, memory 1024 MB, folder C:\\Users (rw); command: " in short
    )
    assert 'call    2024-12-04 01:02:11Z  exec -r System -c "cmd /c 5"' in short
    assert "cmd /c 6" not in short
    assert "call    … and 3 more: show sandbox" in short
    assert f"write   2024-12-04 03:02:11Z  created  {FOLDER}\\5.7z" in short
    assert "write   … and 1 more: show sandbox" in short
    assert '"C:\\x y\\wsb.exe" exec -r System -c "cmd /c 8"' in full
    assert f"{FOLDER}\\6.7z" in full
    assert "more: show" not in full
    assert "(C:/Windows/System32/default.wsb)" in full


def test_the_call_that_is_the_launch_is_told_once(case: Any) -> None:
    session = case["sandbox_sessions"][0]
    line = "wsb.exe start -c x"
    session["launch"] |= {"wsb_path": None, "command_line": line}
    session["cli_calls"] = [{"time": WHEN, "verb": "start", "command_line": line}]
    assert "      call  " not in shown(print_sandbox, case, full=False)
    assert "      call  " in shown(print_sandbox, case, full=True)


def test_no_judgement_without_a_configuration(case: Any) -> None:
    bounded = case["sandbox_sessions"][1]
    bounded["score"] = 0
    text = shown(print_sandbox, case, full=False)
    assert "score 0 (configuration not read: no judgement)" in text
    assert "config  not known" in text
    assert "? (not before 2024-12-04 01:02:11Z, not after 2024-12-04 03:02:11Z)" in text
    bounded["score"] = 20
    assert "no judgement" not in shown(print_sandbox, case, full=False)


def test_no_configuration_named_is_no_configuration_unread(case: Any) -> None:
    """The defaults apply, and that is known."""
    session = case["sandbox_sessions"][1]
    session |= {"score": 0, "config": None}
    session["reasons"] = ["no configuration file is named: the defaults apply [0123456789abcdef]"]
    text = shown(print_sandbox, case, full=False)
    assert "no judgement" not in text
    assert "config  none is named: the defaults apply" in text


def test_folders_that_were_shared_while_it_ran_stand_beside_the_configuration(case: Any) -> None:
    session = case["sandbox_sessions"][0]
    session["config"] = {**session["config"], "mapped_folders": []}
    session["reasons"] = [
        "wsb share was called to open C:\\Users\\Public\\drop as C:\\drop to the running sandbox, writable (what [x]",
        "the machine's settings share C:\\Users\\Public\\drop with it, writable (2007; inference) [x]",
        "the machine's settings share C:\\Tools with it, read-only (2007; inference) [x]",
    ]
    text = " ".join(shown(print_sandbox, case, full=False).split())
    assert "shared while it ran: C:\\Users\\Public\\drop (rw), C:\\Tools (ro)" in text


@pytest.mark.parametrize(("reason", "said"), [
    ("networked: by its configuration (inference: no row about an adapter) [x]", "networked (inferred)"),
    ("networked: a virtual adapter was connected for this VM [x]", "networked, end"),
])  # fmt: skip
def test_an_inferred_network_is_said_to_be_so(case: Any, reason: str, said: str) -> None:
    session = case["sandbox_sessions"][0]
    session |= {"networked": True, "reasons": [reason]}
    assert said in " ".join(shown(print_sandbox, case, full=False).split())


def test_configurations_are_counted_in_the_summary(case: Any) -> None:
    case["sandbox_configs"].append({**case["sandbox_configs"][0], "score": 23, "source": "b.wsb"})
    assert "Configurations: 2  (highest score 80)" in shown(print_sandbox, case, full=False)
    case["sandbox_configs"] = []
    assert "Configurations" not in shown(print_sandbox, case, full=False)


# -- findings ------------------------------------------------------------------------------------------------------


def finding(rule: str, **more: Any) -> dict[str, Any]:
    made = {"rule": rule, "level": "informational", "why": "w [0123456789abcdef]", "events": [], "host": HOST}
    return {**made, "first": WHEN, "last": LATER, "vm_id": "VM-1", "networked": None, **more}


def test_machines_are_told_beside_the_sessions(case: Any) -> None:
    why = "a machine that is no sandbox: its name or owner is WSL; it started 2 times: x"
    case["findings"] = [finding("sandbox.unattributed_vm"), finding("machine.other", why=why)]
    case["findings"] += [finding("sandbox.unattributed_vm", networked=True)] * 9
    text = shown(print_machines, case)
    assert "Machines that nothing attributes: 10" in text
    assert "2024-12-04 01:02:11Z – 2024-12-04 03:02:11Z  no adapter recorded  w  on WS-TANAKA\n" in text
    assert "2024-12-04 01:02:11Z – 2024-12-04 03:02:11Z  networked  w  on WS-TANAKA\n" in text
    assert "… and 2 more: show findings" in text
    assert "2024-12-04 03:02:11Z  its name or owner is WSL  VM-1  on WS-TANAKA\n" in text
    assert "nothing attributes" in shown(show_summary, case)


def test_other_findings_are_leads_the_gravest_first(case: Any) -> None:
    case["findings"] = [finding("a.low", level="low"), finding("b.high", level="high", why="grave")]
    leads = shown(print_leads, case)
    assert leads.startswith("Other findings: 2")
    assert leads.index("grave") < leads.index("  w  on WS-TANAKA\n")
    every = shown(print_findings, case)
    assert every.index("b.high") < every.index("a.low")
    assert "machine VM-1" in every
    assert "w [0123456789abcdef]" in every
    del case["findings"][0]["first"], case["findings"][0]["last"], case["findings"][0]["vm_id"]  # of an older version
    assert "a.low  ?" in shown(print_findings, case)


# -- tunnels, persistence ------------------------------------------------------------------------------------------


def test_a_tunnel_tells_all_that_is_known_of_it(case: Any) -> None:
    session = case["tunnel_sessions"][0]
    session["relay"] = []
    plain = shown(print_tunnels, case, full=True)
    for text in (
        "ran     ?  whoami  (PSReadLine)",
        "saved   2024-12-04 01:02:11Z  C:/a  SHA-256 cdcd",
        "8080 (public)",
    ):
        assert text in plain
    assert "relay" not in plain
    session["data_dir"] = "C:\\x\\cli"
    session["relay"] = [{"start": WHEN, "end": LATER, "end_reason": "lost"}] * 8
    session["clients"][0] |= {"windows": 2, "reconnects": 1, "second_client": True}
    session["hosting"][0] |= {"output_to": "C:\\o.log", "user": "SYSTEM"}
    session["extensions"] = [{"time": WHEN, "id": "ms-python.python", "source": "s"}]
    session["linked_hosts"] = [{"host": "PC-2", "by": "tunnel_id", "value": "abc"}]
    full, short = (shown(print_tunnels, case, full=full) for full in (True, False))
    for text in ("data in C:\\x\\cli", "disconnected  2 windows, 1 reconnect, another client had connected",
                 "as SYSTEM", "output to C:\\o.log", "extension ms-python.python",
                 "linked  to PC-2 by the tunnel id abc", "account octocat of github"):  # fmt: skip
        assert text in full
    assert full.count("relay   2024-12-04 01:02:11Z – 2024-12-04 03:02:11Z  lost") == 8
    assert "relay   … and 2 more: show tunnel" in short


def test_persistence_tells_trigger_and_first_seen(case: Any) -> None:
    entry = case["persistence"][0] | {"mechanism": "scheduled_task", "trigger": "LogonTrigger"}
    text = shown(print_persistence, case, [entry], full=False)
    assert "first seen 2024-12-04 01:02:11Z  last write 2024-12-04 03:02:11Z" in text
    assert "trigger: LogonTrigger" in text
    same = shown(print_persistence, case, [entry | {"first_seen": LATER}], full=False)
    assert "first seen and last write 2024-12-04 03:02:11Z" in same
    bound = entry | {"first_seen_source": "the registry: its key was last written", "first_seen_bound": True}
    assert "there by 2024-12-04 01:02:11Z  last write" in shown(print_persistence, case, [bound], full=False)
    assert "first seen by: the registry: its key was last written" in shown(print_persistence, case, [bound], full=True)


# -- words, coverage, terminal -------------------------------------------------------------------------------------


def test_what_matters_is_named_first(case: Any) -> None:
    base = case["coverage"][0]
    names = [*(f"a{number:02}" for number in range(14)), "event_process_audit"]
    case["coverage"] = [{**base, "artifact": name, "state": "not_collected"} for name in names]
    case["coverage"] += [
        {**base, "artifact": "zz", "state": "unreadable"},
        {**base, "artifact": "y", "state": "complete"},
    ]
    lines = [text.plain for text in coverage_lines(case)]
    place = next(index for index, text in enumerate(lines) if text.startswith("    unreadable: zz"))
    assert lines[place + 1].startswith("    not collected: event_process_audit, a00, a01, ")
    assert lines[place + 1].endswith(", a10 … and 3 more: show coverage")


def test_numbers_have_their_nouns() -> None:
    assert [counted(number, "row") for number in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
    assert counted(1, "autostart entry", "autostart entries") == "1 autostart entry"
    assert counted(2, "autostart entry", "autostart entries") == "2 autostart entries"


def test_zones_go_by_either_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(zone_of("Tokyo Standard Time")) == "Asia/Tokyo"
    assert zone_of("utc") is UTC
    with pytest.raises(ValueError, match="Nowhere Standard Time"):
        zone_of("Nowhere Standard Time")
    monkeypatch.setenv("COLUMNS", "90")
    assert console().width == 90
    monkeypatch.delenv("COLUMNS")
    assert console().width > 100_000  # whole lines


def test_show_findings_of_a_saved_case(shipped: Callable[[str], Run]) -> None:
    run = shipped("kape")
    assert "Machines that ran and are no sandbox: 1" in run.out
    told = tool("show", run.case, "findings")
    assert told.returncode == 0
    assert "its name or owner is WSL" in told.stdout
    assert '"rule": "machine.other"' in tool("show", run.case, "findings", "--json").stdout
    rows = [row for row in run.lines("timeline.jsonl") if row["kind"] == "finding"]
    assert {row["finding_rule"] for row in rows} == {"machine.other", "group.sideloading"}
    known = {item["event_uid"] for name in ("timeline.jsonl", "undated.jsonl") for item in run.lines(name)}
    assert all(set(row["session_events"]) <= known for row in rows)
