"""What each kind of evidence says about the feature Windows Sandbox: statements with their rows, not yet a conclusion.

A statement says that the feature was switched on or off (`on`), or only something about it (None). What rests on memory
or inference says so in its text: CurrentState of a package, last writes of keys and names of files as times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from forensics.rules import load
from forensics.sessions.rows import Group, Row, Rows, grouped, short, stamp
from forensics.text import worded

SETUP, CBS, PACKAGE, FILE, CLASS, CHANGE = "setup", "cbs", "package", "file", "class", "change"
_SETUP: dict[str, tuple[bool | None, str]] = {
    "feature.change_started": (None, "the change of the feature began"),
    "feature.enabled": (True, "the feature was switched on"),
    "feature.failed": (None, "switching the feature on failed"),
    "feature.reboot_required": (None, "the feature waits for a restart"),
    "feature.disable_started": (None, "switching the feature off began"),
    "feature.disabled": (False, "the feature was switched off"),
    "feature.disable_failed": (None, "switching the feature off failed"),
    "feature.disable_reboot_required": (None, "the feature waits for a restart to be switched off"),
}
_COMMANDS = {
    "process.created": "command_line",
    "powershell.started": "host_application",
    "powershell.script_block": "script_text",
    "shell.history_line": "history_line",
    "dism.command_line": "command_line",
    "dism.session_started": "command_line",
    "dism.feature_requested": "update_name",
}
_SWITCH = re.compile(r"\b(enable|disable)-(?:windowsoptional)?feature\b|\bdism(enable|disable)feature", re.IGNORECASE)
_SAME = timedelta(seconds=10)  # one command in several logs; a DISM log has whole seconds
_SYSTEM32 = re.compile(r"(?:^|:)\\windows\\system32\\windowssandbox\.exe$", re.IGNORECASE)
_WHOLE_VOLUME = 50_000  # files that a system volume has at the least
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that is said: by which source, when it was so, whether on or off, in words, and out of which rows."""

    source: str
    time: datetime | None
    on: bool | None
    text: str
    rows: tuple[Row, ...]


@cache
def _words(name: str) -> frozenset[str]:
    return frozenset(word.replace(" ", "") for word in load("features")[name])


def names_feature(text: str) -> bool:
    """Whether a text names Windows Sandbox as a feature."""
    folded = text.casefold()
    return any(name in folded for name in load("features")["sandbox"])


def _at(time: datetime | None, text: str) -> str:
    return f"{stamp(time)}: {text}" if time else text


def _client(row: Row) -> str:
    return f" by {short(row.get('client_id'))}" if row.get("client_id") else ""


def _is_live(rows: Iterable[Row]) -> bool:
    """Whether one of them is what the volume has now, not a shadow copy or a deleted key."""
    return any(not row.snapshot and not row.deleted for row in rows)


def _turn(state: str) -> bool | None:
    """What a state of servicing means: on, off, or neither."""
    word = state.casefold().replace(" ", "")
    return True if word in _words("on_states") else False if word in _words("off_states") else None


def setup_log(rows: Rows) -> list[Statement]:
    """The steps in the Setup log."""
    found = [row for row in rows.of(*_SETUP) if names_feature(row.get("update_name"))]
    return [_setup(row) for row in found]


def _setup(row: Row) -> Statement:
    on, words = _SETUP[row.kind]
    more = f", error {row.get('error_code')}" if row.get("error_code") else ""
    more += " and its files removed" if row.kind == "feature.disabled" and row.get("payload_removed") == "True" else ""
    return Statement(SETUP, row.time, on, _at(row.time, f"{words}{more}{_client(row)}"), (row,))


def cbs_log(rows: Rows) -> list[Statement]:
    """The changes in CBS.log; one that waits for a restart or failed has not come about."""
    found = []
    for row in rows.of("cbs.feature_changed"):
        before, target = row.get("state_before"), row.get("state_target")
        if not names_feature(row.get("update_name")):
            continue
        on = _turn(target) if before.casefold() != target.casefold() else None
        more = ""
        if row.get("error_code"):
            on, more = None, f", failed with {row.get('error_code')}"
        elif row.get("restart_needed") == "True":
            on, more = None, ", waiting for a restart"
        text = f"CBS.log: the feature goes from {before or '?'} to {target or '?'}{more}{_client(row)}"
        found.append(Statement(CBS, row.time, on, _at(row.time, text), (row,)))
    return found


