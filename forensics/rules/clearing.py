"""Commands that remove traces or blind a recorder, whatever they are dressed in.

A command line is compared in a normal form: in lower case, without the carets, quotes and backticks that shells drop,
without the joints of a text that was cut in pieces (`'wev'+'tutil'`), single spaces, PowerShell's `-Name:value` as
`-Name value`. The rules are those of antiforensics.yml.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from forensics.rules import load
from forensics.rules.engine import Hit, hits, rules_of

_LIMIT = 64 * 1024
_PART, _OVERLAP = 16 * 1024, 1024  # the rules read so much at once
_JOINT = re.compile(r"(?:'\+'|\"\+\"|' ?\+ '|\" ?\+ \")")
_DROPPED = dict.fromkeys(map(ord, "^`\"'\u2018\u2019\u201c\u201d"))
_SPACES = re.compile(r"[ \t\xa0]+")
_ALONE = re.compile(r"(?<= )\(([\w.\\:-]+)\)")  # `& (wevtutil) cl`
_SHELL = re.compile(r"(?<![^ ])(/[ck])(?=\")")
_SWITCH = re.compile(r" (-[a-z]{2,40}):(?=[$\w])")


def plain(command: str) -> str:
    """The normal form of a command line or script, of its first 64 KiB."""
    text = _SPACES.sub(" ", command[:_LIMIT].casefold())
    text = _SHELL.sub(r"\1 ", _JOINT.sub("", text)).translate(_DROPPED)
    return _SWITCH.sub(r" \1 ", _ALONE.sub(r"\1", text))


@cache
def _words() -> tuple[str, ...]:
    return tuple(load("antiforensics")["words"])


@lru_cache(maxsize=4096)
def clearing(command: str) -> tuple[Hit, ...]:
    """What a command removes or blinds; cached, since it is asked when rows are kept and when they are judged."""
    text = plain(command)
    found: dict[str, Hit] = {}
    for start in range(0, max(len(text) - _OVERLAP, 1), _PART - _OVERLAP):
        part = text[start : start + _PART]
        if any(word in part for word in _words()):
            found.update((hit.rule, hit) for hit in hits(rules_of("antiforensics"), {"command": part}))
    return tuple(found[rule] for rule in sorted(found))
