"""What python-evtx is for: the inventory of a log (its header) and records that the fast decoder refuses.

python-evtx is slow but forgiving: it decodes one record at a time, so one that the fast decoder cannot read, or that
makes it give up, does not take its neighbours with it. It follows links without looking where they lead; the chunk
class here stops at a loop.
"""

from __future__ import annotations

import re
import struct
from datetime import datetime, timedelta
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree as SafeTree
from defusedxml.common import DefusedXmlException
from Evtx.BinaryParser import BinaryParserException
from Evtx.Evtx import ChunkHeader, FileHeader
from Evtx.Evtx import Record as EvtxRecord
from Evtx.Nodes import SuppressConditionalSubstitution
from Evtx.Views import UnexpectedElementException

from forensics.formats import FormatError
from forensics.formats.evtx_record import Names
from forensics.formats.evtx_scan import CHUNK_HEAD
from forensics.formats.evtx_values import CHUNK
from forensics.times import from_filetime, from_iso, iso

# All that python-evtx raises on damaged records, found by flipping and overwriting bytes of real logs: its own
# exceptions, reads beyond the buffer, tables without the wanted entry, texts that are not UTF-16, times out of range,
# nested elements beyond the stack, and `raise NotImplementedError(...).format(...)`, which is an AttributeError.
DECODER_ERRORS: tuple[type[Exception], ...] = (
    BinaryParserException,
    SuppressConditionalSubstitution,
    UnexpectedElementException,
    struct.error,
    UnicodeError,
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
    RuntimeError,
    OSError,
)
_XML_ERRORS: tuple[type[Exception], ...] = (ParseError, DefusedXmlException, RecursionError, ValueError)
_STRING = re.compile("<string>(.*?)</string>", re.DOTALL)  # python-evtx's form of an array of strings
_GUID = re.compile(r"\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}")
_HEX = re.compile("0x0[0-9a-f]+")
_TIME_VALUE = 6  # of a record's template, in the shape that all records have
_LINKS = 65536 // 8  # more links than a chunk can hold are a loop


class FileFacts:
    """What the file header claims: is the log dirty, how many chunks, which record comes next."""

    def __init__(self, raw: bytes) -> None:
        header = FileHeader(raw, 0)
        self.magic: bool = header.check_magic()
        self.dirty: bool = header.is_dirty()
        self.chunks: int = header.chunk_count()
        self.next_record: int = header.next_record_number()
        # Not `verify`: it refuses the format's version 3.2, which current Windows writes.
        self.sound: bool = self.magic and header.checksum() == header.calculate_checksum()


class GuardedChunk(ChunkHeader):  # type: ignore[misc]  # python-evtx is untyped
    """A chunk whose string and template tables are read without following loops."""

    _strings: dict[int, Any] | None
    _templates: dict[int, Any] | None

    def _load_strings(self) -> None:
        if self._strings is None:
            self._strings = {}
        self._load(0x80, 64, self.add_string)

    def _load_templates(self) -> None:
        if self._templates is None:
            self._templates = {}
        self._load(0x180, 32, self._add_checked_template)

    def _add_checked_template(self, offset: int) -> Any:  # noqa: ANN401
        if self.unpack_byte(offset - 10) != 0x0C or self.unpack_dword(offset - 4) != offset:
            return None
        return self.add_template(offset)

    def _load(self, table: int, slots: int, add: Any) -> None:  # noqa: ANN401
        seen: set[int] = set()
        for slot in range(slots):
            offset = self.unpack_dword(table + slot * 4)
            while CHUNK_HEAD <= offset < CHUNK and offset not in seen and len(seen) < _LINKS:
                seen.add(offset)
                try:
                    node = add(offset)
                    offset = node.next_offset() if node is not None else 0
                except DECODER_ERRORS:
                    offset = 0


def decode(chunk: GuardedChunk, start: int) -> dict[str, Any]:
    """The record at `start` of the chunk's buffer in the shape of the fast decoder's JSON.

    Raises FormatError when it cannot be read.
    """
    try:
        record = EvtxRecord(chunk._buf, start, chunk)
        text = record.xml()
        values = record.root().substitutions()
    except DECODER_ERRORS as error:
        raise FormatError(f"cannot be decoded: {type(error).__name__}: {error}"[:300]) from error
    try:
        # python-evtx leaves carriage returns as they are, and an XML parser would take them for line ends.
        root = SafeTree.fromstring(text.replace("\r", "&#13;"), forbid_dtd=True)
    except _XML_ERRORS as error:
        raise FormatError(f"gives no well-formed XML: {error}"[:300]) from error
    event = _as_json(root, 0)
    _set_time(event, values)
    return {"Event": event}


def _set_time(event: Any, values: list[Any]) -> None:  # noqa: ANN401
    """Put the exact time into the event: python-evtx computes it in floating point, some 10 microseconds off."""
    try:
        stamp = event["System"]["TimeCreated"]["#attributes"]
        near, exact = from_iso(stamp["SystemTime"]), from_filetime(values[_TIME_VALUE].unpack_qword(0))
    except DECODER_ERRORS:
        return
    if isinstance(near, datetime) and isinstance(exact, datetime) and abs(exact - near) < timedelta(milliseconds=1):
        stamp["SystemTime"] = iso(exact)


def guarded(data: bytes | bytearray, index: int) -> GuardedChunk:
    """Chunk `index` of a window for `decode`."""
    return GuardedChunk(data, index * CHUNK)


def _respelled(text: str) -> str:
    """GUIDs, hexadecimal numbers and truth values as the fast decoder spells them, so that rows compare."""
    if _GUID.fullmatch(text):
        return text[1:-1].upper()
    if _HEX.fullmatch(text):
        return "0x" + (text[2:].lstrip("0") or "0")
    return {"True": "true", "False": "false"}.get(text, text)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _as_json(element: Element, depth: int) -> Any:  # noqa: ANN401  # JSON
    """An element as the fast decoder writes it: attributes under `#attributes`, named Data elements by their name."""
    if depth > 32:
        return None
    attributes = {_local(name): value for name, value in element.attrib.items()}
    result: dict[str, Any] = {"#attributes": attributes} if attributes else {}
    unnamed: list[Any] = []
    names = Names()
    for child in element:
        name, value = _local(child.tag), _as_json(child, depth + 1)
        if name == "Data":
            label = child.get("Name")
            value = _respelled(child.text or "")
            if label is None:
                unnamed += _STRING.findall(value) or [value]
                continue
            name = label
        result[names.free(name, result)] = value
    if unnamed:
        result["Data"] = {"#text": unnamed}
    text = _respelled((element.text or "").strip())
    if text and result:
        result["#text"] = text
    return result or text or None
