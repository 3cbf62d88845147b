"""When the files that autostart entries start came to their places: rows of the $MFT and journal that were context.

A program that appeared somewhere is context: a journal has thousands. That it is the one which an entry starts is known
only once the entries are, so then the spools of the $MFT and of the change journal are walked once more, for the files
that scoring entries name. What is found there is kept, and dates those files (sessions/persistence_seen.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

from forensics.model import Fact
from forensics.spool import SpoolError, SpoolReader, decode_fact

MOST = 5_000
_KINDS = (
    "usn.file_created",
    "usn.file_renamed",
    "usn.file_written",
    "usn.file_deleted",
    "mft.entry",
    "mft.name_created",
)
_NAME = re.compile(r'"file_name":\s*("(?:[^"\\]|\\.)*")')


def births(spools: Iterable[Path], targets: Collection[str]) -> list[Fact]:
    """The context rows about these paths, no longer context; lines that cannot be read are named by other readers."""
    wanted = {path.casefold() for path in targets}
    names = {path.rpartition("\\")[2] for path in wanted}
    found: list[Fact] = []
    for path in spools if wanted else ():
        for line in SpoolReader(path).lines():
            if not _may_tell(line, names):
                continue
            try:
                fact = decode_fact(line)
            except SpoolError:
                continue
            if fact.kind in _KINDS and str(fact.fields.get("file_path", "")).casefold() in wanted:
                found.append(replace(fact, context=False))
            if len(found) == MOST:
                return found
    return found


def _may_tell(line: str, names: Collection[str]) -> bool:
    told = _NAME.search(line)
    if told is None:
        return False
    try:
        return str(json.loads(told.group(1))).casefold() in names
    except ValueError:
        return False


__all__ = ["MOST", "births"]
