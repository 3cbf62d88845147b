r"""Accessibility programs that are something else: `sethc.exe`, `utilman.exe` and their like as a copy of `cmd.exe`.

They start from the logon screen as SYSTEM at a key press (five times Shift, Windows+U), so whoever puts a command
prompt in their place gets in without a password, over remote desktop as well. Told is each of these files that is in
the evidence: whether it is the same file as a shell beside it (by its hash), what its version resource calls it, and
whether that is of Microsoft at all. A program whose resource says `cmd.exe` was copied there. Whether its birth, size
and links fit those of its neighbours is looked at in the $MFT (`_logonscreen.py`). Replacement by the registry (a
debugger) is told by another artifact.
Mechanism: `accessibility_replaced`. https://attack.mitre.org/techniques/T1546/008/
Version resource: https://learn.microsoft.com/windows/win32/menurc/vs-versioninfo
"""

from __future__ import annotations

import hashlib
import re
from typing import BinaryIO

from forensics.artifacts._autostart import EMITS, file_entry
from forensics.artifacts._tunnel import windows_path
from forensics.artifacts.base import FileArtifact, FileInput, Output
from forensics.model import Problem

_NAME = "accessibility_replaced"
_SYSTEM = "Windows/System32"
_PROGRAMS = ("sethc", "utilman", "osk", "magnify", "narrator", "displayswitch", "atbroker")
_SHELLS = ("cmd.exe", "WindowsPowerShell/v1.0/powershell.exe", "taskmgr.exe", "mmc.exe")
# What a copy of these calls itself in its resource, `.mui` taken off.
_OTHERS = frozenset({
    "cmd.exe", "powershell.exe", "pwsh.dll", "explorer.exe", "taskmgr.exe", "mmc.exe", "regedit.exe", "rundll32.exe",
    "wscript.exe", "mshta.exe", "conhost.exe", "wt.exe",
})  # fmt: skip
_LIMIT = 32 * 1024 * 1024
_VALUE = r"{}\x00{{1,4}}((?:[^\x00]){{1,260}})\x00"


def parse(given: FileInput) -> Output:
    """One row for the file; context when it is what it should be."""
    data = given.read(_LIMIT)
    if given.size > len(data):
        yield Problem("truncated", _NAME, given.source(), f"only the first {_LIMIT} bytes were read")
    verdict = _verdict(given, data)
    path = windows_path(given.path)
    yield file_entry(
        given, "accessibility_replaced", path, context=verdict is None, reason=verdict or "as Windows has it"
    )


def _verdict(given: FileInput, data: bytes) -> str | None:
    digest = hashlib.sha256(data).digest()
    for name, handle in given.companions.items():
        if _digest(handle) == digest:
            return f"the same file as {name.rpartition('/')[2]}"
    original = (version_text(data, "OriginalFilename") or "").casefold().removesuffix(".mui")
    if original in _OTHERS:
        return f"is really {original} by its version resource"
    company = version_text(data, "CompanyName")
    if data[:2] != b"MZ":
        return "holds no program"
    if company is None or "microsoft" not in company.casefold():
        return f"holds no program of Microsoft{f' but of {company}' if company else ''}"
    return None


def _digest(handle: BinaryIO) -> bytes:
    handle.seek(0)
    return hashlib.sha256(handle.read(_LIMIT)).digest()


def version_text(data: bytes, name: str) -> str | None:
    """A text of a program's version resource, found by its name; None when there is none."""
    mark = f"{name}\0".encode("utf-16-le")
    at = data.find(mark)
    if at < 0:
        return None
    text = data[at : at + len(mark) + 600].decode("utf-16-le", "replace")
    match = re.match(_VALUE.format(re.escape(name)), text)
    return match.group(1) if match else None


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=tuple(f"{_SYSTEM}/{name}.exe" for name in _PROGRAMS),
    parse=parse,
    emits=EMITS,
    companions=tuple(f"{_SYSTEM}/{name}" for name in _SHELLS),
)
