"""Which fields are columns of their own in Timesketch, and how `details` holds the others (rules/export.yml).

An index takes 1000 mapped fields. Timesketch counts two for each name (`lib/tasks.py`), but its `generic.mappings` make
three of a text (the text, `.keyword`, `.wildcard`): some 330 names, shared with every other CSV and JSONL upload of a
sketch. So there is a short list of columns, and every other field becomes an item of one list of texts, `details`,
each `name: value`. Read in Timesketch's source and OpenSearch's documentation (arrays, `position_increment_gap`), not
tried on a live server:

- An object would not do: OpenSearch maps each of its members as a field again. An array of texts maps as one text.
- Each item is analysed by itself: `details:"wsb_vgpu false"` finds the item, and no phrase spans two of them, as it
  would in one long text. `details.keyword:"wsb_vgpu: false"` is exact, and can be counted, for items of up to 256
  characters; of one long text there would be no keyword at all.
- A value stands as it is. JSON inside a text would write a line end as `\\n`, which makes one word with what follows
  it, so that a search for that word finds nothing.
- A name has no colon in it, so what stands before the first `: ` is the name and all after it is the value. A list is
  one item for each of its members, in their order. The types are those of docs/artifacts.md.

The price: numbers in `details` are texts, without ranges. Those that are compared are columns.
"""

from __future__ import annotations

import json
from functools import cache
from json.encoder import encode_basestring
from typing import NamedTuple

from forensics.model import Fields, Value
from forensics.rules import load

DETAILS = "details"
encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
text_of = encode_basestring  # a text as JSON: what `encode` comes to, without its detours


class Encoded(NamedTuple):
    """The fields of a row as the inside of a JSON object: every field by its name, and folded."""

    whole: str
    folded: str


@cache
def core() -> frozenset[str]:
    """What a row can have whatever its kind."""
    return frozenset(load("export")["core"])


@cache
def listed() -> tuple[str, ...]:
    """The fields of kinds and of session rows that are columns of their own, as they stand in the file."""
    return tuple(name for names in load("export")["columns"].values() for name in names)


@cache
def own_columns() -> frozenset[str]:
    """Every column: all other fields are folded."""
    return core().union(listed())


def encoded(fields: Fields) -> Encoded:
    """The fields sorted by name, without what is empty; names are plain identifiers."""
    columns, whole, own, folded = own_columns(), [], [], []
    for name, value in sorted(fields.items()):
        if value or type(value) in (int, bool):
            text = text_of(value) if type(value) is str else _json(value)
            member = f'"{name}":{text}'
            whole.append(member)
            if name in columns:
                own.append(member)
            elif type(value) is str:
                folded.append(f'"{name}: {text[1:]}')
            elif type(value) is tuple:
                folded += [f'"{name}: {text_of(item)[1:]}' for item in value]
            else:
                folded.append(f'"{name}: {text}"')
    every = ",".join(whole)
    if not folded:
        return Encoded(every, every)
    own.append(f'"{DETAILS}":[{",".join(folded)}]')
    return Encoded(every, ",".join(own))


def _json(value: Value) -> str:
    return str(value) if type(value) is int else encode(value)
