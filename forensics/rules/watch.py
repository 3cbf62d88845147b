"""Decide which rows matter by themselves, and which only as context of a session or finding.

Called for every process start, task run and file creation of a log, so it must be cheap: one compiled alternation
over the joined, lowered texts.
"""

from __future__ import annotations

import re
from functools import cache

from forensics.rules import load

_LIMIT = 32 * 1024


@cache
def _watched() -> re.Pattern[str]:
    data = load("watch")
    parts = [re.escape(text.casefold()) for text in data["substrings"]] + [f"(?:{text})" for text in data["patterns"]]
    return re.compile("|".join(parts), re.IGNORECASE)


@cache
def _autostarts() -> tuple[str, ...]:
    return tuple(text.casefold() for text in load("watch")["autostart_keys"])


def is_watched(*texts: str) -> bool:
    """Whether any of `texts` names something that bears on a session, persistence or wiping (rules/watch.yml)."""
    joined = "\n".join(text[:_LIMIT] for text in texts if text)
    return bool(joined) and _watched().search(joined.casefold()) is not None


def is_autostart_key(key_path: str) -> bool:
    """Whether this registry path (a value's full path counts) lies under an autostart key."""
    lowered = key_path.casefold() + "\\"
    return any(key in lowered for key in _autostarts())
