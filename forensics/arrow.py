"""Python lists as Arrow arrays, built from their buffers.

`pyarrow.array` would do, but it imports pandas to ask whether a list is a Series, which costs a run more than writing
its whole timeline. Texts are `large_string`: 64-bit offsets, because no limit on evidence keeps a group of rows
under 2 GiB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

TEXT = pa.large_string()
TEXTS = pa.list_(TEXT)
NUMBER = pa.int64()
SWITCH = pa.bool_()
MOMENT = pa.timestamp("us", tz="UTC")

Array = Any  # pyarrow has no stubs


def array(values: Sequence[Any], kind: Any) -> Array:  # noqa: ANN401  # pyarrow has no stubs
    """An array of one of the five types above; None becomes null. Moments are given as whole microseconds."""
    if kind == TEXT:
        return _texts(values)
    if kind == TEXTS:
        return _lists(values)
    if kind == SWITCH:
        bits = np.packbits(np.array([bool(value) for value in values], dtype=np.bool_), bitorder="little")
        return pa.Array.from_buffers(kind, len(values), [_validity(values), pa.py_buffer(bits)])
    numbers = np.array([0 if value is None else value for value in values], dtype=np.int64)
    return pa.Array.from_buffers(kind, len(values), [_validity(values), pa.py_buffer(numbers)])


def _validity(values: Sequence[Any]) -> Any:  # noqa: ANN401  # pyarrow has no stubs
    """The bitmap of what is not null; None when nothing is."""
    if None not in values:
        return None
    present = np.array([value is not None for value in values], dtype=np.bool_)
    return pa.py_buffer(np.packbits(present, bitorder="little"))


def _offsets(lengths: list[int], dtype: type[np.int64] | type[np.int32]) -> Any:  # noqa: ANN401  # a buffer
    offsets = np.zeros(len(lengths) + 1, dtype=dtype)
    np.cumsum(lengths, out=offsets[1:])
    return pa.py_buffer(offsets)


def _texts(values: Sequence[str | None]) -> Array:
    """Texts; what cannot be UTF-8 (a lone surrogate that nobody escaped) is escaped here, so that no row is lost."""
    encoded = [b"" if value is None else value.encode("utf-8", "backslashreplace") for value in values]
    buffers = [_validity(values), _offsets([len(item) for item in encoded], np.int64), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(TEXT, len(values), buffers)


def _lists(values: Sequence[Sequence[str] | None]) -> Array:
    items = [item for value in values if value for item in value]
    buffers = [_validity(values), _offsets([len(value or ()) for value in values], np.int32)]
    return pa.Array.from_buffers(TEXTS, len(values), buffers, children=[_texts(items)])
