"""timeline.jsonl: the reference export. One JSON object a line, UTF-8 without BOM, LF, empty keys absent.

This is the exact form: columns keep their types, nothing is escaped that was not escaped when it was read. What is no
column (see `_folding`) is in `details`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from forensics.case import Case
from forensics.export._folding import encode, encoded, text_of
from forensics.export._rows import Common, Row, rows
from forensics.timeline import Kinds


def write(case: Case, path: Path, kinds: Kinds | None = None) -> None:
    """Write every event and every session row, in time order."""
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        handle.writelines(line(row) for row in rows(case, kinds))


def line(row: Row) -> str:
    """One row with its line end: the common keys first, then the columns of its fields by name, then `details`."""
    locator = f',"source_locator":{text_of(row.locator)}' if row.locator else ""
    sessions = f',"session_uid":{encode(row.sessions)}' if row.sessions else ""
    fields = f",{row.fields.folded}" if row.fields.folded else ""
    return (
        f'{{"datetime":"{row.moment}","timestamp":{row.timestamp},"message":{text_of(row.message)},'
        f'"event_uid":{text_of(row.uid)},{_shared(row.common)}{locator}{sessions}{fields}}}\n'
    )


@lru_cache(maxsize=65_536)
def _shared(common: Common) -> str:
    return encoded(
        {
            "timestamp_desc": common.meaning,
            "data_type": common.data_type,
            "kind": common.kind,
            "hostname": common.host,
            "username": common.user,
            "evidence": common.evidence,
            "source_path": common.path,
            "source_sha256": common.sha256,
            "tag": common.tag,
            "seen_in": common.seen_in,
            "parser": "mirrortrace",
        }
    ).whole
