"""What the scripts said that a sandbox was given: the content of small files, out of their records in the $MFT.

A logon command names a path inside the guest; on the host the file lies in a mapped folder. When both were deleted
afterwards, the file's record keeps its content until it is used again, if it was below about 700 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from forensics.rules.filesystem import is_script
from forensics.sessions.rows import Row, Rows, because, short, stamp
from forensics.sessions.sandbox_writes import Area
from forensics.sessions.texts import basename

_NAMED, _OTHERS = 10, 5
_SHOWN = 300
_RETURN = "\\x0d"  # as a carriage return stands in a text that was made safe


@dataclass(frozen=True, slots=True)
class Scripts:
    """The rows with the content of scripts, and the reasons about them."""

    rows: tuple[Row, ...] = ()
    reasons: tuple[str, ...] = ()


def scripts(rows: Rows, given: Sequence[Area]) -> Scripts:
    """The contents of scripts in the folders that a run was given: those that it was told to run first."""
    found = [row for row in rows.of("mft.resident_content") if _given(row, given)]
    told = {name for area in given for name in area.scripts}
    named = [row for row in found if basename(_place(row)) in told][:_NAMED]
    others = [row for row in found if row not in named and _script(row)]
    reasons = [_content(row) for row in named]
    if others:
        names = ", ".join(short(_place(row)) for row in others[:_OTHERS])
        more = f" and {len(others) - _OTHERS} more" if len(others) > _OTHERS else ""
        text = f"the content of scripts in its folders is in the $MFT, though nothing tells that it ran them: {names}"
        reasons.append(because(text + more, others))
    return Scripts((*named, *others), tuple(reasons))


def _place(row: Row) -> str:
    """Where the file lay for the guest; it may have been moved since."""
    return row.first("old_path", "file_path")


def _given(row: Row, given: Iterable[Area]) -> bool:
    path = _place(row)
    if not path or basename(path).endswith(".wsb"):
        return False
    return any(area.holds(path, area.start) for area in given)


def _script(row: Row) -> bool:
    """Whether it is one by its name: what other rules have read there has its own meaning."""
    folder, _, name = _place(row).rpartition("\\")
    return is_script(folder, name)


def _content(row: Row) -> str:
    gone = " (a deleted file)" if row.fields.get("file_deleted") is True else ""
    gone = gone or (f" (moved to {short(row.first('file_path', 'path_tail'))})" if row.get("old_path") else "")
    changed = f", last changed at {stamp(row.time)}" if row.time else ""
    lines = (line.removesuffix(_RETURN).strip() for line in row.get("content_text").splitlines())
    text = " | ".join(line for line in lines if line)
    said = f": {short(text, _SHOWN)}" if text else " (no text)"
    what = f"it was told to run {short(_place(row))}{gone}, whose content is in the $MFT"
    return because(f"{what}{changed} (SHA-256 {row.get('file_sha256')}){said}", [row])
