"""The file that an entry starts, or why there is none to look for: every entry that scores has the one or the other.

Most commands are paths (sessions/persistence_targets.py). Others are names that Windows completes by itself (an LSA
package, a native program), classes, addresses, files of other computers, or script text. Which of a class's files is
meant is told by entries that serve it and by the variable beside a profiler's class.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from urllib.parse import unquote

from forensics.model import PersistenceEntry
from forensics.rules import load
from forensics.sessions.persistence_targets import resolved, target_of
from forensics.sessions.rows import Row
from forensics.sessions.texts import split_command

_CLASS = re.compile(r"^(?:COM handler )?(\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\})$", re.IGNORECASE)
_IN_KEY = re.compile(r"\\clsid\\(\{[0-9a-f-]{36}\})\\(?:inproc|local)server32(?:$|\\)", re.IGNORECASE)
_FILE_URL = re.compile(r"^file:/*", re.IGNORECASE)
_URL = re.compile(r"^(?:https?|ftp|script:https?|scriptlet:https?):", re.IGNORECASE)
_DRIVE = re.compile(r"^[a-z]:[\\/]", re.IGNORECASE)
_NUMBER = re.compile(r"^(?:0x[0-9a-f]+|\d+)$", re.IGNORECASE)
_SCRIPT_FILE = re.compile(r"^\"?[a-z%][^\"*?<>|()\n]*\.(?:vbs|vbe|js|jse|wsf|wsc|sct)\"?$", re.IGNORECASE)
_PROFILER = re.compile(r"^(cor(?:eclr)?_profiler)(?:_path(?:_\d\d|_arm\d\d)?)?$", re.IGNORECASE)
_SHADOW, _PIPE = "harddiskvolumeshadowcopy", "\\\\.\\pipe\\"


class Classes:
    """Which file serves a class, as far as entries of the host say."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._files: dict[str, str] = {}
        self._profilers: dict[tuple[str, str], str] = {}
        for row in rows:
            command = row.get("command_line")
            if found := _IN_KEY.search(row.get("location")):
                if not _CLASS.match(command):
                    self._files.setdefault(found.group(1).casefold(), command)
            elif (named := _PROFILER.match(row.get("entry_name"))) and "_path" in row.get("entry_name").casefold():
                self._profilers.setdefault((row.get("key_path").casefold(), named.group(1).casefold()), command)

    def of(self, ident: str) -> str:
        """The command of a class's server; "" where none is known."""
        return self._files.get(ident.casefold(), "")

    def profiler(self, rows: Iterable[Row]) -> str:
        """The path beside a profiler's class, which the runtime takes before it looks for the class."""
        keys = ((row.get("key_path").casefold(), row.get("entry_name").casefold()) for row in rows)
        return next((self._profilers[key] for key in keys if key in self._profilers), "")


def is_folder(entry: PersistenceEntry) -> bool:
    """Whether what an entry names is a folder that Windows looks into, not a file."""
    name = load("autostart_files")["folders"].get(entry.mechanism)
    return name is not None and re.fullmatch(name, entry.name, re.IGNORECASE) is not None


def file_of(
    mechanism: str, command: str, library: str, profile: str | None, rows: Iterable[Row], classes: Classes
) -> tuple[str | None, str | None]:
    """(the path of the file that an entry starts, why there is none); one of the two."""
    rows = list(rows)
    text = command.strip()
    why = "" if _has_path(library) else _no_file(mechanism, text, rows)
    if why:
        return None, load("autostart_files")["none"][why]
    if mechanism == "powershell_profile" and (own := next((row.get("file_path") for row in rows), "")):
        return own, None
    if (named := _CLASS.match(text)) and not _has_path(library):
        served = classes.of(named.group(1)) or (classes.profiler(rows) if mechanism == "cor_profiler" else "")
        target = target_of(served, "", profile) if served else None
        return (target, None) if target else (None, load("autostart_files")["none"]["class"])
    return _path(mechanism, _local(text), library, profile)


def _path(mechanism: str, text: str, library: str, profile: str | None) -> tuple[str | None, str | None]:
    target = target_of(_completed(mechanism, text), _local(library), profile)
    target = target or resolved(split_command(text)[0], profile)  # what a shell is told may be no file
    place = "" if "\\" in split_command(text)[0] or _has_path(library) else _elsewhere(target or "")
    if target or place:
        return place or target, None
    remote = _remote(target_text(text, library))
    none = load("autostart_files")["none"]
    return None, f"{none[remote]}: {target_text(text, library)}" if remote else none[_unknown(text)]


def target_text(text: str, library: str) -> str:
    """What of an entry would be the path."""
    return library if _has_path(library) else split_command(text)[0]


def _no_file(mechanism: str, text: str, rows: list[Row]) -> str:
    """Why a command is no file, by a word of rules/autostart_files.yml; "" where it may be one."""
    if not text:
        return "nothing"
    if mechanism == "wmi" and _is_script(rows) and not _SCRIPT_FILE.match(text):
        return "script"
    if mechanism == "browser_policy" and not _DRIVE.match(text):
        return "extension"
    if _URL.match(text):
        return "address"
    return "number" if _NUMBER.match(text) else ""


def _is_script(rows: Iterable[Row]) -> bool:
    told = ((row.get("reason"), row.get("consumer_type")) for row in rows)
    return any(reason.startswith("ActiveScript") or kind.casefold() == "script" for reason, kind in told)


def _has_path(text: str) -> bool:
    return "\\" in text or "." in text


def _local(text: str) -> str:
    """An address of a file as a path: `file:///C:/a` is of a drive, `file://host/a` of another computer."""
    if not (start := _FILE_URL.match(text)):
        return text
    rest = unquote(text[start.end() :]).partition("|")[0].replace("/", "\\")
    return f'"{rest}"' if _DRIVE.match(rest) else f'"\\\\{rest}"'


def _completed(mechanism: str, text: str) -> str:
    """A bare name as Windows completes it."""
    words = text.split()
    if mechanism == "boot_execute" and words and words[0].casefold() == "autocheck":
        words = words[1:]
    if not words or any(mark in text for mark in '\\/:%"') or "." in words[0]:
        return text
    bare: dict[str, list[str]] = load("autostart_files")["bare"]
    ending = next((ending for ending, mechanisms in bare.items() if mechanism in mechanisms), "")
    return f"{words[0]}{ending}" if ending else text


@cache
def _places() -> dict[str, str]:
    folder = "c:\\windows\\system32\\"
    return {f"{folder}{name}": f"{place}\\{name}" for name, place in load("autostart_files")["elsewhere"].items()}


def _elsewhere(target: str) -> str:
    """Where a program of Windows lies that a name without a folder finds."""
    return _places().get(target.casefold(), "")


def _remote(path: str) -> str:
    folded = path.strip('"').casefold().replace("/", "\\")
    if _SHADOW in folded:
        return "shadow"
    if folded.startswith(_PIPE):
        return "pipe"
    return "remote" if folded.startswith("\\\\") and not folded.startswith(("\\\\?\\", "\\\\.\\")) else ""


def _unknown(text: str) -> str:
    executable = split_command(text)[0]
    return "variable" if "%" in executable and resolved(executable, None) is None else "text"
