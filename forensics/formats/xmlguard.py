"""XML written by an attacker: a bounded strict reader, and a tolerant one for what is not well-formed.

Strict means defusedxml (no document type, no entities, nothing external) with limits on depth and number of elements.
Tolerant means a linear scan over tags that keeps what it can: used when Windows might still have accepted the text, or
when a file is cut or damaged, so that its content is not lost. The caller says which one was needed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException, DTDForbidden, EntitiesForbidden, ExternalReferenceForbidden
from defusedxml.ElementTree import DefusedXMLParser

from forensics.formats import FormatError

SIZE_LIMIT = 1024 * 1024
DEPTH_LIMIT = 64
NODE_LIMIT = 50_000
# Possessive quantifiers: a tag that is never closed costs one look, not one per shorter name.
_TAG = re.compile(r"<(/?)([A-Za-z_][\w.-]*+(?::[A-Za-z_][\w.-]*+)?+)([^<>]*+)>")
_CUT_TAG = re.compile(r"</?+[\w.:-]{0,100}+\Z")
_ATTRIBUTE = re.compile(r"([A-Za-z_][\w:.-]{0,100})\s{0,16}=\s{0,16}(?:\"([^\"]*)\"|'([^']*)')")
_ENTITY = re.compile(r"&(lt|gt|amp|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});", re.IGNORECASE)
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_DOCTYPE = re.compile(r"<!doctype\b", re.IGNORECASE)


@dataclass(slots=True)
class Node:
    """One element: its local name as written, its namespace, attributes, children, and the text right inside it."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    namespace: str = ""
    parts: list[str] = field(default_factory=list)
    closed: bool = False

    @property
    def text(self) -> str:
        """The element's own text, stripped (not that of its children)."""
        return "".join(self.parts).strip()

    def all(self, name: str) -> list[Node]:
        """The children of this name, case-insensitive."""
        wanted = name.casefold()
        return [child for child in self.children if child.name.casefold() == wanted]

    def first(self, *path: str) -> Node | None:
        """The first descendant along these names, or None."""
        node: Node | None = self
        for name in path:
            node = next(iter(node.all(name)), None) if node else None
        return node

    def walk(self) -> list[Node]:
        """This element and all below it, in document order."""
        found, left = list[Node](), [self]
        while left:
            node = left.pop()
            found.append(node)
            left.extend(reversed(node.children))
        return found


@dataclass(frozen=True, slots=True)
class Document:
    """What a text gave: the root, whether it was well-formed, whether it had a document type, and remarks."""

    root: Node
    well_formed: bool
    dtd: bool
    notes: tuple[str, ...]


class _TooMuchError(FormatError):
    """The document is deeper or larger than any real one: not an error of syntax."""


