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

from forensics.evidence.base import EvidenceError

_BLOCK = 4 * 1024 * 1024
_LIMIT = 1024**4
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)  # of Windows


@cache
def _own() -> tempfile.TemporaryDirectory[str]:
    """A folder of this process, for callers that gave none."""
    return tempfile.TemporaryDirectory(prefix="mirrortrace-")


def _plain(name: str) -> str:
    """A name that every file system takes and that reads as the member's own."""
    plain = re.sub(r"[^\w.-]", "_", name).strip(".")[-80:]
    return f"_{plain}" if not plain or _DEVICES.match(plain) or plain.endswith(".part") else plain


def unpacked(
    source: Callable[[], BinaryIO], identity: str, folder: str, size: int | None = None, name: str = ""
) -> Path:
    """The content of `source` as a file in a folder of its own; another process of this run may have made it already.

    Files of the same identity lie in the same folder, told apart by `name`. `size` is what the container claims: more
    than that is not written. Raises EvidenceError when it cannot be read.
    """
    own = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    top = Path(folder or _own().name) / own  # nothing else lies there: a hostile image finds no neighbour
    place, part = top / _plain(name), top / f"{os.getpid()}.part"
    if place.exists():
        return place
    limit = _LIMIT if size is None else min(size, _LIMIT)
    label = identity.rpartition("|")[2]
    try:
        top.mkdir(mode=0o700, parents=True, exist_ok=True)
        with source() as stream, part.open("xb") as target:
            while block := stream.read(_BLOCK):
                if target.tell() + len(block) > limit:
                    raise EvidenceError(f"{label} unpacks to more than the {limit} bytes that it may have")
                target.write(block)
        part.replace(place)
    except (OSError, EOFError, ValueError) as error:
        raise EvidenceError(f"{label} cannot be unpacked: {error}", integrity=True) from error
    finally:
        part.unlink(missing_ok=True)
    return place
