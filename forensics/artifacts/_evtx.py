"""What the event artifacts share: the fields every record has, and reading the values that Windows writes.

Every fact's time is the record's `SystemTime` ("Creation Time"). Where a record has none, the record header's time
stands in: it is taken when the record is written, normally within the same second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from forensics.artifacts.base import FieldType, Kind
from forensics.formats import FormatError
from forensics.formats.evtx import Record
from forensics.formats.xmlguard import Node, parse
from forensics.model import Fact, Source, Value, make_fact
from forensics.times import Moment, from_iso, iso

Made = dict[str, Value | None]

COMMON: dict[str, FieldType] = {
    "event_identifier": int, "channel": str, "provider": str, "computer_name": str, "record_number": str,
}  # fmt: skip
USER: dict[str, FieldType] = {"user_name": str, "user_domain": str, "user_sid": str, "logon_id": str}

_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_NOBODY = frozenset({"", "-", "S-1-0-0"})
_XML_LIMIT = 256 * 1024


def kind(message: str, fields: Mapping[str, FieldType], *, context: bool = False) -> Kind:
    """A Kind of an event record: the common fields are added, Timesketch sees it as the event log row it is."""
    return Kind(message, {**COMMON, **fields}, context, "windows:evtx:record")


def common(record: Record) -> Made:
    """The fields that every event-log fact has; the record number is the one that Event Viewer shows."""
    return {
        "event_identifier": record.event_id,
        "channel": record.channel,
        "provider": record.provider,
        "computer_name": record.computer,
        "record_number": str(record.record_id if record.event_record_id is None else record.event_record_id),
    }


def fact(
    name: str, record: Record, source: Source, fields: Mapping[str, Value | None], *, context: bool = False
) -> Fact:
    """The fact of one record, at the time that the record states."""
    moment = record.time if isinstance(record.time, datetime) else record.written
    moments: dict[str, Moment | None] = {"Creation Time": moment if isinstance(moment, datetime) else record.time}
    return make_fact(name, source, moments, {**common(record), **fields}, context=context)


def known(text: str | None) -> str | None:
    """The text, None for the ways in which Windows writes that there is none."""
    return None if text is None or text.strip() in ("", "-") else text


def decimal(text: str | None) -> str | None:
    """A number as decimal digits: event logs write process ids as `0x1f4` in one log and `500` in the next."""
    value = (text or "").strip()
    try:
        return str(int(value, 16) if value.lower().startswith("0x") else int(value)) if value else None
    except ValueError:
        return known(text)


def number(text: str | None) -> int | None:
    """A number, hexadecimal or not, None when it is none that 63 bits hold."""
    digits = decimal(text)
    if digits is None or len(digits) > 19 or not digits.isdecimal():
        return None
    value = int(digits)
    return value if value < 2**63 else None


def flag(text: str | None) -> bool | None:
    """A truth value as manifests write it."""
    return {"true": True, "1": True, "false": False, "0": False}.get((text or "").strip().casefold())


def guid(text: str | None) -> str | None:
    """A GUID in the one spelling used for all ids of machines and processes: upper case without braces."""
    match = _GUID.search(text or "")
    return match.group().upper() if match else known((text or "").strip("{}[] ").upper())


def everything(record: Record) -> str | None:
    """All that the record says beyond its System section, as `name=value; ...`: for events of unknown layout."""
    return "; ".join(f"{name}={text}" for name, text in record.data.items() if known(text)) or None


def worker(record: Record) -> Made:
    """Who logged the record: for events of virtual machines, which their worker processes write."""
    return {
        "user_sid": record.user_sid or None,
        "pid": str(record.process_id) if record.process_id is not None else None,
    }


def nonzero(text: str | None) -> str | None:
    """A status, None when it says success."""
    value = known(text)
    return None if value is None or value.casefold().removeprefix("0x").strip("0") == "" else value


def file_name(path: str | None) -> str | None:
    """The last part of a Windows path."""
    return known((path or "").replace("/", "\\").rpartition("\\")[2])


def pick(record: Record, *names: str) -> str | None:
    """The first of these data elements that says something, whatever its spelling in upper and lower case."""
    for name in names:
        if (text := known(_of(record.data, name))) is not None:
            return text
    return None


def _of(data: Mapping[str, str], name: str) -> str | None:
    if name in data:  # nearly always, and then nothing has to be folded
        return data[name]
    folded = name.casefold()
    return next((text for other, text in data.items() if other.casefold() == folded), None)


def account(record: Record, prefix: str = "Subject") -> Made:
    """The account of a Security record as the acting user, none when the record names nobody."""
    data = record.data
    if data.get(f"{prefix}UserSid", "") in _NOBODY and data.get(f"{prefix}UserName", "") in _NOBODY:
        return {}
    return {
        "user_name": known(data.get(f"{prefix}UserName")),
        "user_domain": known(data.get(f"{prefix}DomainName")),
        "user_sid": known(data.get(f"{prefix}UserSid")),
        "logon_id": nonzero(data.get(f"{prefix}LogonId")),
    }


def target(record: Record) -> Made:
    """The account that a Security record is about."""
    return {f"target_{name}": text for name, text in account(record, "Target").items()}


def named_account(text: str | None) -> Made:
    """`DOMAIN\\name` as the acting user."""
    domain, _, name = (text or "").rpartition("\\")
    if name.startswith("S-1-"):
        return {"user_sid": name}
    return {"user_name": known(name), "user_domain": known(domain)}


def utc_text(text: str | None) -> str | None:
    """A time written as text in UTC, in the house form; None when it is no time."""
    moment = from_iso(text or "")
    return iso(moment) if isinstance(moment, datetime) else None


def apart(text: str | None, record: Record, allowed: timedelta) -> str | None:
    """The time `text` when it lies farther than `allowed` from the record's own, else None."""
    moment = from_iso(text or "")
    if not isinstance(moment, datetime) or not isinstance(record.time, datetime):
        return None
    return iso(moment) if abs(moment - record.time) > allowed else None


def task_fields(xml: str | None) -> Made:
    """What a task's XML says of its command, author, account and triggers; damaged XML gives what it still has."""
    if not xml:
        return {}
    try:
        document = parse(xml[:_XML_LIMIT]).root
    except FormatError:
        return {"task_content": xml}
    root = document.first("Task") or document
    commands = [
        " ".join(text for text in (_text(node, "Command"), _text(node, "Arguments")) if text)
        for node in root.walk() if node.name.casefold() == "exec"
    ]  # fmt: skip
    triggers = root.first("Triggers")
    return {
        "command_line": "; ".join(command for command in commands if command) or None,
        "task_author": _text(root, "RegistrationInfo", "Author"),
        "task_run_as": _text(root, "Principals", "Principal", "UserId")
        or _text(root, "Principals", "Principal", "GroupId"),
        "task_trigger": ", ".join(node.name for node in triggers.children) if triggers else None,
        "task_content": xml,
    }


def _text(node: Node, *path: str) -> str | None:
    found = node.first(*path)
    return known(found.text) if found else None