class _Builder:
    """Collects what expat reports; refuses depth and amount beyond the limits."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[Node] = []
        self._count = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        space, _, name = tag.rpartition("}")
        node = Node(name, dict(attributes), namespace=space.removeprefix("{"))
        self._count += 1
        if len(self._open) >= DEPTH_LIMIT or self._count > NODE_LIMIT:
            raise _TooMuchError(f"XML deeper than {DEPTH_LIMIT} or with more than {NODE_LIMIT} elements")
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = self.root or node
        self._open.append(node)

    def end(self, _tag: str) -> None:
        """An element ends."""
        self._open.pop().closed = True

    def data(self, text: str) -> None:
        """Character data."""
        if self._open:
            self._open[-1].parts.append(text)

    def close(self) -> Node | None:
        """The root."""
        return self.root


def _strict(text: str) -> Node:
    builder = _Builder()
    parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    parser.feed(text)
    parser.close()
    if builder.root is None:
        raise FormatError("no XML element")
    return builder.root


def unescape(text: str) -> str:
    """Resolve the five XML entities and character references; anything else stays as it is written."""

    def replace(match: re.Match[str]) -> str:
        name = match.group(1).casefold()
        if name in _NAMED:
            return _NAMED[name]
        code = int(name.lstrip("#x"), 16 if name.startswith("#x") else 10)
        return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else match.group()

    return _ENTITY.sub(replace, text)


def _without_spans(text: str, start: str, end: str) -> str:
    """`text` without what lies between the two marks; one that is never closed loses only its opening mark."""
    kept, position = [], 0
    while (begin := text.find(start, position)) >= 0:
        kept.append(text[position:begin])
        stop = text.find(end, begin + len(start))
        if stop < 0:
            return "".join(kept) + text[begin + len(start) :].replace(start, "")
        position = stop + len(end)
    return "".join(kept) + text[position:]


def without_comments(text: str) -> str:
    """A text without its comments; one that is never closed loses only its opening mark."""
    return _without_spans(text, "<!--", "-->")


def _without_doctype(text: str) -> str:
    match = _DOCTYPE.search(text)
    if not match:
        return text
    close, subset = text.find(">", match.end()), text.find("[", match.end())
    if 0 <= subset < close:
        subset_end = text.find("]", subset)
        close = text.find(">", subset_end) if subset_end >= 0 else close
    return text[: match.start()] + (text[close + 1 :] if close >= 0 else "")


def _escape_cdata(text: str) -> str:
    """CDATA sections as ordinary escaped text, so that the tag scan cannot take their content for elements."""
    kept, position = [], 0
    while (begin := text.find("<![CDATA[", position)) >= 0:
        stop = text.find("]]>", begin)
        stop = len(text) if stop < 0 else stop
        inner = text[begin + 9 : stop].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        kept += [text[position:begin], inner]
        position = stop + 3
    return "".join(kept) + text[position:]


def _attributes(text: str) -> dict[str, str]:
    return {
        match.group(1): unescape(match.group(2) if match.group(2) is not None else match.group(3))
        for match in _ATTRIBUTE.finditer(text[:4096])
    }


def _close(stack: list[Node], name: str) -> None:
    """A closing tag: back to the element of that name; one that was never opened is passed over."""
    wanted = name.casefold()
    for index in range(len(stack) - 1, 0, -1):
        if stack[index].name.casefold() == wanted:
            stack[index].closed = True
            del stack[index:]
            return


def _tolerant(text: str) -> Node:
    """A tree out of whatever tags there are. Linear: each character is looked at a bounded number of times."""
    text = _without_doctype(_without_spans(_without_spans(_escape_cdata(text), "<!--", "-->"), "<?", "?>"))
    top = Node("")
    stack, position = [top], 0
    for count, match in enumerate(_TAG.finditer(text)):
        if count >= 2 * NODE_LIMIT:
            break
        stack[-1].parts.append(unescape(text[position : match.start()]))
        position = match.end()
        closing, name, rest = match.groups()
        name = name.rpartition(":")[2]
        if closing:
            _close(stack, name)
            continue
        node = Node(name, _attributes(rest))
        stack[-1].children.append(node)
        if rest.endswith("/"):
            node.closed = True
        elif len(stack) < DEPTH_LIMIT:
            stack.append(node)
    # A tag that the end of the file cut in two is no text.
    stack[-1].parts.append(unescape(_CUT_TAG.sub("", text[position:])))
    return top


def parse(text: str) -> Document:
    """Read `text` strictly, or tolerantly with the reason in `notes`.

    The root is a nameless element above everything; a caller looks for its own root below it.
    """
    notes: list[str] = []
    dtd = False
    try:
        return _well_formed(_strict(text), dtd=False, notes=())
    except _TooMuchError as error:
        notes.append(str(error))
    except (DTDForbidden, EntitiesForbidden, ExternalReferenceForbidden):
        dtd = True
        notes.append("document type declaration refused: nothing of it was resolved")
    except (ParseError, FormatError, ValueError) as error:
        dtd = _DOCTYPE.search(_without_spans(text, "<!--", "-->")) is not None
        notes.append(f"not well-formed XML ({error})")
    if dtd:
        try:
            return _well_formed(_strict(_without_doctype(text)), dtd=True, notes=tuple(notes))
        except (DefusedXmlException, ParseError, ValueError) as error:
            notes.append(f"not well-formed XML without it ({error})")
    return Document(_tolerant(text), well_formed=False, dtd=dtd, notes=(*notes, "read tolerantly"))


def _well_formed(root: Node, *, dtd: bool, notes: tuple[str, ...]) -> Document:
    return Document(Node("", children=[root]), well_formed=True, dtd=dtd, notes=notes)
