"""Scheduled tasks as the registry has them: what the Task Scheduler really acts on.

MirrorFace started Windows Sandbox by a scheduled task. The copy in the registry outlives the XML file, and its
differences betray hiding: without `SD` under Tree (or without a Tree entry at all) a task runs on but is shown
neither by schtasks nor by the Task Scheduler window. Such tasks are tagged `hidden_task`. DynamicInfo holds the last
registration, the last start and the last successful end. Tasks below `\\Microsoft\\Windows\\` that start a program of
Windows or a COM handler become context, unless the library of that class lies where users can write. Recovered tasks
are never called hidden:
their Tree entry was deleted with them.
https://cyber.wtf/2022/06/01/windows-registry-analysis-todays-episode-tasks/
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from forensics.artifacts._autostart import writable
from forensics.artifacts._registry import looks_stock, lost, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats import FormatError, taskcache, tasktriggers
from forensics.formats.hive import Hive, Key
from forensics.formats.hostinfo import text_of
from forensics.model import Fact, Problem, Value, make_fact
from forensics.rules.watch import is_watched
from forensics.times import Moment, NoTime

_NAME = "task_cache"
_CACHE = "Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache"
_STOCK_FOLDER = "\\microsoft\\windows\\"
_GUID = re.compile(r"\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}", re.IGNORECASE)
_CLASS = re.compile(rf"^COM handler ({_GUID.pattern})", re.IGNORECASE)
_NO_RUNS = NoTime("no DynamicInfo", "")


@dataclass(frozen=True, slots=True)
class _Shown:
    """A Tree entry: the task's path, and whether it has the descriptor without which nobody is shown it."""

    path: str
    key: Key
    has_descriptor: bool


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every task; Tree entries whose task is gone follow. What all tasks share of unknown is said once."""
    said: set[str] = set()
    for item in _rows(hive, given):
        if isinstance(item, Problem) and item.detail.startswith("unknown version"):
            if item.detail in said:
                continue
            said.add(item.detail)
        yield item


def _rows(hive: Hive, given: FileInput) -> Output:
    tree = _tree(hive)
    keeps_descriptors = any(shown.has_descriptor for shown in tree.values())
    tasks = hive.key(f"{_CACHE}\\Tasks")
    for key in tasks.subkeys() if tasks else ():
        shown = tree.pop(key.name.lower(), None)
        hidden = None if hive.deleted else _hidden(shown, keeps_descriptors=keeps_descriptors)
        yield from _task(given, key, shown, hidden, hive.live)
    for identifier, shown in tree.items():
        if not hive.deleted or hive.live.key(f"{_CACHE}\\Tasks\\{identifier}") is None:
            yield _orphan(given, identifier, shown)
    for key in hive.unplaced():
        if _GUID.fullmatch(key.name) and key.value("Actions"):
            yield from _task(given, key, None, None, hive.live)


def _tree(hive: Hive) -> dict[str, _Shown]:
    start = hive.key(f"{_CACHE}\\Tree")
    found: dict[str, _Shown] = {}
    for key in hive.walk(start) if start else ():
        identifier = text_of(key, "Id")
        if start and identifier:
            path = key.path[len(start.path) :]
            found[identifier.lower()] = _Shown(path, key, key.value("SD") is not None)
    return found


def _task(given: FileInput, key: Key, shown: _Shown | None, hidden: str | None, live: Hive) -> Output:
    problems: list[Problem] = []
    actions = _actions(given, key, problems)
    runs = _runs(given, key, problems)
    triggers = key.value("Triggers")
    name = text_of(key, "Path") or (shown.path if shown else None) or text_of(key, "URI")
    fires = _triggers(given, key, problems)
    stock = _is_stock(name, [action.command_line for action in actions if action.command_line])
    common: dict[str, Value | None] = {
        "mechanism": "scheduled_task",
        "location": f"HKLM\\SOFTWARE\\{key.path}",
        "entry_name": name or key.name,
        "task_name": name,
        "task_author": text_of(key, "Author"),
        "task_run_as": taskcache.read_account(triggers.raw) if triggers else None,
        "task_trigger": "; ".join(fires),
        "result_code": f"0x{runs.result:08x}" if runs else None,
        "key_path": key.path,
        "reason": hidden,
    }
    for number, action in enumerate(actions or (None,), 1):
        source, library = place(given, key), _library(live, action)
        yield make_fact(
            "task.cached",
            replace(source, locator=f"{source.locator} (action {number})") if len(actions) > 1 else source,
            _moments(key, runs),
            common | {"target_path": library} | _action_fields(action),
            context=not hidden and stock and not writable(library or ""),
            tags=("hidden_task",) if hidden else (),
        )
    yield from problems


def _library(live: Hive, action: taskcache.Action | None) -> str | None:
    """The library of the class that an action calls, as far as the machine's hive has the class."""
    named = _CLASS.match(action.other or "") if action else None
    return text_of(live.key(f"Classes\\CLSID\\{named.group(1)}\\InprocServer32"), "") if named else None


