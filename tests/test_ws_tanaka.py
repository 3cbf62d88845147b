"""The first scenario, end to end: the same sessions out of the image, the KAPE folder and the Velociraptor zip."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forensics.artifacts.base import asked_for
from forensics.case import Case
from testdata.expected import differences
from tests.running import BUILT, LAYOUTS, Run, fingerprint, timeline, tool

EXPECTED = json.loads((BUILT / "expected/sessions.json").read_text(encoding="utf-8"))
# Told by other evidence: Windows Timeline databases are made in its own test, SRUM has no writer but a public sample.
ELSEWHERE = {
    "event_accounts",
    "event_filter_platform",
    "event_process_exit",
    "event_share_access",
    "event_sysmon_reach",
    "event_winsock",
    "update_orchestrator",
    "user_environment",
    "accessibility_programs",
    "active_setup",
    "accessibility_replaced",
    "activities_cache",
    "agent_host_log",
    "amcache",
    "app_compat_store",
    "app_init_dlls",
    "appx_packages",
    "bits_jobs",
    "beacon_files",
    "bits_queue",
    "boot_execute",
    "browser_chromium",
    "browser_extensions",
    "browser_firefox",
    "browser_policies",
    "browser_webcache",
    "capability_access",
    "cbs_log",
    "cbs_packages",
    "codec_drivers",
    "crypto_offload",
    "desktop_components",
    "device_connect",
    "app_paths",
    "disk_tools",
    "html_help",
    "router_managers",
    "telemetry_controllers",
    "trust_providers",
    "file_associations",
    "font_drivers",
    "langbar_addins",
    "media_filters",
    "pending_policies",
    "shim_databases",
    "service_failures",
    "sidebar_gadgets",
    "command_processor",
    "cor_profiler",
    "crash_debuggers",
    "com_hijacks",
    "credential_files",
    "credential_providers",
    "defender_exclusions",
    "defender_mplog",
    "defender_settings",
    "devtunnel_files",
    "dism_log",
    "emptied_histories",
    "event_app_model",
    "event_appx_deployment",
    "event_audit_policy",
    "event_bits",
    "event_compute_admin",
    "event_containers",
    "event_credentials",
    "event_defender",
    "event_defender_state",
    "event_filter_manager",
    "event_firewall",
    "event_hns",
    "event_hypervisor",
    "event_kernel_general",
    "event_kernel_pnp",
    "event_log_service",
    "event_powershell_commands",
    "event_rdp_client",
    "event_rdp_sessions",
    "event_registry_audit",
    "event_sandbox_client",
    "event_sysmon_images",
    "event_sysmon_state",
    "event_vmms",
    "event_windows_update",
    "event_volsnap",
    "event_winnat",
    "event_wmi_operations",
    "explorer_extensions",
    "event_wmi",
    "feature_usage",
    "firefox_policies",
    "hns_data",
    "hns_firewall_rules",
    "hosts_file",
    "hosts_ics",
    "ifeo",
    "installed_software",
    "jump_lists",
    "known_dlls",
    "language_dlls",
    "lnk_files",
    "lsa_packages",
    "logon_scripts",
    "log_channels",
    "mark_of_the_web",
    "netsh_helpers",
    "network_providers",
    "office_addins",
    "office_startup_files",
    "msbuild_projects",
    "office_trust_records",
    "open_save_mru",
    "pca_launches",
    "registry_blobs",
    "rdp_settings",
    "remote_ssh_files",
    "powershell_policy",
    "print_monitors",
    "protocol_handlers",
    "policy_scripts",
    "powershell_profiles",
    "remote_access_tools",
    "remote_tool_files",
    "prefetch_settings",
    "run_mru",
    "sandbox_bindings",
    "sandbox_disks",
    "sandbox_dumps",
    "sandbox_policies",
    "screen_saver",
    "serve_web_secrets",
    "server_data_files",
    "server_data_logs",
    "server_extensions",
    "server_plugins",
    "session_subsystems",
    "setupapi_log",
    "shell_extensions",
    "shimcache",
    "srum",
    "startup_folder_moved",
    "startup_folders",
    "state_repository",
    "task_jobs",
    "terminal_server_programs",
    "time_providers",
    "tunnel_environment",
    "tunnel_output",
    "tunnel_policies",
    "tunnel_token",
    "usn_settings",
    "vm_switch_nics",
    "vscode_client_log",
    "vscode_forwarding_log",
    "vscode_settings",
    "vscode_state",
    "vscode_storage",
    "vscode_tunnel_service_log",
    "wer_reports",
    "winlogon",
    "winsock_providers",
    "winsw_config",
    "wmi_consumers",
    "recording_switches",
}
PLANTED = {"Visual Studio Code Tunnel", "HelloSync", "\\GoogleUpdaterInternalService", "ScnCfgSvc"}


@pytest.fixture(scope="module")
def runs(shipped: Callable[[str], Run]) -> dict[str, Run]:
    """One run over each layout."""
    return {name: shipped(name) for name in LAYOUTS}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_expected_sessions_come_out(runs: dict[str, Run], layout: str) -> None:
    run = runs[layout]
    assert run.code == 0, run.err + run.out
    assert differences(EXPECTED, run.document()) == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_the_planted_persistence_scores(runs: dict[str, Run], layout: str) -> None:
    entries = runs[layout].document()["persistence"]
    assert {entry["name"] for entry in entries if entry["score"] > 0} == PLANTED
    assert {"OneDrive", "SecurityHealth"} <= {entry["name"] for entry in entries}, "harmless ones are listed, with 0"


@pytest.mark.parametrize("part", ["sandbox_sessions", "sandbox_configs", "tunnel_sessions", "persistence"])
def test_all_layouts_say_the_same(runs: dict[str, Run], part: str) -> None:
    documents = [_without(run.document()[part], {"events", "reasons"}) for run in runs.values()]
    assert documents[0] == documents[1] == documents[2]


def _without(value: Any, names: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(item, names) for key, item in value.items() if key not in names}
    return [_without(item, names) for item in value] if isinstance(value, list) else value


def test_every_artifact_has_a_fact_in_the_shipped_evidence(runs: dict[str, Run]) -> None:
    facts = {row["artifact"]: row["facts"] for row in runs["e01"].document()["coverage"]}
    assert set(facts) == {artifact.name for artifact in asked_for(carve=False)}
    assert {name for name, count in facts.items() if not count} == ELSEWHERE


def test_coverage_is_complete_and_nothing_is_unread(runs: dict[str, Run]) -> None:
    coverage = runs["e01"].document()["coverage"]
    absent = {row["artifact"] for row in coverage if row["state"] == "nothing_found"}
    assert absent <= ELSEWHERE, "a hive or log that is there is read for nothing"
    assert {row["state"] for row in coverage if row["artifact"] not in absent} == {"complete"}
    assert runs["e01"].lines("problems.jsonl") == []


def test_every_row_can_be_checked_by_hand(runs: dict[str, Run]) -> None:
    for event in Case.load(runs["e01"].case).events:
        assert event.source.path.startswith("C:/")
        assert event.source.sha256
        assert len(event.source.sha256) == 64
        assert event.message
        assert event.time.tzinfo is not None
        assert "extra" not in event.fields, f"{event.kind}: {event.fields['extra']}"


def test_session_events_are_in_the_timeline(runs: dict[str, Run]) -> None:
    run = runs["e01"]
    known = {event.id for event in Case.load(run.case).events} | {
        row["event_uid"] for row in run.lines("undated.jsonl")
    }
    document = run.document()
    for part in ("sandbox_sessions", "tunnel_sessions", "persistence", "anti_forensics"):
        for entry in document[part]:
            assert set(entry["events"]) <= known, entry
            assert entry["events"], entry


def test_a_second_run_gives_the_same_bytes(runs: dict[str, Run], tmp_path: Path) -> None:
    first = runs["kape"]
    again = timeline(LAYOUTS["kape"], tmp_path / "again", "--jobs", "1")
    for path in sorted(first.case.iterdir()):
        if path.name != "run.json":
            assert path.read_bytes() == (again.case / path.name).read_bytes(), path.name


def test_the_evidence_is_unchanged(tmp_path: Path) -> None:
    before = {name: fingerprint(path) for name, path in LAYOUTS.items()}
    timeline(LAYOUTS["velociraptor"], tmp_path / "case")
    assert {name: fingerprint(path) for name, path in LAYOUTS.items()} == before


def test_a_saved_case_reloads_and_saves_the_same(runs: dict[str, Run], tmp_path: Path) -> None:
    case = Case.load(runs["e01"].case)
    case.save(tmp_path / "copy")
    for name in ("timeline.jsonl", "timeline.csv", "sessions.json", "undated.jsonl", "problems.jsonl"):
        assert (tmp_path / "copy" / name).read_bytes() == (runs["e01"].case / name).read_bytes(), name
    frame = case.to_frame()
    assert len(frame) == len(case.events)
    assert str(frame["datetime"].dtype) == "datetime64[us, UTC]"


@pytest.mark.parametrize("part", ["summary", "sandbox", "tunnel", "persistence", "coverage", "problems"])
def test_show_works_on_the_saved_case(runs: dict[str, Run], part: str) -> None:
    shown = tool("show", runs["e01"].case, part)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.strip()
    plain = tool("show", runs["e01"].case, part, "--json")
    assert json.loads(plain.stdout)


def test_the_summary_names_what_matters(runs: dict[str, Run]) -> None:
    out = runs["e01"].out
    for text in ("WS-TANAKA", "confirmed", "print-svc-07", "default.wsb", "ScnCfgSvc", "timeline.jsonl", "Coverage"):
        assert text in out
    assert "\x1b" not in out


def test_context_is_bounded_and_can_be_asked_for(runs: dict[str, Run], tmp_path: Path) -> None:
    short = len(runs["kape"].lines("timeline.jsonl"))
    whole = timeline(LAYOUTS["kape"], tmp_path / "all", "--all-events")
    none = timeline(LAYOUTS["kape"], tmp_path / "none", "--context", "0")
    assert len(none.lines("timeline.jsonl")) < short < len(whole.lines("timeline.jsonl"))
    assert _without(whole.document()["coverage"], set()) == runs["kape"].document()["coverage"]


def test_start_and_end_cut_the_timeline_not_the_sessions(runs: dict[str, Run], tmp_path: Path) -> None:
    cut = timeline(LAYOUTS["kape"], tmp_path / "cut", "--start", "2024-12-04", "--end", "2024-12-04T12:00:00+00:00")
    events = list(Case.load(cut.case).events)
    assert events
    assert all("2024-12-04T00:00" <= event.time.isoformat() <= "2024-12-04T12:00:01" for event in events)
    assert cut.document()["sandbox_sessions"] == runs["kape"].document()["sandbox_sessions"]


def test_two_collections_of_one_host_tell_each_session_once(runs: dict[str, Run], tmp_path: Path) -> None:
    done = tool("timeline", LAYOUTS["kape"], LAYOUTS["velociraptor"], "-o", tmp_path / "case", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert len(document["sandbox_sessions"]) == 2
    assert len(document["tunnel_sessions"]) == 1
    assert len(document["persistence"]) == len(runs["kape"].document()["persistence"])
    assert len(document["evidence"]) == 2


def test_two_hosts_stand_side_by_side(tmp_path: Path) -> None:
    other = tmp_path / "OTHER-HOST"
    shutil.copytree(LAYOUTS["kape"], other, ignore=shutil.ignore_patterns("*.evtx"))
    (other / "C/Windows/System32/config/SYSTEM").unlink()  # so the second host goes by the name of its evidence
    done = tool("timeline", LAYOUTS["kape"], other, "-o", tmp_path / "case", "--json")
    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)
    assert {problem["fault"] for problem in document["problems"]} == {"listed_missing"}
    assert {session["host"] for session in document["sandbox_sessions"]} == {"WS-TANAKA", "OTHER-HOST"}
    assert len(document["hosts"]) == 2


def test_inspect_parses_nothing_and_counts() -> None:
    done = tool("inspect", LAYOUTS["e01"], "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {row["artifact"] for row in found["artifacts"]} == {artifact.name for artifact in asked_for(carve=False)}
    assert {row["artifact"] for row in found["artifacts"] if not row["files"]} <= ELSEWHERE


def test_what_dates_an_entry_is_said(runs: dict[str, Run]) -> None:
    entries = {item["name"]: item for item in runs["e01"].document()["persistence"]}
    hello, tunnel = entries["HelloSync"], entries["Visual Studio Code Tunnel"]
    assert not hello["first_seen_bound"]
    assert hello["first_seen_source"].startswith("Security 4688: a command that makes it was run by 田中 (inferred")
    # The project is context by its name and place: the entry that MSBuild is started by makes it more.
    assert any("by the change journal: C:\\ProgramData\\hello.xml" in reason for reason in hello["reasons"])
    assert not tunnel["first_seen_bound"]
    assert tunnel["first_seen_source"].startswith("Sysmon 13: the value was set by 田中 with ")
