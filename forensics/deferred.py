"""Records that only matter near a session: noted by time, processes and place in the log, and read when wanted.

Nine of ten records of a busy log are program starts, ends and logons that nobody will ask for. Making rows of all of
them costs most of a run. An artifact declares which ids are so (`Deferral`); whether a record is surely context is told
from the decoder's text, and its line in the context spool holds no more than what the choice needs:

    [[<time>],{"deferred":"process.created","pid":"57","parent_pid":"4"},<file offset>]
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import orjson

from forensics.artifacts._evtx import decimal
from forensics.artifacts.base import Deferral, EventArtifact
from forensics.times import from_iso, microseconds

_TIME = '"SystemTime":"'
_DATA = '"EventData":{'
_ABOUT = ',"about":'
NOTED = 200  # characters of each text that a note is about
_NOTHING = ("", "-")
_TIME_LENGTH = 27  # 2024-12-04T01:02:11.123456Z
_COMPUTER = re.compile(r'"Computer":"((?:[^"\\]|\\.)*+)"')
_LINE = re.compile(r'\[\[(\d+)\],\{"deferred":"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of a deferred record: microseconds since 1970, the kind of its fact, process ids as decimals.

    `about` are the texts that the artifact wants to count such records by, the first of which says something.
    """

    ticks: int
    kind: str
    pid: str = ""
    parent_pid: str = ""
    about: tuple[str, ...] = ()

    def line(self, offset: int) -> str:
        """The line of the context spool, without its end."""
        marks = f'"deferred":"{self.kind}","pid":"{self.pid}","parent_pid":"{self.parent_pid}"'
        if self.about:
            marks += f',"about":{orjson.dumps(self.about).decode()}'
        return f"[[{self.ticks}],{{{marks}}},{offset}]"


def is_note(line: str) -> bool:
    """Whether a line of a context spool is a note (and not a fact)."""
    return line.startswith('{"deferred"', line.find("]") + 2)


def kind_of(line: str) -> str:
    """The kind of the fact that a note stands for."""
    match = _LINE.match(line)
    return match.group(2) if match else ""


def ticks_of(line: str) -> int:
    """The time of a note, in microseconds since 1970; raises ValueError for a damaged line."""
    return int(line[2 : line.index("]")])


def about_of(line: str) -> list[str]:
    """The texts that a note is counted by, none when it has none; raises ValueError for a damaged line."""
    begin = line.find(_ABOUT)
    if begin < 0:
        return []
    found = orjson.loads(line[begin + len(_ABOUT) : line.rindex("}")])
    return [text for text in found if isinstance(text, str)]


def offset_of(line: str) -> int:
    """The file offset of the record that a note stands for; raises ValueError for a damaged line."""
    return int(line[line.rindex(",") + 1 : line.rindex("]")])


def computer_of(text: str) -> str:
    """The computer that a record names, from the decoder's JSON text; "" without one."""
    match = _COMPUTER.search(text)
    return str(orjson.loads(f'"{match.group(1)}"')) if match else ""


class Putter:
    """Tells which records of one channel and id can be put off, from the decoder's JSON text."""

    def __init__(self, artifact: EventArtifact, channel: str, event_id: int) -> None:
        rule: Deferral = artifact.defers[event_id]
        self._rule = rule
        # An id without and with qualifiers, as the classic logs have them.
        self._ids = (f'"EventID":{event_id},', f'"#text":{event_id}}},"Version"')
        self._channel = f'"Channel":"{channel}"'
        self._providers = tuple(f'"Name":"{name}"' for name in sorted(artifact.providers))
        names = [name for name in dict.fromkeys((*rule.watched, *rule.about, rule.pid, rule.parent_pid)) if name]
        self._values = re.compile(rf'"({"|".join(names)})":(?:"((?:[^"\\]|\\.)*+)"|(\d+)|null)') if names else None

    def note(self, text: str) -> Note | None:
        """The note of a record that is surely context, None when it has to be read now.

        It is read when anything is out of the ordinary: another channel, id or provider than expected (they are
        compared as text, so an attribute more is enough), no plain time, a name that is said twice or not at all.
        """
        at = text.find(_TIME) + len(_TIME)
        data = text.find(_DATA, at)
        if data < 0 or self._channel not in text or not any(sign in text for sign in self._ids):
            return None
        if self._providers and not any(name in text for name in self._providers):
            return None
        moment = from_iso(text[at : at + _TIME_LENGTH])
        if not isinstance(moment, datetime):
            return None
        ticks = microseconds(moment)
        if self._values is None:
            return Note(ticks, self._rule.kind)
        return self._judged(ticks, self._values.findall(text, data))

    def _judged(self, ticks: int, found: Iterable[tuple[str, str, str]]) -> Note | None:
        values: dict[str, str] = {}
        for name, quoted, plain in found:
            if name in values:
                return None
            try:
                values[name] = (orjson.loads(f'"{quoted}"') if "\\" in quoted else quoted) or plain
            except ValueError:  # half of a surrogate pair: read now, by what takes such texts
                return None
        rule = self._rule
        texts = [values[name] for name in rule.watched if name in values]
        if len(texts) < len(rule.watched) or (texts and rule.matters(*texts)):
            return None
        pid = decimal(values.get(rule.pid)) or "" if rule.pid else ""
        parent = decimal(values.get(rule.parent_pid)) or "" if rule.parent_pid else ""
        about = tuple(values.get(name, "").strip()[:NOTED] for name in rule.about)
        about = about if all(text not in _NOTHING for text in about[:1]) else ()
        return Note(ticks, rule.kind, pid, parent, about) if (pid + parent).isalnum() or not (pid + parent) else None
