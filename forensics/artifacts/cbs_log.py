r"""CBS.log: what Windows' servicing did to an optional feature, for whom, and with what result.

The clearest trace of Windows Sandbox (`Containers-DisposableClientVM`) being switched on or off that is not an event
log: old logs are kept as `CbsPersist_<UTC>.log`, packed as `.cab` when they are large, and clearing event logs leaves
them. A line `Reporting selectable update change` has the state before, the target, the client that asked (DISM, the
Features dialog) and the result; `Plan:` lines say what is meant to happen. Lines that merely name a feature are
context, but for those of containerai.dll, which builds the base layer of the Sandbox.

The shape of the lines is from public logs (a feature change on Server 2016, Microsoft's articles on 0x800f0922, issue
48 of microsoft/Windows-Sandbox); none of them shows the Sandbox feature itself change. Stamps are local time
(`formats/servicinglog.py`). That `.cab` files are MSZIP is an inference from their being made by makecab; others are
said not to be read.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import BinaryIO, cast

from forensics.artifacts._servicing import LOG_FIELDS, SERVICING_LOG, LogRows, is_feature, is_installer, is_sandbox
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, cabinet
from forensics.formats.servicinglog import Line
from forensics.model import Fact, Problem, Value

_NAME = "cbs_log"
_RESULT = re.compile(r"(?:overall result|, status):\s{0,2}(0x[0-9a-fA-F]{1,8})")  # not of the download
_UPDATE = "reporting selectable update change for package"
_DONE = "reporting package change completion for package"
_PLAN = "plan: package"
_NO_CHANGE = frozenset({"", "0x0", "0x00000000"})


def parse(given: FileInput) -> Output:
    """The lines of the log, or of each log in a cabinet, that tell of features; and a row about the log."""
    given.fh.seek(0)
    if given.fh.read(4) != cabinet.SIGNATURE:
        yield from _log(LogRows(_NAME, given), given.fh)
        return
    problems: list[FormatError] = []
    try:
        found = cabinet.members(given.fh, problems)
    except FormatError as error:
        yield Problem("unreadable", _NAME, given.source(), f"cabinet not read: {error}")
        return
    if not found and not problems:
        yield Problem("bad_record", _NAME, given.source(), "a cabinet that holds no file of its own")
    for problem in problems:
        yield Problem("bad_record", _NAME, given.source(), f"cabinet: {problem}")
    left = cabinet.OUTPUT_LIMIT
    for number, member in enumerate(found):
        if left <= 0:
            detail = (
                f"{len(found) - number} files of the cabinet are not read: {cabinet.OUTPUT_LIMIT} bytes were unpacked"
            )
            yield Problem("budget", _NAME, given.source(member.name), detail)
            return
        left -= yield from _member(given, member, left)


def _member(given: FileInput, member: cabinet.CabFile, most: int) -> Generator[Fact | Problem, None, int]:
    """The rows of one log; returns how many bytes were unpacked for it."""
    try:
        stream = cabinet.CabStream(given.fh, member, most)
    except FormatError as error:
        yield Problem("unreadable", _NAME, given.source(member.name), str(error))
        return 0
    yield from _log(LogRows(_NAME, given, member.name), cast(BinaryIO, stream))
    if stream.problem:
        yield Problem("truncated", _NAME, given.source(member.name), f"not read to its end: {stream.problem}")
    return stream.unpacked


def _log(rows: LogRows, fh: BinaryIO) -> Output:
    for line in rows.lines(fh):
        if is_feature(line.text.casefold()):
            kind, fields = _reading(line)
            kept = is_sandbox(line.text) and kind in ("cbs.feature_changed", "cbs.feature_planned")
            failed = is_installer(line.text) and line.level.casefold() == "error"
            yield from rows.row(kind, line, fields, context=not (kept or failed))
    yield from rows.end()


def _reading(line: Line) -> tuple[str, dict[str, Value | None]]:
    """What a line says: its kind and fields."""
    text = line.text.removeprefix("SQM: ")
    said = _pairs(text)
    head = text[:64].casefold()
    if head.startswith(_UPDATE) and said.get("update"):
        return "cbs.feature_changed", _change(text, said, said.get(_UPDATE, ""), said["update"])
    if head.startswith(_PLAN) and said.get("update") and said.get("targeted") not in (None, said.get("current")):
        package = said.get("plan", "").partition(":")[2].strip()
        return "cbs.feature_planned", {
            "package_name": package,
            "update_name": said["update"],
            "state_before": said.get("current"),
            "state_target": said.get("targeted"),
        }
    if head.startswith(_DONE):
        return "cbs.package_changed", _change(text, said, said.get(_DONE, ""), "")
    return "cbs.feature_named", {}


def _change(text: str, said: dict[str, str], package: str, update: str) -> dict[str, Value | None]:
    result = _RESULT.search(text)
    code = result.group(1).casefold() if result else ""
    reboot = said.get("reboot required", "").casefold()
    return {
        "package_name": package,
        "update_name": update,
        "state_before": said.get("start") or said.get("original"),
        "state_target": said.get("target"),
        "client_id": said.get("client id"),
        "result_code": code or None,
        "error_code": None if code in _NO_CHANGE else code,
        "restart_needed": reboot == "true" if reboot in ("true", "false") else None,
    }


def _pairs(text: str) -> dict[str, str]:
    """`a: b, c: d` as a mapping, the first of equal keys."""
    said: dict[str, str] = {}
    for part in text.split(","):
        key, colon, value = part.partition(":")
        if colon:
            said.setdefault(key.strip().casefold(), value.strip())
    return said


_CHANGE = {
    **LOG_FIELDS,
    "package_name": str,
    "update_name": str,
    "state_before": str,
    "state_target": str,
    "client_id": str,
    "result_code": str,
    "error_code": str,
    "restart_needed": bool,
}
ARTIFACT = FileArtifact(
    name=_NAME,
    paths=("Windows/Logs/CBS/CBS.log", "Windows/Logs/CBS/CbsPersist_*.log", "Windows/Logs/CBS/CbsPersist_*.cab"),
    parse=parse,
    emits={
        "cbs.feature_changed": Kind(
            "Servicing changed Windows feature {update_name}[ from {state_before}][ to {state_target}]"
            "[, asked for by {client_id}][, error {error_code}][, needs a restart{restart_needed:flag}]",
            _CHANGE,
        ),
        "cbs.package_changed": Kind(
            "Servicing changed package {package_name}[ from {state_before}][ to {state_target}]"
            "[, asked for by {client_id}][, error {error_code}]",
            _CHANGE,
            context=True,
        ),
        "cbs.feature_planned": Kind(
            "Servicing plans Windows feature {update_name}[ from {state_before}][ to {state_target}]",
            {**LOG_FIELDS, "package_name": str, "update_name": str, "state_before": str, "state_target": str},
        ),
        "cbs.feature_named": Kind("Servicing log: {log_message}", LOG_FIELDS, context=True),
        "servicing.log": SERVICING_LOG,
    },
)
