"""Hyper-V-Compute-Operational 2000 to 2003, 2007 and 2010: the life of a compute system, which every sandbox is.

Created, started, shut down or terminated, and modified with the settings as JSON, in which shared folders and network
adapters of a running machine may stand. The channel is on by default. The ids and texts are published for WSL and
containers; that Windows Sandbox writes all of them, and mapped folders into 2007, is expected, not seen. 2010 names a
compute system; a user saw it first of three for a failing container start. What it means is not known, so it is
context.

Fields: UserData/VmlEventLog with SystemId and numbered parameters; published texts have the form `[<id>] Modify compute
system, settings {json} result 0x00000000`, so id, settings and result are also found inside a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._evtx import Made, everything, fact, guid, kind, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source

_KINDS = {
    2000: "compute.created",
    2001: "compute.started",
    2002: "compute.shut_down",
    2003: "compute.terminated",
    2007: "compute.modified",
    2010: "compute.logged",
}
_BRACKETS = re.compile(r"^\s{0,8}\[([^\]\s]{1,128})\]")
_RESULT = re.compile(r"0x[0-9A-Fa-f]{8}")
_FIELDS = {"vm_id": str, "vm_name": str, "result_code": str}


def _id(record: Record) -> str | None:
    found = pick(record, "SystemId", "VmId", "ComputeSystemId", "Id")
    if found:
        return guid(found)
    for text in record.data.values():
        match = _BRACKETS.match(text)
        if match:
            return guid(match.group(1))
    return next((guid(text) for text in record.data.values() if re.fullmatch(r"\{?[0-9A-Fa-f-]{36}\}?", text)), None)


def _settings(record: Record) -> str | None:
    """The JSON of 2007: the outermost braces of the first text that has an object in it."""
    for name, text in record.data.items():
        start, end = text.find('{"'), text.rfind("}")
        if name.casefold() not in ("systemid", "vmid") and 0 <= start < end:
            return text[start : end + 1]
    return None


def _result(record: Record, settings: str | None) -> str | None:
    named = pick(record, "Result", "ResultCode", "ErrorCode")
    if named:
        return named
    found = [code for text in record.data.values() for code in _RESULT.findall(text.replace(settings or "\x00", ""))]
    return found[-1] if found else None


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One step in a compute system's life."""
    settings = _settings(record) if record.event_id == 2007 else None
    fields: Made = {
        "vm_id": _id(record),
        "vm_name": pick(record, "VmName", "SystemName"),
        "result_code": _result(record, settings),
        "settings_json": settings,
    }
    name = _KINDS[record.event_id]
    if name == "compute.logged":
        fields["event_data"] = everything(record)
    yield fact(name, record, source, fields, context=name == "compute.logged")


ARTIFACT = EventArtifact(
    name="event_compute",
    wants={"Microsoft-Windows-Hyper-V-Compute-Operational": frozenset(_KINDS)},
    parse=parse,
    emits={
        "compute.created": kind("Compute system {vm_id} created[, result {result_code}]", _FIELDS),
        "compute.started": kind("Compute system {vm_id} started[, result {result_code}]", _FIELDS),
        "compute.shut_down": kind("Compute system {vm_id} shut down[, result {result_code}]", _FIELDS),
        "compute.terminated": kind("Compute system {vm_id} terminated[, result {result_code}]", _FIELDS),
        "compute.modified": kind(
            "Compute system {vm_id} modified[, settings {settings_json}][, result {result_code}]",
            {**_FIELDS, "settings_json": str},
        ),
        "compute.logged": kind(
            "Compute system {vm_id} named[: {event_data}]", {**_FIELDS, "event_data": str}, context=True
        ),
    },
)
