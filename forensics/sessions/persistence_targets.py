"""The file that an autostart entry starts: the path behind its command line, with the environment put in.

Of a host process that runs foreign code (`rundll32`, `regsvr32`, a script host) the target is the file it is handed.
A bare name is looked for in System32 first, as Windows does for services and libraries; that is an inference, so the
path is told as it was resolved.
"""

from __future__ import annotations

import re

from forensics.rules import commands

_DRIVE = re.compile(r"^[a-z]:\\", re.IGNORECASE)
_HOSTS = frozenset({
    "rundll32.exe", "regsvr32.exe", "wscript.exe", "cscript.exe", "mshta.exe", "powershell.exe", "pwsh.exe", "cmd.exe",
    "msbuild.exe", "msiexec.exe", "installutil.exe",
})  # fmt: skip
_WORD = re.compile(r"\"[^\"]*\"?|[^\s\",;]+")
_FILE = re.compile(
    r"(?:[a-z]:|%[^%\s]+%|\\\\).*\.(?:dll|ocx|cpl|vbs|vbe|jse?|wsf|hta|ps1|bat|cmd|exe|xml|[a-z]{0,8}proj|targets|log|txt|msi|sct|inf|hta)",
    re.IGNORECASE,
)


def target_of(command: str, library: str, profile: str | None) -> str | None:
    """The path that an entry starts, None where it names no file; a service's own library goes before its host."""
    if "\\" in library or "." in library:  # neither a class nor a service, whose library is the command
        return resolved(library, profile)
    started = commands.finally_started(command, profile)
    handed = _handed(started.arguments) if started.name in _HOSTS else None
    return resolved(handed or started.executable, profile)


def _handed(arguments: str) -> str | None:
    """The first file with a place of its own among the arguments."""
    words = (word.strip('"') for word in _WORD.findall(arguments))
    return next((word for word in words if _FILE.fullmatch(word)), None)


def resolved(path: str, profile: str | None) -> str | None:
    """A path from its drive on; None where it has no file, or a variable that nothing tells."""
    text = commands.normal_path(path, profile)
    if "%" in text or not text or "\x00" in text:
        return None
    if _DRIVE.match(text):
        return text
    bare = "\\" not in text and re.fullmatch(r"[^:*?<>|{}]+\.[a-z]{2,4}", text, re.IGNORECASE)
    return f"C:\\Windows\\System32\\{text}" if bare else None
