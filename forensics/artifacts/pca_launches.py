r"""Program Compatibility Assistant: when each program was last started from the desktop (Windows 11 22H2 and later).

`Windows\appcompat\pca\PcaAppLaunchDic.txt` names programs by path with the time of their last run, also those from
shares and removable disks, and nobody who wipes logs thinks of it. It holds what a person started through Explorer;
programs started at a command line or by a task are mostly not in it (tested by others on build 22621). Its times are
UTC. `PcaGeneralDb0.txt` and `PcaGeneralDb1.txt` hold what the assistant noticed: mostly that a program ended with an
error, with publisher, version and the program id of the Amcache; their time is when that was noticed, not a start.

The launches are in an ANSI code page (1252 on the systems that were looked at): of a host in another language the page
is not known. UTF-8 is taken where it fits, else the page under which the path lies in the profile of a known user, else
1252, and `assumed_encoding` says which. The others are UTF-16.
https://aboutdfir.com/new-windows-11-pro-22h2-evidence-of-execution-artifact/,
https://www.sygnia.co/blog/new-windows-11-pca-artifact/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from forensics.artifacts._registry import file_name
from forensics.artifacts._tunnel import zeroed
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.model import Fact, Problem, Value, make_fact
from forensics.rules import load
from forensics.rules.watch import is_watched
from forensics.times import Moment, NoTime, from_iso

_NAME = "pca_launches"
_FOLDER = "Windows/appcompat/pca"
_LIMIT = 64 * 1024 * 1024
_LINE = 64 * 1024
_GENERAL = "pcageneraldb"
_COLUMNS = 8  # of a line of PcaGeneralDb: time, kind, path, description, publisher, version, program id, result
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}")
_KIND = re.compile(r"[0-9]{1,9}")
_RESULT = re.compile(r"(0x[0-9a-f]{1,16})\s*$", re.IGNORECASE)


class _Line(NamedTuple):
    number: int
    offset: int
    raw: bytes


def parse(given: FileInput) -> Output:
    """One row for every line; a line that is none of the file's kind, or is cut, is a problem."""
    yield from zeroed(_NAME, given)
    data = given.read(_LIMIT)
    if given.size > _LIMIT:
        detail = f"the file has {given.size} bytes, {_LIMIT} are read"
        yield Problem("truncated", _NAME, given.source(), detail)
    general = given.path.rpartition("/")[2].casefold().startswith(_GENERAL)
    wide = general and _is_wide(data[:4096])
    for line in _lines(data, wide=wide):
        text = line.raw.strip(b"\x00")
        if not text.strip():
            continue
        if len(line.raw) > _LINE:
            yield _bad(given, line, "is longer than 64 KiB")
        elif general:
            yield _event(given, line, _decoded(line.raw, wide=wide))
        else:
            yield _launch(given, line)


def _is_wide(head: bytes) -> bool:
    """Whether it is UTF-16: more NULs as second bytes than as first ones. A hole of zeros has as many of both."""
    return head.startswith(b"\xff\xfe") or (head[1::2].count(0) - head[::2].count(0)) * 8 >= len(head)


def _lines(data: bytes, *, wide: bool) -> Iterator[_Line]:
    """The lines without their ends; in UTF-16 a line feed lies on a pair."""
    step, start = (2 if wide else 1), len(b"\xff\xfe") if wide and data.startswith(b"\xff\xfe") else 0
    mark, number = b"\n".ljust(step, b"\x00"), 0
    while start < len(data):
        end = data.find(mark, start)
        while end >= 0 and (end - start) % step:
            end = data.find(mark, end + 1)
        end = end if end >= 0 else len(data)
        number += 1
        yield _Line(number, start, data[start:end].removesuffix(b"\r".ljust(step, b"\x00")))
        start = end + step


def _decoded(raw: bytes, *, wide: bool) -> str:
    return (raw[: len(raw) & ~1].decode("utf-16-le", "replace") if wide else raw.decode("utf-8", "replace")).strip("\0")


def _bad(given: FileInput, line: _Line, why: str) -> Problem:
    detail = f"line {line.number} at offset 0x{line.offset:x} {why}"
    return Problem("bad_record", _NAME, given.source(f"line {line.number}"), detail)


def _launch(given: FileInput, line: _Line) -> Fact | Problem:
    raw, _, stamp = line.raw.strip(b"\x00").rpartition(b"|")
    moment = _moment(stamp.decode("ascii", "replace"))
    if not raw or isinstance(moment, NoTime):
        return _bad(given, line, "is not a path and a time")
    path, encoding = _path(given, raw)
    return make_fact(
        "pca.launch",
        given.source(f"line {line.number}"),
        {"Last Time Executed": moment},
        {
            "executable": path,
            "executable_name": file_name(path),
            "assumed_encoding": encoding,
            "line_number": line.number,
        },
        context=not is_watched(path),
    )


def _moment(text: str) -> Moment:
    return from_iso(text) if _STAMP.fullmatch(text.strip()) else NoTime("not a time of this file", text)


def _path(given: FileInput, raw: bytes) -> tuple[str, str | None]:
    """The path, and the code page that had to be assumed for it."""
    try:
        return raw.decode("utf-8-sig"), None
    except UnicodeDecodeError:
        pass
    known = [(user.profile or "").casefold() for user in given.host.users]
    for page in load("pca")["code_pages"]:
        try:
            path = raw.decode(page)
        except UnicodeDecodeError:
            continue
        if any(profile and path.casefold().startswith(profile + "\\") for profile in known):
            return path, page
    return raw.decode("cp1252", "replace"), "cp1252"


def _event(given: FileInput, line: _Line, text: str) -> Fact | Problem:
    parts = text.split("|")
    moment = _moment(parts[0])
    if len(parts) != _COLUMNS or isinstance(moment, NoTime) or not _KIND.fullmatch(parts[1].strip()):
        return _bad(given, line, f"has {len(parts)} columns of {_COLUMNS}, or no time and kind in front")
    path, number = parts[2], int(parts[1])
    result = _RESULT.search(parts[7])
    fields: dict[str, Value | None] = {
        "executable": path,
        "executable_name": file_name(path),
        "pca_event": load("pca")["events"].get(number),
        "pca_event_number": number,
        "file_description": parts[3],
        "publisher": parts[4],
        "file_version": parts[5],
        "program_id": parts[6],
        "pca_result": parts[7].strip(),
        "result_code": result.group(1).lower() if result else None,
        "line_number": line.number,
    }
    kept = is_watched(path, parts[3], parts[7])
    source = given.source(f"line {line.number}")
    return make_fact("pca.event", source, {"Recorded Time": moment}, fields, context=not kept)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(f"{_FOLDER}/PcaAppLaunchDic.txt", f"{_FOLDER}/PcaGeneralDb*.txt"),
    parse=parse,
    emits={
        "pca.launch": Kind(
            "{executable} was last started (Program Compatibility Assistant)[, path read as {assumed_encoding}]",
            {"executable": str, "executable_name": str, "assumed_encoding": str, "line_number": int},
            context=True,
        ),
        "pca.event": Kind(
            "Program Compatibility Assistant noticed {executable}[: {pca_event}][: {pca_result}]",
            {
                "executable": str,
                "executable_name": str,
                "pca_event": str,
                "pca_event_number": int,
                "file_description": str,
                "publisher": str,
                "file_version": str,
                "program_id": str,
                "pca_result": str,
                "result_code": str,
                "line_number": int,
            },
            context=True,
        ),
    },
)
