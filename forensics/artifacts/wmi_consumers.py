r"""WMI event subscriptions: what the system runs when an event occurs, without a file of its own.

A filter (`__EventFilter`) is a query over events, a consumer says what is done (`CommandLineEventConsumer` starts a
program, `ActiveScriptEventConsumer` runs a script inside the repository itself), a binding joins both. They run as
SYSTEM, survive restarts and stand in no place that users look at. One row for each consumer with the filters that are
bound to it, and for filters without a binding. The repository is read through its index; what its object file holds
besides, or all of it when the index is damaged, is found by its form and graded as carved: it may be deleted.
The time is that of the record, its creation or last change. Mechanism: `wmi`. Format: `formats/cimrepository.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO

from forensics.artifacts._autostart import EMITS
from forensics.artifacts.base import FileArtifact, FileInput, Output
from forensics.formats import FormatError
from forensics.formats.cimrepository import BINDING, FILTER, CimInstance, carve, read
from forensics.model import Fact, Problem, make_fact

_NAME = "wmi_consumers"
_FOLDER = "Windows/System32/wbem/Repository"
_OTHERS = ("INDEX.BTR", "MAPPING1.MAP", "MAPPING2.MAP", "MAPPING3.MAP")
_MOST_INDEX = 512 * 1024 * 1024
_SHOWN = 8 * 1024
_COMPARED = 64  # characters: what stands beyond a record's page may be foreign
_TELLING = frozenset({FILTER, "CommandLineEventConsumer", "ActiveScriptEventConsumer"})
_REFERENCE = re.compile(r'([\w]+)\.\w+="((?:[^"\\]|\\.)*)"')
_COMMANDS = (
    "CommandLineTemplate", "ExecutablePath", "ScriptText", "ScriptFilename", "Filename", "Text", "SourceName",
    "SMTPServer",
)  # fmt: skip
_GRADE = "carved: known by its form in the repository's file, perhaps deleted"


def parse(given: FileInput) -> Output:
    """The subscriptions of the index, then those that only the object file has."""
    found: list[CimInstance] = []
    for item in _indexed(given):
        if isinstance(item, FormatError):
            yield Problem("bad_record", _NAME, given.source(), str(item))
        else:
            found.append(item)
    live: dict[tuple[str, str, str], list[CimInstance]] = {}
    for item in found:
        live.setdefault(_short(item), []).append(item)
    known = {_identity(item) for item in found}
    left = [
        item
        for item in carve(given.fh)
        if _identity(item) not in known and not any(_same(item, other) for other in live.get(_short(item), ()))
    ]
    yield from _rows(given, found)
    yield from _rows(given, left)


def _indexed(given: FileInput) -> Iterator[CimInstance | FormatError]:
    files = {name.rpartition("/")[2]: handle for name, handle in given.companions.items()}
    index = files.get("INDEX.BTR")
    maps = [files[name] for name in _OTHERS[1:] if name in files]
    if index is None or not maps:
        yield FormatError(
            "the repository's index or mapping is not in the evidence: its objects are known by form only"
        )
        return
    try:
        yield from read(given.fh, BytesIO(index.read(_MOST_INDEX)), maps)
    except FormatError as error:
        yield error


def _identity(item: CimInstance) -> tuple[str, ...]:
    text = item.values.get("CommandLineTemplate") or item.values.get("ScriptText") or item.values.get("Query")
    return (item.class_name, text or item.values.get("Consumer", ""))


def _short(item: CimInstance) -> tuple[str, str, str]:
    """What a carved record and a live one of the same object share."""
    return (item.class_name, item.name or item.values.get("Consumer", ""), item.values.get("Filter", ""))


def _same(carved: CimInstance, other: CimInstance) -> bool:
    """Whether a carved record only repeats a live one of its name; an older version does not."""
    text = _identity(carved)[1][:_COMPARED]
    if carved.class_name not in _TELLING:
        return True
    return any(value.startswith(text) or text.startswith(value[:_COMPARED]) for value in other.values.values() if value)


def _rows(given: FileInput, items: list[CimInstance]) -> Iterator[Fact]:
    """Names in references and of objects are the same whatever their case."""
    filters = {(item.namespace, item.name.casefold()): item for item in items if item.class_name == FILTER}
    bound: dict[tuple[str, str, str], list[str]] = {}
    for item in items:
        if item.class_name == BINDING:
            kind, name = _referred(item.values.get("Consumer", ""))
            key = (item.namespace, kind, name.casefold())
            bound.setdefault(key, []).append(_referred(item.values.get("Filter", ""))[1])
    used = {(place[0], name.casefold()) for place, names in bound.items() for name in names}
    for item in items:
        if item.class_name not in (FILTER, BINDING):
            names = bound.get((item.namespace, item.class_name.casefold(), item.name.casefold()), [])
            keys = [(item.namespace, name.casefold()) for name in names]
            yield _row(given, item, [filters[key] for key in keys if key in filters], names)
        elif item.class_name == FILTER and (item.namespace, item.name.casefold()) not in used:
            yield _row(given, item, [item], [])


def _referred(path: str) -> tuple[str, str]:
    r"""Class (folded) and name out of `\\.\root\subscription:CommandLineEventConsumer.Name="x"`."""
    match = _REFERENCE.search(path)
    return (match.group(1).casefold(), re.sub(r"\\(.)", r"\1", match.group(2))) if match else ("", "")


def _row(given: FileInput, item: CimInstance, filters: list[CimInstance], names: list[str]) -> Fact:
    command = next((item.values[name] for name in _COMMANDS if item.values.get(name)), None)
    remarks = [item.class_name]
    if item.class_name == FILTER:
        command = None
        remarks.append("no consumer is bound to it")
    else:
        remarks.append(f"bound to {', '.join(names)}" if names else "no filter is bound to it")
    if item.carved:
        remarks.append(_GRADE)
    query = "; ".join(found.values.get("Query", "") for found in filters)
    return make_fact(
        "autorun.configured",
        given.source(item.place),
        {"Content Modification Time": item.written},
        {
            "mechanism": "wmi",
            "location": item.namespace or "WMI repository",
            "entry_name": item.name or "(unnamed)",
            "command_line": command[:_SHOWN] if command else None,
            "target_path": item.values.get("ExecutablePath") if command != item.values.get("ExecutablePath") else None,
            "event_query": query[:_SHOWN] or None,
            "reason": "; ".join(remarks),
        },
    )


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(f"{_FOLDER}/OBJECTS.DATA", f"{_FOLDER}/FS/OBJECTS.DATA"),
    parse=parse,
    emits=EMITS,
    companions=tuple(f"{_FOLDER}/{name}" for name in _OTHERS),
)
