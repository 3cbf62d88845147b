"""What coverage says about files that nobody collected: which target takes them, and where that is not known."""

from __future__ import annotations

import pytest

from forensics.artifacts.base import all_artifacts
from forensics.collect import sought
from forensics.rules import load
from forensics.rules.collection import TRIAGE, hint, kape_targets

SOUGHT = {artifact.name: sought(artifact) for artifact in all_artifacts()}


@pytest.mark.parametrize(
    ("artifact", "target"),
    [
        ("jump_lists", "LNKFilesAndJumpLists"),
        ("lnk_files", "LNKFilesAndJumpLists"),
        ("srum", "SRUM"),
        ("wer_reports", "WER"),
        ("activities_cache", "WindowsTimeline"),
        ("defender_mplog", "WindowsDefender"),
        ("task_jobs", "ScheduledTasks"),
        ("prefetch", "Prefetch"),
        ("event_process_audit", "EventLogs"),
        ("usn_journal", "FileSystem"),
    ],
)
def test_what_kape_triage_takes_is_said(artifact: str, target: str) -> None:
    targets = kape_targets(SOUGHT[artifact])
    assert targets[0] == target
    assert "KapeTriage" in targets
    assert hint(SOUGHT[artifact]).startswith(f"KAPE target {target} takes ")
    assert "no triage" not in hint(SOUGHT[artifact])


@pytest.mark.parametrize("artifact", ["wsb_files", "tunnel_identity", "tunnel_log", "sandbox_disks", "sandbox_dumps"])
def test_what_only_a_target_outside_the_triage_ones_takes_is_said(artifact: str) -> None:
    assert not set(kape_targets(SOUGHT[artifact])) & set(TRIAGE)
    assert "no triage target includes that" in hint(SOUGHT[artifact])


def test_part_of_a_kind_is_not_told_as_all_of_it() -> None:
    said = hint(SOUGHT["lnk_files"])
    assert "takes some of it (those in Recent, on the desktop" in said
    assert said.endswith("; CyLR: those in Recent")
    assert "some of it (those below ProgramData)" in hint(SOUGHT["wer_reports"])


def test_nothing_known_is_not_none_takes_it() -> None:
    assert hint(SOUGHT["dism_log"]) == hint(("Windows/Elsewhere/x.log",)) == "not known which KAPE target takes it"
    assert kape_targets(("Windows/Elsewhere/x.log",)) == ()


def test_cylr_is_told_apart() -> None:
    assert hint(SOUGHT["srum"]) == "KAPE target SRUM takes it; CyLR too"
    assert hint(SOUGHT["usn_journal"]) == "KAPE target FileSystem takes it; CyLR: with --usnjrnl"
    assert "CyLR" not in hint(SOUGHT["pca_launches"])


def test_every_place_of_the_list_is_one_that_some_artifact_asks_for() -> None:
    """An entry that nothing matches would be a slip of the pen in a path."""
    from forensics.rules.collection import _places, _taker

    hit = {item for globs in SOUGHT.values() for item in map(_taker, globs) if item}
    assert [item.glob for item in _places() if item not in hit] == []
    assert len(_places()) == len(load("collection")["places"])
