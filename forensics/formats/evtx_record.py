"""A decoded event record, and how the decoder's JSON becomes one.

The XML of an event has two shapes behind its System part: EventData with Data elements (named, unnamed, repeated or
arrays) and UserData with one element of the provider's own making. Both become one flat mapping of texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from forensics.plainjson import dumps, quick
from forensics.times import Moment, NoTime, from_filetime, from_iso

_PARTS = ("EventData", "UserData", "ProcessingErrorData")
_DEPTH = 32
_LEAVES = 4096


@dataclass(frozen=True, slots=True)
class Record:
    """One event.

    `record_id` and `written` are the record header's, `time` is the event's own. `data` holds EventData by name
    (`Data1`, `Data2`, ... where the elements have none) or the innermost elements of UserData by local name; a
    repeated name gets `_1`, an attribute stands under `Element@attribute`. `offset` is the record's place in the file.
    `event_record_id` is the number inside the event, which Event Viewer shows: exports number the header's anew.
    `checksum_failed`: it lies in a chunk that is not what was written.
    """

    record_id: int
    event_id: int
    provider: str
    channel: str
    computer: str
    time: Moment
    written: Moment
    user_sid: str
    process_id: int | None
    data: dict[str, str]
    offset: int
    event_record_id: int | None = None
    checksum_failed: bool = False


class Names:
    """Gives repeated names a number (`Data`, `Data_1`, `Data_2`), without counting from the start each time."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def free(self, name: str, taken: Mapping[str, object]) -> str:
        """`name`, or its next numbered form that is not taken."""
        if name not in taken:
            return name
        number = self._last.get(name, 0) + 1
        while f"{name}_{number}" in taken:
            number += 1
        self._last[name] = number
        return f"{name}_{number}"


def load(text: str, *, strict: bool = True) -> object:
    """The decoder's JSON; raises ValueError or RecursionError.

    Data elements of the same name become members of the same name in it, of which a plain reader keeps the last only.
    Unless `strict`, control characters are let pass: the decoder does not escape them in names.
    """
    if not strict:
        return _LOOSE.decode(text)
    document = quick(text)
    # The decoder writes compact JSON: what was said once comes back letter for letter. Where it does not, a name was
    # said twice (or a number is beyond 64 bits), and the careful reader takes the text apart.
    return document if dumps(document) == text else _DECODER.decode(text)


def _all_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) == len(pairs):
        return result
    result, names = {}, Names()
    for name, value in pairs[:_LEAVES]:
        result[names.free(name, result)] = value
    return result


# For the records that say a name twice; one decoder for all (`json.loads` with a hook makes a new one for each).
_DECODER = json.JSONDecoder(object_pairs_hook=_all_members)
_LOOSE = json.JSONDecoder(object_pairs_hook=_all_members, strict=False)


def to_record(document: object, record_id: int, filetime: int, offset: int) -> Record | None:
    """The record that the decoder's JSON describes, None when it holds no event (no System part with an id)."""
    event = _dict(_dict(document).get("Event"))
    system = _dict(event.get("System"))
    event_id = _whole(system.get("EventID"))
    if event_id is None:
        return None
    created = _attribute(system, "TimeCreated", "SystemTime")
    return Record(
        record_id,
        event_id,
        _attribute(system, "Provider", "Name"),
        text_of(system.get("Channel")),
        text_of(system.get("Computer")),
        from_iso(created) if created else NoTime("record has no SystemTime", ""),
        from_filetime(filetime),
        _attribute(system, "Security", "UserID"),
        _process(system),
        flatten(event),
        offset,
        _whole(system.get("EventRecordID")),
    )


def _process(system: dict[str, Any]) -> int | None:
    try:
        return _whole(system["Execution"]["#attributes"]["ProcessID"])
    except (KeyError, TypeError):
        return _number(_odd_attribute(system, "Execution", "ProcessID"))


def _whole(value: object) -> int | None:
    """A number that the decoder gave as one, or as text."""
    return value if type(value) is int and 0 <= value < 2**63 else _number(text_of(value))


def flatten(event: dict[str, Any]) -> dict[str, str]:
    """EventData, UserData and ProcessingErrorData of an event as one mapping of texts."""
    result: dict[str, str] = {}
    for part in _PARTS:
        # What stands directly in EventData are values; in UserData it is one element that only wraps them.
        value = event.get(part)
        if isinstance(value, dict):
            _gather(value, result, Names())
    return result


def _gather(values: dict[str, Any], result: dict[str, str], names: Names) -> None:
    """Add values to `result`; the plain case, which nearly every value of every record is, without detours."""
    for name, child in values.items():
        kind = type(child)
        if kind is str and ":" not in name and name != "Data" and name not in result:
            result[name] = child
        elif kind is int and ":" not in name and name != "Data" and name not in result:
            result[name] = str(child)
        elif name != "#attributes":
            for label, text in _leaves({name: child}, 0):
                result[names.free(label, result)] = text
                if len(result) >= _LEAVES:
                    return


def _leaves(value: dict[str, Any], depth: int) -> Iterator[tuple[str, str]]:
    for name, child in value.items():
        local = name.rpartition(":")[2]
        if name == "#attributes":
            continue
        if local == "Data":
            yield from _data(child)
        elif isinstance(child, dict):
            yield from _element(local, child, depth)
        elif isinstance(child, list):
            yield from ((local if not index else f"{local}_{index}", text_of(item)) for index, item in enumerate(child))
        else:
            yield local, text_of(child)


def _element(name: str, element: dict[str, Any], depth: int) -> Iterator[tuple[str, str]]:
    if "#text" in element:
        yield name, text_of(element)
    if depth:  # the outermost element's attributes are namespaces and the name of the template
        for attribute, value in _dict(element.get("#attributes")).items():
            if not attribute.startswith("xmlns"):
                yield f"{name}@{attribute}", text_of(value)
    if depth < _DEPTH:
        yield from _leaves({key: value for key, value in element.items() if key != "#text"}, depth + 1)


def _data(value: object) -> Iterator[tuple[str, str]]:
    """Unnamed Data elements, numbered as they come."""
    content = value.get("#text") if isinstance(value, dict) else value
    items = content if isinstance(content, list) else [content]
    for index, item in enumerate(items):
        yield f"Data{index + 1}", text_of(item)


def text_of(value: object) -> str:
    """A JSON value as the text that the XML has: null is empty, truth values are lower case."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return text_of(value.get("#text"))
    if isinstance(value, list):
        return ", ".join(text_of(item) for item in value if not isinstance(item, list))
    return str(value)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _attribute(system: dict[str, Any], element: str, name: str) -> str:
    try:
        plain = system[element]["#attributes"][name]
    except (KeyError, TypeError):
        return _odd_attribute(system, element, name)
    return plain if type(plain) is str else text_of(plain)


def _odd_attribute(system: dict[str, Any], element: str, name: str) -> str:
    value = system.get(element)
    attributes = value.get("#attributes") if isinstance(value, dict) else None
    return text_of(attributes.get(name)) if isinstance(attributes, dict) else ""


def _number(text: str) -> int | None:
    if not text:
        return None
    if text.isdecimal() and len(text) < 19 and text.isascii():
        return int(text)
    try:
        value = int(text, 16) if text.lower().startswith("0x") else int(text)
    except ValueError:
        return None
    return value if 0 <= value < 2**64 else None
