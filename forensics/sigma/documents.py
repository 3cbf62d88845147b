"""YAML out of a folder that anybody may have filled: plain data, or a reason why not.

A document is walked as a stream of events before anything is built of it, so that nesting, aliases (which make a
kilobyte stand for a gigabyte) and sheer number are bounded first. Tags that make objects are no plain data and fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from forensics.sigma.errors import UnsupportedError

MOST_BYTES = 256 * 1024
_MOST_DEPTH, _MOST_ALIASES, _MOST_EVENTS, _MOST_NODES, _MOST_DOCUMENTS = 24, 16, 40_000, 40_000, 50
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BROKEN = "not valid YAML"


class _Loader(_BASE):  # type: ignore[misc]  # one of two classes, known at run time
    """A safe loader to which a name said twice is an error: a reader of the file may have seen either."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: ANN401
        """The mapping; a ConstructorError where a key stands twice."""
        seen = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else id(key)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {name!r} stands twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep=deep)  # type: ignore[no-any-return]


def read_documents(raw: bytes) -> list[Any]:
    """The documents of one file; raises UnsupportedError when it is no YAML that is read."""
    if len(raw) > MOST_BYTES:
        raise UnsupportedError("too large", f"larger than {MOST_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig")
        _walk(text)
        found = list(yaml.load_all(text, Loader=_Loader))  # a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError, TypeError) as error:
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
        if depth > _MOST_DEPTH:
            raise UnsupportedError("nested too deeply", f"nested more than {_MOST_DEPTH} deep")
        if aliases > _MOST_ALIASES or events > _MOST_EVENTS or documents > _MOST_DOCUMENTS:
            raise UnsupportedError("too many parts", "more aliases, values or documents than a rule file has")


def _plain(value: Any, budget: Iterator[int], depth: int) -> Any:  # noqa: ANN401  # YAML gives what the file holds
    """The value with its aliases written out: as large as it will be to everything that walks it."""
    if next(budget, None) is None or depth > _MOST_DEPTH:
        raise UnsupportedError("too many parts", "its aliases stand for more than a rule file has")
    if isinstance(value, dict):
        return {str(key): _plain(item, budget, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, budget, depth + 1) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
