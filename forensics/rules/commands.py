r"""Command lines made comparable before rules see them, and what a command that only starts another one starts.

One place is spelled in many ways (`C:\Users\Public`, `\\?\C:/Users//Public`, `C:\Windows\..\Users\PUBLIC.`,
`%SystemDrive%\Users\Public`), and a program is hidden behind others (`cmd /c start X`, `conhost --headless X`). Rules
match the normal form; what is told stays as it was found. Variables and 8.3 names are put in as nearly every host has
them, which is an inference. Long lines are cut in the middle, so that padding hides neither end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

from forensics.rules import load

LONGEST = 8 * 1024  # characters of a command that rules see: cmd.exe takes no more
_TAIL = 2 * 1024
_DEEPEST, _MOST = 5, 16  # commands within commands
_SOMEBODY = "C:\\Users\\%username%"
_VARIABLE = re.compile(r"%([^%\\/:\s]{1,40})%")
_FILE_URL = re.compile(r"(?<![a-z])file:(?:[\\/]{3,}(?=[a-z]:)|[\\/]{2}(?=[^\\/]))", re.IGNORECASE)
_SLASHED = re.compile(r"(?:(?<![\w/-])[a-z]:[\\/]|\\\\)[^\s\"'<>|,;&]*", re.IGNORECASE)
_QUOTED_SLASHED = re.compile(r'"(?:[a-z]:|\\\\|//)[^"]*"', re.IGNORECASE)
# A run of backslashes within a path; one that begins a path, also behind a switch (`/i:\\host`), names a host.
_DOUBLED = re.compile(r"(?<=[^\s\"'=,(;])(?<![/-]\w:)\\{2,}")
_DEVICE = re.compile(
    r"(?:\\\\[?.]\\|\\\?\?\\)(?:globalroot\\)?(?:(?:dosdevices|global\?\?|\?\?)\\)?"
    r"(?:(unc)\\|(device\\harddiskvolume\d+|volume\{[0-9a-f-]{36}\})(?=\\)|(?=[a-z]:))"
    r"|(?<![^\s\"=])\\?(device\\harddiskvolume\d+)(?=\\)",
    re.IGNORECASE,
)
# PowerShell takes the dashes of typography for switches; its own way of naming a variable of the environment.
_POWERSHELL = re.compile(r"powershell|pwsh", re.IGNORECASE)
_LONG_DASH = re.compile("(?<=\\s)[\u2013\u2014\u2015](?=\\w)")
_ENVIRONMENT = re.compile(r"\$(?:\{env:([^{}%\\/:\s]{1,40})\}|env:(\w{1,40}))", re.IGNORECASE)
_OWN_SHARE = re.compile(r"\\\\(?:localhost|127(?:\.\d{1,3}){3}|\.|%computername%)\\([a-z])\$(?=\\)", re.IGNORECASE)
_ROOT = re.compile(r"^(\"?)(?:\\?systemroot\\|(?=\\?(?:system32|syswow64)\\))\\?", re.IGNORECASE)
_SWITCHED = re.compile(r"\.exe(?=/)", re.IGNORECASE)
_UP = re.compile(r"\.\.(?=[\s\"]|$)")
_EXTENSION = re.compile(
    r"\.(?:exe|com|bat|cmd|sys|dll|ocx|scr|pif|cpl|msc|vbs|vbe|jse?|wsf|wsh|hta|ps1|lnk|url|pyw?|jar|msi)(?=[\s\"'/,]|$)",
    re.IGNORECASE,
)
# Behind these no program's name goes on: another path, a switch, a quote.
_STOP = re.compile(r"\s(?:[a-z]:[\\/]|[-/][^\s-]|\\\\|%)|\"", re.IGNORECASE)
_JOINED = re.compile(r"(?:[^&|\"\r\n]|\"[^\"]*\"?)+")
_FOREIGN = re.compile(r"[&|<\r\n\x00]|(?<!-)>|(?:^|[\\/\s\"])\.\.(?:[\\/\s\"]|$)")


@dataclass(frozen=True, slots=True)
class Command:
    """A command line in its normal form, taken apart; `name` is the program's file name, folded."""

    told: str
    normal: str
    executable: str
    arguments: str
    name: str


