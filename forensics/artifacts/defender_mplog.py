r"""MPLog: what Windows Defender says of programs it slowed down and files it looked at, in a text log of its own.

A line `ProcessImageName: WindowsSandbox.exe, Pid: ..., MaxTimeFile: \Device\...\lab.wsb` proves that the program ran
and which file it read, with process auditing off and event logs cleared; nobody thinks of this folder. Lines about
detections name files that a guest wrote to the host. Only lines that name something watched are told: the log has
megabytes. `MPDetection-*.log` beside it holds detections alone and is read in the same way.

Format: a UTC time with `Z` in front of most lines, then text of many kinds; the performance line as published by
Microsoft ("Troubleshoot performance issues related to real-time protection") and in CrowdStrike's description of the
log. A line without a time belongs to the one before it: it is given no time.
"""

from __future__ import annotations

import re

from forensics.artifacts._tunnel import cut_line, zeroed
from forensics.artifacts.base import FieldType, FileArtifact, FileInput, Kind, Output
from forensics.formats.textfile import LINE_LIMIT, lines
from forensics.model import Fact, Problem, Value, make_fact
from forensics.rules.watch import is_watched
from forensics.times import Moment, NoTime, from_iso

_NAME = "defender_mplog"
_STAMP = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z)\s{0,8}(.*)$", re.DOTALL)
_IMPACT = re.compile(
    r"\bProcessImageName: (.{1,260}?), Pid: (\d{1,10}), TotalTime: \d{1,20}, Count: (\d{1,18}), MaxTime: \d{1,20}"
    r"(?:, MaxTimeFile: (.{0,32767}?))?(?:, EstimatedImpact: \d{1,5}%?)?\s*$"
)
_SHOWN = 8 * 1024
_MOST = 20_000
_FOLDER = "ProgramData/Microsoft/Windows Defender/Support"


def parse(given: FileInput) -> Output:
    """One row for each line that names something watched."""
    yield from zeroed(_NAME, given)
    told = 0
    for line in lines(given.fh):
        if not is_watched(line.text):
            continue
        told += 1
        source = given.source(f"line {line.number}")
        if told > _MOST:
            yield Problem("budget", _NAME, source, f"more than {_MOST} lines to tell: the rest is not told")
            return
        if line.cut:
            yield cut_line(_NAME, given, line.number, line.offset)
        yield _row(given, line.text, line.number)


def _row(given: FileInput, text: str, number: int) -> Fact:
    stamped = _STAMP.match(text)
    body = stamped.group(2) if stamped else text.strip()
    moment: Moment = from_iso(stamped.group(1)) if stamped else NoTime("the line has no time of its own", "")
    fields: dict[str, Value | None] = {"log_message": body[:_SHOWN], "line_number": number}
    impact = _IMPACT.search(body[:LINE_LIMIT])
    if impact:
        name, pid, count, path = impact.groups()
        fields |= {"executable_name": name, "pid": pid, "files_accessed": int(count), "file_path": path}
    kind = "antivirus.process_seen" if impact else "antivirus.log_line"
    return make_fact(kind, given.source(f"line {number}"), {"Recorded Time": moment}, fields)


_LINE: dict[str, FieldType] = {"log_message": str, "line_number": int}

ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(f"{_FOLDER}/MPLog-*.log", f"{_FOLDER}/MPDetection-*.log"),
    parse=parse,
    emits={
        "antivirus.process_seen": Kind(
            "{executable_name} ran (log of Defender), process {pid}[, read {files_accessed} files][, one {file_path}]",
            {"executable_name": str, "pid": str, "files_accessed": int, "file_path": str, **_LINE},
        ),
        "antivirus.log_line": Kind("Defender's log: {log_message}", _LINE),
    },
)
