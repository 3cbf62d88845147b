"""Task definitions of the Task Scheduler: the XML files under `System32\\Tasks` and the XML inside events 4698/4702.

Source of the format: Microsoft's Task Scheduler schema ([MS-TSCH] 2.3). The files are UTF-16 while their declaration
often says UTF-8, so the bytes decide. Everything in them is written by whoever registered the task; `Author` and
`Date` are free text. A document type declaration is never resolved, only noted (Windows writes none).

The binary `.job` files of the old scheduler (`Windows\\Tasks`): `formats/taskjob.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from forensics.formats import FormatError
from forensics.formats.textfile import decode
from forensics.formats.xmlguard import SIZE_LIMIT, Node, parse

_ACTIONS_LIMIT = 64  # the scheduler allows 32
_TRIGGERS_LIMIT = 96  # the scheduler allows 48
_TRIGGER_PARTS = frozenset(
    (
        *("startboundary", "endboundary", "enabled", "interval", "duration", "daysinterval", "weeksinterval"),
        *("delay", "randomdelay", "userid", "subscription", "statechange", "statename", "executiontimelimit"),
    )
)


@dataclass(frozen=True, slots=True)
class Action:
    """What a task does. `kind`: exec | com | email | message | other. `class_id` and `data` belong to com."""

    kind: str
    command: str = ""
    arguments: str = ""
    working_directory: str = ""
    class_id: str = ""
    data: str = ""

    @property
    def command_line(self) -> str:
        """The command and its arguments as Windows joins them."""
        return f"{self.command} {self.arguments}".strip()


@dataclass(frozen=True, slots=True)
class Principal:
    """As whom: `user_id` is a SID or account name, `group_id` instead of it for a group."""

    id: str
    user_id: str = ""
    group_id: str = ""
    run_level: str = ""
    logon_type: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """One definition. Texts are as written, "" when absent; `enabled` is None when not stated (the default is true).

    `date` is the registration time as text: local to the machine that wrote it unless it carries an offset.
    `triggers` are one short line each. `malformed`: read tolerantly; `dtd`: a document type was there.
    """

    uri: str
    author: str
    date: str
    description: str
    actions: tuple[Action, ...]
    principals: tuple[Principal, ...]
    triggers: tuple[str, ...]
    hidden: bool
    enabled: bool | None
    malformed: bool
    dtd: bool
    xml: str
    notes: tuple[str, ...]

    @property
    def run_as(self) -> str:
        """The account of the first principal."""
        return next((item.user_id or item.group_id for item in self.principals if item.user_id or item.group_id), "")


def _text(node: Node | None, *path: str) -> str:
    found = node.first(*path) if node else None
    return found.text if found else ""


def _flag(text: str) -> bool | None:
    return {"true": True, "1": True, "false": False, "0": False}.get(text.casefold())


def _action(node: Node) -> Action:
    name = node.name.casefold()
    if name == "exec":
        directory = _text(node, "WorkingDirectory")
        return Action("exec", _text(node, "Command"), _text(node, "Arguments"), directory)
    if name == "comhandler":
        return Action("com", class_id=_text(node, "ClassId"), data=_text(node, "Data"))
    if name == "sendemail":
        return Action("email", data=_text(node, "To"))
    if name == "showmessage":
        return Action("message", data=_text(node, "Body"))
    return Action("other", data=node.name)


def _principal(node: Node) -> Principal:
    return Principal(
        node.attributes.get("id", ""),
        _text(node, "UserId"),
        _text(node, "GroupId"),
        _text(node, "RunLevel"),
        _text(node, "LogonType"),
    )


def _trigger(node: Node) -> str:
    """A trigger on one line: its kind, then what narrows it, in the schema's own words."""
    parts = [node.name]
    for child in node.walk()[1:]:
        name = child.name.casefold()
        if name.startswith("scheduleby") or not (child.text or name.endswith("day")):
            parts += [child.name] if name.startswith("scheduleby") else []
        elif name in _TRIGGER_PARTS:
            parts.append(f"{child.name}={' '.join(child.text.split())[:300]}")
    return " ".join(parts)


def _children(root: Node, *path: str) -> list[Node]:
    parent = root.first(*path)
    return parent.children if parent else []


def read(data: bytes | str) -> Task:
    """Read a definition from a file's bytes or an event's text; FormatError when there is no `<Task>` in it."""
    notes: list[str] = []
    if len(data) > SIZE_LIMIT:
        notes.append(f"larger than {SIZE_LIMIT} bytes: only its start was read")
    data = data[:SIZE_LIMIT]
    text = data
    if isinstance(text, bytes):
        text, encoding, damaged = decode(text)
        notes += [f"bytes that are not {encoding}"] if damaged else []
    document = parse(text)
    root = next((node for node in document.root.walk() if node.name.casefold() == "task"), None)
    if root is None:
        raise FormatError("no <Task> element" if text.strip("\x00 \r\n\t") else "empty")
    info, settings = root.first("RegistrationInfo"), root.first("Settings")
    actions, triggers = _children(root, "Actions"), _children(root, "Triggers")
    if len(actions) > _ACTIONS_LIMIT or len(triggers) > _TRIGGERS_LIMIT:
        notes.append(f"{len(actions)} actions and {len(triggers)} triggers: more than the scheduler allows")
    return Task(
        uri=_text(info, "URI"),
        author=_text(info, "Author"),
        date=_text(info, "Date"),
        description=_text(info, "Description"),
        actions=tuple(_action(node) for node in actions[:_ACTIONS_LIMIT]),
        principals=tuple(_principal(node) for node in _children(root, "Principals")[:_ACTIONS_LIMIT]),
        triggers=tuple(_trigger(node) for node in triggers[:_TRIGGERS_LIMIT]),
        hidden=_flag(_text(settings, "Hidden")) is True,
        enabled=_flag(_text(settings, "Enabled")),
        malformed=not document.well_formed,
        dtd=document.dtd,
        xml=text,
        notes=(*notes, *document.notes),
    )
