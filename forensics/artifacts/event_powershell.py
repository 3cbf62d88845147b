"""Windows PowerShell 400 and PowerShell/Operational 4104: PowerShell was started, and the scripts it ran.

400 is written on every host and holds the command line of the process (`HostApplication`), with process auditing off as
well; a downgrade to engine 2.0 shows in it. 4104 holds script texts: always those that look suspicious to PowerShell,
all of them where script block logging is on; a long script comes in parts. PowerShell 7 writes them to a channel of
its own, PowerShellCore/Operational (from memory). Context unless something watched is named.

Fields: Microsoft's about_Logging; 4104 from real records; the text of 400 as Windows PowerShell 5.1 writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._evtx import Made, fact, kind, known, pick
from forensics.artifacts.base import EventArtifact
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


def _started(record: Record, source: Source) -> Fact:
    text = max(record.data.values(), key=len, default="")
    application = _member(text, "HostApplication")
    fields: Made = {
        "host_application": application,
        "engine_version": _member(text, "EngineVersion"),
        "script_path": _member(text, "ScriptName"),
    }
    return fact("powershell.started", record, source, fields, context=not is_watched(application or ""))


def _script(record: Record, source: Source) -> Fact:
    text = pick(record, "ScriptBlockText")
    number, total = pick(record, "MessageNumber"), pick(record, "MessageTotal")
    path = pick(record, "Path")
    fields: Made = {
        "script_text": text,
        "script_block_id": (pick(record, "ScriptBlockId") or "").strip("{}").lower(),
        "script_part": f"{number}/{total}" if number and total and total != "1" else None,
        "script_path": path,
        "user_sid": record.user_sid or None,
        "pid": str(record.process_id) if record.process_id is not None else None,
    }
    return fact("powershell.script_block", record, source, fields, context=not is_watched(text or "", path or ""))


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One start of an engine, or one script block."""
    yield _started(record, source) if record.event_id == 400 else _script(record, source)


ARTIFACT = EventArtifact(
    name="event_powershell",
    wants={
        "Windows PowerShell": frozenset({400}),
        "Microsoft-Windows-PowerShell/Operational": frozenset({4104}),
        "PowerShellCore/Operational": frozenset({4104}),
    },
    parse=parse,
    emits={
        "powershell.started": kind(
            "PowerShell {engine_version} started: {host_application}",
            {"host_application": str, "engine_version": str, "script_path": str},
            context=True,
        ),
        "powershell.script_block": kind(
            "PowerShell script[ {script_path}][, part {script_part}]: {script_text}",
            {
                "script_text": str, "script_block_id": str, "script_part": str, "script_path": str, "user_sid": str,
                "pid": str,
            },
            context=True,
        ),
    },
)  # fmt: skip
