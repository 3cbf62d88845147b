r"""Autostarts that only a command line tells of: `schtasks`, `sc`, `reg add`, `New-Service`, WMI consumers by `wmic`.

Where the audit of tasks is off and the hive is not at hand, the start of the tool that makes an entry is all there is.
Each command becomes a row of the kind that a log would have written, with the id of its own record, and joins the
entry of that name, or is one by itself. Whether a command succeeded is not in its record: the entry says so.

A command for another machine (`schtasks /s`, `sc \\host`) makes nothing here; rules/attacks.yml tells of it.
https://learn.microsoft.com/windows-server/administration/windows-commands/schtasks-create (sc-create, reg-add)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from forensics.model import Value
from forensics.sessions.rows import Row, Rows

COMMANDED = "commanded"  # the field that holds the command; only rows made here have it
_TEXTS = {
    "process.created": "command_line",
    "powershell.script_block": "script_text",
    "shell.history_line": "history_line",
}
_LONGEST = 16 * 1024
_MOST_LINES = 2000
_TOOL = re.compile(
    r"(?:^|[\s\"'\\/&|;(@=])(schtasks|sc|reg|wmic|new-service|register-scheduledtask)(?:\.exe)?[\"']?\s(.+)",
    re.IGNORECASE,
)
_END = re.compile(r"^(?:&&?|\|\|?|;|\d?>{1,2}.*)$")
_ROOTS = {
    "hklm": "HKLM", "hkey_local_machine": "HKLM", "hkcu": "HKCU", "hkey_current_user": "HKCU", "hku": "HKU",
    "hkey_users": "HKU", "hkcr": "HKCR", "hkey_classes_root": "HKCR",
}  # fmt: skip
_CONSUMER = re.compile(
    r"\b(?P<kind>commandlineeventconsumer|activescripteventconsumer)\b.{0,40}\bcreate\s(?P<given>.*)", re.IGNORECASE
)
_ASSIGNED = re.compile(r'(\w+)\s{0,4}=\s{0,4}(?:"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|([^,\s]+))')
_SCRIPT = re.compile(
    r"new-scheduledtaskaction\b.{0,200}?-execute\s+(?:\"([^\"]*)\"|'([^']*)'|(\S+))"
    r"(?:.{0,200}?-argument\s+(?:\"([^\"]*)\"|'([^']*)'|(\S+)))?",
    re.IGNORECASE | re.DOTALL,
)
_Made = tuple[str, dict[str, Value]]


def commanded(rows: Rows) -> Iterator[Row]:
    """A row for each autostart that a recorded command was to make on this machine, in order."""
    for row in rows.of(*_TEXTS):
        text = row.get(_TEXTS[row.kind])[:_LONGEST]
        for line in text.splitlines()[:_MOST_LINES]:
            match = _TOOL.search(line)
            if match and (made := _READERS[match.group(1).casefold()](match.group(2), text)):
                yield _row(row, *made, line)


def _row(row: Row, kind: str, fields: dict[str, Value], line: str) -> Row:
    """The row as a log of such entries would have it; who acted and where it stands are those of the command."""
    kept = ("user_name", "user_sid", "user_domain", "channel", "event_identifier", "computer_name")
    own = {name: row.fields[name] for name in kept if name in row.fields}
    return replace(row, kind=kind, fields={**own, **fields, COMMANDED: line.strip()})


def words(text: str) -> list[str]:
    r"""A command line in words up to the end of the command: quotes join, `\"` is a quote, as C programs read it."""
    found: list[str] = []
    for match in re.finditer(r'(?:"(?:[^"\\]|\\"|\\)*"|[^\s"])+', text):
        word = match.group()
        if _END.match(word):
            break
        found.append(re.sub(r'(?<!\\)"', "", word).replace('\\"', '"'))
    return found


def _options(text: str, mark: str = "/") -> dict[str, str]:
    """`/name value` pairs, folded names; a name without a value has ""."""
    found: dict[str, str] = {}
    name = ""
    for word in words(text):
        if word.startswith(mark) and len(word) > 1 and not (name and found[name] == "" and name in ("tr", "d")):
            name = word[len(mark) :].casefold()
            found.setdefault(name, "")
        elif name and not found[name]:
            found[name] = word
    return found


def _schtasks(text: str, _whole: str) -> _Made | None:
    options = _options(text)
    if "create" not in options or "s" in options or not options.get("tn"):
        return None
    fields: dict[str, Value] = {
        "task_name": "\\" + options["tn"].strip("\\"),
        "command_line": options.get("tr", ""),
        "task_trigger": options.get("sc", "").casefold(),
        "task_run_as": options.get("ru", ""),
    }
    return "task.registered", {name: value for name, value in fields.items() if value}


def _sc(text: str, _whole: str) -> _Made | None:
    parts = words(text)
    if len(parts) < 2 or parts[0].casefold() not in ("create", "config"):
        return None
    found = {}
    for at, word in enumerate(parts[2:], 2):
        name, equals, value = word.partition("=")
        if equals:
            found[name.casefold()] = value or (parts[at + 1] if at + 1 < len(parts) else "")
    if not found.get("binpath"):
        return None
    account = {"service_account": found["obj"]} if found.get("obj") else {}
    return "service.installed", {"service_name": parts[1], "command_line": found["binpath"], **account}


def _reg(text: str, _whole: str) -> _Made | None:
    parts = words(text)
    if len(parts) < 2 or parts[0].casefold() != "add" or parts[1].startswith("\\\\"):
        return None
    root, _, path = parts[1].partition("\\")
    options = _options(" ".join(f'"{part}"' if " " in part or not part else part for part in parts[2:]))
    name = "(Default)" if "ve" in options else options.get("v", "")
    if root.casefold() not in _ROOTS or not path or not name or not options.get("d"):
        return None
    key = f"{_ROOTS[root.casefold()]}\\{path.rstrip(chr(92))}"
    return "registry.value_set", {"key_path": key, "value_name": name, "value_data": options["d"]}


def _new_service(text: str, _whole: str) -> _Made | None:
    options = _options(text, "-")
    command = options.get("binarypathname") or options.get("b", "")
    name = options.get("name") or options.get("n", "")
    if not name or not command or "computername" in options:
        return None
    return "service.installed", {"service_name": name.strip("'"), "command_line": command.strip("'")}


def _register_task(text: str, whole: str) -> _Made | None:
    """The cmdlet names the task; its action is made by another one, on a line before or in brackets."""
    options = _options(text, "-")
    name = options.get("taskname", "").strip("'")
    if not name or name.startswith("$") or "cimsession" in options:
        return None
    match = _SCRIPT.search(whole)
    command = " ".join(part for part in match.groups() if part) if match else ""
    folder = options.get("taskpath", "").strip("'").strip("\\")
    fields: dict[str, Value] = {"task_name": "\\" + "\\".join(part for part in (folder, name) if part)}
    return "task.registered", {**fields, **({"command_line": command} if command else {})}


def _wmic(text: str, _whole: str) -> _Made | None:
    match = _CONSUMER.search(text)
    if match is None or re.search(r"/node:", text, re.IGNORECASE):
        return None
    given = {
        name.casefold(): next(filter(None, values), "") for name, *values in _ASSIGNED.findall(match.group("given"))
    }
    command = given.get("commandlinetemplate") or given.get("executablepath") or given.get("scripttext", "")
    if not given.get("name") or not command:
        return None
    return "wmi.consumer_changed", {
        "entry_name": given["name"], "command_line": command, "action": "Created", "consumer_type": match.group("kind"),
    }  # fmt: skip


_READERS: dict[str, Callable[[str, str], _Made | None]] = {
    "schtasks": _schtasks,
    "sc": _sc,
    "reg": _reg,
    "wmic": _wmic,
    "new-service": _new_service,
    "register-scheduledtask": _register_task,
}
