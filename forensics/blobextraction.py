"""Payloads in registry values, written out with the saved copies (`--extract`): as stored, and deciphered.

What is deciphered was proved by its hash; of what only looks like a payload the stored bytes alone are written.
Recovered values are taken as well. Nothing of it is run, and no name of the evidence leads anywhere
(`extraction.safe_name`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from forensics import jobs
from forensics.artifacts.registry_blobs import Blob, blobs
from forensics.collect import HIVES
from forensics.evidence.base import EvidenceError
from forensics.formats import FormatError
from forensics.formats.hive import Hive
from forensics.formats.hive_deleted import layers, recover
from forensics.formats.hostinfo import machine_id

MACHINE, PLACES = HIVES["SOFTWARE"], (*HIVES["SOFTWARE"], *HIVES["NTUSER"])
_HIVE_LIMIT = 1024 * 1024 * 1024
_MOST = 200  # payloads of one hive; the published cases have one
STORED, OPENED = "registry value, as stored", "registry value, deciphered with the published scheme"


class Payload(NamedTuple):
    """One content out of a hive: the hive's path, where in it, what was done to it, and the bytes (or why not)."""

    path: str
    place: str
    how: str
    data: bytes
    fault: str | None = None


def identifier(paths: tuple[str, ...]) -> str | None:
    """In a worker: the machine's identifier out of the first of these hives that has one."""
    for path in paths:
        hive = _open(path)
        if hive and (found := machine_id(hive[0])):
            return found
    return None


def payloads(work: tuple[str, str | None]) -> list[Payload]:
    """In a worker: what a hive (its path and the machine's identifier) holds."""
    path, ident = work
    opened = _open(path)
    if opened is None:
        return []
    hive, stored = opened
    found: dict[bytes, Payload] = {}
    for view in (hive, *layers(recover(hive, stored), hive)):
        for item in _contents(path, blobs(view, ident)):
            if len(found) >= _MOST:
                return [*found.values(), Payload(path, "", STORED, b"", f"more than {_MOST} payloads in one hive")]
            found.setdefault(item.data, item)
    return list(found.values())


def _contents(path: str, found: Iterator[Blob]) -> Iterator[Payload]:
    for blob in found:
        place = f"{blob.location}\\{blob.value.name or '(Default)'}"
        yield Payload(path, place, STORED, blob.value.raw)
        if blob.opened:
            yield Payload(path, place, OPENED, blob.opened.plain)


def _open(path: str) -> tuple[Hive, bytes] | None:
    """The hive and its stored bytes; None where it is none (its own job in the analysis says why)."""
    try:
        data = _bytes(path)
        return Hive.open(data, [log for suffix in (".LOG1", ".LOG2") if (log := _beside(path + suffix))]), data
    except (FormatError, OSError, EvidenceError):
        return None


def _beside(path: str) -> bytes:
    try:
        return _bytes(path)
    except (OSError, EvidenceError):
        return b""


def _bytes(path: str) -> bytes:
    with jobs.opened().open(path) as handle:
        return handle.read(_HIVE_LIMIT)
