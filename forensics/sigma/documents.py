"""YAML out of a folder that anybody may have filled: plain data, or a reason why not.

A document is walked as a stream of events before anything is built of it, so that nesting, aliases (which make a
kilobyte stand for a gigabyte) and sheer number are bounded first. Tags that make objects are no plain data and fail.

Of the forms that YAML takes for something else than text only those stay that a rule means: a date, a time of day
(`1:30`, which YAML reads in sixties), `.nan` or a number of a thousand digits is the text that stands there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

from forensics.sigma.errors import UnsupportedError

MOST_BYTES = 256 * 1024
_MOST_DEPTH, _MOST_ALIASES, _MOST_EVENTS, _MOST_NODES, _MOST_DOCUMENTS = 24, 16, 40_000, 40_000, 50
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BROKEN = "not valid YAML"
_TAG = "tag:yaml.org,2002:"
_TAGS = frozenset({None, "!", *(_TAG + name for name in ("str", "map", "seq", "int", "float", "bool", "null"))})
_NUMBER_BITS = 128
_NUMBERS = {
    "int": re.compile(r"[-+]?(?:0b[01_]{1,140}|0[0-7_]{0,60}|[1-9][0-9_]{0,60}|0x[0-9a-fA-F_]{1,60})\Z"),
    "float": re.compile(r"[-+]?(?:[0-9][0-9_]{0,60}\.[0-9_]{0,60}|\.[0-9][0-9_]{0,60})(?:[eE][-+][0-9]{1,4})?\Z"),
}
# What a value of a tag that does not fit it makes a constructor of PyYAML raise.
_UNFIT = (yaml.YAMLError, ValueError, RecursionError, OverflowError, TypeError, AttributeError, LookupError)


class _Loader(_BASE):  # type: ignore[misc]  # one of two classes, known at run time
    """A safe loader to which a name said twice is an error: a reader of the file may have seen either."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # how PyYAML has it
        sign: [(tag, _NUMBERS.get(tag.removeprefix(_TAG), pattern)) for tag, pattern in items
               if tag not in (_TAG + "timestamp", _TAG + "value")]
        for sign, items in _BASE.yaml_implicit_resolvers.items()
    }  # fmt: skip

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: ANN401
        """The mapping; a ConstructorError where a key stands twice."""
        seen = set()
        for key, _ in node.value:
            plain = isinstance(key, yaml.ScalarNode)
            name = id(key) if not plain else "<<" if key.tag == _TAG + "merge" else self.construct_object(key)
            if (plain, name) in seen:
                told = f"the key {key.value[:60]!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, told, key.start_mark)
            seen.add((plain, name))
        return super().construct_mapping(node, deep=deep)  # type: ignore[no-any-return]


def read_documents(raw: bytes) -> list[Any]:
    """The documents of one file; raises UnsupportedError when it is no YAML that is read."""
    if len(raw) > MOST_BYTES:
        raise UnsupportedError("too large", f"larger than {MOST_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig")
        _walk(text)
        found = list(yaml.load_all(text, Loader=_Loader))  # a SafeLoader
    except _UNFIT as error:
        raise UnsupportedError(_BROKEN, f"{_BROKEN}: {' '.join(str(error).split())[:200]}") from None
    budget = iter(range(_MOST_NODES))
    return [_plain(document, budget, 0) for document in found if document is not None]


def _walk(text: str) -> None:
    """Bound what the text holds, by its events: nothing is built yet."""
    depth = aliases = documents = 0
    for events, event in enumerate(yaml.parse(text, Loader=_BASE)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        aliases += isinstance(event, yaml.AliasEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        tag = getattr(event, "tag", None)
        if tag not in _TAGS:
            raise UnsupportedError("not plain data", f"the tag {str(tag)[:60]!r}: rules are texts and numbers")
        if depth > _MOST_DEPTH:
            raise UnsupportedError("nested too deeply", f"nested more than {_MOST_DEPTH} deep")
        if aliases > _MOST_ALIASES or events > _MOST_EVENTS or documents > _MOST_DOCUMENTS:
            raise UnsupportedError("too many parts", "more aliases, values or documents than a rule file has")


def _plain(value: Any, budget: Iterator[int], depth: int) -> Any:  # noqa: ANN401  # YAML gives what the file holds
    """The value with its aliases written out: as large as it will be to everything that walks it."""
    if next(budget, None) is None or depth > _MOST_DEPTH:
        raise UnsupportedError("too many parts", "its aliases stand for more than a rule file has")
    if isinstance(value, dict):
        return _mapping(value, budget, depth)
    if isinstance(value, list):
        return [_plain(item, budget, depth + 1) for item in value]
    return _scalar(value)


def _mapping(value: dict[Any, Any], budget: Iterator[int], depth: int) -> dict[str, Any]:
    """The mapping with texts for keys, of which none stands twice (the text `1` and the number)."""
    found: dict[str, Any] = {}
    for key, item in value.items():
        name = str(_scalar(key))
        if name in found:
            raise UnsupportedError(_BROKEN, f"{_BROKEN}: the key {name[:60]!r} stands twice")
        found[name] = _plain(item, budget, depth + 1)
    return found


def _scalar(value: Any) -> str | int | float | bool | None:  # noqa: ANN401
    """A text or number as it is, unless nothing can be held against it."""
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
            raise UnsupportedError(_BROKEN, f"{_BROKEN}: a text with half a character")
        return value
    if isinstance(value, int) and value.bit_length() > _NUMBER_BITS:
        raise UnsupportedError("number too large", f"a number of more than {_NUMBER_BITS} bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise UnsupportedError("number too large", "a number without end, or none")
    if value is None or isinstance(value, int | float):
        return value
    raise UnsupportedError("not plain data", "a value that is neither text nor number")