def _action_fields(action: taskcache.Action | None) -> dict[str, Value | None]:
    if action is None:
        return {}
    return {
        "command_line": action.command_line or None,
        "working_directory": action.working_directory if action.executable else None,
        "value_data": action.other or None,
    }


def _actions(given: FileInput, key: Key, problems: list[Problem]) -> tuple[taskcache.Action, ...]:
    value = key.value("Actions")
    if value is None:
        return ()
    try:
        return taskcache.read_actions(value.raw).actions
    except FormatError as error:
        problems.append(lost(_NAME, place(given, key, "Actions"), error))
        return ()


def _triggers(given: FileInput, key: Key, problems: list[Problem]) -> tuple[str, ...]:
    value = key.value("Triggers")
    if value is None:
        return ()
    found = tasktriggers.read_triggers(value.raw)
    if found.error:
        problems.append(lost(_NAME, place(given, key, "Triggers"), found.error))
    return found.lines


def _runs(given: FileInput, key: Key, problems: list[Problem]) -> taskcache.Runs | None:
    value = key.value("DynamicInfo")
    if value is None:
        return None
    try:
        return taskcache.read_runs(value.raw)
    except FormatError as error:
        problems.append(lost(_NAME, place(given, key, "DynamicInfo"), error))
        return None


def _moments(key: Key, runs: taskcache.Runs | None) -> dict[str, Moment | None]:
    return {
        "Content Modification Time": key.last_write,
        "Last registered Time": runs.registered if runs else _NO_RUNS,
        "Launch Time": runs.started if runs else _NO_RUNS,
        "End Time": runs.completed if runs else _NO_RUNS,
    }


def _hidden(shown: _Shown | None, *, keeps_descriptors: bool) -> str | None:
    """Why nobody is shown this task. Where no task has a descriptor, this Windows version keeps none there."""
    if shown is None:
        return "no entry under TaskCache\\Tree: hidden from schtasks and the Task Scheduler window"
    if keeps_descriptors and not shown.has_descriptor:
        return "no SD under TaskCache\\Tree: hidden from schtasks and the Task Scheduler window"
    return None


def _is_stock(name: str | None, programs: list[str]) -> bool:
    if not name or not name.casefold().startswith(_STOCK_FOLDER):
        return False
    return not is_watched(name, *programs) and all(looks_stock(program) for program in programs)


def _orphan(given: FileInput, identifier: str, shown: _Shown) -> Fact:
    return make_fact(
        "task.cached",
        place(given, shown.key, "Id"),
        {"Last registered Time": NoTime("the task itself is gone", "")},
        {
            "mechanism": "scheduled_task",
            "location": f"HKLM\\SOFTWARE\\{shown.key.path}",
            "entry_name": shown.path,
            "task_name": shown.path,
            "key_path": shown.key.path,
            "reason": f"its key {identifier} under TaskCache\\Tasks is gone: deleted, or lost in a damaged hive",
        },
        tags=("orphan_task",),
    )


ARTIFACT = RegistryArtifact(
    name=_NAME,
    hives=frozenset({"SOFTWARE"}),
    parse=parse,
    emits={
        "task.cached": Kind(
            "Task {entry_name}[ runs {command_line}][ ({value_data})][ as {task_run_as}][, {task_trigger}][; {reason}]",
            {
                "mechanism": str,
                "location": str,
                "entry_name": str,
                "task_name": str,
                "command_line": str,
                "working_directory": str,
                "value_data": str,
                "target_path": str,
                "task_author": str,
                "task_run_as": str,
                "task_trigger": str,
                "result_code": str,
                "key_path": str,
                "reason": str,
            },
            data_type="task_scheduler:task_cache:entry",
        )
    },
    deleted=True,
)
