"""What lists of most recently used things share: their order, and which of their entries has a time.

A list is written whole when something moves to its front, so the key's last write is the time of its newest entry. Of
the others it is only known that they are not younger: `key_written` says so.
https://github.com/libyal/winreg-kb/blob/main/docs/sources/explorer-keys/Most-recently-used.md
"""

from __future__ import annotations

import struct
from datetime import datetime

from forensics.artifacts._registry import owner
from forensics.artifacts.base import FieldType, FileInput
from forensics.formats.hive import Key, RegValue
from forensics.model import Value
from forensics.times import Moment, NoTime, iso

WRITTEN = "Content Modification Time"
FIELDS: dict[str, FieldType] = {
    "order": int,
    "key_written": str,
    "profile_user": str,
    "user_sid": str,
    "key_path": str,
    "value_name": str,
}
_OLDER = "only the newest entry of the list has a time"
_REMOVED = "the entry was removed from its key, whose last write is the removal or later"
_END = 0xFFFFFFFF


def numbers(value: RegValue | None) -> dict[int, int]:
    """`MRUListEx`: entry number to its place in the list, 1 for the newest; an entry may be missing from it."""
    raw = value.raw if value else b""
    places: dict[int, int] = {}
    for position, number in enumerate(struct.unpack(f"<{len(raw) // 4}I", raw[: len(raw) & ~3]), 1):
        if number == _END:
            break
        places.setdefault(number, position)
    return places


def letters(value: RegValue | None) -> dict[str, int]:
    """`MRUList`: the letter of an entry to its place in the list, 1 for the newest."""
    places: dict[str, int] = {}
    for position, letter in enumerate(value.text() if value else "", 1):
        places.setdefault(letter, position)
    return places


def moment(key: Key, position: int | None) -> Moment:
    """The key's last write for the newest entry, for the others why there is no time."""
    if position == 1 and key.lost_values:
        return NoTime(_REMOVED, "")
    return key.last_write if position == 1 else NoTime(_OLDER, "")


def written(key: Key) -> str | None:
    """When the key was last written, as text: what is in it without a time of its own is no younger."""
    return iso(key.last_write) if isinstance(key.last_write, datetime) else None


def about(given: FileInput, key: Key, value_name: str, position: int | None = None) -> dict[str, Value | None]:
    """The fields of FIELDS."""
    user, sid = owner(given)
    return {
        "order": position,
        "key_written": None if position == 1 and not key.lost_values else written(key),
        "profile_user": user,
        "user_sid": sid,
        "key_path": key.path,
        "value_name": value_name,
    }
