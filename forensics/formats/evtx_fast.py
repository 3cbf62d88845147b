"""The fast decoder (Rust `evtx`), made to go on after what it cannot read."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from evtx import PyEvtxParser

from forensics.formats.evtx_scan import FILLER

_SPARE = 72  # failures allowed beyond one for each record: one for each chunk of a window, and a few


def fast(log: bytes, expected: int) -> Iterator[tuple[int, str]]:
    """The records of a rebuilt log as (index in the scan, JSON); what cannot be decoded is left out."""
    try:
        records = PyEvtxParser(BytesIO(log), number_of_threads=1).records_json()
    except (RuntimeError, OSError, ValueError):
        return
    patience = expected + _SPARE
    while patience > 0:
        try:
            record = next(records)
        except StopIteration:
            return
        except (RuntimeError, ValueError):
            patience -= 1
            continue
        if record is None:
            return
        if record["event_record_id"] != FILLER:
            yield record["event_record_id"], record["data"]