def shortened(text: str) -> str:
    """The text as far as rules see it: its beginning and its end."""
    text = text.strip()
    return text if len(text) <= LONGEST else f"{text[: LONGEST - _TAIL]} {text[-_TAIL:]}"


def foreign(told: str) -> bool:
    """Whether a command holds what no stock command does: `..` in a path, or another command behind `&`."""
    return _FOREIGN.search(told) is not None


@lru_cache(maxsize=1024)
def normal(command: str, profile: str | None = None) -> str:
    """The command line in the form that rules compare; see the module's text."""
    text = " ".join(_plain_carets(shortened(command)).split())
    if _POWERSHELL.search(text):
        text = _ENVIRONMENT.sub(lambda match: _environment(match, profile), _LONG_DASH.sub("-", text))
    for _ in range(2):  # a profile may itself begin with a variable
        text = _VARIABLE.sub(lambda match: _value(match, profile), text)
    text = _FILE_URL.sub(lambda match: "" if len(match.group()) > 7 else "\\\\", text[:LONGEST])
    text = _QUOTED_SLASHED.sub(_backslashes, _SLASHED.sub(_backslashes, _program_slashes(text)))
    text = _DOUBLED.sub(r"\\", text)
    text = _OWN_SHARE.sub(r"\1:", _DEVICE.sub(_volume, text))
    text = _ROOT.sub(r"\1C:\\Windows\\", text)
    return _renamed(_without_dots(text))


def normal_path(path: str, profile: str | None = None) -> str:
    """One path alone, with or without quotes, in its normal form."""
    bare = path.strip().strip('"').strip()
    return normal(f'"{bare}"', profile).strip('" ').rstrip(". ") if bare else ""


def taken_apart(command: str, profile: str | None = None) -> Command:
    """One command line in its normal form, its program apart."""
    text = normal(command, profile)
    executable, arguments = split(text)
    name = executable.rpartition("\\")[2].casefold()
    return Command(command, text, executable, arguments, f"{name}.exe" if name in _hosts() else name)


def chain(command: str, profile: str | None = None) -> tuple[Command, ...]:
    """The command and what it starts, the outer one first; bounded in depth and number."""
    found = [taken_apart(command, profile)]
    seen, level = {found[0].normal}, started_by(found[0])
    if not _is_shell(found[0]):
        level = _pieces(found[0].normal)[1:] + level
    for _ in range(_DEEPEST):
        inner = [taken_apart(text, profile) for text in dict.fromkeys(level) if text.strip()]
        inner = [item for item in inner if item.normal not in seen][: _MOST - len(found)]
        seen.update(item.normal for item in inner)
        found += inner
        level = [text for item in inner for text in started_by(item)]
    return tuple(found)


def finally_started(command: str, profile: str | None = None) -> Command:
    """The innermost command, following the first one where several are started."""
    found = taken_apart(command, profile)
    for _ in range(_DEEPEST):
        inner = started_by(found)
        if not inner:
            break
        found = taken_apart(inner[0], profile)
    return found


def started_by(command: Command) -> list[str]:
    """The commands that this one does nothing but start, as far as it is a known wrapper."""
    wrapper = _wrappers().get(command.name.removesuffix(".exe"))
    handed = wrapper[0].search(command.arguments) if wrapper else None
    if wrapper is None or handed is None:
        return []
    text = _unquoted(handed.group(1).strip())
    return _pieces(text) if wrapper[1] else [text]


def split(text: str) -> tuple[str, str]:
    """(program, arguments) of a line in normal form.

    A known program of Windows ends at its name; an unquoted path with spaces at its extension, unless another path or
    a switch comes before that; a bare name at the first space. So Windows looks, without what the disk would tell.
    """
    if text.startswith('"'):
        image, _, rest = text[1:].partition('"')
        return image.strip(" ").rstrip(". "), rest.strip()
    end = _program_end(text)
    return text[:end].rstrip(". "), text[end:].strip()


def _program_end(text: str) -> int:
    first = text.split(None, 1)[0] if text.strip() else ""
    switched = _SWITCHED.search(first)
    image = first[: switched.start()] if switched else first
    known = image.replace("/", "\\").rpartition("\\")[2].casefold()
    if known.removesuffix(".exe") in _hosts():
        return len(image) + (4 if switched else 0)
    switch = first.find("/")
    if switch > 0 and first[:switch].casefold().removesuffix(".exe") in _hosts():  # cmd/c
        return switch
    extension, stop = _EXTENSION.search(text), _STOP.search(text)
    bare = not set(first) & {"\\", "/", ":"} and not _EXTENSION.search(first)
    if extension and not bare and (stop is None or extension.end() <= stop.start() + 1):
        return extension.end()
    return len(first)


