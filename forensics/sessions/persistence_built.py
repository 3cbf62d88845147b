r"""The files that an entry's commands hand to MSBuild, to be looked at a second time (`forensics/handedprojects.py`).

MSBuild takes any file for a project, whatever its ending; one in an @file; or, where it is given none, what lies in
the folder in which it is started. So every command of an entry counts that any source tells, with what it starts, the
profile's variables put in and a task's working directory before what has no folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from forensics.rules import commands
from forensics.sessions.persistence_scored import Judged
from forensics.sessions.persistence_targets import resolved

MOST = 32  # files of one entry
FOLDER = "\\*"  # ends what stands for the projects of a folder
_MOST_WORDS = 64
_WORD = re.compile(r"(@?)(?:\"([^\"]+)\"|'([^']+)'|([^\s\"']+))")
_SWITCH = re.compile(r"[-/]\w")
_PLACED = re.compile(r"[a-z]:\\[^\"',;=]+", re.IGNORECASE)
_CHANGES = frozenset({"cd", "chdir", "pushd"})
_BUILDS = re.compile(r"^\"?(?:ms)?build\b", re.IGNORECASE)


def handed(found: Sequence[Judged], profile: str | None) -> tuple[str, ...]:
    r"""The paths, `@` before a file of further arguments; `C:\x\*` stands for the projects in that folder."""
    paths: dict[str, None] = {}
    for item in found:
        folders = [text for row in item.rows if (text := row.get("working_directory"))]
        paths |= dict.fromkeys(_of_command(item.command, folders, profile))
    return tuple(paths)[:MOST]


def words(text: str, folders: Iterable[str], profile: str | None) -> list[str]:
    """The same of MSBuild's arguments alone, or of the text of an @file."""
    places = [place for folder in folders if (place := _folder(folder, profile))]
    found: list[str] = []
    bare = True
    for count, match in enumerate(_WORD.finditer(text)):
        if count >= _MOST_WORDS:
            break
        word = match.group(2) or match.group(3) or match.group(4)
        if _SWITCH.match(word):
            found += [path for part in _PLACED.findall(word) if (path := resolved(part, profile))]
            continue
        bare = False
        mark, word = ("@", word[1:]) if word.startswith("@") else (match.group(1), word)
        found += [mark + path for part in _parts(word) for path in _placed(part, places, profile)]
    return [*found, *(place + FOLDER for place in places)] if bare else found


def _of_command(command: str, folders: Iterable[str], profile: str | None) -> Iterator[str]:
    chain = commands.chain(command, profile)
    places = [*folders, *(item.arguments.removeprefix("/d ").strip() for item in chain if item.name in _CHANGES)]
    apart = any(item.name == "msbuild.exe" for item in chain)
    for item in chain:
        if item.name == "msbuild.exe":
            yield from words(item.arguments, places, profile)
        elif item.name in ("dotnet", "dotnet.exe") and _BUILDS.match(item.arguments):
            yield from words(_BUILDS.sub("", item.arguments).lstrip('" '), places, profile)
        elif not apart and "msbuild" in item.normal.casefold():
            at = item.normal.casefold().find("msbuild") + len("msbuild")  # its name is of plain signs
            yield from words(item.normal[at:].removeprefix(".exe").lstrip("\"'"), places, profile)


def _parts(word: str) -> list[str]:
    """The word, and what commas and semicolons part in it."""
    return list(dict.fromkeys([word, *re.split(r"[,;)]", word)]))


def _placed(word: str, places: Sequence[str], profile: str | None) -> list[str]:
    word = word.replace("/", "\\")
    if word.startswith("\\") and not word.startswith(("\\\\", "\\??\\")):
        word = f"C:{word}"
    if "\\" in word and (path := resolved(word, profile)):
        return [path]
    rooted = ":" in word or word.startswith("\\\\") or not word
    return [] if rooted else [path for place in places if (path := resolved(f"{place}\\{word}", profile))]


def _folder(text: str, profile: str | None) -> str:
    path = commands.normal_path(text, profile)
    return path.rstrip("\\") if re.match(r"[a-z]:\\", path, re.IGNORECASE) and "%" not in path else ""
