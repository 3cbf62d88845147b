"""MSBuild project files with inline tasks: program text that MSBuild compiles and runs when it builds the file.

`<UsingTask TaskName="x" TaskFactory="CodeTaskFactory">` holds `<Task><Code Type="Class" Language="cs">`; the program
text stands in it, mostly as CDATA, or in the file that `Source` names. `RoslynCodeTaskFactory` is the same for newer
builds. Line ends are as XML gives them (a carriage return before a line feed is dropped), so the hash of the code is
that of the code as the compiler is handed it, not of the bytes between the tags.
https://learn.microsoft.com/visualstudio/msbuild/msbuild-inline-tasks and msbuild-roslyncodetaskfactory
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from forensics.formats.xmlguard import Node, parse, without_comments

TASKS_LIMIT = 64  # inline tasks told of one file; projects have one or two
_OPENED = re.compile(r"<usingtask\b([^<>]{0,8192}+)>", re.IGNORECASE)
_CLOSED = re.compile(r"</usingtask\s{0,64}>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class InlineTask:
    """One inline task; "" where the file says nothing. `source` is the file that holds the code instead."""

    name: str
    factory: str
    language: str
    type: str
    code: str
    source: str

    @property
    def sha256(self) -> str:
        """Of the code in UTF-8; "" without code."""
        return hashlib.sha256(self.code.encode("utf-8", "surrogatepass")).hexdigest() if self.code else ""


@dataclass(frozen=True, slots=True)
class Project:
    """The inline tasks of a file, in its order, and what the XML reader had to say."""

    tasks: tuple[InlineTask, ...]
    commands: tuple[str, ...]  # of <Exec>
    notes: tuple[str, ...]
    more: bool


def read(text: str) -> Project | None:
    """The project in `text`; None for any other XML, and for a project without a task factory."""
    folded = text.casefold()
    if "<usingtask" not in folded or "taskfactory" not in folded:
        return None
    document = parse(text)
    nodes = document.root.walk()
    uses = _uses(nodes)
    if not uses and not document.well_formed:
        return _carved(text, document.notes)
    if not uses:
        return None
    runs = [node for node in nodes if node.name.casefold() == "exec"]
    commands = [command for node in runs if (command := _attribute(node, "command"))]
    notes = () if document.well_formed else (document.notes or ("not well-formed XML",))
    tasks = tuple(_task(node) for node in uses[:TASKS_LIMIT])
    return Project(tasks, tuple(commands[:TASKS_LIMIT]), notes, len(uses) > TASKS_LIMIT)


def _uses(nodes: list[Node]) -> list[Node]:
    return [node for node in nodes if node.name.casefold() == "usingtask" and _attribute(node, "taskfactory")]


def _carved(text: str, notes: tuple[str, ...]) -> Project | None:
    """The tasks of a text that is too deep or too large to be read whole, each by its own tags."""
    plain = without_comments(text)
    pieces = [plain[begin:end] for begin, end in spans(plain)]
    uses = [node for piece in pieces for node in _uses(parse(piece).root.walk())]
    if not uses:
        return None
    notes = (*notes, "its tasks were sought by their tags")
    return Project(tuple(_task(node) for node in uses[:TASKS_LIMIT]), (), notes, len(uses) > TASKS_LIMIT)


def spans(text: str) -> list[tuple[int, int]]:
    """Where the elements `UsingTask` with a factory begin and end in a text, one more than are told."""
    found: list[tuple[int, int]] = []
    at = 0
    while len(found) <= TASKS_LIMIT and (begin := _OPENED.search(text, at)):
        at = begin.end()
        if "taskfactory" not in begin.group(1).casefold():
            continue
        if not begin.group(1).endswith("/"):
            end = _CLOSED.search(text, at)
            at = end.end() if end else len(text)
        found.append((begin.start(), at))
    return found


def _task(node: Node) -> InlineTask:
    code = _code(node)
    return InlineTask(
        name=_attribute(node, "taskname"),
        factory=_attribute(node, "taskfactory"),
        language=_attribute(code, "language"),
        type=_attribute(code, "type"),
        code=code.text if code else "",
        source=_attribute(code, "source"),
    )


def _code(task: Node) -> Node | None:
    """The element that holds a task's program text. A task inside it, when it was never closed, has its own."""
    left = list(reversed(task.children))
    while left:
        node = left.pop()
        if node.name.casefold() in ("code", "script"):
            return node
        if node.name.casefold() != "usingtask":
            left.extend(reversed(node.children))
    return None


def _attribute(node: Node | None, name: str) -> str:
    found = (value for key, value in (node.attributes if node else {}).items() if key.casefold() == name)
    return next(found, "").strip()