def _program_slashes(text: str) -> str:
    """The program's path with backslashes; a switch right behind its name (`cmd.exe/c`) is no part of it."""
    if text.startswith('"'):
        return text
    end = _program_end(text)
    program = text[:end] if "://" in text[:end] else text[:end].replace("/", "\\")
    gap = "" if not text[end:] or text[end] in ' ",' else " "
    return program + gap + text[end:]


def _backslashes(match: re.Match[str]) -> str:
    return match.group().replace("/", "\\")


def _plain_carets(text: str) -> str:
    """The text without cmd's escapes, which mean nothing within quotes."""
    if "^" not in text:
        return text
    parts = text.split('"')
    return '"'.join(part if at % 2 else part.replace("^", "") for at, part in enumerate(parts))


def _value(match: re.Match[str], profile: str | None) -> str:
    return _stands_for(match.group(1), profile) or match.group()


def _environment(match: re.Match[str], profile: str | None) -> str:
    return _stands_for(match.group(1) or match.group(2), profile) or match.group()


def _stands_for(variable: str, profile: str | None) -> str | None:
    """What a well-known variable holds, None for any other."""
    name, table = variable.casefold(), load("commands")
    if name in table["profile_variables"]:
        return str((profile or _SOMEBODY) + table["profile_variables"][name])
    known = table["variables"].get(name)
    return None if known is None else str(known)


def _volume(match: re.Match[str]) -> str:
    """What a device prefix stands for: a host, or a drive (which one is not known: taken as C:)."""
    if match.group(1):
        return "\\\\"
    return "C:" if match.group(2) or match.group(3) else ""


def _without_dots(text: str) -> str:
    """`.` and `..` resolved and dots at a component's end dropped, as Windows does before it opens a file."""
    kept: list[str] = []
    for at, piece in enumerate(text.split("\\")):
        up = _UP.match(piece)
        if up and kept and not kept[-1].endswith("..") and len(kept) > (kept[0] == ""):
            if not kept[-1].endswith(":") and kept[-1]:
                dropped = kept.pop()
                if '"' in dropped or not kept:
                    kept.append(dropped)
            if kept and piece[2:]:
                kept[-1] += piece[2:]
        elif piece != "." or not at:
            kept.append(piece if " " in piece or piece.strip(".") == "" else piece.rstrip("."))
    return "\\".join(kept)


def _renamed(text: str) -> str:
    """Folders by their usual names; what stands behind one of them may be the next."""
    for short, full in _folders():
        text = short.sub(full, text)
    return text


def _unquoted(text: str) -> str:
    """A command without the quotes around all of it."""
    around = len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1].strip() if around and (text.count('"') == 2 or text.startswith('""')) else text


def _pieces(text: str) -> list[str]:
    """The commands that `&`, `|` and line ends join."""
    return [piece for found in _JOINED.findall(text) if (piece := found.strip(" @(\t"))]


def _is_shell(command: Command) -> bool:
    wrapper = _wrappers().get(command.name.removesuffix(".exe"))
    return wrapper is not None and wrapper[1]


@cache
def _folders() -> tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]:
    """The backslash at the end is looked at only: it begins the next name.

    Nothing is sought in the folded text: folding makes some signs longer, so that places in it are others.
    """
    flags = re.IGNORECASE | re.ASCII
    return tuple(
        (re.compile(re.escape(short[:-1]) + r"(?=\\)", flags), lambda _, name=full[:-1]: name)
        for short, full in load("commands")["folders"]
    )


@cache
def _hosts() -> frozenset[str]:
    return frozenset(load("commands")["hosts"])


@cache
def _wrappers() -> dict[str, tuple[re.Pattern[str], bool]]:
    flags = re.IGNORECASE | re.DOTALL
    return {
        name: (re.compile(item["handed"], flags), bool(item.get("shell")))
        for item in load("commands")["wrappers"]
        for name in item["names"]
    }
