"""problems.jsonl: everything that could not be read, one JSON object a line, in an order that no worker decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from forensics.case import Case, problem_key
from forensics.model import Problem, to_plain
from forensics.plain import from_plain, safe_plain

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def plain_problems(case: Case) -> list[dict[str, Any]]:
    """The problems as sorted JSON material, names made safe (they come from evidence)."""
    return [safe_plain(to_plain(problem)) for problem in sorted(case.problems, key=problem_key)]


def write(case: Case, path: Path) -> None:
    """Write one object a line: fault, artifact, source, detail."""
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        handle.writelines(_encode(problem) + "\n" for problem in plain_problems(case))


def read(path: Path) -> list[Problem]:
    """The problems of a file that `write` made.

    Raises:
        ValueError: a line is not such a problem.
    """
    with path.open(encoding="utf-8", newline="\n") as handle:
        return [from_plain(Problem, json.loads(line)) for line in handle]
