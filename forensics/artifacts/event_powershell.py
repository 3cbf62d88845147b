"""Windows PowerShell 400, 403 and 600, and PowerShell/Operational 4104 and 40961: starts, ends and scripts.

400 and 403, the start and end of an engine, are written on every host and hold the command line of the process
(`HostApplication`), with process auditing off as well; a downgrade to engine 2.0 shows in it. A terminal that was
opened through a tunnel is such a start, with VS Code's script on its command line (`terminal_of`), and its end has the
same `powershell_host_id`. 600 repeats the command line for each provider of the engine: it is taken only where the
command line is kept, for a log whose 400 was overwritten. 4104 holds script texts: always those that look suspicious to
PowerShell, all of them where script block logging is on; a long script comes in parts. 40961 says as whom and as which
process a console started. PowerShell 7 writes the latter two to a channel of its own, PowerShellCore/Operational (from
memory). Context unless something watched is named.

Fields: Microsoft's about_Logging; 4104 and 40961 from real records; the text of 400 as Windows PowerShell 5.1 writes
it; that 403 and 600 are alike is from memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._evtx import Made, fact, kind, known, pick
from forensics.artifacts._vscode_terminal import is_remote_terminal, terminal_of
from forensics.artifacts.base import EventArtifact, FieldType
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_watched

# "\tHostApplication=..." up to the next "\tName=" line: a command line may hold line breaks and equal signs.
_NEXT = re.compile(r"\r?\n\s{0,8}[A-Z][A-Za-z]{2,30}=")


def _member(text: str, name: str) -> str | None:
    start = text.find(f"{name}=")
    if start < 0:
        return None
    start += len(name) + 1
    end = _NEXT.search(text, start)
    return known(text[start : end.start() if end else len(text)].strip())


_LIFE = {400: "powershell.started", 403: "powershell.stopped", 600: "powershell.provider_started"}


def _engine(record: Record, source: Source) -> Iterator[Fact]:
    text = max(record.data.values(), key=len, default="")
    application = _member(text, "HostApplication")
    whose = terminal_of(application)
    kept = is_watched(application or "") or is_remote_terminal(whose)
    if record.event_id == 600 and not kept:
        return
    fields: Made = {
        "host_application": application,
        "engine_version": _member(text, "EngineVersion"),
        "script_path": _member(text, "ScriptName"),
        "powershell_host_id": _member(text, "HostId"),
        "terminal_of": whose,
    }
    yield fact(_LIFE[record.event_id], record, source, fields, context=not kept)


def _console(record: Record, source: Source) -> Fact:
    fields: Made = {
        "user_sid": record.user_sid or None,
        "pid": str(record.process_id) if record.process_id is not None else None,
    }
    return fact("powershell.console_started", record, source, fields, context=True)


def _script(record: Record, source: Source) -> Fact:
    text = pick(record, "ScriptBlockText")
    number, total = pick(record, "MessageNumber"), pick(record, "MessageTotal")
    path = pick(record, "Path")
    whose = terminal_of(path, text)
    fields: Made = {
        "script_text": text,
        "script_block_id": (pick(record, "ScriptBlockId") or "").strip("{}").lower(),
        "script_part": f"{number}/{total}" if number and total and total != "1" else None,
        "script_path": path,
        "terminal_of": whose,
        "user_sid": record.user_sid or None,
        "pid": str(record.process_id) if record.process_id is not None else None,
    }
    kept = is_watched(text or "", path or "") or is_remote_terminal(whose)
    return fact("powershell.script_block", record, source, fields, context=not kept)


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One start or end of an engine or console, or one script block."""
    if record.event_id in _LIFE:
        yield from _engine(record, source)
    else:
        yield _console(record, source) if record.event_id == 40961 else _script(record, source)


_OPERATIONAL = frozenset({4104, 40961})
_ENGINE: dict[str, FieldType] = {
    "host_application": str, "engine_version": str, "script_path": str, "powershell_host_id": str, "terminal_of": str,
}  # fmt: skip
_TERMINAL = "[, a terminal of {terminal_of}]"

ARTIFACT = EventArtifact(
    name="event_powershell",
    wants={
        "Windows PowerShell": frozenset(_LIFE),
        "Microsoft-Windows-PowerShell/Operational": _OPERATIONAL,
        "PowerShellCore/Operational": _OPERATIONAL,
    },
    parse=parse,
    emits={
        "powershell.started": kind(
            f"PowerShell {{engine_version}} started: {{host_application}}{_TERMINAL}", _ENGINE, context=True
        ),
        "powershell.stopped": kind(
            f"PowerShell[ {{engine_version}}] ended: {{host_application}}{_TERMINAL}", _ENGINE, context=True
        ),
        "powershell.provider_started": kind(
            f"PowerShell was starting: {{host_application}}{_TERMINAL}", _ENGINE, context=True
        ),
        "powershell.console_started": kind(
            "A PowerShell console started[ as process {pid}][, user {user_sid}]",
            {"user_sid": str, "pid": str},
            context=True,
        ),
        "powershell.script_block": kind(
            f"PowerShell script[ {{script_path}}][, part {{script_part}}]{_TERMINAL}: {{script_text}}",
            {
                "script_text": str, "script_block_id": str, "script_part": str, "script_path": str, "user_sid": str,
                "pid": str, "terminal_of": str,
            },
            context=True,
        ),
    },
)  # fmt: skip
