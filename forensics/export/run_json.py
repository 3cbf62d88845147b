"""run.json: what differs from run to run (arguments, durations, where the evidence lay) and the counts of the case.

It is written last: a folder without it is no complete case.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from forensics.case import Case
from forensics.export._rows import counts
from forensics.plain import safe_plain


def write(case: Case, path: Path) -> None:
    """Write the run's information, the place of each piece of evidence, and how much the case holds."""
    document = {
        **case.run,
        "evidence": [{"name": item.name, "path": item.path, "hashes": item.hashes} for item in case.evidence],
        "counts": {**case.run.get("counts", {}), **row_counts(case)},
    }
    text = json.dumps(safe_plain(document), ensure_ascii=False, allow_nan=False, indent=2, default=list)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def row_counts(case: Case) -> dict[str, int]:
    """How much the case holds: events, and the rows of the timeline files, which hold the sessions' rows as well."""
    rows = {"events": len(case.events), "undated": len(case.undated), "problems": len(case.problems)}
    return {**rows, **counts(case)}


def read(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The run's information, and the path of each piece of evidence by its name.

    Raises:
        ValueError, KeyError, TypeError: the file is not one that `write` made.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    paths = {item["name"]: item["path"] for item in document["evidence"]}
    return {name: value for name, value in document.items() if name != "evidence"}, paths
