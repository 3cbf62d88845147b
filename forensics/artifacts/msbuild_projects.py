r"""MSBuild projects with inline tasks: program text that a signed tool of Windows compiles and runs in memory.

MirrorFace's loader NOOPLDR comes as such an XML file, which a task or service hands to MSBuild.exe (published; that the
task is called `Hello` and builds `hello.xml` is from one case). No program of the intruder touches the disk: the file
is the program. The code is told with its hash, so that it can be sought elsewhere, and never compiled or run here.
A file proves that it could be built, not that it was: task, service, prefetch of MSBUILD.EXE or 4688 tell that.

Inline tasks are also a developer's tool. In the folders of sources and packages they are context, unless the code
calls what loaders call (`code_signs`, rules/group.yml).

The usual places and endings are looked at; a file that an autostart entry hands to MSBuild is, whatever it is called
(`forensics/handedprojects.py`). Format: `formats/msbuildproject.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._tunnel import profile_user, times, windows_path
from forensics.artifacts._xmlfile import malformed
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import msbuildproject
from forensics.formats.textfile import decode
from forensics.model import Fact, Problem, Value, make_fact
from forensics.rules import load

_NAME = "msbuild_projects"
_LIMIT = 8 * 1024 * 1024  # a loader carries its payload in the text; of larger files only the tasks are sought
_MOST, _BLOCK, _HEAD = 256 * 1024 * 1024, 4 * 1024 * 1024, 4096
_TAG = "<UsingTask"
_SHOWN = 64 * 1024  # characters of code in the row
_TREES = ("Users", "ProgramData", "Windows/Temp", "Windows/Tasks", "Temp", "PerfLogs")
# Folders whose own files are few; what lies deeper there is looked at where a command names it.
_FOLDERS = (
    "", "Windows/", "Windows/System32/", "Windows/SysWOW64/", "Windows/Debug/", "Windows/Tracing/", "Program Files/",
    "Program Files/*/", "Program Files (x86)/", "Program Files (x86)/*/",
)  # fmt: skip
_ENDS = ("xml", "csproj", "vbproj", "fsproj", "proj", "targets", "props", "build", "tasks")


def parse(given: FileInput) -> Output:
    """One row for each inline task, nothing for any other file."""
    head = decode(given.read(_LIMIT))
    project = msbuildproject.read(head.text)
    if project is not None:
        yield from _told(given, project)
    if given.size <= _LIMIT:
        return
    if project is not None:
        detail = f"{given.size} bytes, of which the first {_LIMIT} were read as a whole"
        yield Problem("truncated", _NAME, given.source(f"offset 0x{_LIMIT:x}"), detail)
    yield from _behind(given, head.encoding)
    if given.size > _MOST and "<project" in head.text[:_HEAD].casefold():
        detail = f"{given.size} bytes: in what follows the first {_MOST} no tasks were sought"
        yield Problem("truncated", _NAME, given.source(f"offset 0x{_MOST:x}"), detail)


def _told(given: FileInput, project: msbuildproject.Project, begun: str = "") -> Output:
    if project.notes:
        yield from malformed(_NAME, given, project.notes)
    if project.more:
        detail = f"more than {msbuildproject.TASKS_LIMIT} inline tasks: the others are not told"
        yield Problem("partial", _NAME, given.source(), detail)
    yield from _rows(given, project, begun)


def _behind(given: FileInput, encoding: str) -> Output:
    """The tasks that begin behind what was read as a whole, each read from its own tag on."""
    told, at = 0, _LIMIT - 4 * len(_TAG)  # a tag across the cut is seen, too
    while (begin := _next(given, encoding, at)) is not None:
        given.fh.seek(begin)
        data = given.fh.read(_LIMIT)
        at = begin + max(len(_TAG), len(data) - 4 * len(_TAG))
        for start, stop in _elements(data, encoding):
            if start and stop == len(data) == _LIMIT:  # its end may lie further on
                at = begin + start
                break
            if told >= msbuildproject.TASKS_LIMIT:
                detail = f"more than {told} inline tasks behind the first {_LIMIT} bytes: the others are not told"
                yield Problem("partial", _NAME, given.source(f"offset 0x{begin + start:x}"), detail)
                return
            project = msbuildproject.read(data[start:stop].decode(encoding, "replace"))
            if project is not None:
                told += len(project.tasks)
                yield from _told(given, project, f"offset 0x{begin + start:x}")
            at = max(at, begin + stop)


def _elements(data: bytes, encoding: str) -> list[tuple[int, int]]:
    """Where tasks with code begin and end in bytes; what does not fit the encoding keeps its length."""
    manner = "replace" if encoding.startswith("utf-") and encoding != "utf-8" else "surrogateescape"
    text = data.decode(encoding, manner)
    found, at, chars = list[tuple[int, int]](), 0, 0
    for start, stop in msbuildproject.spans(text):
        begin = at + len(text[chars:start].encode(encoding, manner))
        at = len(data) if stop == len(text) else begin + len(text[start:stop].encode(encoding, manner))
        chars = stop
        found.append((begin, at))
    return found


def _next(given: FileInput, encoding: str, at: int) -> int | None:
    """Where the next tag of a task begins, from a place on; in blocks that overlap by more than a tag."""
    tag = re.compile(re.escape(_TAG.encode(encoding)), re.IGNORECASE)
    wide = len(_TAG.encode(encoding)) // len(_TAG)
    given.fh.seek(at)
    kept = b""
    while at < _MOST and (block := given.fh.read(_BLOCK)):
        data = kept + block
        for match in tag.finditer(data):
            place = at - len(kept) + match.start()
            if place % wide == 0:
                return place
        at += len(block)
        kept = data[-wide * len(_TAG) + 1 :]
    return None


def _rows(given: FileInput, project: msbuildproject.Project, begun: str) -> Iterator[Fact]:
    path = windows_path(given.path)
    for number, task in enumerate(project.tasks, 1):
        signs = code_signs(task.code)
        fields: dict[str, Value | None] = {
            "inline_task": task.name,
            "task_factory": task.factory,
            "code_language": task.language,
            "code_type": task.type,
            "code_source": task.source,
            "code_sha256": task.sha256,
            "code_size": len(task.code),
            "code_text": task.code[:_SHOWN],
            "code_signs": signs,
            "exec_commands": project.commands,
            "file_path": path,
            "file_sha256": given.sha256,
            "profile_user": profile_user(given),
        }
        source = given.source(begun or f"UsingTask {number}")
        yield make_fact("msbuild.inline_task", source, times(given), fields, context=not signs and _developers(path))


def code_signs(code: str) -> tuple[str, ...]:
    """What the code calls that loaders call, as rules/group.yml lists it."""
    folded = code.casefold()
    return tuple(sign for sign in load("group")["code_signs"] if sign.casefold() in folded)


def _developers(path: str) -> bool:
    folded = path.casefold()
    return any(part in folded for part in load("group")["developer_folders"])


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(
        *(f"{tree}/**/*.{end}" for tree in _TREES for end in _ENDS),
        *(f"{folder}*.{end}" for folder in _FOLDERS for end in _ENDS),
    ),
    parse=parse,
    emits={
        "msbuild.inline_task": Kind(
            "MSBuild project {file_path} holds the inline task {inline_task} ({task_factory}[, {code_language}]): "
            "{code_size} characters of code[, SHA-256 {code_sha256}][, calling {code_signs}][, in {code_source}]",
            {
                "inline_task": str,
                "task_factory": str,
                "code_language": str,
                "code_type": str,
                "code_source": str,
                "code_sha256": str,
                "code_size": int,
                "code_text": str,
                "code_signs": tuple[str, ...],
                "exec_commands": tuple[str, ...],
                "file_path": str,
                "file_sha256": str,
                "profile_user": str,
            },
        )
    },
)
