"""The one sanitiser for strings that came from evidence.

Command lines, file names and log texts are written by whoever owned the machine. They may hold terminal escapes,
lone surrogates (which abort Arrow and UTF-8 writers), NUL, bidirectional overrides that reverse what a reader sees,
or line separators that forge a second log line. Every such character is replaced by a visible escape here and
nowhere else; callers keep the raw form in hex where something was replaced (see `clean`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

# C0 and C1 controls but TAB and LF, DEL, bidi and zero-width formatting, line/paragraph separators, BOM inside text,
# interlinear and tag characters, surrogates, noncharacters. A fixed character class: linear on any input.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ufdd0-\ufdef"
    "\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
_ONE_LINE = re.compile("[\t\n]")
# What may stand right before a token: no letter or digit, or the end of an escape (`%22eyJ…` is URL-encoded JSON).
_BEFORE = r"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt])|(?<=\\x[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4}))"
_NAMES = "access_?token|refresh_?token|id_?token|github_?token|device_?code|client_?secret"
_QUOTE = r"(?:\\{0,4}\"|%22|')"
_GITHUB = "gh[opusr](?:_|%5F|%5f)"
# Damage within a token: one letter that is lost is soon guessed.
_ODD = "\x01-\x08\x0e-\x1f\x7f-\x9f\ufffd\u200b"
# A login that a narrow console broke over lines goes on with a run that no word is as long as.
_WRAPPED = r"(?:\r?\n[A-Za-z0-9_.-]{20,})*"
# Each part either takes what it has read or gives up after a bounded number of characters: linear on any input.
_SECRET = re.compile(
    r"(?P<keep>--(?:access-token|refresh-token|host-token)[=\s\x00:,\"'\\]{1,16}(?!--)"
    r"|[?&]tkn=|\btkn="
    rf"|{_QUOTE}(?i:{_NAMES}){_QUOTE}(?:\s{{0,8}}:\s{{0,8}}|%3[Aa]){_QUOTE}"
    r"|(?i:\bauthorization)\\?[\"']?\s{0,4}[:=]\s{0,4}\\?[\"']?(?i:bearer|basic|token|tunnel)\s{1,4}"
    r"|[?&#](?:access_token|refresh_token|id_token|device_code)=)(?:(?!%22)[^\s\x00\"'&\\])+"
    rf"|{_BEFORE}{_GITHUB}(?P<first>[A-Za-z0-9]{{1,35}})\s{{0,2}}\n\s{{0,40}}(?P<rest>[A-Za-z0-9]{{1,36}})(?![A-Za-z0-9])"
    rf"|{_BEFORE}{_GITHUB}[A-Za-z0-9{_ODD}]{{6,}}{_WRAPPED}|{_GITHUB}[A-Za-z0-9{_ODD}]{{20,}}|{_BEFORE}github_pat_[A-Za-z0-9_]{{10,}}"
    rf"|{_BEFORE}eyJ[A-Za-z0-9_{_ODD}-]{{8,}}(?:\.[A-Za-z0-9_{_ODD}-]+){{0,4}}{_WRAPPED}"
    # UTF-16 read as bytes: PowerShell's `>>` adds it to a file that began in another encoding.
    r"|g\x00h\x00[opusr]\x00_\x00(?:[A-Za-z0-9]\x00){5,}[A-Za-z0-9]?|e\x00y\x00J\x00(?:[A-Za-z0-9_.-]\x00){8,}[A-Za-z0-9_.-]?"
)
_TOKEN_LENGTH = 36  # of GitHub's tokens, behind their prefix
# Every secret that `_SECRET` finds contains one of these.
_SECRET_MARKS = (
    "eyJ",
    "github_pat_",
    "oken",
    "OKEN",
    "evice",
    "EVICE",
    "lient",
    "LIENT",
    "uthorization",
    "UTHORIZATION",
    "tkn=",
    "\x00",
    *(f"gh{kind}{line}" for kind in "opusr" for line in ("_", "%5")),
)


class Cleaned(NamedTuple):
    """A safe text, and the hex of its UTF-8 form (surrogates passed through) where it had to be changed."""

    text: str
    raw_hex: str | None


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def clean(text: str) -> Cleaned:
    """Escape what could harm a terminal, an export or a reader; TAB and LF stay.

    Backslashes are not doubled (Windows paths would become unreadable), so the escape is not reversible by itself:
    `raw_hex` keeps the original where it differs. Idempotent.
    """
    safe = _UNSAFE.sub(_escape, text)
    if safe == text:
        return Cleaned(text, None)
    return Cleaned(safe, text.encode("utf-8", "surrogatepass").hex())


def safe_text(text: str) -> str:
    """`clean` without the raw form, for places that only show."""
    return _UNSAFE.sub(_escape, text)


def _marked(text: str) -> bool:
    # A loop: the generator of `any` costs more than what it looks for, and every text of a case comes here.
    for mark in _SECRET_MARKS:  # noqa: SIM110
        if mark in text:
            return True
    return False


def is_plain(text: str) -> bool:
    """Whether `clean` and `mask_secrets` would leave the text as it is; may say no to a text that is.

    One pass of C code and a few substring searches: nearly all of the evidence takes this way.
    """
    return text.isprintable() and not _marked(text)


def one_line(text: str, limit: int = 0) -> str:
    """Safe text on one line, for messages, terminals and logs; cut to `limit` characters with an ellipsis."""
    flat = _ONE_LINE.sub(lambda match: "\\n" if match.group() == "\n" else " ", safe_text(text))
    return flat if not limit or len(flat) <= limit else flat[: limit - 1] + "…"


def mask_secrets(text: str) -> str:
    """Replace access tokens (GitHub, JWT, host tokens, `tkn=`) by `<secret>`: a report must not leak a live login."""
    if not _marked(text):
        return text
    return _SECRET.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    first, rest = match["first"], match["rest"]
    if first is not None and len(first) + len(rest) < _TOKEN_LENGTH:  # two words on two lines: only the first is one
        return mask_secrets(match.group()[: match.start("rest") - match.start()]) + rest
    return (match["keep"] or "") + "<secret>"


# Nouns behind a number in our templates; the singular is the word without its last letter.
COUNTED = "records|times|keys|errors|files|rows|windows|attempts|connections|programs"
_COUNTED = re.compile(rf"\{{(\w+)\}} ({COUNTED})\b")


def worded(template: str, parts: Mapping[str, object]) -> str:
    """The template with its values; `{n} records` is one record where `n` is 1. No value is looked into."""

    def noun(match: re.Match[str]) -> str:
        single = str(parts.get(match[1])) == "1"
        return f"{{{match[1]}}} {match[2][:-1] if single else match[2]}"

    return _COUNTED.sub(noun, template).format(**parts)
