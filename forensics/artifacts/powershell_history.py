r"""PSReadLine's history: the commands typed at a PowerShell prompt, in order, without times.

`ConsoleHost_history.txt` also holds what was typed in a tunnel's terminal, `Visual Studio Code Host_history.txt` what
the PowerShell extension ran. A command over several lines has a backtick at the end of each but its last line. Only
commands that bear on sandboxes, tunnels, persistence or wiping stand in the timeline by themselves; they are undated,
and the file's modification time is the time of the last one. Source: the PSReadLine project.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from forensics.artifacts._tunnel import cut_line, profile_user, zeroed
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats.textfile import lines
from forensics.model import Value, make_fact
from forensics.rules.watch import is_watched
from forensics.times import NoTime

_NAME = "powershell_history"
_COMMAND_LINES = 1000
_SHOWN = 32 * 1024
_FOLDER = "AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine"


class _Command(NamedTuple):
    number: int
    offset: int
    text: str
    cut: bool


def _commands(given: FileInput) -> Iterator[_Command]:
    """The commands, continued lines joined by line feeds."""
    parts: list[str] = []
    number, offset, cut = 0, 0, False
    for line in lines(given.fh):
        if not parts:
            number, offset, cut = line.number, line.offset, False
        cut |= line.cut
        going_on = line.text.endswith("`") and len(parts) < _COMMAND_LINES
        parts.append(line.text[:-1] if going_on else line.text)
        if not going_on:
            yield _Command(number, offset, "\n".join(parts), cut)
            parts = []
    if parts:
        yield _Command(number, offset, "\n".join(parts), cut)


def parse(given: FileInput) -> Output:
    """One undated row for each command."""
    yield from zeroed(_NAME, given)
    name, profile = given.path.rpartition("/")[2], profile_user(given)
    for command in _commands(given):
        if command.cut:
            yield cut_line(_NAME, given, command.number, command.offset)
        if not command.text.strip():
            continue
        fields: dict[str, Value | None] = {
            "history_line": command.text[:_SHOWN],
            "line_number": command.number,
            "file_name": name,
            "profile_user": profile,
        }
        yield make_fact(
            "shell.history_line",
            given.source(f"line {command.number}"),
            {"Last Time Executed": NoTime("PSReadLine keeps no times", "")},
            fields,
            context=not is_watched(command.text),
        )


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(
        f"Users/*/{_FOLDER}/*_history.txt",
        f"Windows/System32/config/systemprofile/{_FOLDER}/*_history.txt",
        f"Windows/SysWOW64/config/systemprofile/{_FOLDER}/*_history.txt",
        f"Windows/ServiceProfiles/*/{_FOLDER}/*_history.txt",
    ),
    parse=parse,
    emits={
        "shell.history_line": Kind(
            "PowerShell history[ of {profile_user}]: {history_line}",
            {"history_line": str, "line_number": int, "file_name": str, "profile_user": str},
        )
    },
)
