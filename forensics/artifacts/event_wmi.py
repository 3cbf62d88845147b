r"""Sysmon 19, 20, 21 and WMI-Activity 5861: an event subscription of WMI was made, changed or deleted, and by whom.

The repository says what is there; these say when it came, who made it, and what was there before it was removed. Sysmon
tells filter (19), consumer (20) and binding (21) apart, its texts are quoted as WMI writes them. 5861 is in every
Windows since 8.1 without Sysmon; its `PossibleCause` holds filter and consumer in full, as instances in MOF text, so
the command stands there although the subscription is gone. Both logs are quiet, so all records are kept.
Fields: Sysmon's schema (real records); 5861: manifest of Microsoft-Windows-WMI-Activity (layout of its text from
memory, no sample was at hand).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._evtx import USER, Made, fact, kind, known, named_account, pick
from forensics.artifacts.base import EventArtifact, FieldType
from forensics.formats.evtx import Record
from forensics.model import Fact, Source

_SYSMON, _ACTIVITY = "Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-WMI-Activity/Operational"
_SHOWN = 8 * 1024
_KINDS = {19: "wmi.filter_changed", 20: "wmi.consumer_changed", 21: "wmi.binding_changed", 5861: "wmi.subscribed"}
_MOF = r'\b{}\s*=\s*"((?:[^"\\]|\\.){{0,16384}})"'
_COMMANDS = ("CommandLineTemplate", "ExecutablePath", "ScriptText", "ScriptFileName", "Filename", "Text")


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One record."""
    fields = _subscribed(record) if record.event_id == 5861 else _changed(record)
    yield fact(_KINDS[record.event_id], record, source, {"mechanism": "wmi", **fields})


def _changed(record: Record) -> Made:
    return {
        **named_account(known(record.data.get("User"))),
        "action": known(record.data.get("Operation")),
        "entry_name": _plain(record, "Name") or _named(_plain(record, "Consumer")),
        "location": _plain(record, "EventNamespace"),
        "event_query": _plain(record, "Query"),
        "consumer_type": known(record.data.get("Type")),
        "command_line": _plain(record, "Destination"),
        "wmi_consumer": _plain(record, "Consumer"),
        "wmi_filter": _plain(record, "Filter"),
    }


def _plain(record: Record, name: str) -> str | None:
    """A text without the quotes and escapes that Sysmon leaves around it."""
    text = (known(record.data.get(name)) or "").strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    return text[:_SHOWN] or None


def _named(path: str | None) -> str | None:
    match = re.search(r'\.Name="((?:[^"\\]|\\.)*)"', path or "")
    return match.group(1) if match else None


def _subscribed(record: Record) -> Made:
    cause = pick(record, "PossibleCause") or ""
    consumer = pick(record, "CONSUMER") or ""
    parts = cause.partition("Perm. Consumer:")
    about = parts[2] or cause
    name = _named(consumer) or (consumer.partition("=")[2].strip('"') or None)
    return {
        "entry_name": name or _mof(about, "Name"),
        "location": pick(record, "Namespace"),
        "event_query": _mof(parts[0], "Query"),
        "consumer_type": consumer.partition("=")[0].partition(".")[0] or None,
        "command_line": next((text for word in _COMMANDS if (text := _mof(about, word))), None),
        "wmi_consumer": consumer or None,
        "wmi_filter": pick(record, "ESS"),
    }


def _mof(text: str, name: str) -> str | None:
    match = re.search(_MOF.format(name), text, re.IGNORECASE)
    return re.sub(r"\\(.)", r"\1", match.group(1))[:_SHOWN] if match else None


_FIELDS: dict[str, FieldType] = {
    **USER, "mechanism": str, "action": str, "entry_name": str, "location": str, "event_query": str,
    "consumer_type": str, "command_line": str, "wmi_consumer": str, "wmi_filter": str,
}  # fmt: skip

ARTIFACT = EventArtifact(
    name="event_wmi",
    wants={_SYSMON: frozenset({19, 20, 21}), _ACTIVITY: frozenset({5861})},
    parse=parse,
    emits={
        "wmi.filter_changed": kind("WMI event filter {entry_name}[ {action}][: {event_query}]", _FIELDS),
        "wmi.consumer_changed": kind(
            "WMI event consumer {entry_name}[ {action}][ ({consumer_type})][: {command_line}]", _FIELDS
        ),
        "wmi.binding_changed": kind("WMI binding[ {action}] of {wmi_filter} to {wmi_consumer}", _FIELDS),
        "wmi.subscribed": kind(
            "WMI subscription of {entry_name}[ in {location}][: {command_line}][ when {event_query}]", _FIELDS
        ),
    },
)
