"""Every layout gives the sessions that the shipped ones give."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testdata.expected import differences
from tests.evidence.ad1_layouts import AD1
from tests.evidence.layouts import COLLECTIONS, IMAGES, Layout
from tests.running import BUILT, Run, fingerprint, timeline

EXPECTED = json.loads((BUILT / "expected/sessions.json").read_text(encoding="utf-8"))
VSS = BUILT / "e01-vss/ws-tanaka-vss.E01"
WITHOUT_JOURNAL = ("kape_without_journal", "kape_vhdx")
PARTS = ("sandbox_sessions", "tunnel_sessions", "persistence", "sandbox_capability")


@pytest.fixture(scope="module")
def reference(shipped: Callable[[str], Run]) -> dict[str, Any]:
    document: dict[str, Any] = shipped("kape").document()
    return document


def run(made: Layout, top: Path) -> Run:
    before = fingerprint(made.path)
    done = timeline(made.path, top / "case", *made.options)
    assert fingerprint(made.path) == before, "evidence is never written"
    return done


@pytest.mark.parametrize("name", IMAGES)
def test_images(name: str, tmp_path: Path) -> None:
    done = run(IMAGES[name](tmp_path), tmp_path)
    assert done.code == 0, done.err + done.out
    assert differences(EXPECTED, done.document()) == []


@pytest.mark.parametrize("name", [*COLLECTIONS, *AD1])
def test_collections(name: str, tmp_path: Path, reference: dict[str, Any]) -> None:
    done = run({**COLLECTIONS, **AD1}[name](tmp_path), tmp_path)
    assert done.code in (0, 3), done.err + done.out
    document = done.document()
    exact = name not in WITHOUT_JOURNAL
    for part in PARTS:
        assert names(document[part], exact=exact) == names(reference[part], exact=exact), part
    if name != "velociraptor_vss_only":
        assert done.lines("problems.jsonl") == []


def names(entries: Any, *, exact: bool) -> Any:
    """What a session is by itself: bounds, certainty, score; letter case is the collection's.

    Without the change journal a session's end is that of the logs, up to a second earlier: compared by the minute.
    """
    if isinstance(entries, dict):
        return {key: entries.get(key) for key in ("enabled", "enabled_at")}
    keep = ("kind", "name", "command", "start", "end", "end_kind", "certainty", "score", "vm_id", "tunnel_name", "user")
    shown = [{key: entry.get(key) for key in keep if key in entry} for entry in entries]
    if not exact:
        shown = [{**item, **{key: (item[key] or "")[:16] for key in ("start", "end") if key in item}} for item in shown]
    return sorted(repr(item).casefold() for item in shown)


def test_shadow_copies_give_back_what_was_wiped(tmp_path: Path) -> None:
    with_copies = timeline(VSS, tmp_path / "with", "--vss")
    assert with_copies.code == 0, with_copies.err
    document = with_copies.document()
    assert differences(EXPECTED, document) == ["sandbox_configs[1].deleted: expected False, found True"]
    without = timeline(VSS, tmp_path / "without").document()
    assert differences(EXPECTED, without) != []
    assert all("default.wsb" not in item["source"] for item in without["sandbox_configs"] if not item["deleted"])
    rows = with_copies.lines("timeline.jsonl")
    seen = {tuple(row["seen_in"]) for row in rows if row.get("seen_in")}
    assert seen == {("live", "vss1"), ("live",), ("vss1",)}
    only = [row for row in rows if row.get("seen_in") == ["vss1"]]
    assert all(row["source_path"].startswith("C:@vss1/") for row in only)
    assert all(row["message"].startswith("[only in vss1]") for row in only)
    names = {row["source_path"].rpartition("/")[2] for row in only}
    assert {"default.wsb", "tunnel-service.log", "Security.evtx"} <= names
    places = [(row["event_uid"], row.get("source_path")) for row in rows]
    assert len(places) == len(set(places))
