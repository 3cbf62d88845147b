r"""The change journal's own settings (`$Extend\$UsnJrnl:$Max`): when this journal was made, and how large it may be.

The identifier of a journal is the time at which it was made. It is normally that of the installation or of the format
of the volume; a younger one says that the journal was deleted and begun anew, by `fsutil usn deletejournal`, or by
Windows when a volume was repaired. `lowest_usn` is the first USN of this journal: what had a lower one belonged to
another.

32 bytes: maximum size, allocation delta, identifier (FILETIME), lowest valid USN. Microsoft, "USN_JOURNAL_DATA_V0"
(meaning of the fields); layout of the stream: libfsntfs, "NTFS", the change journal metadata. That the identifier is a
FILETIME of the creation is published and from memory [M].
"""

from __future__ import annotations

import struct

from forensics.artifacts._filesystem import JOURNAL_SETTINGS
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.model import Problem, make_fact
from forensics.times import from_filetime

_NAME = "usn_settings"
_MAX = struct.Struct("<QQQq")
_MOST = 2**50  # a journal larger than that is no journal


def parse(given: FileInput) -> Output:
    """One row about the journal."""
    data = given.read(_MAX.size)
    if len(data) < _MAX.size:
        why = f"{len(data)} bytes: the settings of a change journal have {_MAX.size}"
        yield Problem("truncated", _NAME, given.source(), why)
        return
    maximum, delta, ident, lowest = _MAX.unpack(data)
    if not 0 < maximum < _MOST or delta > _MOST or lowest < 0:
        yield Problem("unreadable", _NAME, given.source(), "no settings of a change journal")
        return
    fields = {"journal_id": f"0x{ident:016x}", "maximum_bytes": maximum, "lowest_usn": str(lowest)}
    yield make_fact("usn.journal_made", given.source(), {"Creation Time": from_filetime(ident)}, fields)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=JOURNAL_SETTINGS,
    parse=parse,
    emits={
        "usn.journal_made": Kind(
            "Change journal {journal_id} made (up to {maximum_bytes} bytes, from USN {lowest_usn} on)",
            {"journal_id": str, "maximum_bytes": int, "lowest_usn": str},
        )
    },
)
