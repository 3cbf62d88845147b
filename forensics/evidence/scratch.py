"""Unpacks nested containers to disk, under names of our own, into a folder that is gone after the run."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import BinaryIO

from forensics import leftovers
from forensics.evidence.base import DAMAGE, UNPACKED, EvidenceError

_BLOCK = 4 * 1024 * 1024
_LIMIT = 1024**4
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)  # of Windows


@cache
def _own() -> tempfile.TemporaryDirectory[str]:
    """A folder of this process, for callers that gave none."""
    return tempfile.TemporaryDirectory(prefix=leftovers.prefix())


def _plain(name: str) -> str:
    """A name that every file system takes and that reads as the member's own."""
    plain = re.sub(r"[^\w.-]", "_", name).strip(".")[-80:]
    return f"_{plain}" if not plain or _DEVICES.match(plain) or plain.endswith(".part") else plain


def unpacked(
    source: Callable[[], BinaryIO],
    identity: str,
    folder: str,
    size: int | None = None,
    name: str = "",
    *,
    keep: bool = False,
) -> Path:
    """The content of `source` as a file in a folder of its own; another process of this run may have made it already.

    Files of the same identity lie in the same folder, told apart by `name`. `size` is what the container claims: more
    than that is not written. Raises EvidenceError when it cannot be read; with `keep` only when nothing of it can be,
    and `damage_of` tells what ended it.
    """
    own = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    top = Path(folder or _own().name) / own  # nothing else lies there: a hostile image finds no neighbour
    place, part = top / (_plain(name) if name else f"{own}{UNPACKED}"), top / f"{os.getpid()}.part"
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
    return place.with_name(f"{place.name}.damage")


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
