r"""PowerShell profiles: scripts that every PowerShell of a user, or of everybody, runs before anything else.

A profile of all users lies in PowerShell's own folder and is run by an administrator's, too; one of a user lies in
Documents. Each host (console, ISE, the extension of VS Code) has one more. A line here comes back whenever somebody
opens a terminal, and with scheduled tasks that start PowerShell without `-NoProfile`. Told is the file with its hash
and the lines of it that stand out (rules/powershell_profiles.yml): downloads, encoded text, starts of programs, hidden
windows, changes to Defender. Profiles are mostly harmless, so one without such lines scores next to nothing.
Mechanism: `powershell_profile`.
https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_profiles
"""

from __future__ import annotations

import re
from functools import cache

from forensics.artifacts._autostart import EMITS, file_entry
from forensics.artifacts.base import FileArtifact, FileInput, Output
from forensics.formats.textfile import decode
from forensics.model import Problem
from forensics.rules import load

_NAME = "powershell_profiles"
_LIMIT = 4 * 1024 * 1024
_LINE, _SHOWN = 4096, 2048
_NAMES = "*profile.ps1"


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(item["pattern"], re.IGNORECASE) for item in load("powershell_profiles")["lines"])


def stands_out(line: str) -> bool:
    """Whether a line of a profile is of a kind that profiles hardly ever have."""
    return any(pattern.search(line[:_LINE]) for pattern in _patterns())


def parse(given: FileInput) -> Output:
    """One row for the profile, with the lines of it that stand out."""
    data = given.read(_LIMIT)
    if given.size > len(data):
        yield Problem("truncated", _NAME, given.source(), f"only the first {_LIMIT} bytes were read")
    lines = decode(data).text.splitlines()
    told = [line.strip() for line in lines]
    code = [(number, line) for number, line in enumerate(told, 1) if line and not line.startswith("#")]
    odd = [(number, line) for number, line in code if stands_out(line)]
    whose = "everybody" if not given.profile else "this user"
    reason = f"runs for {whose}; {len(code)} lines of code"
    if odd:
        reason += f", {len(odd)} stand out (line {', '.join(str(number) for number, _ in odd[:20])})"
    yield file_entry(
        given,
        "powershell_profile",
        "\n".join(line for _, line in odd)[:_SHOWN] or None,
        context=not code,
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
