"""What the logs of the desktop program's extensions share: where they lie, their fields, one row for each message.

Each of them only says what a message means. https://github.com/microsoft/vscode (spdlog's lines, local time)
"""

from __future__ import annotations

from collections.abc import Callable

from forensics.artifacts._tunnel import (
    BORN,
    EDITOR_ZONE,
    MESSAGE_LIMIT,
    cut_line,
    local_moment,
    with_inferred_zone,
    zeroed,
    zone_fields,
)
from forensics.artifacts._vscode import OWNER, desktop_globs, desktop_owner
from forensics.artifacts.base import FieldType, FileInput, Output
from forensics.formats import spdlog
from forensics.formats.logzone import LogZone
from forensics.formats.spdlog import Entry
from forensics.model import Problem, Value, make_fact

# The kind of a message's row, its own fields, and whether it is context.
Told = tuple[str, dict[str, Value | None], bool]
LOG: dict[str, FieldType] = {
    **OWNER, "log_level": str, "log_message": str, "log_zone": str, "log_zone_reason": str, "line_number": int,
    "file_offset": int,
}  # fmt: skip


def extension_globs(*names: str) -> tuple[str, ...]:
    """The logs of these names, of every window and start, in a profile's data folder and wherever one is kept."""
    return desktop_globs(
        *(f"logs/*/window*/exthost*/{name}" for name in names),
        anywhere=tuple(f"user-data/logs/*/window*/exthost*/{name}" for name in names),
    )


def messages(artifact: str, given: FileInput, told: Callable[[str], Told]) -> Output:
    """One row for every message, as `told` understands it; lines that were cut or not read are problems."""
    yield from zeroed(artifact, given)
    given, zone = with_inferred_zone(given, EDITOR_ZONE)
    for entry in spdlog.read(given.fh):
        if entry.text.strip():
            yield from _row(artifact, given, entry, zone, told(entry.message))


def _row(artifact: str, given: FileInput, entry: Entry, zone: LogZone, told: Told) -> Output:
    source = given.source(f"line {entry.number}")
    if entry.cut:
        yield cut_line(artifact, given, entry.number, entry.offset)
    if entry.lost:
        yield Problem("truncated", artifact, source, f"{entry.lost} lines that continue it were not read")
    kind, own, context = told
    fields: dict[str, Value | None] = {
        **desktop_owner(given),
        **zone_fields(zone),
        **own,
        "log_level": entry.level,
        "log_message": entry.text[:MESSAGE_LIMIT],
        "line_number": entry.number,
        "file_offset": entry.offset,
    }
    yield make_fact(kind, source, {BORN: local_moment(given, entry.stamp)}, fields, context=context)
