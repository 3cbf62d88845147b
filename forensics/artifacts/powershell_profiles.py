r"""PowerShell profiles: scripts that every PowerShell of a user, or of everybody, runs before anything else.

A profile of all users lies in PowerShell's own folder and is run by an administrator's, too; one of a user lies in
Documents. Each host (console, ISE, the extension of VS Code) has one more. A line here comes back whenever somebody
opens a terminal, and with scheduled tasks that start PowerShell without `-NoProfile`. Told is the file with its hash
and the lines of it that stand out (rules/powershell_profiles.yml): downloads, encoded text, starts of programs, hidden
windows, changes to Defender. Comments are left out; backticks, blanks and texts in pieces hide nothing. Files that it
starts or reads in are named. Profiles are mostly harmless, so one without such lines scores next to nothing.
Mechanism: `powershell_profile`.
https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_profiles
"""

from __future__ import annotations

import re
from functools import cache

from forensics.artifacts._autostart import EMITS, file_entry
from forensics.artifacts.base import FileArtifact, FileInput, Output
from forensics.formats.powershelltext import code, plain
from forensics.formats.textfile import decode
from forensics.model import Problem
from forensics.rules import load

_NAME = "powershell_profiles"
_LIMIT = 4 * 1024 * 1024
_PIECE, _OVERLAP = 4096, 512  # characters that are looked at in one go; a long line is looked at in pieces
_AROUND, _SHOWN = 600, 2048
_NAMES = "*profile.ps1"


@cache
def _patterns(section: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(item["pattern"], re.IGNORECASE) for item in load("powershell_profiles")[section])


def stands_out(line: str) -> bool:
    """Whether a line of a profile is of a kind that profiles hardly ever have."""
    return _found("lines", line) is not None


def starts_others(line: str) -> bool:
    """Whether a line runs another file, by its place."""
    return _found("starts", line) is not None


def _found(section: str, line: str) -> str | None:
    """What of a line is of a kind, as it stands there or made plain: all of it, of a long one the part around that."""
    for text in dict.fromkeys((plain(line), " ".join(line.split()))):
        for start in range(0, max(1, len(text)), _PIECE - _OVERLAP):
            piece = text[start : start + _PIECE]
            match = next((match for item in _patterns(section) if (match := item.search(piece))), None)
            if match is not None:
                return _cut(text, start + match.start())
    return None


def _cut(text: str, at: int) -> str:
    if len(text) <= _AROUND:
        return text.strip()
    first = max(0, at - _AROUND // 4)
    shown = text[first : first + _AROUND].strip()
    return ("…" if first else "") + shown + ("…" if first + _AROUND < len(text) else "")


def parse(given: FileInput) -> Output:
    """One row for the profile, with the lines of it that stand out and those that start other files."""
    data = given.read(_LIMIT)
    if given.size > len(data):
        yield Problem("truncated", _NAME, given.source(), f"only the first {_LIMIT} bytes were read")
    lines = list(code(decode(data).text))
    odd = [(number, found) for number, line in lines if (found := _found("lines", line))]
    seen = {number for number, _ in odd}
    others = [(number, found) for number, line in lines if number not in seen and (found := _found("starts", line))]
    whose = "everybody" if not given.profile else "this user"
    reason = f"runs for {whose}; {len(lines)} lines of code"
    for what, told in (("stand out", odd), ("start other files", others)):
        if told:
            reason += f", {len(told)} {what} (line {', '.join(str(number) for number, _ in told[:20])})"
    yield file_entry(
        given,
        "powershell_profile",
        "\n".join(line for _, line in odd or others)[:_SHOWN] or None,
        context=not lines,
        reason=reason,
    )


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(
        f"Windows/System32/WindowsPowerShell/v1.0/{_NAMES}",
        f"Windows/SysWOW64/WindowsPowerShell/v1.0/{_NAMES}",
        f"Program Files/PowerShell/*/{_NAMES}",
        f"Program Files (x86)/PowerShell/*/{_NAMES}",
        f"Users/**/WindowsPowerShell/{_NAMES}",
        f"Users/**/PowerShell/{_NAMES}",
        f"Windows/System32/config/systemprofile/Documents/WindowsPowerShell/{_NAMES}",
    ),
    parse=parse,
    emits=EMITS,
)
