"""YAML documents as dataclasses: reading them, putting names in, and refusing what the model does not know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import yaml

_NAME = re.compile(r"\$\(([\w.-]+)\)")
Made = TypeVar("Made")


class ScenarioError(ValueError):
    """A scenario file says something that the host model does not know; the message names file and place."""


def read(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds; an empty file holds an empty one."""
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError as error:
        raise ScenarioError(f"there is no {path}") from error
    if not isinstance(loaded, dict):
        raise ScenarioError(f"{path.name} is not a mapping")
    return loaded


def replaced(value: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401  # walks whatever YAML gave
    """`value` with every `$(name)` in its texts replaced."""
    if isinstance(value, str):
        return _NAME.sub(lambda match: _lookup(match.group(1), names), value)
    if isinstance(value, list):
        return [replaced(item, names) for item in value]
    if isinstance(value, dict):
        return {replaced(key, names): replaced(item, names) for key, item in value.items()}
    return value


def _lookup(name: str, names: Mapping[str, str]) -> str:
    if name not in names:
        raise ScenarioError(f"$({name}) is not in any names section")
    return names[name]


def made(kind: type[Made], item: Mapping[str, Any], where: str, nested: Mapping[str, type[Any]]) -> Made:
    """The dataclass `kind` out of a mapping; `nested` says which fields hold dataclasses, one or a list of them."""
    known = {entry.name for entry in fields(kind)}  # type: ignore[arg-type]  # all kinds here are dataclasses
    if unknown := set(item) - known:
        raise ScenarioError(f"{where}: {kind.__name__} has no {sorted(unknown)}: {dict(item)!r:.200}")
    ready = {key: _ready(key, value, where, nested) for key, value in item.items()}
    try:
        return kind(**ready)
    except TypeError as error:
        raise ScenarioError(f"{where}: {error}: {dict(item)!r:.200}") from error


def _ready(key: str, value: Any, where: str, nested: Mapping[str, type[Any]]) -> Any:  # noqa: ANN401
    if key in nested and isinstance(value, dict):
        return made(nested[key], value, where, nested)
    if isinstance(value, list):
        return tuple(made(nested[key], item, where, nested) if key in nested else item for item in value)
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ScenarioError(f"{where}: {key} has no zone (write a Z): {value}")
    return value
