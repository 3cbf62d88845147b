"""Writes a queue of BITS (`qmgr.db`): an ESE database whose table `Jobs` holds each job as one piece.

Of a job's piece only what is known of it is written: its head and the five counted texts (name, description, program
that is started at the end, its arguments, the owner's SID). From memory of published readers, as the reader itself.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

from testdata.writers import ese


def counted(text: str, *, bare: bool = False) -> bytes:
    """A text as the queue has it: its length with the NUL, then UTF-16; an empty `bare` one has no NUL."""
    if not text and bare:
        return bytes(4)
    return struct.pack("<I", len(text) + 1) + f"{text}\0".encode("utf-16-le")


def job(name: str, description: str, program: str, arguments: str, owner: str, *, bare: bool = False) -> bytes:
    """The piece of one job; its id is made of its name."""
    head = struct.pack("<4I", 0, 1, 5, 0) + _identity(name.encode())
    texts = b"".join(counted(text, bare=bare) for text in (name, description, program, arguments))
    return head + texts + counted(owner) + struct.pack("<I", 3) + bytes(40)


def queue(jobs: Sequence[bytes]) -> bytes:
    """The database with these jobs."""
    rows = [{"Id": _identity(piece), "Blob": piece} for piece in jobs]
    return ese.database({"Jobs": ({"Id": ese.LONG_BINARY, "Blob": ese.LONG_BINARY}, rows)})


def _identity(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:16]
