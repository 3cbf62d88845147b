"""Plain JSON material back into model dataclasses (the inverse of `model.to_plain`), checked on the way."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Hashable
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, TypeVar

from forensics.text import mask_secrets, safe_text

T = TypeVar("T")


@cache
def _hints(cls: Hashable) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def from_plain(cls: type[T], value: object) -> T:
    """An instance of the dataclass `cls` out of a JSON object; keys it does not know are passed over.

    Raises:
        ValueError: a member is missing or has another type than the dataclass says.
    """
    if not isinstance(value, dict):
        raise ValueError(  # damage of a file, not of a call: no TypeError
            f"no object where {cls.__name__} is expected"
        )
    members = {}
    hints = _hints(typing.cast("Hashable", cls))
    for item in dataclasses.fields(cls):  # type: ignore[arg-type]
        if item.name in value:
            members[item.name] = _convert(hints[item.name], value[item.name], f"{cls.__name__}.{item.name}")
    try:
        return cls(**members)
    except TypeError as error:
        raise ValueError(str(error)) from None


def _convert(hint: Any, value: Any, where: str) -> Any:  # noqa: ANN401  # any annotation of the model
    origin = typing.get_origin(hint)
    if origin is types.UnionType or origin is typing.Union:
        if value is None:
            return None
        return _convert(next(arg for arg in typing.get_args(hint) if arg is not type(None)), value, where)
    if origin is tuple and isinstance(value, list):
        return tuple(_convert(typing.get_args(hint)[0], item, where) for item in value)
    if origin is dict and isinstance(value, dict):
        return {str(key): _convert(typing.get_args(hint)[1], item, where) for key, item in value.items()}
    if hint is datetime and isinstance(value, str):
        return _moment(value, where)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_plain(hint, value)
    if hint in (str, int, bool) and type(value) is hint:
        return value
    raise ValueError(f"{where} has the wrong type")


def _moment(value: str, where: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{where} has no offset")
    return moment


def safe_plain(value: Any) -> Any:  # noqa: ANN401  # JSON material
    """JSON material with unsafe characters of evidence escaped (dictionary keys too)."""
    if isinstance(value, str):
        return safe_text(mask_secrets(value))
    if isinstance(value, list):
        return [safe_plain(item) for item in value]
    if isinstance(value, dict):
        return {_safe_key(key): safe_plain(item) for key, item in value.items()}
    return value


@lru_cache(maxsize=4096)
def _safe_key(key: str) -> str:
    """Kept: nearly all keys are the names of our own fields."""
    return safe_text(mask_secrets(key))
