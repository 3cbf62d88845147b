"""What the artifacts of tasks share: the kind of all definitions on disk, and which tasks are Windows' own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from forensics.artifacts._autostart import writable
from forensics.artifacts._registry import looks_stock
from forensics.artifacts.base import Kind
from forensics.rules import load

_FOLDER = "\\microsoft\\windows\\"
_WORDS = re.compile(r"[\s\",;=|&]+")

TASK_DEFINED = Kind(
    "Scheduled task {task_name}[ runs {command_line}][ as {task_run_as}][, author {task_author}]",
    {
        "task_name": str,
        "task_uri": str,
        "task_author": str,
        "task_run_as": str,
        "task_run_level": str,
        "task_logon_type": str,
        "task_trigger": str,
        "task_hidden": bool,
        "enabled": bool,
        "task_content": str,
        "task_notes": tuple[str, ...],
        "task_dtd": bool,
        "task_malformed": bool,
        "mechanism": str,
        "action_kind": str,
        "executable": str,
        "command_line": str,
        "working_directory": str,
        "class_id": str,
        "action_data": str,
        "result_code": str,
    },
)


def of_windows(name: str | None, programs: Iterable[str]) -> bool:
    """Whether a task is one that Windows brings, as far as its folder and what it starts tell.

    A program of Windows' own folder that is no interpreter, and no word of its command where users can write. A
    replaced system file looks the same, and a class is not looked up here.
    """
    folder, _, _ = (name or "").casefold().rpartition("\\")
    if not f"{folder}\\".startswith(_FOLDER) or f"{folder}\\"[len(_FOLDER) : -1] not in _folders():
        return False
    return all(looks_stock(program) and not any(map(writable, _WORDS.split(program))) for program in programs)


@cache
def _folders() -> frozenset[str]:
    return frozenset(load("stock_tasks")["folders"])
