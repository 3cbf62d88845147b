"""What an event looks like in a log: its System section, the shape of its data, and the values of one record.

A record is an outer template (the System section) whose last value is an inner one (the event's own data). The
substitution array has the order of real logs: level, opcode, task, event id, qualifiers, keywords, time, activity,
process, thread, record id, version, user. Manifest providers then give provider name, GUID, channel and data (18
values); classic ones have provider and channel as text of the template and their data as value 19.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property

from testdata.writers.binxml import (
    FILETIME,
    FRAGMENT,
    GUID,
    NULL,
    SID,
    STRING,
    TYPES,
    Element,
    Hole,
    Template,
    Value,
    filetime,
    guid_bytes,
    sid_bytes,
)

EVENT_NAMESPACE = "http://schemas.microsoft.com/win/2004/08/events/event"
_FIXED, _NUMBERS, _TIME = struct.Struct("<BBHH"), struct.Struct("<IIQB"), struct.Struct("<Q")

Field = tuple[str, str]
Encoder = Callable[[Value], tuple[int, bytes]]


@dataclass(frozen=True, eq=False)
class Layout:
    """What all records of one event have in common: the provider, the System values and the shape of the data.

    `shape` is `EventData` (named Data), `Classic` (unnamed Data in one array, then Binary) or `UserData` (one element
    `element` in `namespace` with a child for each field). `classic` writes provider and channel into the template, as
    Windows does for providers with qualifiers and for the event log service. `event_source` adds the EventSourceName
    attribute. A last field of type `binary` in EventData becomes the Binary element.
    """

    provider: str
    guid: str
    event_id: int
    fields: tuple[Field, ...] = ()
    version: int = 0
    level: int = 4
    task: int = 0
    opcode: int = 0
    keywords: int = 0x8000000000000000
    qualifiers: int | None = None
    shape: str = "EventData"
    element: str = ""
    namespace: str = ""
    classic: bool = False
    event_source: str = ""

    @cached_property
    def inner(self) -> Template:
        """The template of the data."""
        return Template(_SHAPES[self.shape](self))

    @cached_property
    def encoders(self) -> tuple[Encoder, ...]:
        """One encoder for each field, in order."""
        return tuple(TYPES[kind][1] for _, kind in self.fields)

    @cached_property
    def live_encoders(self) -> tuple[Encoder, ...]:
        """The same for records of the form `is_live`: a text ends with NUL unless the field before it is its length."""
        before = ["", *(name for name, _ in self.fields)]
        return tuple(
            TYPES["string_nul" if kind == "string" and previous != f"{name}Len" else kind][1]
            for (name, kind), previous in zip(self.fields, before, strict=False)
        )

    @cached_property
    def constants(self) -> tuple[bytes, bytes]:
        """Data of the System values that never change: those before the time, and those after the user."""
        qualifiers = b"" if self.qualifiers is None else self.qualifiers.to_bytes(2, "little")
        before = _FIXED.pack(self.level, self.opcode, self.task, self.event_id) + qualifiers
        maker = b"" if self.classic else self.provider.encode("utf-16-le") + guid_bytes(self.guid)
        return before + _TIME.pack(self.keywords), maker

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all fields."""
        return frozenset(name for name, _ in self.fields)

    def outer(self, channel: str, computer: str) -> Template:
        """The template of the System section for one channel and computer."""
        if self.classic:
            guid = f"{{{self.guid.lower()}}}" if self.guid else ""
            return _outer(self.provider, guid, self.event_source, channel, computer, self.shape == "UserData")
        return _outer("", "", "", "", computer, self.shape == "UserData")


def _event_data(layout: Layout) -> Element:
    children = []
    for index, (name, kind) in enumerate(layout.fields):
        hole = Hole(_value_index(layout, index), TYPES[kind][0])
        if kind == "binary" and index == len(layout.fields) - 1:
            children.append(Element("Binary", (hole,)))
        else:
            children.append(Element("Data", (hole,), (("Name", name),)))
    named = (("Name", layout.element),) if layout.element else ()
    return Element("EventData", tuple(children), named)


def _value_index(layout: Layout, index: int) -> int:
    """A Binary element's value is preceded by one that holds its length."""
    return index + 1 if index == len(layout.fields) - 1 and layout.fields[index][1] == "binary" else index


def _classic_data(_layout: Layout) -> Element:
    data = Element("Data", (Hole(0, 0x81, optional=True),), dependency=0)
    return Element("EventData", (data, Element("Binary", (Hole(2, 14, optional=True),), dependency=2)))


def _user_data(layout: Layout) -> Element:
    children = tuple(Element(name, (Hole(index, TYPES[kind][0]),)) for index, (name, kind) in enumerate(layout.fields))
    return Element(layout.element, children, (("xmlns", layout.namespace),))


_SHAPES: dict[str, Callable[[Layout], Element]] = {
    "EventData": _event_data,
    "Classic": _classic_data,
    "UserData": _user_data,
}


@cache
def _outer(provider: str, guid: str, source: str, channel: str, computer: str, user_data: bool) -> Template:
    return Template(_event(provider, guid, source, channel, computer, user_data))


def _optional(name: str, index: int, kind: int) -> Element:
    return Element(name, (Hole(index, kind, optional=True),), dependency=index)


def _attributes(name: str, **values: Hole) -> Element:
    return Element(name, (), tuple(values.items()))


