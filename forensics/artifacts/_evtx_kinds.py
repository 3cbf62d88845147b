"""Kinds that more than one event artifact emits: declared once, so that both mean the same."""

from __future__ import annotations

from forensics.artifacts._evtx import USER, kind
from forensics.artifacts.base import Kind

PROCESS_CREATED: Kind = kind(
    "Process started: {executable}[, command line {command_line}][, started by {parent_executable}][, as {user_name}]",
    {
        **USER,
        "executable": str, "executable_name": str, "command_line": str, "pid": str, "process_guid": str,
        "parent_executable": str, "parent_command_line": str, "parent_pid": str, "parent_process_guid": str,
        "working_directory": str, "hashes": str, "original_file_name": str, "file_description": str,
        "integrity_level": str,
        "target_user_name": str, "target_user_domain": str, "target_user_sid": str, "target_logon_id": str,
        "creator_name": str, "creator_domain": str, "creator_sid": str, "creator_logon_id": str,
        "sysmon_utc_time": str,
    },
)  # fmt: skip

PROCESS_EXITED: Kind = kind(
    "Process ended: {executable}[ (process {pid})][, exit code {result_code}]",
    {
        **USER,
        "executable": str, "executable_name": str, "pid": str, "process_guid": str, "result_code": str,
        "sysmon_utc_time": str,
    },
    context=True,
)  # fmt: skip

DNS_QUERIED: Kind = kind(
    "DNS name looked up: {query_name}[ by {executable}][, answer {query_results}][, status {query_status}]"
    "[; {host_meaning}]",
    {
        **USER,
        "query_name": str, "host_meaning": str, "query_results": str, "query_status": str, "query_type": str,
        "executable": str, "executable_name": str, "pid": str, "process_guid": str, "sysmon_utc_time": str,
    },
    context=True,
)  # fmt: skip

_REGISTRY = {
    **USER,
    "executable": str, "executable_name": str, "pid": str, "process_guid": str, "sysmon_utc_time": str,
    "key_path": str, "action": str, "old_value_data": str,
}  # fmt: skip
REGISTRY_KEY_CHANGED: Kind = kind(
    "Registry key changed[ ({action})]: {key_path}[ by {executable}][, as {user_name}][, held {old_value_data}]",
    _REGISTRY,
    context=True,
)
REGISTRY_VALUE_SET: Kind = kind(
    "Registry value set: {key_path}\\{value_name}[ to {value_data}][ by {executable}][, before {old_value_data}]",
    {**_REGISTRY, "value_name": str, "value_data": str},
    context=True,
)

CLOCK_CHANGED: Kind = kind(
    "System clock set from {old_time} to {new_time}[ by {executable}][, as {user_name}]",
    {**USER, "old_time": str, "new_time": str, "executable": str, "executable_name": str, "pid": str},
)

_TASK = {
    **USER,
    "task_name": str, "task_author": str, "task_run_as": str, "task_trigger": str, "task_content": str,
    "command_line": str, "pid": str,
}  # fmt: skip
TASK_REGISTERED: Kind = kind("Scheduled task registered: {task_name}[ running {command_line}][, by {user_name}]", _TASK)
TASK_UPDATED: Kind = kind("Scheduled task changed: {task_name}[, now running {command_line}][, by {user_name}]", _TASK)
TASK_DELETED: Kind = kind("Scheduled task deleted: {task_name}[, by {user_name}]", _TASK)
TASK_ENABLED: Kind = kind("Scheduled task enabled: {task_name}[, by {user_name}]", _TASK)
TASK_DISABLED: Kind = kind("Scheduled task disabled: {task_name}[, by {user_name}]", _TASK)
