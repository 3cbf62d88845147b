"""Rows of timeline.jsonl with what `details` holds as fields again: the way back that a reader of the file goes."""

from __future__ import annotations

from functools import cache
from typing import Any

from forensics.artifacts.base import FieldType
from forensics.export._rows import row_fields
from forensics.timeline import Kinds


def unfolded(row: dict[str, Any], kinds: Kinds | None = None) -> dict[str, Any]:
    """The row with every field by its name and of its declared type."""
    declared = _declared() if kinds is None else row_fields(kinds)
    fields = {name: value for name, value in row.items() if name != "details"}
    for item in row.get("details", ()):
        name, _, text = item.partition(": ")
        if declared[name] in (str, int, bool):
            assert name not in fields
            fields[name] = _single(text, declared[name])
        else:
            fields.setdefault(name, []).append(text)
    return fields


@cache
def _declared() -> dict[str, FieldType]:
    return row_fields()


def _single(text: str, declared: FieldType) -> str | int | bool:
    if declared is bool:
        return {"true": True, "false": False}[text]
    return int(text) if declared is int else text
