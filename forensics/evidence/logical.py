"""The files of an AD1 as members of a collection: which drive each source of the image was, and what is left out.

FTK Imager shows more than files: the slack of files and `$I30` indexes stand in the tree as files of their own, folders
above a chosen one are placeholders, deleted files stand beside the living. What is no file of the host is left out;
deleted ones are counted and said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import BinaryIO

from forensics.evidence.ad1 import Entry, Image
from forensics.evidence.base import Refusal
from forensics.evidence.members import Member, blocked
from forensics.evidence.streams import guarded

_CUSTOM = "Custom Content Image([Multi])"
_MOST = 2_000_000
_SOURCE = re.compile(r"^(?P<device>.*?):(?P<label>[^:]*) \[(?:NTFS|exFAT|FAT\d*|ReFS)\]$", re.IGNORECASE)
_LETTER = re.compile(r"^(?:\\\\[.?]\\)?(?P<letter>[A-Za-z]):\\?$")
_STEPS = re.compile(r"[\\/|]")
_FILE, _PLACEHOLDER, _SLACK, _LINKS = "1", "2", "6", ("9", "11")
Drives = dict[str, str]


def members_of(image: Image, refusals: list[Refusal]) -> list[Member]:
    """Every file of the image, under the drive of its source."""
    entries: list[Entry] = []
    for entry in image.entries(refusals):
        if len(entries) >= _MOST:
            refusals.append(Refusal("", "budget", f"more than {_MOST} entries"))
            break
        entries.append(entry)
    holders = {entry.parts for entry in entries if entry.child and _holds_streams(image, entry)}
    top = () if image.name == _CUSTOM else _top(image.name)
    drives = _drives([(*top, *entry.parts) for entry in entries])
    deleted = sum(entry.deleted for entry in entries)
    if deleted:
        refusals.append(Refusal("", "not_read", f"{deleted} deleted files that FTK Imager put into the image"))
    return [
        _member(image, entry, _placed((*top, *_joined(entry.parts, holders)), drives))
        for entry in entries
        if _is_file(image, entry)
    ]


def _top(name: str) -> tuple[str, ...]:
    """What was imaged, as components: `E:\\folder`, or a source of a disk and folders below it (`|` between)."""
    source, *below = name.split("|") if "|" in name else [name]
    if _SOURCE.match(source):
        return (source, *below)
    return tuple(part for part in _STEPS.split(name) if part)


def _holds_streams(image: Image, entry: Entry) -> bool:
    return not entry.folder and len(entry.parts) > 1 and image.class_of(entry) == _FILE


def _joined(parts: tuple[str, ...], holders: set[tuple[str, ...]]) -> tuple[str, ...]:
    """A stream stands below its file in the image; everywhere else it is written `file:stream`."""
    return (*parts[:-2], f"{parts[-2]}:{parts[-1]}") if parts[:-1] in holders else parts


def _drives(paths: Iterable[tuple[str, ...]]) -> Drives:
    """Source -> drive: its own letter, else C: for the only one with Windows, and the others in the image's order."""
    sources: dict[str, bool] = {}
    for parts in paths:
        if _SOURCE.match(parts[0]):
            below = [part.casefold() for part in parts[1:4]]
            sources[parts[0]] = sources.get(parts[0], False) or below == ["[root]", "windows", "system32"]
    known = {source: f"{letter}:" for source in sources if (letter := _own_letter(source))}
    unnamed = [source for source in sources if source not in known]
    windows = [source for source in unnamed if sources[source]]
    if len(windows) > 1:
        return known  # several hosts or installations: the sources' own names tell them apart
    free = iter([f"{letter}:" for letter in "DEFGHIJKLMNOPQRSTUVWXYZ" if f"{letter}:" not in known.values()])
    first = {source: "C:" for source in windows if "C:" not in known.values()}
    return {**known, **first, **{source: next(free, "") or source for source in unnamed if source not in first}}


def _own_letter(source: str) -> str:
    found = _SOURCE.match(source)
    letter = _LETTER.match(found["device"]) if found else None
    return letter["letter"].upper() if letter else ""


def _placed(parts: tuple[str, ...], drives: Drives) -> tuple[str, ...]:
    """Under the drive what is below `[root]`; the image's other branches (`[orphan]`) keep their names."""
    if len(parts) > 2 and parts[1].casefold() == "[root]" and parts[0] in drives:
        return (drives[parts[0]], *parts[2:])
    return parts


def _is_file(image: Image, entry: Entry) -> bool:
    name = entry.parts[-1]
    if entry.folder or entry.deleted or name == "$I30" or name.endswith(".FileSlack"):
        return False
    kind = image.class_of(entry)
    return kind != _SLACK and not (entry.child and kind != _FILE)


def _member(image: Image, entry: Entry, parts: tuple[str, ...]) -> Member:
    kind = image.class_of(entry)
    if kind in _LINKS:
        return blocked(parts, "a link: not followed")
    if kind == _PLACEHOLDER:
        return blocked(parts, "FTK Imager put its name into the image, not its content")
    return Member(parts, entry.size, _opener(image, entry), noted=partial(image.noted, entry))


def _opener(image: Image, entry: Entry) -> Callable[[], BinaryIO]:
    return guarded(lambda: image.open(entry), entry.parts[-1])
