"""Unpacks nested containers to disk, under names of our own, into a folder that is gone after the run."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import BinaryIO

from forensics.evidence.base import DAMAGE, UNPACKED, EvidenceError

_BLOCK = 4 * 1024 * 1024
_LIMIT = 1024**4


@cache
def _own() -> tempfile.TemporaryDirectory[str]:
    """A folder of this process, for callers that gave none."""
    return tempfile.TemporaryDirectory(prefix="mirrortrace-")


def unpacked(
    source: Callable[[], BinaryIO], identity: str, folder: str, size: int | None = None, *, keep: bool = False
) -> Path:
    """The content of `source` as a file; another process of this run may have made it already.

    `size` is what the container claims: more than that is not written. Raises EvidenceError when it cannot be read;
    with `keep` only when nothing of it can be, and `damage_of` tells what ended it.
    """
    top = Path(folder or _own().name)
    name = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    place, part = top / f"{name}{UNPACKED}", top / f"{name}.{os.getpid()}.part"
    if place.exists():
        return place
    limit = _LIMIT if size is None else min(size, _LIMIT)
    label = identity.rpartition("|")[2]
    try:
        top.mkdir(mode=0o700, parents=True, exist_ok=True)
        damage = _written(source, part, limit, label)
        if damage and not (keep and part.stat().st_size):
            raise EvidenceError(f"{label} cannot be unpacked: {damage}", integrity=True)
        if damage:
            _note(place).write_text(damage, encoding="utf-8", errors="backslashreplace")
        part.replace(place)
    except OSError as error:  # of our own disk
        raise EvidenceError(f"{label} cannot be unpacked: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return place


def damage_of(place: Path) -> str:
    """Why the unpacked file is not all of it; "" when it is."""
    try:
        return _note(place).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _note(place: Path) -> Path:
    return place.with_suffix(".damage")


def _written(source: Callable[[], BinaryIO], part: Path, limit: int, label: str) -> str:
    """Write what can be read; returns why it ended early, "" when it did not."""
    try:
        stream = source()
    except DAMAGE as error:
        part.touch()
        return _said(error)
    with stream, part.open("xb") as target:
        read = getattr(stream, "read1", stream.read)  # what comes before damage is not lost with it
        while True:
            try:
                block = read(_BLOCK)
            except DAMAGE as error:
                return _said(error)
            if not block:
                return ""
            if target.tell() + len(block) > limit:
                raise EvidenceError(f"{label} unpacks to more than the {limit} bytes that it may have")
            target.write(block)


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
