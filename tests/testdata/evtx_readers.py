"""What reads the built logs in tests: three parsers that know nothing of the writer, brought to one form.

A record becomes (System values, data): data maps field names to canonical values. The parsers print types in their
own ways (one keeps GUID bytes unswapped, another pads hexadecimal numbers), so `canonical` works from the type that
was written; it never makes different values equal.
"""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest
from dissect.eventlog.evtx import Evtx
from evtx import PyEvtxParser
from Evtx.Evtx import FileHeader

NS = "{http://schemas.microsoft.com/win/2004/08/events/event}"
HEXADECIMAL = {"hex32", "hex64", "pointer"}
NUMBERS = {"i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64"}


class Read(NamedTuple):
    """One record as a parser gives it, values still in the parser's own form."""

    record_id: int
    event_id: int
    provider: str
    channel: str
    computer: str
    time: datetime
    user_sid: str
    pid: int
    tid: int
    data: dict[str, Any]


def read_rust(log: bytes) -> Iterator[Read]:
    for record in PyEvtxParser(io.BytesIO(log), number_of_threads=1, validate_checksums=True).records_json():
        event = json.loads(record["data"])["Event"]
        system = event["System"]
        assert system["EventRecordID"] == record["event_record_id"]
        number = system["EventID"]
        execution = system["Execution"]["#attributes"]
        yield Read(
            record["event_record_id"],
            number["#text"] if isinstance(number, dict) else number,
            system["Provider"]["#attributes"]["Name"],
            system["Channel"],
            system["Computer"],
            datetime.fromisoformat(system["TimeCreated"]["#attributes"]["SystemTime"]),
            (system["Security"] or {"#attributes": {"UserID": ""}})["#attributes"]["UserID"],
            execution["ProcessID"],
            execution["ThreadID"],
            _rust_data(event),
        )


def _rust_data(event: dict[str, Any]) -> dict[str, Any]:
    held = event.get("EventData") or next(iter((event.get("UserData") or {}).values()), None) or {}
    data = {name: value for name, value in held.items() if name != "#attributes"}
    unnamed = data.pop("Data", None)
    if unnamed is not None:
        texts = unnamed["#text"]
        data["Data"] = texts if isinstance(texts, list) else [texts]
    return data


def read_python(log: bytes) -> Iterator[Read]:
    header = FileHeader(log, 0)
    assert header.verify()
    for chunk in header.chunks(include_inactive=True):
        assert chunk.verify()
        for record in chunk.records():
            assert record.verify()
            root = ElementTree.fromstring(record.xml())
            read = _python_record(root)
            assert read.record_id == record.record_num()
            yield read


def _python_record(root: ElementTree.Element) -> Read:
    system = root.find(f"{NS}System")
    assert system is not None

    def text(name: str) -> str:
        return system.findtext(f"{NS}{name}") or ""

    def attribute(name: str, key: str) -> str:
        found = system.find(f"{NS}{name}")
        assert found is not None
        return found.get(key) or ""

    return Read(
        int(text("EventRecordID")),
        int(text("EventID")),
        attribute("Provider", "Name"),
        text("Channel"),
        text("Computer"),
        datetime.fromisoformat(attribute("TimeCreated", "SystemTime")),
        attribute("Security", "UserID"),
        int(attribute("Execution", "ProcessID")),
        int(attribute("Execution", "ThreadID")),
        _python_data(root),
    )


def _python_data(root: ElementTree.Element) -> dict[str, Any]:
    holder = root.find(f"{NS}EventData")
    if holder is None:
        (holder,) = root.find(f"{NS}UserData") or ()
    data: dict[str, Any] = {}
    for item in holder:
        local = item.tag.rpartition("}")[2]
        if local == "Data" and item.get("Name") is None:
            # This parser writes a list of texts as escaped <string> elements.
            data["Data"] = [part.text or "" for part in ElementTree.fromstring(f"<l>{item.text or ''}</l>")]
        else:
            data[item.get("Name") or local] = item.text or ""
    return data


def read_dissect(log: bytes) -> Iterator[Read]:
    for record in Evtx(io.BytesIO(log)):
        fields = {name: _plain(value) for name, value in record.items()}
        system = {name: fields.pop(name) for name in _SYSTEM if name in fields}
        data = {_dissect_name(name): value for name, value in fields.items()}
        data = {name: value for name, value in data.items() if name}
        yield Read(
            system["EventRecordID"],
            system["EventID"],
            system["Provider_Name"],
            system["Channel"],
            system["Computer"],
            system["TimeCreated_SystemTime"],
            system["Security_UserID"] or "",
            system["Execution_ProcessID"],
            system["Execution_ThreadID"],
            data,
        )


def _dissect_name(name: str) -> str:
    """dissect flattens: children of a UserData element carry its name, a field called as a System one is numbered."""
    if name == "EventData_Name" or name.endswith("_xmlns"):
        return ""
    first, _, rest = name.removeprefix("Operation_").partition("_")  # 5861 has an element within an element
    return first if rest.isdigit() else rest or first


def _plain(value: Any) -> Any:
    return value.get() if hasattr(value, "get") and not isinstance(value, dict) else value


_SYSTEM = (
    "Provider_Name", "Provider_Guid", "Provider_EventSourceName", "EventID", "EventID_Qualifiers", "Version", "Level",
    "Task", "Opcode", "Keywords", "TimeCreated_SystemTime", "EventRecordID", "Correlation_ActivityID",
    "Correlation_RelatedActivityID", "Execution_ProcessID", "Execution_ThreadID", "Channel", "Computer",
    "Security_UserID",
)  # fmt: skip

Reader = Callable[[bytes], Iterator[Read]]
READERS: dict[str, Reader] = {"rust": read_rust, "python": read_python, "dissect": read_dissect}
any_reader = pytest.mark.parametrize("reader", READERS)


def canonical(reader: str, kind: str, value: Any) -> Any:
    """The value of a field of type `kind`, whatever form `reader` prints it in."""
    if kind == "string":
        return "" if value is None else str(value)
    if kind in HEXADECIMAL:
        return int(value, 16)
    if kind in NUMBERS:
        return int(value)
    if kind == "guid":
        found = uuid.UUID(value)
        # dissect prints the stored bytes in order, without the swap that GUIDs have.
        return uuid.UUID(bytes_le=found.bytes) if reader == "dissect" else found
    if kind == "bool":
        return {"true": True, "false": False}.get(str(value).casefold(), bool(value) if reader != "python" else None)
    if kind == "filetime":
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if kind == "binary":
        return _binary(reader, value)
    return value


def _binary(reader: str, value: Any) -> bytes:
    if not value:
        return b""
    if reader == "python":
        import base64

        return base64.b64decode(value)
    return bytes.fromhex(value.decode() if isinstance(value, bytes) else value)


def moment(reader: str, got: datetime, written: datetime) -> datetime:
    """What was read; what was written where it is that but for the rounding of parsers that count in floats.

    A FILETIME of our days has a float next to it 1.6 microseconds away. The Rust parser is exact, and so is the test
    that reads the stored FILETIME itself.
    """
    return written if reader != "rust" and abs(got - written) <= timedelta(microseconds=4) else got
