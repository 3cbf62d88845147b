"""JSON written by others: a size limit, no recursion error, no NaN, no lone surrogates; every failure a FormatError."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from forensics.formats import FormatError
from forensics.formats.textfile import decode

_SURROGATE = re.compile("[\ud800-\udfff]")
SIZE_LIMIT = 4 * 1024 * 1024


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def loads(data: bytes, limit: int = SIZE_LIMIT) -> Any:  # noqa: ANN401  # JSON gives what the file holds
    """The value in a JSON file (UTF-8 or UTF-16, with or without mark); FormatError says what is wrong with it."""
    if len(data) > limit:
        raise FormatError(f"larger than {limit} bytes")
    text = decode(data).text.strip("\x00")
    if not text.strip():
        raise FormatError("empty" if not data else "nothing but blanks or zeros")
    try:
        return _scrub(json.loads(text, parse_constant=_refuse))
    except RecursionError:
        raise FormatError("nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, and integers beyond the digit limit
        raise FormatError(f"not JSON: {error}") from None


def _scrub(value: Any) -> Any:  # noqa: ANN401
    """Lone surrogates (`"\\ud800"` is legal JSON) as U+FFFD: they cannot be written as UTF-8."""
    if isinstance(value, str):
        return value if value.isprintable() else _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_scrub(item) for item in value]
    if isinstance(value, dict):
        return {_scrub(key): _scrub(item) for key, item in value.items()}
    return value
