"""Who started a session and by what: the launch part of a session, and whether anybody could see it."""

from __future__ import annotations

from dataclasses import dataclass, field

from forensics.model import Launch
from forensics.rules import load
from forensics.sessions.exits import image
from forensics.sessions.rows import People, Row, because, is_service_sid, short
from forensics.sessions.sandbox_launch import Attempt, role
from forensics.sessions.sandbox_pieces import Draft
from forensics.sessions.texts import basename, norm, wsb_path

# What a person at the desktop does: UserAssist counts it, and a device is used through an open window.
_BY_HAND = ("userassist.run", "capability.used")


@dataclass(slots=True)
class Origin:
    """A launch with the reasons for it and the rows beyond the draft's own that it rests on."""

    launch: Launch
    reasons: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)


def origin_of(draft: Draft, people: People, definitions: list[Row]) -> Origin:
    """Read the launch out of a draft and the task definitions of the host."""
    attempt = draft.launch
    if attempt is None:
        return _remembered(draft, people)
    process = attempt.primary if attempt.rows else None
    task, defined, reasons = _task(attempt, process, definitions)
    user, sid = people.of(attempt.primary)
    if process is None and not is_service_sid(sid):
        user, sid = _run_as(attempt, defined, people) or (user, sid)
    command = attempt.command or _first(defined, "command_line")
    launch = Launch(
        method=_method(draft, attempt, process, task, command),
        user=user,
        user_sid=sid,
        command_line=command or None,
        parent_process=(process.get("parent_executable") or None) if process else None,
        task_name=task,
        wsb_path=attempt.wsb or wsb_path(command) or wsb_path(_first(defined, "command_line")),
    )
    account = f" by {user}" if user else ""
    if launch.method == "hand":
        text = "by hand, without a file: explorer.exe is its parent and its line names none (inference: the Start menu)"
        reasons.append(because(text, attempt.rows))
    how = " (by a script that has this line; the process itself is not recorded)" if attempt.scripted else ""
    what = short(command or "command line not recorded")
    reasons.insert(0, because(f"launched{account}: {what}{how}", attempt.every))
    if attempt.kind == "client":
        reasons += _through(draft)
    return Origin(launch, reasons, defined)


def _method(draft: Draft, attempt: Attempt, process: Row | None, task: str | None, command: str) -> str:
    if attempt.kind == "cli" or (
        process and basename(process.get("parent_executable")) in load("sandbox")["names"]["cli"]
    ):
        return "cli"
    if task or attempt.kind == "task" or (process and _by_scheduler(process)):
        return "task"
    if wsb_path(command):
        return "file"
    packages = load("sandbox")["names"]["packages"]
    of_store = process and (_of_store(process) or any(package in command.casefold() for package in packages))
    if of_store:
        return _by_app(draft)
    # Its line is recorded whole and names no file: from the Start menu or the like.
    return "hand" if _from_desktop(draft) and process and process.get("command_line") else "unknown"


def _of_store(row: Row) -> bool:
    """Whether the row's program is one of the Store version's."""
    names = load("sandbox")["names"]
    text = row.first("executable", "executable_name").casefold()
    return image(row) in names["store"] or any(package in text for package in names["packages"])


def _by_app(draft: Draft) -> str:
    """How a run of the Store version was asked for: by wsb.exe just before, by its app, or nothing tells.

    The server serves both; the app opens its window at once, where `wsb start` opens none.
    """
    if draft.wordless:
        return "cli"
    if any(role(row) == "cli" for row in draft.executions) or draft.calls:
        return "unknown"
    rows = [*(row for attempt in draft.attempts for row in attempt.rows), *draft.executions]
    window = any("remotesession" in image(row) or row.kind in _BY_HAND for row in rows)
    return "store" if window or _from_desktop(draft) else "unknown"


def _from_desktop(draft: Draft) -> bool:
    launch = draft.launch
    return launch is not None and basename(launch.primary.get("parent_executable")) == "explorer.exe"


def _through(draft: Draft) -> list[str]:
    """Say what of the Store version's launch is inferred, or stays open."""
    runs = [row for row in draft.executions if role(row) == "cli"]
    if draft.wordless:
        text = "wsb.exe ran just before (inference: it was `wsb start`; its command line is not recorded)"
        return [because(text, draft.wordless)]
    if runs:
        text = "wsb.exe ran in its time; its command line is not recorded: it or the app may have started the session"
        return [because(text, runs)]
    return []


def _by_scheduler(process: Row) -> bool:
    """Whether the parent is the Task Scheduler's host; 4688 names svchost.exe without its command line (inference)."""
    parent = process.get("parent_command_line").casefold()
    return basename(process.get("parent_executable")) == "svchost.exe" and (not parent or "schedule" in parent)


