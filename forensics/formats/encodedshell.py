"""What PowerShell was given in another form: `-EncodedCommand`, and Base64 inside a script, also compressed.

`-EncodedCommand` (and every beginning of the word) takes UTF-16 in Base64. Loaders such as those that Cobalt Strike
makes put a second text inside: `FromBase64String("H4sI...")` through a GzipStream. Each layer is opened as data, never
carried out, within budgets.
https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_powershell_exe
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib

# A hyphen of any kind or a slash, a word, and Base64.
_OPTION = re.compile(r"[-/\u2013\u2014\u2015](e[a-z]{0,14})[\s:]{1,4}[\"']?([A-Za-z0-9+/=]{16,})", re.IGNORECASE)
_INSIDE = re.compile(r"frombase64string\(\s{0,4}[\"']([A-Za-z0-9+/=\s]{16,})[\"']", re.IGNORECASE)
_SHELL = re.compile(r"\b(?:powershell|pwsh)\b", re.IGNORECASE)
_LIMIT = 1024 * 1024  # characters of a layer
_LAYERS = 6


def layers(text: str) -> tuple[str, ...]:
    """The texts inside a command line or script, outermost first; empty when nothing in it opens as text."""
    folded = text[:_LIMIT].casefold()
    if not any(word in folded for word in ("powershell", "pwsh", "frombase64string")):
        return ()
    found: list[str] = []
    waiting = [text[:_LIMIT]]
    while waiting and len(found) < _LAYERS:
        current = waiting.pop(0)
        pieces = [match.group(1) for match in _INSIDE.finditer(current)]
        if _SHELL.search(current):
            pieces += [match.group(2) for match in _OPTION.finditer(current) if _is_option(match.group(1))]
        for piece in pieces[:_LAYERS]:
            inner = _opened(piece)
            if inner and inner not in found:
                found.append(inner)
                waiting.append(inner)
    return tuple(found[:_LAYERS])


def _is_option(word: str) -> bool:
    return word.casefold() == "ec" or "encodedcommand".startswith(word.casefold())


def _opened(piece: str) -> str:
    """The text in a piece of Base64; "" when it is none."""
    compact = "".join(piece.split())
    try:
        raw = base64.b64decode(compact + "=" * (-len(compact) % 4))
    except (binascii.Error, ValueError):
        return ""
    if raw.startswith(b"\x1f\x8b"):
        raw = _inflated(raw)
    for encoding in ("utf-16-le", "utf-8"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _is_text(text[:2000]):
            return text[:_LIMIT]
    return ""


def _is_text(start: str) -> bool:
    shown = sum(char.isprintable() or char.isspace() for char in start)
    plain = sum(char.isascii() for char in start)
    return bool(start) and shown > 0.95 * len(start) and plain * 2 > len(start)


def _inflated(raw: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(raw, _LIMIT)
    except zlib.error:
        return b""