def packages(rows: Rows) -> list[Statement]:
    """The feature's package in the registry, and marks that it waits for a restart."""
    found = []
    for group in grouped(row for row in rows.of("feature.package") if names_feature(row.get("package_name"))):
        state, first = group.get("package_state"), group.rows[0]
        on = _turn(state) if _is_live(group.rows) else None
        moment = group.times.get("Installation Time")
        when = f", its time of installation is {stamp(moment)}" if moment else ""
        whose = first.first("user_sid", "user_name")
        who = f" for {whose}" if whose else ""
        text = (
            f"registry: package {group.get('package_name')} is {state or 'of unknown state'}{when}{_client(first)}{who}"
        )
        text += " (names of these values from memory)"
        found.append(Statement(PACKAGE, moment, on, text, tuple(group.rows)))
    for row in rows.of("servicing.pending"):
        if names_feature(row.text()):
            text = _at(row.time, f"registry: {row.get('pending_mark')} names the feature: it waits for a restart")
            found.append(Statement(CHANGE, row.time, None, text, (row,)))
    return found


def classes(rows: Rows) -> list[Statement]:
    """The classes of the feature in SOFTWARE, as one statement with their earliest write."""
    ours = [row for row in rows.of("sandbox.class") if not row.first("profile_user", "user_sid")]
    found = []
    live, gone = [row for row in ours if _is_live([row])], [row for row in ours if not _is_live([row])]
    if live:
        first = min((row.time for row in live if row.time), default=None)
        be = "is" if len(live) == 1 else "are"
        text = worded(f"registry: {{n}} keys of the feature's classes {be} there", {"n": len(live)})
        text += f", last written {stamp(first)} at the earliest" if first else ""
        text += " (they are there where the feature is or was on; their time as that of switching on is an inference)"
        found.append(Statement(CLASS, first, True, text, tuple(live)))
    if gone:
        were = "was there and is" if len(gone) == 1 else "were there and are"
        text = worded(f"registry: {{n}} keys of the feature's classes {were} not now", {"n": len(gone)})
        found.append(Statement(CLASS, None, None, text, tuple(gone)))
    return found


def program(rows: Rows) -> list[Statement]:
    """WindowsSandbox.exe in System32: there while the feature is on."""
    found = []
    for row in rows.of("usn.file_created", "usn.file_linked", "usn.file_renamed", "usn.file_deleted"):
        if _is_program(row):
            on = row.kind != "usn.file_deleted"
            word = "came to System32" if on else "was deleted from System32"
            text = f"change journal: WindowsSandbox.exe {word} (as the time of the switch an inference)"
            found.append(Statement(CHANGE, row.time, on, _at(row.time, text), (row,)))
    groups = grouped(row for row in rows.of("mft.entry") if _is_program(row))
    there = [group for group in groups if group.get("file_deleted") != "True" and _is_live(group.rows)]
    gone = [group for group in groups if group not in there]
    if there:
        found.append(_file(there))
    if gone:
        every = told_rows(gone)
        text = "$MFT: the record of a System32\\WindowsSandbox.exe is left that is not there now"
        found.append(Statement(FILE, None, None if there else False, text, every))
    return found


def _is_program(row: Row) -> bool:
    return row.get("file_rule") == "FS-04" and bool(_SYSTEM32.search(row.first("file_path", "path_tail")))


def told_rows(groups: Iterable[Group]) -> tuple[Row, ...]:
    """All rows of these groups."""
    return tuple(row for group in groups for row in group.rows)


def _file(groups: list[Group]) -> Statement:
    moments = [datetime.fromisoformat(text) for group in groups if (text := group.get("name_creation_time"))]
    first = min(moments, default=None)
    when = f", its name made {stamp(first)} (as the time of the switch an inference)" if first else ""
    text = f"$MFT: System32\\WindowsSandbox.exe is there{when}; it is absent where the feature is off"
    return Statement(FILE, first, True, text, told_rows(groups))


def absence(rows: Rows) -> list[Statement]:
    """A whole $MFT of a system volume without WindowsSandbox.exe."""
    tables = [row for row in rows.of("mft.table") if row.source.path.casefold().startswith("c:")]
    whole = [row for row in tables if row.get("missing_parts") in ("", "0") and _count(row) >= _WHOLE_VOLUME]
    if not whole:
        return []
    count = whole[0].get("file_count")
    text = f"$MFT: none of {count} files is System32\\WindowsSandbox.exe, which is there while it is on"
    return [Statement(FILE, None, False, text, tuple(whole[:1]))]


