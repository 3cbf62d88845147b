r"""The text of a Windows Sandbox configuration, out of a file or out of whatever a command line made of it.

`wsb start --config "<Configuration>..."` takes XML on one line, and every log and shell on the way escapes it in its
own manner: event logs and task files write `&lt;` (or `&#60;`), JSON writers `\u003c`, cmd.exe has `^<`, and a
quotation mark inside a quoted argument is `\"`. All of it is undone here, so that one reader serves them all.
Names of elements: see `formats/wsb.py`. That a client is given some elements without `<Configuration>` around them is
inferred from a public detection rule that matches `<NetworkingEnabled>true` alone.
"""

from __future__ import annotations

import re

from forensics.formats.textfile import decode
from forensics.formats.xmlguard import SIZE_LIMIT

_BEGIN = re.compile(r"<\s*configuration\b", re.IGNORECASE)
_END = re.compile(r"</\s*configuration\s*>", re.IGNORECASE)
_COMMENT_BEGIN, _COMMENT_END = "<!--", "-->"
_EMPTY = re.compile(r"[^<>]{0,200}/>")
# Elements that no other XML on a command line is known to have.
_PARTS = (
    "networkingenabled|networking|mappedfolders|mappedfolder|logoncommand|clipboardredirection|printerredirection"
    "|protectedclient|memoryinmb"
)
_PART_BEGIN = re.compile(rf"<(?:{_PARTS})>", re.IGNORECASE)
_PART_END = re.compile(rf"</(?:{_PARTS})>", re.IGNORECASE)
_ENTITIES = (
    (r"&(?:lt|#60|#x3c);", "<"),
    (r"&(?:gt|#62|#x3e);", ">"),
    (r"&(?:quot|#34|#x22);", '"'),
    (r"&(?:apos|#39|#x27);", "'"),
    (r"&(?:amp|#38|#x26);", "&"),
)
_JSON = ((r"\\u003c", "<"), (r"\\u003e", ">"), (r"\\u0022", '"'), (r"\\u0027", "'"), (r"\\u0026", "&"))
_CARETS = ((r"\^([<>&|^()\"])", r"\1"),)
_ESCAPES = (
    ("HTML-escaped", re.compile(r"&(?:amp;){0,2}(?:lt|#60|#x3c);", re.IGNORECASE), _ENTITIES),
    ("JSON-escaped", re.compile(r"\\u003c", re.IGNORECASE), _JSON),
    ("escaped with carets, as cmd.exe has it", re.compile(r"\^<"), _CARETS),
)
_CODE_PAGE = "cp932"  # what Japanese Windows saves as "ANSI"


def plain_text(data: bytes | str) -> tuple[str, str, list[str]]:
    """The XML as text, its encoding, and remarks. Escaped text is unescaped, twice at most."""
    notes: list[str] = []
    if len(data) > SIZE_LIMIT:
        notes.append(f"larger than {SIZE_LIMIT} bytes: only its start was read")
        data = data[:SIZE_LIMIT]
    text, encoding = _decoded(data, notes) if isinstance(data, bytes) else (data, "text")
    for _ in range(2):
        for note, mark, pairs in _ESCAPES:
            if mark.search(text) and not _begins(text):
                text = _without(text, pairs)
                notes.append(note)
    return text, encoding, notes


def _begins(text: str) -> bool:
    """Whether a configuration begins here, and not with an escaped bracket."""
    begin = _BEGIN.search(text)
    return begin is not None and not text[: begin.start()].endswith("^")


def _decoded(data: bytes, notes: list[str]) -> tuple[str, str]:
    """Text and encoding; bytes that are not UTF-8 are tried as the code page that Japanese programs save in."""
    text, encoding, damaged = decode(data)
    if not damaged:
        return text, encoding
    notes.append(f"bytes that are not {encoding}")
    if encoding != "utf-8":
        return text, encoding
    try:
        paged = data.decode(_CODE_PAGE)
    except UnicodeDecodeError:
        return text, encoding
    if not _is_another_page(text):
        return text, encoding
    notes.append(f"read as {_CODE_PAGE}, which is assumed")
    return paged, _CODE_PAGE


def _is_another_page(text: str) -> bool:
    """Whether what UTF-8 made of it is odd all over: one cut or damaged character is no other code page."""
    lost, kept = text.count("\ufffd"), sum(not char.isascii() for char in text)
    return lost * 2 > kept and "\ufffd" in text.rstrip("\ufffd")


def _without(text: str, pairs: tuple[tuple[str, str], ...]) -> str:
    """Undo one level of escaping, the ampersand last."""
    for escaped, plain in pairs:
        text = re.sub(escaped, plain, text, flags=re.IGNORECASE)
    return text


def find_inline(text: str) -> str | None:
    """The `<Configuration>...</Configuration>` part of a command line (plain or escaped), None without one.

    A part without its end (a cut command line) is returned to the end of the text; elements of a configuration without
    one around them from the first to the end of the last.
    """
    plain, _, _ = plain_text(text)
    begin = _BEGIN.search(plain)
    if not begin:
        return _parts(plain)
    end = _END.search(_without_comments(plain), begin.end())
    empty = None if end else _EMPTY.match(plain, begin.end())
    stop = end.end() if end else empty.end() if empty else len(plain)
    found = plain[begin.start() : stop]
    # Inside a quoted argument a program is given `"` for `\"` (the rules of the C runtime).
    return found.replace('\\"', '"') if plain[: begin.start()].endswith('"') else found


def _without_comments(text: str) -> str:
    """The text with blanks where comments stood, in time linear to its length."""
    kept: list[str] = []
    position = 0
    while (begin := text.find(_COMMENT_BEGIN, position)) >= 0:
        end = text.find(_COMMENT_END, begin)
        if end < 0:
            break
        end += len(_COMMENT_END)
        kept += [text[position:begin], " " * (end - begin)]
        position = end
    return "".join([*kept, text[position:]])


def _parts(plain: str) -> str | None:
    begin = _PART_BEGIN.search(plain)
    ends = [found.end() for found in _PART_END.finditer(plain, begin.end())] if begin else []
    return plain[begin.start() : ends[-1]] if begin and ends else None
