"""The switches of rules/recording.yml by the end of their path, as records of a registry change name them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from forensics.rules import load

_NUMBER = re.compile(r"0x([0-9a-f]{1,8})\b|(?<![\w.])(\d{1,10})(?![\w.])", re.IGNORECASE)
_CHANNELS = "\\winevt\\channels\\"
_ENABLED = "\\enabled"


@cache
def _by_path() -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for switch in load("recording")["switches"]:
        parts = (switch["key"], switch["value"]) if "value" in switch else (switch["key"],)
        found.setdefault("\\" + "\\".join(parts).casefold(), switch)
    return found


def switch_at(path: str) -> Mapping[str, Any] | None:
    """The switch that a full path of a value (of one without a value: of its key, or below it) names."""
    lowered = f"\\{path.casefold()}\\"
    return next((switch for end, switch in _by_path().items() if f"{end}\\" in lowered), None)


def channel_at(path: str) -> str:
    """The event log of rules/antiforensics.yml whose `Enabled` a path names; "" where it names none."""
    lowered = path.casefold()
    if _CHANNELS not in lowered or not lowered.endswith(_ENABLED):
        return ""
    name = lowered.partition(_CHANNELS)[2].removesuffix(_ENABLED)
    channels = load("antiforensics")["channels"]
    return next((known for known, about in channels.items() if known.casefold() == name and about["enabled"]), "")


def is_recording_key(path: str) -> bool:
    """Whether a change at this registry path may switch off a recorder."""
    return switch_at(path) is not None or bool(channel_at(path))


def number_in(text: str) -> int | None:
    """The number that a record of a change gives as the value's data (`DWORD (0x00000000)`, `0`)."""
    match = _NUMBER.search(text)
    if match is None:
        return None
    return int(match[1], 16) if match[1] else int(match[2])
