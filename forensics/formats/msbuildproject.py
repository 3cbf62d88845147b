"""MSBuild project files with inline tasks: program text that MSBuild compiles and runs when it builds the file.

`<UsingTask TaskName="x" TaskFactory="CodeTaskFactory">` holds `<Task><Code Type="Class" Language="cs">`; the program
text stands in it, mostly as CDATA, or in the file that `Source` names. `RoslynCodeTaskFactory` is the same for newer
builds. Line ends are as XML gives them (a carriage return before a line feed is dropped), so the hash of the code is
that of the code as the compiler is handed it, not of the bytes between the tags.
https://learn.microsoft.com/visualstudio/msbuild/msbuild-inline-tasks and msbuild-roslyncodetaskfactory
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from forensics.formats.xmlguard import Node, parse

TASKS_LIMIT = 64  # inline tasks told of one file; projects have one or two


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
    uses = [node for node in nodes if node.name.casefold() == "usingtask" and _attribute(node, "taskfactory")]
    if not uses:
        return None
    runs = [node for node in nodes if node.name.casefold() == "exec"]
    commands = [command for node in runs if (command := _attribute(node, "command"))]
    notes = () if document.well_formed else (document.notes or ("not well-formed XML",))
    tasks = tuple(_task(node) for node in uses[:TASKS_LIMIT])
    return Project(tasks, tuple(commands[:TASKS_LIMIT]), notes, len(uses) > TASKS_LIMIT)


def _task(node: Node) -> InlineTask:
    code = next((item for item in node.walk() if item.name.casefold() in ("code", "script")), None)
    return InlineTask(
        name=_attribute(node, "taskname"),
        factory=_attribute(node, "taskfactory"),
        language=_attribute(code, "language"),
        type=_attribute(code, "type"),
        code=code.text if code else "",
        source=_attribute(code, "source"),
    )


def _attribute(node: Node | None, name: str) -> str:
    found = (value for key, value in (node.attributes if node else {}).items() if key.casefold() == name)
    return next(found, "").strip()