def _task(attempt: Attempt, process: Row | None, definitions: list[Row]) -> tuple[str | None, list[Row], list[str]]:
    """(task name, its definitions, reasons): named by the task log, else inferred from parent and file."""
    name = next((row.get("task_name") for row in attempt.tasks if row.get("task_name")), None)
    if name:
        same = [row for row in definitions if _task_key(row.get("task_name")) == _task_key(name)]
        reasons = [because(f"the task {name} started it", attempt.tasks)]
        return name, same, reasons + ([because(f"definition of the task {name}", same)] if same else [])
    if process is None or basename(process.get("parent_executable")) != "svchost.exe":
        return None, [], []
    wanted = attempt.wsb
    same = [row for row in definitions if wanted and _same_wsb(row, wanted)]
    names = {_task_key(row.get("task_name")): row.get("task_name") for row in same if row.get("task_name")}
    if len(names) == 1:
        name = next(iter(names.values()))
        text = f"the task {name} names the same configuration and svchost.exe is the parent (inference: no task event)"
        return name, same, [because(text, same)]
    return None, [], []


def _same_wsb(row: Row, wanted: str) -> bool:
    found = wsb_path(row.get("command_line")) or wsb_path(row.get("task_content"))
    return found is not None and norm(found) == norm(wanted)


def _task_key(name: str) -> str:
    return name.replace("/", "\\").strip("\\").casefold()


def _first(rows: list[Row], name: str) -> str:
    return next((row.get(name) for row in rows if row.get(name)), "")


def _run_as(attempt: Attempt, defined: list[Row], people: People) -> tuple[str | None, str | None] | None:
    """The account of a task that only its events or its definition name."""
    text = _first([*attempt.tasks, *defined], "task_run_as")
    if not text:
        return None
    return people.complete("", text) if text.upper().startswith("S-1-") else people.complete(text, "")


def _remembered(draft: Draft, people: People) -> Origin:
    """A launch that only execution artifacts remember."""
    rows = draft.executions
    owned = ("userassist.run", "bam.run", "capability.used")
    by_user = [row for row in rows if row.kind in owned or row.kind.startswith("process.")]
    user, sid = people.of(by_user[0]) if by_user else (None, None)
    cached = next((row for row in rows if row.kind == "task.cached"), None)
    if cached and user is None and cached.get("task_run_as"):
        text = cached.get("task_run_as")
        user, sid = people.complete("", text) if text.upper().startswith("S-1-") else people.complete(text, "")
    method = "unknown"
    if cached:
        method = "task"
    elif any(_of_store(row) for row in rows) or draft.wordless:
        method = _by_app(draft)
    command = (cached.get("command_line") if cached else "") or _first(rows, "command_line")
    launch = Launch(
        method=method, user=user, user_sid=sid, command_line=command or None,
        task_name=(cached.get("task_name") or None) if cached else None, wsb_path=wsb_path(command),
    )  # fmt: skip
    account = f" by {user or sid}" if user or sid else ""
    text = f"no launch is recorded; what remembers a run of the Sandbox's programs{account}"
    return Origin(launch, [because(text, rows), *_through(draft)] if rows else [])


def headless_of(draft: Draft, launch: Launch) -> tuple[bool | None, str]:
    """Answer, with its reason, whether nobody could see the session.

    True as a service account, where the Store app's server ran without its window, or by `wsb start` without connect.
    """
    if is_service_sid(launch.user_sid):
        return True, because(f"{launch.user} has no desktop that a person sees", _told_by(draft))
    processes = [row for attempt in draft.attempts for row in attempt.rows if row.kind == "process.created"]
    windows = [row for row in [*processes, *draft.executions] if image(row) in load("sandbox")["names"]["window"]]
    connected = [call.row for call in draft.calls if call.verb == "connect"]
    if windows or connected:
        if launch.method == "cli" or any("remotesession" in image(row) for row in windows):
            return False, because("a window was opened (wsb connect or its process)", [*windows, *connected])
    elif servers := _servers(processes, launch):
        text = "WindowsSandboxServer.exe started, without WindowsSandboxRemoteSession.exe, its window, in the record"
        return True, because(text, servers)
    started = [call.row for call in draft.calls if call.verb == "start"]
    if launch.method == "cli":
        text = "wsb start opens no window, and no wsb connect is recorded after it"
        unseen = "whether it had a window is not known: wsb.exe opens none itself, and no `wsb start` is recorded"
        return (True, because(text, started)) if started else (None, because(unseen, _told_by(draft)))
    return _by_hand(draft, launch)


def _told_by(draft: Draft) -> list[Row]:
    """The rows that name its account and parent."""
    return draft.launch.every if draft.launch else draft.executions


def _servers(processes: list[Row], launch: Launch) -> list[Row]:
    """The starts of the Store app's server, unless a person started it from the desktop, where a window follows."""
    if basename(launch.parent_process or "") == "explorer.exe":
        return []
    return [row for row in processes if image(row) in load("sandbox")["names"]["server"]]


def _by_hand(draft: Draft, launch: Launch) -> tuple[bool | None, str]:
    person = bool(launch.user_sid and launch.user_sid.startswith(("S-1-5-21-", "S-1-12-1-")))
    by_hand = basename(launch.parent_process or "") == "explorer.exe"
    explorer = [row for row in draft.executions if row.kind == "userassist.run"]
    if (person and by_hand) or explorer:
        return False, because("started from the user's desktop", [*(_told_by(draft) if by_hand else ()), *explorer])
    told = _told_by(draft)
    what = "no start from the desktop, and no program of its window" if told else "nothing but its machine"
    return None, because(f"whether it had a window that a person saw is not known: {what} is recorded", told)
