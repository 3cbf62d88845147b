"""timeline.csv: the timeline for a spreadsheet-minded reader, and for Timesketch where JSONL cannot be uploaded.

Its columns are the same for every case. Timesketch guesses a column's type again for every 10,000 rows (a user name
`0012345` becomes the number 12345, a blank cell among process ids makes them 12.0), and OpenSearch then drops the
rows that do not fit the first guess. So only columns that cannot be misread stand alone, all of them core columns of
rules/export.yml; every field of the kind is in `details`, as one JSON object, whether JSONL has a column of it or not.
Timesketch takes that cell for a text: no members are mapped, and `details:"wsb_vgpu false"` finds the same rows as in
JSONL. Cells are raw: a spreadsheet may run what looks like a formula (`=...`).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from forensics.case import Case
from forensics.export._folding import encode
from forensics.export._rows import Common, Row, rows
from forensics.timeline import Kinds

COLUMNS = (
    "data_type", "datetime", "details", "event_uid", "evidence", "hostname", "kind", "message", "parser", "seen_in",
    "session_uid", "source_locator", "source_path", "source_sha256", "tag", "timestamp", "timestamp_desc", "username",
)  # fmt: skip
HEADER = ",".join(COLUMNS) + "\n"
# What pandas takes for "no value"; such a cell would vanish from the row.
_NOTHING = frozenset(
    {
        "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
        "NULL", "NaN", "None", "n/a", "nan", "null",
    }
)  # fmt: skip


def write(case: Case, path: Path, kinds: Kinds | None = None) -> None:
    """Write the same rows as timeline.jsonl, in the same order."""
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        handle.write(HEADER)
        handle.writelines(line(row) for row in rows(case, kinds))


def line(row: Row) -> str:
    """One row with its line end, its cells in the order of COLUMNS. Texts are always in quotes."""
    named, evidence, parser, path, meaning = _shared(row.common)
    details = _quoted("{" + row.fields.whole + "}")
    return (
        f"{named},{row.moment},{details},{row.uid},{evidence},{_text(row.message)},{parser},"
        f"{_list(row.sessions)},{_text(row.locator)},{path},{row.timestamp},{meaning}\n"
    )


@lru_cache(maxsize=65_536)
def _shared(common: Common) -> tuple[str, str, str, str, str]:
    """The runs of cells between those that differ from row to row."""
    return (
        common.data_type,
        f"{_text(common.evidence)},{_text(common.host)},{common.kind}",
        f"mirrortrace,{_list(common.seen_in)}",
        f"{_text(common.path)},{common.sha256},{_list(common.tag) or '[]'}",
        f"{_text(common.meaning)},{_text(common.user)}",
    )


def _quoted(text: str) -> str:
    """A cell in quotes. The csv module does the same, ten times slower."""
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    return _quoted(text_cell(text)) if text else ""


def _list(values: tuple[str, ...]) -> str:
    """A list as a cell: JSON, which Timesketch reads back as a list."""
    return _quoted(encode(values)) if values else ""


def text_cell(value: str) -> str:
    """A text that stays text: what pandas would read as a number, a truth value or nothing goes into double quotes."""
    if " " in value.strip():
        return f'"{value}"' if value == "#N/A N/A" else value
    if value in _NOTHING or value.strip().casefold() in ("true", "false") or _is_number(value):
        return f'"{value}"'
    return value


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
