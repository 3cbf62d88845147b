"""A host with one of each autostart place of the registry, planted and stock side by side, read as evidence is."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensics.artifacts.base import RegistryArtifact, all_artifacts
from forensics.formats.hive import Hive
from forensics.model import Fact
from forensics.rules import load
from forensics.rules.autoruns import mechanisms
from forensics.sessions.persistence import persistence
from forensics.sessions.rows import Rows
from forensics.timeline import events_of
from tests.artifacts import test_active_setup as setup
from tests.artifacts import test_boot_execute as boot
from tests.artifacts import test_cor_profiler as profiler
from tests.artifacts import test_explorer_extensions as explorer
from tests.artifacts import test_ifeo as ifeo
from tests.artifacts import test_lsa_packages as lsa
from tests.artifacts import test_netsh_helpers as netsh
from tests.artifacts import test_network_providers as network
from tests.artifacts import test_print_monitors as printing
from tests.artifacts import test_session_subsystems as subsystems
from tests.artifacts import test_terminal_server_programs as remote
from tests.artifacts import test_time_providers as clock
from tests.artifacts import test_winlogon as logon
from tests.artifacts import test_winsock_providers as winsock
from tests.artifacts.autorun_inputs import SYSTEM, key, merged, system, user
from tests.artifacts.registry_inputs import HOST, given
from tests.formats.crafted_hives import Tree, hive
from tests.running import timeline

NP = "Control\\NetworkProvider\\Order"
STOCK_SYSTEM = merged(
    system(lsa.STOCK, *network.STOCK, key(NP, ProviderOrder="RDPNP,LanmanWorkstation")),
    boot.STOCK,
    system(*clock.STOCK, *winsock.STOCK, *remote.STOCK, key(subsystems.PLACE, Windows=subsystems.CSRSS.format(""))),
)
STOCK_SOFTWARE = merged(logon.STOCK, setup.STOCK, {"Microsoft": netsh.STOCK["Microsoft"]})
PLANTED_SYSTEM = merged(system(lsa.PLANTED), network.PLANTED, boot.PLANTED, printing.PLANTED, profiler.PLANTED)
PLANTED_SOFTWARE = merged(ifeo.PLANTED, explorer.PLANTED)


Scores = dict[tuple[str, str], int]


def entries_of(folder: Path, trees: dict[str, Tree]) -> tuple[Scores, list[str]]:
    """The entries by mechanism and place, and the mechanisms of the rows that are only context."""
    for name, tree in trees.items():
        target = folder / "evidence" / "C" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(hive(tree))
    run = timeline(folder / "evidence", folder / "case", "-q", "--all-events")
    document = run.document()
    assert {finding["rule"] for finding in document["findings"]} <= {"credentials.notification_package"}
    found = document["persistence"]
    scores = {(entry["mechanism"], f"{entry['location']}|{entry['name']}"): entry["score"] for entry in found}
    rows = [row for row in run.lines("timeline.jsonl") if row.get("kind") == "autorun.configured"]
    return scores, [row["mechanism"] for row in rows]


def test_a_host_with_stock_entries_only_stays_quiet(tmp_path: Path) -> None:
    found, rows = entries_of(
        tmp_path,
        {
            "Windows/System32/config/SYSTEM": STOCK_SYSTEM,
            "Windows/System32/config/SOFTWARE": STOCK_SOFTWARE,
            "Users/hanako/NTUSER.DAT": user(key(logon.LOGON, Shell="explorer.exe")),
        },
    )
    assert found == {}
    assert len(rows) > 50, "what is stock is context, not dropped"
    assert set(rows) > {"winlogon", "lsa", "netsh_helper", "winsock", "boot_execute", "active_setup", "time_provider"}


def test_planted_entries_are_found(tmp_path: Path) -> None:
    found, _ = entries_of(
        tmp_path,
        {
            "Windows/System32/config/SYSTEM": PLANTED_SYSTEM,
            "Windows/System32/config/SOFTWARE": PLANTED_SOFTWARE,
            "Users/hanako/NTUSER.DAT": user(key(logon.LOGON, Shell="C:\\Users\\Public\\sh.exe")),
        },
    )
    high = {mechanism for (mechanism, _), score in found.items() if score > 40}
    assert high == {
        "lsa", "network_provider", "boot_execute", "print_monitor", "print_provider", "cor_profiler", "ifeo",
        "silent_process_exit", "shell_load", "winlogon", "com",
    }  # fmt: skip
    assert ("winlogon", f"HKCU\\Software\\{logon.LOGON}\\Shell|C:\\Users\\Public\\sh.exe") in found


@pytest.mark.samples
def test_a_real_machine_stays_quiet(samples: Path) -> None:
    folder = samples / "hives"
    logs = [(folder / f"SYSTEM_B.LOG{number}").read_bytes() for number in (1, 2)]
    opened = Hive.open((folder / "SYSTEM_B").read_bytes(), logs)
    artifacts = [item for item in all_artifacts() if isinstance(item, RegistryArtifact) and opened.kind in item.hives]
    facts = [row for item in artifacts for row in item.parse(opened, given(SYSTEM)) if isinstance(row, Fact)]
    rows = persistence(Rows([event for fact in facts for event in events_of(fact, "x")]), HOST, "x")
    ours = [entry for entry in rows if entry.mechanism in mechanisms()]
    assert len(ours) > 70
    assert [(entry.name, entry.score, entry.reasons) for entry in ours if entry.score] == []
    assert len({entry.id for entry in rows}) == len(rows)


def test_every_place_of_the_table_has_an_artifact_and_a_technique() -> None:
    table = load("autoruns")
    names = {artifact.name for artifact in all_artifacts()}
    assert set(table["places"]) <= names
    assert mechanisms() - set(table["techniques"]) == {"print_port"}
    assert set(load("autoruns_stock")["stock"]) <= mechanisms()
