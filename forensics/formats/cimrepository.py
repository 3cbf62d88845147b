r"""The WMI repository (`wbem\Repository`): permanent event subscriptions, read through its index or by their form.

The repository is three kinds of file: `INDEX.BTR` says by hashed names where the objects are, `MAPPING*.MAP` which page
of the files holds which logical page, `OBJECTS.DATA` has the objects. With all of them it is read by dissect.cim. An
object's record begins with the SHA-256 of its class's name in upper case as hexadecimal UTF-16, so instances of known
classes are also found in `OBJECTS.DATA` alone: those of a damaged repository, and deleted ones whose page was not used
again. Of these only the texts are read; what each means is guessed from its form, and a record that goes over to
another page may be mixed with foreign bytes.
Format: Ballenthin, Graeber, Teodorescu, "WMI Offense, Defense, and Forensics" and the flare-wmi project.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO

from forensics.formats import FormatError
from forensics.times import Moment, NoTime, from_filetime

FILTER, BINDING = "__EventFilter", "__FilterToConsumerBinding"
CONSUMERS = (
    "CommandLineEventConsumer", "ActiveScriptEventConsumer", "LogFileEventConsumer", "NTEventLogEventConsumer",
    "SMTPEventConsumer",
)  # fmt: skip
CLASSES = (FILTER, *CONSUMERS, BINDING)
_MOST_NAMESPACES, _MOST_DEPTH, _MOST_INSTANCES, _MOST_RECORD = 500, 12, 20_000, 1024 * 1024
_BLOCK, _OVERLAP = 8 * 1024 * 1024, 64 * 1024
_HEAD = struct.Struct("<QQIIB")
_TEXT = re.compile(
    rb"\x00([^\x00-\x08\x0b\x0c\x0e-\x1f]{1,16384})\x00|\x01((?:[^\x00].|\x00[^\x00]){1,16384})\x00\x00", re.DOTALL
)
_ERRORS = (Exception,)  # dissect.cim raises whatever hostile bytes lead to


@dataclass(frozen=True, slots=True)
class CimInstance:
    """One object: `values` by property name as text, absent ones left out; `carved` when only its form was known.

    `written` is the record's second time, that of its creation or last change (which of both is not documented).
    """

    namespace: str
    class_name: str
    values: dict[str, str]
    written: Moment
    place: str
    carved: bool = False

    @property
    def name(self) -> str:
        """The name by which bindings know it."""
        return self.values.get("Name", "")


@dataclass(slots=True)
class _Walk:
    namespaces: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read(objects: BinaryIO, index: BinaryIO, maps: Sequence[BinaryIO]) -> Iterator[CimInstance | FormatError]:
    """The subscriptions of every namespace; a FormatError stands for what is lost, and is raised without index."""
    from dissect.cim.cim import CIM

    try:
        repository = CIM(index, objects, list(maps))
    except _ERRORS as error:
        raise FormatError(f"the repository cannot be opened: {_cause(error)}") from error
    walk = _Walk()
    _namespaces(repository, "root", 0, walk)
    yield from (FormatError(text) for text in walk.problems)
    told = 0
    for namespace in walk.namespaces:
        for class_name in CLASSES:
            for found in _instances(repository, namespace, class_name):
                yield found
                told += 1
                if told >= _MOST_INSTANCES:
                    yield FormatError(f"more than {_MOST_INSTANCES} subscriptions: the rest is not told")
                    return


def _namespaces(repository: Any, name: str, depth: int, walk: _Walk) -> None:  # noqa: ANN401
    """This namespace and those below it; each once, so that one below itself ends."""
    if name.lower() in {known.lower() for known in walk.namespaces} or len(walk.namespaces) >= _MOST_NAMESPACES:
        return
    walk.namespaces.append(name)
    if depth >= _MOST_DEPTH:
        return
    try:
        definition = repository.system.class_("__namespace")
        references = repository.key().NS(name).CI("__namespace").IL().references()
    except _ERRORS as error:
        walk.problems.append(f"the namespaces below {name} are lost: {_cause(error)}")
        return
    for reference in references:
        try:
            inner = repository.get_class_instance(definition, reference).properties["Name"].value
        except _ERRORS as error:
            walk.problems.append(f"a namespace below {name} is lost ({reference}): {_cause(error)}")
            continue
        _namespaces(repository, f"{name}\\{inner}", depth + 1, walk)


def _instances(repository: Any, namespace: str, class_name: str) -> Iterator[CimInstance | FormatError]:  # noqa: ANN401
    try:
        references = repository.key().NS(namespace).CI(class_name).IL().references()
        definition = repository.namespace(namespace).class_(class_name) if references else None
    except _ERRORS as error:
        yield FormatError(f"{class_name} in {namespace} is lost: {_cause(error)}")
        return
    for reference in references:
        try:
            found = repository.get_class_instance(definition, reference)
            place = f"page {reference.data_page}, record {reference.data_id}"
            yield CimInstance(namespace, class_name, _values(found), _time(found.header.ts2), place)
        except _ERRORS as error:
            yield FormatError(f"an instance of {class_name} in {namespace} is lost: {_cause(error)}")


def _values(instance: Any) -> dict[str, str]:  # noqa: ANN401
    """What the properties hold, each by itself: one that cannot be read costs only itself."""
    found: dict[str, str] = {}
    for prop in instance.class_.properties.values():
        try:
            state = instance.property_states[prop.index]
            if state.is_initialized and not state.use_default_value:
                value = instance.data.get_value(instance.toc[prop.index], prop.type)
                found[prop.name] = bytes(value).hex() if isinstance(value, list) else str(value)
        except _ERRORS:
            continue
    return found


def carve(objects: BinaryIO) -> Iterator[CimInstance]:
    """What looks like a subscription anywhere in the file, by its place; each different one once."""
    seen: set[tuple[str, ...]] = set()
    for start, block, final in _blocks(objects):
        for at, class_name in sorted(_marks(block)):
            if not final and at > len(block) - _OVERLAP:
                break  # may be cut here; the next piece has it whole
            found = _carved(block, at, class_name, start)
            if found is None:
                continue
            key = (class_name, *(f"{name}={text}" for name, text in sorted(found.values.items())))
            if key not in seen and len(seen) < _MOST_INSTANCES:
                seen.add(key)
                yield found


def _blocks(fh: BinaryIO) -> Iterator[tuple[int, bytes, bool]]:
    fh.seek(0)
    start, kept, following = 0, b"", fh.read(_BLOCK)
    while following:
        block, following = kept + following, fh.read(_BLOCK)
        yield start, block, not following
        kept = block[-_OVERLAP:]
        start += len(block) - len(kept)


def name_hash(class_name: str) -> bytes:
    """How a record names its class."""
    return hashlib.sha256(class_name.upper().encode("utf-16-le")).hexdigest().upper().encode("utf-16-le")


def _marks(block: bytes) -> Iterator[tuple[int, str]]:
    for class_name in CLASSES:
        mark = name_hash(class_name)
        at = block.find(mark)
        while at >= 0:
            yield at, class_name
            at = block.find(mark, at + len(mark))


def _carved(block: bytes, at: int, class_name: str, start: int) -> CimInstance | None:
    head = at + 128
    if head + _HEAD.size > len(block):
        return None
    _, written, size, _, _ = _HEAD.unpack_from(block, head)
    if not 9 < size <= _MOST_RECORD:
        return None  # the hash stands in keys as well
    body = block[head + _HEAD.size : head + _HEAD.size + size - 9]
    first = body.find(b"\x00" + class_name.encode() + b"\x00")
    if first < 0:
        return None
    texts = _texts(body[first + len(class_name) + 1 :])
    values = _MEANINGS.get(class_name, _named)(texts)
    place = f"offset 0x{start + at:x}"
    return CimInstance("", class_name, values, _time(written), place, carved=True) if values else None


def _texts(data: bytes) -> list[str]:
    """The texts of a record in their order; the NUL behind one may be the mark before the next."""
    found, at = [], 0
    while match := _TEXT.search(data, at):
        narrow, wide = match.groups()
        text = narrow.decode("latin-1") if narrow is not None else wide.decode("utf-16-le", "replace")
        found.append(text)
        at = (
            match.end() - 1
            if narrow is not None and data[match.end() : match.end() + 1] not in (b"\0", b"\1")
            else match.end()
        )
    return found


def _filter(texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        if re.match(r"\s*select\s", text, re.IGNORECASE):
            found.setdefault("Query", text)
        elif re.match(r"root\b", text, re.IGNORECASE):
            found.setdefault("EventNamespace", text)
        elif text.upper() == "WQL":
            found.setdefault("QueryLanguage", text)
        elif len(text) > 1:
            found.setdefault("Name", text)
    return found if "Query" in found else {}


def _binding(texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        if re.search(r"__EventFilter\.Name=", text, re.IGNORECASE):
            found.setdefault("Filter", text)
        elif re.search(r"Consumer\.Name=", text, re.IGNORECASE):
            found.setdefault("Consumer", text)
    return found if "Consumer" in found else {}


def _command(texts: list[str]) -> dict[str, str]:
    """The template is the text that most looks like a command; a bare path beside it is the program."""
    ranked = sorted((text for text in texts if len(text) > 1), key=_like_a_command, reverse=True)
    if not ranked or not _like_a_command(ranked[0])[0]:
        return {}
    rest = [text for text in texts if text != ranked[0] and len(text) > 1]
    program = next((text for text in rest if re.search(r"\\[^\\]+\.\w{2,4}$", text)), "")
    name = next((text for text in rest if text != program and "\\" not in text), "")
    found = {"CommandLineTemplate": ranked[0], "ExecutablePath": program, "Name": name}
    return {key: text for key, text in found.items() if text}


def _like_a_command(text: str) -> tuple[int, int]:
    signs = (
        r"\.(?:exe|com|bat|cmd|dll|vbs|ps1|js)\b",
        r"\s",
        r"[\\/]",
        r"(?:^|\W)(?:powershell|cmd|cscript|wscript)\b",
    )
    return sum(re.search(sign, text, re.IGNORECASE) is not None for sign in signs), len(text)


def _script(texts: list[str]) -> dict[str, str]:
    engine = next((text for text in texts if re.fullmatch(r"(?:vb|j|java|perl|python)\w*", text, re.IGNORECASE)), "")
    rest = sorted((text for text in texts if text != engine and len(text) > 1), key=len, reverse=True)
    if not rest:
        return {}
    found = {"ScriptingEngine": engine, "ScriptText": rest[0], "Name": rest[-1] if len(rest) > 1 else ""}
    return {key: text for key, text in found.items() if text}


def _named(texts: list[str]) -> dict[str, str]:
    name = next((text for text in texts if len(text) > 1), "")
    return {"Name": name} if name else {}


_MEANINGS = {
    FILTER: _filter, BINDING: _binding, "CommandLineEventConsumer": _command, "ActiveScriptEventConsumer": _script,
}  # fmt: skip


def _time(ticks: int) -> Moment:
    moment = from_filetime(ticks)
    return moment if isinstance(moment, datetime) else NoTime("the record has no time", "")


def _cause(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]
