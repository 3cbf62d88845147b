r"""MSBuild projects with inline tasks: program text that a signed tool of Windows compiles and runs in memory.

MirrorFace's loader NOOPLDR comes as such an XML file, which a task or service hands to MSBuild.exe (published; that the
task is called `Hello` and builds `hello.xml` is from one case). No program of the intruder touches the disk: the file
is the program. The code is told with its hash, so that it can be sought elsewhere, and never compiled or run here.
A file proves that it could be built, not that it was: task, service, prefetch of MSBUILD.EXE or 4688 tell that.

Inline tasks are also a developer's tool. In the folders of sources and packages they are context, unless the code
calls what loaders call (`code_signs`, rules/group.yml).

Format: `formats/msbuildproject.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._tunnel import profile_user, times, windows_path
from forensics.artifacts._xmlfile import malformed
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import msbuildproject
from forensics.formats.textfile import decode
from forensics.model import Fact, Problem, Value, make_fact
from forensics.rules import load

_NAME = "msbuild_projects"
_LIMIT = 8 * 1024 * 1024  # a loader carries its payload in the text; other files are looked at no further
_SHOWN = 64 * 1024  # characters of code in the row
_TREES = ("Users", "ProgramData", "Windows/Temp", "Windows/Tasks", "Temp", "PerfLogs")
_ENDS = ("xml", "csproj", "vbproj", "proj", "targets")


def parse(given: FileInput) -> Output:
    """One row for each inline task, nothing for any other file."""
    text = decode(given.read(_LIMIT)).text
    project = msbuildproject.read(text)
    if project is None:
        return
    if given.size > _LIMIT:
        detail = f"{given.size} bytes, of which the first {_LIMIT} were read"
        yield Problem("truncated", _NAME, given.source(f"offset 0x{_LIMIT:x}"), detail)
    if project.notes:
        yield from malformed(_NAME, given, project.notes)
    if project.more:
        detail = f"more than {msbuildproject.TASKS_LIMIT} inline tasks: the others are not told"
        yield Problem("partial", _NAME, given.source(), detail)
    yield from _rows(given, project)


def _rows(given: FileInput, project: msbuildproject.Project) -> Iterator[Fact]:
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
        source = given.source(f"UsingTask {number}")
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
    paths=tuple(f"{tree}/**/*.{end}" for tree in _TREES for end in _ENDS),
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
