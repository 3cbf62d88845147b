"""Write docs/artifacts.md from the artifacts, docs/wiping.md from the rules about wiping: `python -m docs.build`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docs import persistence
from forensics.artifacts.base import Artifact, EventArtifact, FileArtifact, Kind, all_artifacts
from forensics.collect import sought
from forensics.rules import load
from forensics.rules.engine import rules_of

TARGET = Path(__file__).parent / "artifacts.md"
WIPING = Path(__file__).parent / "wiping.md"
_LEVELS = ("strong", "medium", "weak")
_TYPES = {str: "text", int: "number", bool: "yes/no"}


def page() -> str:
    """The whole page."""
    parts = [
        "# Artifacts, kinds and fields\n",
        "Made from the declarations in `forensics/artifacts/` by `python -m docs.build`; do not edit.\n",
    ]
    parts.extend(_artifact(artifact) for artifact in all_artifacts())
    return "\n".join(parts)


def _artifact(artifact: Artifact) -> str:
    module = inspect.getmodule(artifact.parse)
    about = inspect.cleandoc((module.__doc__ if module else "") or "")
    lines = [f"## {artifact.name}\n", f"{about}\n", f"Reads {_reads(artifact)}:\n"]
    lines += [f"- `{glob}`" for glob in sought(artifact)]
    if isinstance(artifact, EventArtifact):
        lines += [f"- {channel}: {_ranges(ids)}" for channel, ids in sorted(artifact.wants.items())]
    lines += ["", "| kind | says | fields |", "| --- | --- | --- |"]
    lines += [_row(name, kind) for name, kind in sorted(artifact.emits.items())]
    return "\n".join([*lines, ""])


def _ranges(ids: frozenset[int]) -> str:
    """The ids in order; more than ten in a row as a range."""
    runs: list[list[int]] = []
    for number in sorted(ids):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts = [[f"{run[0]} to {run[-1]}"] if len(run) > 10 else list(map(str, run)) for run in runs]
    return ", ".join(text for run in texts for text in run)


def _reads(artifact: Artifact) -> str:
    if isinstance(artifact, FileArtifact):
        return "files"
    return "event logs" if isinstance(artifact, EventArtifact) else "hives"


def _row(name: str, kind: Kind) -> str:
    fields = ", ".join(f"`{field}` {_TYPES.get(declared, 'list')}" for field, declared in sorted(kind.fields.items()))
    shown = " (context)" if kind.context else ""
    return f"| `{name}`{shown} | {kind.message.replace('|', chr(92) + '|')} | {fields} |"


def wiping_page() -> str:
    """The page about signs of removed traces, out of the data that makes them."""
    return "\n".join(
        [
            "# Signs of wiped traces\n",
            "Made from `forensics/rules/antiforensics.yml`, `recording.yml` and `tunnel.yml` by `python -m docs.build`; do not edit.\n",
            "A sign says that traces were removed, or kept from being written; who did it and why it does not say. The level is how",
            "far a sign of its kind goes by itself: two that fit each other go further than one that is strong. Every sign in",
            "`sessions.json` (`anti_forensics`) has its level, the rows that it rests on, and the innocent causes below.\n",
            *_table(("sign", "level", "seen in", "innocent causes that look the same"), _signs()),
            "\n## Commands\n",
            "Command lines of processes, PowerShell and histories of shells that are told as `clearing_command` (rules that begin with",
            "ANT, each with an example and a counterexample).\n",
            *_table(("rule", "the command", "ATT&CK", "for example"), _commands()),
            "\n## Switches\n",
            "Registry values that keep something from being recorded, as they are in the hive and as Sysmon and the Security log",
            "saw them change.\n",
            *_table(("key and value", "off at", "what is kept no more", "sign"), _switches()),
            "\n## Histories\n",
            "Lists of a user's hive that are told as `history_emptied`.\n",
            *_table(("key", "told when empty"), _histories()),
            "",
        ]
    )


def _table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield _line(heads)
    yield _line(("---",) * len(heads))
    yield from map(_line, rows)


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _signs() -> Iterator[tuple[str, ...]]:
    """Strong ones first."""
    kinds: dict[str, Mapping[str, Any]] = {
        name: item for name, item in load("antiforensics").items() if isinstance(item, dict) and "detail" in item
    }
    kinds["tunnel_removed"] = load("tunnel")["removed"]
    for name, item in sorted(kinds.items(), key=lambda pair: (_LEVELS.index(pair[1]["level"]), pair[0])):
        weak = "".join(f" ({level}: {item[f'{level}_when']})" for level in _LEVELS if f"{level}_when" in item)
        yield f"`{name}`", item["level"], item["sources"], "; ".join(item["innocent_causes"]) + weak


def _commands() -> Iterator[tuple[str, ...]]:
    for rule in rules_of("antiforensics"):
        yield rule.id, rule.why, ", ".join(rule.attack), f"`{rule.example['command']}`"


def _switches() -> Iterator[tuple[str, ...]]:
    for item in load("recording")["switches"]:
        name = "\\".join(part for part in (item["key"], item.get("value")) if part)
        numbers = ", ".join(str(number) for number in item.get("stops_at", ())) or "the key itself"
        yield f"{item['hive']}: `{name}`", numbers, item["what"], f"`{item['sign']}`"


def _histories() -> Iterator[tuple[str, ...]]:
    for item in load("recording")["histories"]:
        yield f"`{item['key']}`", "always" if item.get("always") else "when entries of it are recovered"


if __name__ == "__main__":
    persistence.write()
    TARGET.write_text(page(), encoding="utf-8", newline="\n")
    WIPING.write_text(wiping_page(), encoding="utf-8", newline="\n")
