"""The binary values of a task in TaskCache: what it does (Actions), when it ran (DynamicInfo), as whom (Triggers).

The registry copy is what the Task Scheduler acts on: it survives the deletion of the task's XML file. Layouts:
https://cyber.wtf/2022/06/01/windows-registry-analysis-todays-episode-tasks/ (Windows 10) and its Windows 8.1 variant
without the context string. The account is read out of the Triggers only when every byte before it is as described
there; otherwise it stays unknown. What sets a task off: `tasktriggers.py`.
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass

from forensics.formats import FormatError
from forensics.times import Moment, NoTime, from_filetime

EXECUTE, COM_HANDLER, SEND_MAIL, SHOW_MESSAGE = 0x6666, 0x7777, 0x8888, 0x9999
_PADDING_UNIT = 8
# Strings of an action before the next one, by its magic; a COM handler and a mail hold more than strings.
_STRINGS = {EXECUTE: 3, SHOW_MESSAGE: 2, SEND_MAIL: 8}
_NAMES = {SEND_MAIL: "send mail", SHOW_MESSAGE: "show message"}


@dataclass(frozen=True, slots=True)
class Action:
    """One action. `command_line` for a program; `other` names what any other action does."""

    executable: str | None = None
    arguments: str | None = None
    working_directory: str | None = None
    other: str | None = None

    @property
    def command_line(self) -> str | None:
        """Program and arguments as one line; None for actions that start none."""
        if self.executable is None:
            return None
        return f"{self.executable} {self.arguments}" if self.arguments else self.executable


@dataclass(frozen=True, slots=True)
class Actions:
    """The actions of a task; `context` is the id of the principal inside the task's XML, not an account."""

    context: str
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Runs:
    """DynamicInfo: when the task was (last) registered, started and successfully completed, and its last result."""

    registered: Moment
    started: Moment
    completed: Moment
    result: int


class Reader:
    """Bounded reads, one after the other. Raises FormatError past the end."""

    def __init__(self, raw: bytes, offset: int = 0) -> None:
        self.raw = raw
        self.offset = offset

    @property
    def left(self) -> int:
        """Bytes that were not read yet."""
        return len(self.raw) - self.offset

    def take(self, size: int) -> bytes:
        """So many bytes."""
        if size > self.left:
            raise FormatError(f"{size} bytes are claimed, {self.left} are left", self.offset)
        self.offset += size
        return self.raw[self.offset - size : self.offset]

    def number(self, size: int) -> int:
        """An unsigned number of so many bytes."""
        return int.from_bytes(self.take(size), "little")

    def text(self) -> str:
        """A text behind its length in bytes."""
        size = self.number(4)
        return self.take(size)[: size & ~1].decode("utf-16-le", "surrogatepass").rstrip("\x00")

    def aligned_number(self) -> int:
        """A number in the first four of eight bytes (the rest is filler)."""
        return int.from_bytes(self.take(_PADDING_UNIT)[:4], "little")

    def aligned_flag(self) -> int:
        """One byte of eight."""
        return self.take(_PADDING_UNIT)[0]

    def aligned_bytes(self) -> bytes:
        """Bytes behind their length, filled up to eights."""
        size = self.aligned_number()
        content = self.take(size)
        self.take(-size % _PADDING_UNIT)
        return content


def read_actions(raw: bytes) -> Actions:
    """Decode an Actions value. Raises FormatError."""
    reader = Reader(raw)
    version = reader.number(2)
    if version not in (1, 2, 3):
        raise FormatError(f"unknown version {version} of a task's actions", 0)
    context = reader.text() if version > 1 else ""
    actions: list[Action] = []
    while reader.left >= 2:
        actions.append(_action(reader, version))
    return Actions(context, tuple(actions))


def _action(reader: Reader, version: int) -> Action:
    magic = reader.number(2)
    reader.text()  # the action's id
    if magic == COM_HANDLER:
        handler = str(uuid.UUID(bytes_le=reader.take(16))).upper()
        return Action(other=f"COM handler {{{handler}}} {reader.text()}".rstrip())
    if magic not in _STRINGS:
        raise FormatError(f"unknown action 0x{magic:04x}", reader.offset)
    texts = [reader.text() for _ in range(_STRINGS[magic])]
    if magic == EXECUTE:
        if version == 3:
            reader.take(2)  # flags
        return Action(texts[0], texts[1] or None, texts[2] or None)
    if magic == SEND_MAIL:
        _skip_mail(reader)
    return Action(other=" | ".join([_NAMES[magic], *filter(None, texts)]))


def _skip_mail(reader: Reader) -> None:
    """Attachments, then headers as name and value."""
    for strings_each in (1, 2):
        for _ in range(reader.number(4)):
            for _ in range(strings_each):
                reader.text()


def read_runs(raw: bytes) -> Runs:
    """Decode a DynamicInfo value: 28 bytes until Windows 8.1, 36 since. Raises FormatError."""
    if len(raw) < 28:
        raise FormatError(f"a task's run information takes 28 bytes, there are {len(raw)}")
    registered, started, _state, result = struct.unpack_from("<QQII", raw, 4)
    if len(raw) < 36:
        completed: Moment = NoTime("not stored by this Windows version", "")
    else:
        completed = from_filetime(struct.unpack_from("<Q", raw, 28)[0])
    return Runs(from_filetime(registered), from_filetime(started), completed, result)


def read_account(raw: bytes) -> str | None:
    """The SID that the task runs as, out of a Triggers value; None when it is not there or not where it belongs."""
    try:
        return _account(raw)
    except FormatError:
        return None


def _account(raw: bytes) -> str | None:
    reader = Reader(raw)
    read_head(reader)
    return read_user(reader, named=False)


def read_head(reader: Reader) -> int:
    """What stands before the account in a Triggers value; its version. Raises FormatError."""
    version = reader.aligned_number() & 0xFF
    reader.take(2 * 16)  # start and end boundary
    reader.take(2 * _PADDING_UNIT)  # flags and checksum
    for since in (0x16, 0x17):  # the principal's id and display name
        if version >= since:
            reader.aligned_bytes()
    return version


def read_user(reader: Reader, *, named: bool = True) -> str | None:
    """An account: its SID; with `named`, its name behind it is passed over, or taken where no SID is told."""
    if reader.aligned_flag():
        return None
    sid = None
    if not reader.aligned_flag():
        reader.aligned_number()  # kind of SID
        sid = sid_text(reader.aligned_bytes())
    if not named:
        return sid
    name = reader.aligned_bytes().decode("utf-16-le", "replace").rstrip("\0")
    return sid or name or None


def sid_text(raw: bytes) -> str | None:
    """A binary SID as `S-1-5-...`, None when its own length does not fit."""
    if len(raw) < 8 or raw[0] != 1 or raw[1] > 15 or len(raw) != 8 + 4 * raw[1]:
        return None
    parts = struct.unpack_from(f"<{raw[1]}I", raw, 8)
    return "-".join(["S-1", str(int.from_bytes(raw[2:8], "big")), *map(str, parts)])
