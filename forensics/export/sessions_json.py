"""sessions.json: the machine-readable result and stable contract of the tool (docs/sessions.schema.json).

Times are ISO 8601 UTC texts or null, lists may be empty, unknown is null. The keys of the model's dataclasses are the
keys of the document; a sandbox configuration stands flat in its entry. Where the evidence lay on the examiner's disk
is in run.json, so that this file is the same for the same evidence.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from forensics import __version__
from forensics.case import Case
from forensics.export.problems import plain_problems
from forensics.model import Coverage, Evidence, Host, Verdicts, to_plain
from forensics.plain import from_plain, safe_plain

SCHEMA = 1
_LISTS = ("sandbox_sessions", "sandbox_configs", "tunnel_sessions", "persistence", "anti_forensics", "findings")
_LATER = ("advisory",)  # of which older files have nothing


def document(case: Case) -> dict[str, Any]:
    """The whole document as JSON material."""
    verdicts = to_plain(case.verdicts)
    verdicts["sandbox_configs"] = [_flat(entry) for entry in verdicts["sandbox_configs"]]
    hosts = _hosts(case)
    parts = {
        "schema": SCHEMA,
        "tool": {"name": "mirrortrace", "version": __version__},
        "host": hosts[0] if hosts else to_plain(Host()),
        "hosts": hosts,
        "evidence": [_without_path(item) for item in case.evidence],
        **verdicts,
        "coverage": [
            {"evidence": name, **to_plain(entry)} for name, entries in case.coverage.items() for entry in entries
        ],
    }
    return {**safe_plain(parts), "problems": plain_problems(case)}


def _hosts(case: Case) -> list[Any]:
    """The hosts of all evidence, each once."""
    found: list[Any] = []
    for item in case.evidence:
        plain = to_plain(item.host)
        if plain not in found:
            found.append(plain)
    return found


def _without_path(item: Evidence) -> dict[str, Any]:
    return {name: value for name, value in to_plain(item).items() if name != "path"}


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    """A configuration's entry with its settings beside the rest; the entry's own keys win."""
    settings = entry.pop("settings")
    return {**settings, **entry}


def _nested(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "settings": entry}


def write(case: Case, path: Path) -> None:
    """Write the document, indented, in the order of the contract."""
    text = json.dumps(document(case), ensure_ascii=False, allow_nan=False, indent=2)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def read(path: Path) -> tuple[Verdicts, list[Evidence], dict[str, list[Coverage]]]:
    """Verdicts, evidence headers (their path is in run.json) and coverage of a file that `write` made.

    Raises:
        ValueError, KeyError, TypeError: the file is not one that `write` made, or of another schema version.
    """
    plain = json.loads(path.read_text(encoding="utf-8"))
    if plain["schema"] != SCHEMA:
        raise ValueError(f"schema {plain['schema']} is not {SCHEMA}")
    plain["sandbox_configs"] = [_nested(entry) for entry in plain["sandbox_configs"]]
    coverage: dict[str, list[Coverage]] = {}
    for entry in plain["coverage"]:
        coverage.setdefault(entry["evidence"], []).append(from_plain(Coverage, entry))
    evidence = [from_plain(Evidence, {**item, "path": ""}) for item in plain["evidence"]]
    told = {name: plain[name] for name in (*_LISTS, "sandbox_capability")}
    told |= {name: plain[name] for name in _LATER if name in plain}
    return from_plain(Verdicts, told), evidence, coverage
