r"""setupapi.dev.log: virtual disks and devices of the machines' bus that Windows installed, with the time.

Setup keeps this text log for years. A "Microsoft Virtual Disk" stands in it when a disk is attached that this host had
not seen before: a bug report of the product noticed a hidden one for each start of a sandbox, and the container manager
attaches disks to build what sandboxes start from. Mounted images do the same, so the rows are context; sections that
name something watched, such as a driver out of a staging folder, are kept. Times are local: the host's zone is assumed.

Format: sections `>>>  [title - device]`, `>>>  Section start <time>`, `<<<  Section end <time>`, `<<<  [Exit status:
...]`, as in published logs of Windows 7 and 10 and in Microsoft's "SetupAPI text logs". That sandboxes leave a line
here is that report's word alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from forensics.artifacts._devices import is_virtual
from forensics.artifacts._tunnel import cut_line, zeroed
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats.textfile import lines
from forensics.model import Fact, Problem, Value, make_fact
from forensics.rules.watch import is_watched
from forensics.times import Moment, NoTime, from_iso

_NAME = "setupapi_log"
_TITLE = re.compile(r"^>>>  \[(.{1,2000})\]\s*$")
_BOUND = re.compile(r"^(?:>>>|<<<)  Section (start|end) (\d{4})/(\d\d)/(\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,3})?)")
_EXIT = re.compile(r"^<<<  \[Exit status: (.{1,200})\]")
_DEVICE = re.compile(r" - ([A-Za-z0-9_]{1,40}\\.{1,500})$")
_MOST = 5000
_BODY = 64  # lines of a section in which watched names are sought


@dataclass(slots=True)
class _Section:
    number: int
    title: str
    start: str = ""
    end: str = ""
    result: str = ""
    watched: list[str] = field(default_factory=list)
    seen: int = 0

    @property
    def device(self) -> str:
        found = _DEVICE.search(self.title)
        return found.group(1) if found else ""


def _sections(given: FileInput) -> Iterator[_Section | Problem]:
    section: _Section | None = None
    for line in lines(given.fh):
        if line.cut:
            yield cut_line(_NAME, given, line.number, line.offset)
        title = _TITLE.match(line.text)
        if title:
            if section:
                yield section
            section = _Section(line.number, title.group(1))
        elif section:
            _take(section, line.text)
    if section:
        yield section


def _take(section: _Section, text: str) -> None:
    """What one line of a section adds to it."""
    bound, result = _BOUND.match(text), _EXIT.match(text)
    if bound:
        stamp = f"{bound[2]}-{bound[3]}-{bound[4]}T{bound[5]}"
        if bound[1] == "start":
            section.start = stamp
        else:
            section.end = stamp
    elif result:
        section.result = result.group(1)
    elif section.seen < _BODY:
        section.seen += 1
        if is_watched(text):
            section.watched.append(text.strip()[:500])


def _moment(given: FileInput, stamp: str) -> Moment:
    moment = from_iso(stamp, given.zone) if stamp else NoTime("the section has no time", "")
    if isinstance(moment, datetime) or given.zone is not None or not stamp:
        return moment
    return NoTime("local time, and the host's zone is not known", stamp)


def parse(given: FileInput) -> Output:
    """One row for each section about a virtual disk or machine, or with something watched in it."""
    yield from zeroed(_NAME, given)
    told = 0
    for section in _sections(given):
        if isinstance(section, Problem):
            yield section
            continue
        kept = bool(section.watched) or is_watched(section.title)
        if not kept and not is_virtual(section.device):
            continue
        told += 1
        if told > _MOST:
            detail = f"more than {_MOST} sections to tell: the rest is not told"
            yield Problem("budget", _NAME, given.source(f"line {section.number}"), detail)
            return
        yield _row(given, section, kept=kept)


def _row(given: FileInput, section: _Section, *, kept: bool) -> Fact:
    fields: dict[str, Value | None] = {
        "device_id": section.device,
        "section_title": section.title,
        "section_result": section.result,
        "watched_lines": tuple(section.watched),
        "line_number": section.number,
    }
    moments: dict[str, Moment | None] = {
        "Start Time": _moment(given, section.start),
        "End Time": _moment(given, section.end),
    }
    source = given.source(f"line {section.number}")
    return make_fact("device.installed", source, moments, fields, context=not kept)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=("Windows/INF/setupapi.dev.log", "Windows/INF/setupapi.dev.*.log"),
    parse=parse,
    emits={
        "device.installed": Kind(
            "Setup of a device: {section_title}[, {section_result}][, names {watched_lines}]",
            {
                "device_id": str,
                "section_title": str,
                "section_result": str,
                "watched_lines": tuple[str, ...],
                "line_number": int,
            },
            context=True,
        )
    },
)
