"""The kind that all definitions of tasks on disk share, XML or of the old format."""

from __future__ import annotations

from forensics.artifacts.base import Kind

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
