"""The file that an autostart entry starts: the path behind its command line, with the environment put in.

Of a host process that runs foreign code (`rundll32`, `regsvr32`, a script host) the target is the file it is handed.
A bare name is looked for in System32 first, as Windows does for services and libraries; that is an inference, so the
path is told as it was resolved.
"""

from __future__ import annotations

import re

from forensics.sessions.texts import basename, split_command

_FIXED = {
    "systemdrive": "C:", "systemroot": "C:\\Windows", "windir": "C:\\Windows", "programdata": "C:\\ProgramData",
    "allusersprofile": "C:\\ProgramData", "public": "C:\\Users\\Public", "programfiles": "C:\\Program Files",
    "programw6432": "C:\\Program Files", "programfiles(x86)": "C:\\Program Files (x86)",
    "commonprogramfiles": "C:\\Program Files\\Common Files",
    "comspec": "C:\\Windows\\System32\\cmd.exe",
    "commonprogramfiles(x86)": "C:\\Program Files (x86)\\Common Files",
}  # fmt: skip
_OF_PROFILE = {
    "userprofile": "", "appdata": "\\AppData\\Roaming", "localappdata": "\\AppData\\Local",
    "temp": "\\AppData\\Local\\Temp", "tmp": "\\AppData\\Local\\Temp",
}  # fmt: skip
_VARIABLE = re.compile(r"%([^%\\/:]+)%")
_DEVICE = re.compile(r"^(?:\\\\[?.]\\|\\\?\?\\)(?=[a-z]:)", re.IGNORECASE)
_ROOT = re.compile(r"^\\?systemroot\\", re.IGNORECASE)
_RELATIVE = re.compile(r"^(?:system32|syswow64)\\", re.IGNORECASE)
_DRIVE = re.compile(r"^[a-z]:\\", re.IGNORECASE)
_HOSTS = re.compile(
    r"^(?:rundll32|regsvr32|wscript|cscript|mshta|powershell|pwsh|cmd|msbuild|msiexec|installutil)(?:\.exe)?$"
)
_HANDED = re.compile(
    r"\"([^\"]+?\.(?:dll|ocx|cpl|vbs|vbe|jse?|wsf|hta|ps1|bat|cmd|exe|xml|csproj|msi))\"?(?=[\s\",]|$)"
    r"|((?:[a-z]:|%[^%\s]+%|\\\\)[^\s\",]*?"
    r"\.(?:dll|ocx|cpl|vbs|vbe|jse?|wsf|hta|ps1|bat|cmd|exe|xml|csproj|msi))(?=[\s\",]|$)",
    re.IGNORECASE,
)


def target_of(command: str, library: str, profile: str | None) -> str | None:
    """The path that an entry starts, None where it names no file; a service's own library goes before its host."""
    executable, arguments = split_command(command)
    if "\\" in library or "." in library:  # neither a class nor a service, whose library is the command
        executable = library
    elif _HOSTS.match(basename(executable)) and (handed := _HANDED.search(arguments)):
        executable = handed.group(1) or handed.group(2)
    return resolved(executable, profile)


def resolved(path: str, profile: str | None) -> str | None:
    """A path from its drive on; None where it has no file, or a variable that nothing tells."""
    text = _DEVICE.sub("", path.strip().strip('"').replace("/", "\\"))
    for _ in range(2):  # the profile of SYSTEM begins with a variable itself
        text = _VARIABLE.sub(lambda match: _value(match, profile), text)
    text = _RELATIVE.sub(r"C:\\Windows\\\g<0>", _ROOT.sub(r"C:\\Windows\\", text))
    if "%" in text or not text or "\x00" in text:
        return None
    if _DRIVE.match(text):
        return text
    bare = "\\" not in text and re.fullmatch(r"[^:*?<>|{}]+\.[a-z]{2,4}", text, re.IGNORECASE)
    return f"C:\\Windows\\System32\\{text}" if bare else None


def _value(match: re.Match[str], profile: str | None) -> str:
    name = match.group(1).casefold()
    if name in _OF_PROFILE and profile:
        return profile + _OF_PROFILE[name]
    return _FIXED.get(name, match.group())
