"""Tasks of the old scheduler: binary `.job` files below `Windows\\Tasks`.

Format: [MS-TSCH] 2.4 "Task file format": 68 fixed bytes, then counted texts and triggers. The last run is a SYSTEMTIME
in local time. Every text is counted in UTF-16 units with its final zero.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime

from forensics.formats import FormatError

SIZE_LIMIT = 1024 * 1024
_FIXED = struct.Struct("<HH16sHHHHHHIIIII8H")
_TRIGGER = struct.Struct("<HHHHHHHHHHIIIIHHHHHH")
_MOST_TRIGGERS = 1000
_NEVER_RAN = 0x00041303
_DISABLED, _HIDDEN = 0x00000004, 0x00000200
_KINDS = (
    "once", "daily", "weekly", "monthly by date", "monthly by day", "when idle", "at start of the system", "at logon",
)  # fmt: skip
_OFF = 0x4  # TASK_TRIGGER_FLAG_DISABLED


@dataclass(frozen=True, slots=True)
class Job:
    """One task. `last_run` is naive local time, None when it never ran; `notes` name what could not be read."""

    command: str
    arguments: str
    working_directory: str
    author: str
    comment: str
    triggers: tuple[str, ...]
    last_run: datetime | None
    exit_code: int | None
    disabled: bool
    hidden: bool
    notes: tuple[str, ...]


class _Texts:
    """The counted texts from an offset on; what is cut is noted, and whatever follows is empty."""

    def __init__(self, data: bytes, offset: int) -> None:
        self.data = data
        self.offset = offset
        self.notes: list[str] = []

    def text(self, name: str) -> str:
        """The next text."""
        raw = self.raw(name, 2)
        return raw.decode("utf-16-le", "surrogatepass").partition("\x00")[0]

    def raw(self, name: str, unit: int = 1) -> bytes:
        """The next counted bytes."""
        start = self.offset + 2
        count = int.from_bytes(self.data[self.offset : start], "little") * unit
        found = self.data[start : start + count]
        if start > len(self.data) or len(found) < count:
            self.notes.append(f"cut in its {name}, at offset 0x{self.offset:x}")
            self.offset = len(self.data)
            return found[: len(found) // unit * unit]
        self.offset = start + count
        return found


def _moment(parts: tuple[int, ...], notes: list[str]) -> datetime | None:
    year, month, _, day, hour, minute, second, thousandths = parts
    if not any(parts):
        return None
    try:
        return datetime(year, month, day, hour, minute, second, thousandths * 1000)  # noqa: DTZ001  # local, told so
    except ValueError:
        notes.append(f"its last run is no time: {parts}")
        return None


def _triggers(texts: _Texts) -> tuple[str, ...]:
    start = texts.offset + 2
    count = int.from_bytes(texts.data[texts.offset : start], "little")
    found: list[str] = []
    if start > len(texts.data):
        texts.notes.append("cut before its triggers")
    for number in range(min(count, _MOST_TRIGGERS)):
        place = start + number * _TRIGGER.size
        if place + _TRIGGER.size > len(texts.data):
            texts.notes.append(f"cut in its trigger {number + 1} of {count}")
            break
        found.append(_trigger(_TRIGGER.unpack_from(texts.data, place)))
    if count > _MOST_TRIGGERS:
        texts.notes.append(f"{count} triggers: the first {_MOST_TRIGGERS} are told")
    return tuple(found)


def _trigger(parts: tuple[int, ...]) -> str:
    year, month, day, _, _, _, hour, minute = parts[2:10]
    flags, kind = parts[12], parts[13]
    what = _KINDS[kind] if kind < len(_KINDS) else f"trigger type {kind}"
    off = ", off" if flags & _OFF else ""
    return f"{what}, {hour:02}:{minute:02} from {year:04}-{month:02}-{day:02}{off}"


def read(data: bytes) -> Job:
    """One task out of a file's bytes; raises FormatError when even the fixed part is not there."""
    if len(data) < _FIXED.size:
        raise FormatError(f"{len(data)} bytes: a task of the old format has at least {_FIXED.size}")
    fixed = _FIXED.unpack_from(data)
    version, start = fixed[1], fixed[3]
    if version != 1 or not _FIXED.size <= start <= len(data):
        raise FormatError(f"no task of the old format (file version {version}, texts at {start})")
    exit_code, status, flags = fixed[11:14]
    texts = _Texts(data, start)
    words = {name: texts.text(name) for name in ("command", "arguments", "working_directory", "author", "comment")}
    texts.raw("user data")
    texts.raw("reserved data")
    triggers = _triggers(texts)
    ran = status != _NEVER_RAN
    last_run = _moment(fixed[14:22], texts.notes)
    return Job(
        **words,
        triggers=triggers,
        last_run=last_run,
        exit_code=exit_code if ran and last_run else None,
        disabled=bool(flags & _DISABLED),
        hidden=bool(flags & _HIDDEN),
        notes=tuple(texts.notes),
    )
