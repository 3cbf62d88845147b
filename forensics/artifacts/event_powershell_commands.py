"""PowerShell 4103 and 800: commands as PowerShell carried them out, with their parameters' values.

Module logging writes them, for `Add-Type` also where it is off. A script block (4104) shows `wsb start --config $c`;
here the value of `$c` stands, and what `Enable-WindowsOptionalFeature` or `New-Item default.wsb` was really given.
The account is the one that ran it. PowerShell 7 has a channel of its own. Context unless something watched is named.

Fields: both from real records of Windows PowerShell 5.1. The labels in 4103's ContextInfo are written in the language
of Windows (inferred: they are texts of the program), so its lines are told by their order. That PowerShell 7 writes
4103 alike is from memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._evtx import Made, fact, kind, known, named_account, pick
from forensics.artifacts._vscode_terminal import is_remote_terminal, terminal_of
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_watched

_LIMIT = 64 * 1024
# "        Host Application = C:\\...": sixteen such lines, in this order whatever they are called.
_LINE = re.compile(r"^ {8}[^=\r\n]{1,60} = ?(.*?)\r?$", re.MULTILINE)
_APPLICATION, _ENGINE, _COMMAND, _SCRIPT, _USER, _COUNT = 4, 5, 8, 10, 13, 16
_MEMBER = re.compile(r"^\t(HostApplication|EngineVersion|ScriptName|UserId)=(.*?)\r?$", re.MULTILINE)


def _context(text: str) -> Made:
    lines = _LINE.findall(text[:_LIMIT])
    if len(lines) < _COUNT:
        return {}
    return {
        "host_application": known(lines[_APPLICATION]),
        "engine_version": known(lines[_ENGINE]),
        "cmdlet": known(lines[_COMMAND]),
        "script_path": known(lines[_SCRIPT]),
        **named_account(known(lines[_USER])),
    }


def _details(text: str) -> Made:
    """The second text of 800, whose labels are fixed."""
    said = dict(reversed(_MEMBER.findall(text[:_LIMIT])))
    return {
        "host_application": known(said.get("HostApplication")),
        "engine_version": known(said.get("EngineVersion")),
        "script_path": known(said.get("ScriptName")),
        **named_account(known(said.get("UserId"))),
    }


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One command with its parameters, or one line of a pipeline with those of all its commands."""
    if record.event_id == 800:
        texts = [*record.data.values(), "", "", ""]
        fields = {"script_text": known(texts[0]), "command_details": known(texts[2].strip()), **_details(texts[1])}
    else:
        fields = {"command_details": known((pick(record, "Payload") or "").strip())}
        fields |= _context(record.data.get("ContextInfo", ""))
    if record.user_sid:
        fields["user_sid"] = record.user_sid
    if record.process_id:
        fields["pid"] = str(record.process_id)
    texts = [str(text) for text in fields.values() if text]
    fields["terminal_of"] = whose = terminal_of(*texts)
    kept = is_watched(*texts) or is_remote_terminal(whose)
    yield fact("powershell.command", record, source, fields, context=not kept)


ARTIFACT = EventArtifact(
    name="event_powershell_commands",
    wants={
        "Windows PowerShell": frozenset({800}),
        "Microsoft-Windows-PowerShell/Operational": frozenset({4103}),
        "PowerShellCore/Operational": frozenset({4103}),
    },
    parse=parse,
    emits={
        "powershell.command": kind(
            "PowerShell carried out[ {cmdlet}][: {script_text}][; {command_details}][, in {script_path}]"
            "[, as {user_name}][, in a terminal of {terminal_of}]",
            {
                "cmdlet": str, "script_text": str, "command_details": str, "host_application": str,
                "engine_version": str, "script_path": str, "user_name": str, "user_domain": str, "user_sid": str,
                "pid": str, "terminal_of": str,
            },
            context=True,
        )
    },
)  # fmt: skip
