"""The calls of wsb.exe, from every place that keeps one: process starts, script blocks, typed history.

`wsb share -w` opens a host folder to a sandbox that runs already, so it stands in no configuration; `wsb exec -r
System` needs no window. Verbs and options as several public projects use them (no documentation by Microsoft read).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from forensics.model import CliCall, MappedFolder
from forensics.rules import load
from forensics.sessions.exits import image
from forensics.sessions.rows import Row, Rows, because
from forensics.sessions.texts import guid

_LIMIT = 32 * 1024
_MOST = 200  # calls in one script
_TWIN = timedelta(seconds=5)
_ID = re.compile(r"--id[= ]+[\"']?\{?([0-9a-f-]{36})", re.IGNORECASE)
# In a script `=`, a backtick or a bracket may stand before it; options may stand before the verb.
_CALLED = (
    r"""(?:^|[\s"'`\\/&|;({=])wsb(?:\.exe)?["'`]?[\s`]+(?:--raw[\s`]+|--id[=\s]+["']?[{}0-9a-f-]{8,40}["']?[\s`]+){0,3}"""
    r"(%s)\b"
)
_HOST = re.compile(r"""(?:^|\s)(?:-f|--host-path)[= ]+(?:"([^"]+)"|'([^']+)'|(\S+))""", re.IGNORECASE)
_GUEST = re.compile(r"""(?:^|\s)(?:-s|--sandbox-path)[= ]+(?:"([^"]+)"|'([^']+)'|(\S+))""", re.IGNORECASE)
_WRITE = re.compile(r"(?:^|\s)(?:-w|--allow-write)(?=\s|$)", re.IGNORECASE)


@cache
def _pattern() -> re.Pattern[str]:
    verbs = "|".join(sorted(load("sandbox")["verbs"], key=len, reverse=True))
    return re.compile(_CALLED % verbs, re.IGNORECASE)


def verb_of(command_line: str) -> str | None:
    """The verb of a wsb.exe call by its full name (aliases resolved), None when the text is none."""
    match = _pattern().search(command_line[:_LIMIT])
    return load("sandbox")["verbs"][match.group(1).casefold()] if match else None


def call_id(command_line: str) -> str | None:
    """The `--id` of a wsb.exe call, folded."""
    match = _ID.search(command_line[:_LIMIT])
    found = guid(match.group(1)) if match else None
    return found.casefold() if found else None


def text_of(row: Row) -> str:
    """The text of a row that may hold a call."""
    return row.first("command_line", "script_text", "history_line")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of wsb.exe: its verb by its full name, its own part of the text, the id that it names (folded)."""

    row: Row
    verb: str
    line: str
    ident: str | None

    @property
    def time(self) -> datetime | None:
        """When its row was written; None for a line of a history."""
        return self.row.time

    @property
    def share(self) -> MappedFolder | None:
        """The folder that a `share` opens; None of any other call."""
        host, guest = _HOST.search(self.line), _GUEST.search(self.line)
        if self.verb != "share" or not host:
            return None
        inner = next(filter(None, guest.groups()), None) if guest else None
        return MappedFolder(next(filter(None, host.groups())), inner, read_only=not _WRITE.search(self.line))


def calls(rows: Rows) -> list[Call]:
    """The calls of any verb, in order of time; those of a history, which has no times, last."""
    started = [row for row in rows.of("process.created") if row.time and image(row) in load("sandbox")["names"]["cli"]]
    scripts = [row for row in rows.of("powershell.script_block", "powershell.command") if row.time]
    typed = rows.of("shell.history_line")
    found = [call for row in [*started, *scripts, *typed] for call in of_row(row)]
    return sorted(found, key=lambda call: call.row.order)


def of_row(row: Row) -> Iterator[Call]:
    """The calls in one row: a process has one, a script may have many."""
    text = text_of(row)[:_LIMIT]
    if row.kind == "process.created":
        if verb := verb_of(text):
            yield Call(row, verb, text, call_id(text))
        return
    found = list(_pattern().finditer(text))[:_MOST]
    ends = [match.start() for match in found[1:]] + [len(text)]
    for match, end in zip(found, ends[: len(found)], strict=True):
        part = text[match.start() : end]
        line = part.strip(" \t\r\n&|;({").partition("\n")[0].strip()
        yield Call(row, load("sandbox")["verbs"][match.group(1).casefold()], line, call_id(line))


def listed(found: Iterable[Call]) -> tuple[CliCall, ...]:
    """The calls as a session shows them, each once although two logs may hold it."""
    kept: list[CliCall] = []
    for call in sorted(found, key=lambda item: item.row.order):
        if not any(_twin(other, call) for other in kept):
            kept.append(CliCall(call.time, call.verb, call.line))
    return tuple(kept)


def _twin(known: CliCall, call: Call) -> bool:
    if known.verb != call.verb:
        return False
    if call.time is None or known.time is None:  # a typed line is the call that a log tells of, where both name one id
        return _arguments(known.command_line) == _arguments(call.line)
    near = call.time - known.time <= _TWIN
    return near and (call.row.kind.startswith("powershell.") or _arguments(known.command_line) == _arguments(call.line))


def _arguments(line: str) -> str:
    """What follows the verb, however the program was named and quoted."""
    match = _pattern().search(line)
    return " ".join(line[match.end() :].replace("'", '"').casefold().split()) if match else ""


def shares_told(found: Iterable[Call]) -> list[str]:
    """A reason for each folder that was to be opened to the running sandbox."""
    told = []
    for call in found:
        folder = call.share
        if folder:
            how = "read-only" if folder.read_only else "writable"
            where = f" as {folder.sandbox}" if folder.sandbox else ""
            text = f"wsb share was called to open {folder.host}{where} to the running sandbox, {how}"
            told.append(because(f"{text} (what is opened so stands in no configuration file)", [call.row]))
    return told