def _event(provider: str, guid: str, source: str, channel: str, computer: str, user_data: bool) -> Element:
    last, related = (19, 18) if provider else (17, 13)
    maker: tuple[tuple[str, Hole | str], ...] = (
        ("Name", provider or Hole(14, STRING, optional=True)),
        ("Guid", guid or Hole(15, GUID, optional=True)),
    )
    if provider:
        maker = tuple(item for item in (*maker[: 2 if guid else 1], ("EventSourceName", source)) if item[1])
    system = (
        Element("Provider", (), maker),
        Element("EventID", (Hole(3, 6, optional=True),), (("Qualifiers", Hole(4, 6, optional=True)),), dependency=3),
        _optional("Version", 11, 4),
        _optional("Level", 0, 4),
        _optional("Task", 2, 6),
        _optional("Opcode", 1, 4),
        _optional("Keywords", 5, 21),
        _attributes("TimeCreated", SystemTime=Hole(6, FILETIME, optional=True)),
        _optional("EventRecordID", 10, 10),
        _attributes("Correlation", ActivityID=Hole(7, GUID, True), RelatedActivityID=Hole(related, GUID, True)),
        _attributes("Execution", ProcessID=Hole(8, 8, optional=True), ThreadID=Hole(9, 8, optional=True)),
        Element("Channel", (channel,)) if channel else _optional("Channel", 16, STRING),
        Element("Computer", (computer,)),
        _attributes("Security", UserID=Hole(12, SID, optional=True)),
    )
    hole = Hole(last, FRAGMENT, optional=True)
    body = Element("UserData", (hole,), dependency=last) if user_data else hole
    namespace = (("xmlns", EVENT_NAMESPACE),)
    return Element("Event", (Element("System", system), body), namespace, 0xFFFF if user_data else last)


@dataclass(frozen=True, slots=True)
class EventSpec:
    """One record to write. `values` are those of `layout.fields`, in that order; None is a NULL value.

    For the shape `Classic` the values are the unnamed strings, and a last one of type bytes is the Binary element.
    """

    layout: Layout
    time: datetime
    computer: str
    values: tuple[Value, ...] = ()
    user_sid: str = ""
    pid: int = 0
    tid: int = 0
    activity: str = ""


def _array(values: list[tuple[int, bytes]]) -> bytes:
    """Count, descriptors and data of a substitution array. Raises ValueError when a value is longer than 64 KiB."""
    data = b"".join([raw for _, raw in values])
    if len(data) > 0xFFFF and any(len(raw) > 0xFFFF for _, raw in values):
        raise ValueError("a value is longer than 65535 bytes")
    return struct.pack(f"<{len(values) + 1}I", len(values), *[len(raw) | kind << 16 for kind, raw in values]) + data


def is_live(layout: Layout, exported: bool) -> bool:
    """Whether the record has the form that manifest providers' records have in the logs of a running system.

    There the data has no fragment header and its texts end with NUL (but for those whose length is a field of its
    own). An export (`wevtutil epl`, the event viewer) and Windows 7 write a header and no NUL, and so does every
    Windows for classic providers. Both forms seen in some thousand real records.
    """
    return not (layout.classic or exported)


def inner_values(spec: EventSpec, exported: bool) -> bytes:
    """The substitution array of the event's own data."""
    layout = spec.layout
    if layout.shape == "Classic":
        return _classic_values(spec.values)
    encoders = layout.live_encoders if is_live(layout, exported) else layout.encoders
    pairs = zip(encoders, spec.values, strict=True)
    values = [(NULL, b"") if item is None else encode(item) for encode, item in pairs]
    if layout.shape == "EventData" and layout.fields and layout.fields[-1][1] == "binary":
        values.insert(-1, (8, struct.pack("<I", len(values[-1][1]))))
    return _array(values)


def _classic_values(values: tuple[Value, ...]) -> bytes:
    binary = values[-1] if values and isinstance(values[-1], bytes) else b""
    texts = [str(item) for item in (values[:-1] if binary or (values and isinstance(values[-1], bytes)) else values)]
    held = (14, binary) if binary else (NULL, b"")
    return _array([TYPES["strings"][1](texts), (8, struct.pack("<I", len(binary))), held])


def system_values(spec: EventSpec, channel: str, record_id: int) -> tuple[bytes, bytes]:
    """Count with descriptors, and data, of all values but the last (which is the event's own data)."""
    layout = spec.layout
    activity = guid_bytes(spec.activity) if spec.activity else b""
    sid = sid_bytes(spec.user_sid) if spec.user_sid else b""
    before, after = layout.constants
    numbers = _NUMBERS.pack(spec.pid, spec.tid, record_id, layout.version)
    where = b"" if layout.classic else channel.encode("utf-16-le")
    data = b"".join((before, _TIME.pack(filetime(spec.time)), activity, numbers, sid, after, where))
    return _descriptors(layout, len(activity), len(sid), len(where)), data


@cache
def _descriptors(layout: Layout, activity: int, sid: int, channel: int) -> bytes:
    qualifiers = (NULL, 0) if layout.qualifiers is None else (6, 2)
    kinds = [(4, 1), (4, 1), (6, 2), (6, 2), qualifiers, (21, 8), (FILETIME, 8), (GUID if activity else NULL, activity)]
    kinds += [(8, 4), (8, 4), (10, 8), (4, 1), (SID if sid else NULL, sid), (NULL, 0)]
    if layout.classic:
        kinds += [(NULL, 0)] * 5
    else:
        kinds += [(STRING, len(layout.constants[1]) - 16), (GUID, 16), (STRING, channel)]
    return struct.pack(f"<{len(kinds) + 1}I", len(kinds) + 1, *(size | kind << 16 for kind, size in kinds))