def _count(row: Row) -> int:
    value = row.fields.get("file_count", 0)
    return value if isinstance(value, int) else 0


def commands(rows: Rows) -> list[Statement]:
    """The commands that asked for the switch, in whatever log; one command in several logs is told once."""
    found: list[list[Row]] = []
    for row in rows.of(*_COMMANDS):
        text = _asked(row)
        if not names_feature(text) or not _SWITCH.search(text):
            continue
        same = next((rest for rest in found if _is_same(rest[-1], row)), None)
        if same is None:
            found.append([row])
        else:
            same.append(row)
    told = [_command(group) for group in found[:_SHOWN]]
    if len(found) > _SHOWN:
        told.append(Statement(CHANGE, None, None, f"{len(found) - _SHOWN} more commands ask for the switch", ()))
    return told


def _asked(row: Row) -> str:
    """The command of a row; of a request to DISM the verb, the feature and who asked."""
    text = row.get(_COMMANDS[row.kind])
    if row.kind != "dism.feature_requested":
        return text
    caller = row.get("parent_command_line")
    return f"{row.get('action')} {text}{f', asked for by {caller}' if caller else ''}"


def _verb(row: Row) -> str:
    match = _SWITCH.search(_asked(row))
    return (match.group(1) or match.group(2)).casefold() if match else ""


def _is_same(first: Row, second: Row) -> bool:
    if first.time is None or second.time is None or _verb(first) != _verb(second):
        return False
    return abs(second.time - first.time) <= _SAME


def _command(group: list[Row]) -> Statement:
    row = next((item for item in group if item.kind == "process.created"), group[0])
    whose = next((name for item in group if (name := item.first("user_name", "profile_user", "user_sid"))), "")
    who = f" as {short(whose)}" if whose else ""
    text = f"a command to {_verb(row)} it was given{who}: {short(_asked(row))}"
    return Statement(CHANGE, group[0].time, None, _at(group[0].time, text), tuple(group))


def policies(rows: Rows) -> list[Statement]:
    """The policies that forbid something, those removed as such."""
    found = []
    for row in rows.of("sandbox.policy"):
        if row.get("policy_forbids") == "True":
            known = "" if row.get("policy_known") == "True" else " (that Windows knows this name is not verified)"
            was = "a removed policy forbade" if row.deleted else "a policy forbids"
            text = f"{was} {short(row.get('policy_name'))} ({row.get('policy_origin')}){known}"
            found.append(Statement(CHANGE, row.time, None, f"{text}, key last written {_when(row)}", (row,)))
    return found


def _when(row: Row) -> str:
    return stamp(row.time) if row.time else "at an unknown time"


def store(rows: Rows) -> list[Statement]:
    """The versions of the Store package, each with where it is entered and its earliest time."""
    versions: dict[str, list[Row]] = {}
    for row in rows.of("appx.package"):
        versions.setdefault(row.get("package_version"), []).append(row)
    found = []
    for version, group in sorted(versions.items()):
        places = sorted({row.get("package_register") for row in group})
        first = min((row.time for row in group if row.time), default=None)
        users = sorted({name for row in group if (name := row.first("profile_user", "user_sid"))})
        whose = f" of {short(', '.join(users))}" if users else ""
        when = f", {stamp(first)} at the earliest" if first else ""
        text = f"Store package of Windows Sandbox {version}{whose} in {short(', '.join(places))}{when}"
        found.append(Statement(CHANGE, first, None, text, tuple(group)))
    return found


def crashes(rows: Rows) -> list[Statement]:
    """Error reports of the Sandbox's own programs: where they crashed, they ran."""
    names = load("sandbox")["names"]
    programs = {*names["launcher"], *names["cli"], *names["client"], *names["proxy"]}
    found = []
    for row in rows.of("wer.report"):
        name = row.get("executable_name").casefold()
        if name in programs and row.meaning in ("", "Creation Time"):
            text = _at(
                row.time, f"error report: {short(row.get('executable_name'))} ended with {row.get('event_type')}"
            )
            found.append(Statement(CHANGE, row.time, None, text, (row,)))
    return found[:_SHOWN]


def overridden(rows: Rows) -> Iterator[Row]:
    """Commands for configurations that are not those of Windows."""
    return (row for row in rows.of("sandbox.class") if row.get("command_overridden") == "True")


def rows_of(statements: Iterable[Statement]) -> list[Row]:
    """The rows that statements rest on."""
    return [row for item in statements for row in item.rows]
