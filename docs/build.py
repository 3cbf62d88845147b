"""Write docs/artifacts.md from the declarations of the artifacts: `python -m docs.build`."""

from __future__ import annotations

import inspect
from pathlib import Path

from docs import persistence
from forensics.artifacts.base import Artifact, EventArtifact, FileArtifact, Kind, all_artifacts
from forensics.collect import sought

TARGET = Path(__file__).parent / "artifacts.md"
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


if __name__ == "__main__":
    persistence.write()
    TARGET.write_text(page(), encoding="utf-8", newline="\n")
