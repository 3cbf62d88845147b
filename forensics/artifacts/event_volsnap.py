"""System 25 and 33 of volsnap: shadow copies of a volume were deleted by Windows itself.

Deleting shadow copies by a command is seen in the command. Making their storage too small (`vssadmin resize
shadowstorage`) is the quiet way: Windows then deletes them and says so here. 25: the storage could not grow, all shadow
copies of the volume went; 33: the oldest went to stay below the limit, which happens on every host that has reached it,
and is context. That a shadow copy is gone does not say what it held.

Ids and texts: published lists of the driver's messages; fields (device, volume) from memory [M].
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import fact, kind, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source

_ALL, _OLDEST = 25, 33
_WORDS = {_ALL: "all shadow copies", _OLDEST: "the oldest shadow copy"}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One deletion."""
    fields = {
        "shadows_lost": _WORDS[record.event_id],
        "volume_name": pick(record, "VolumeName", "param2", "Data2"),
    }
    yield fact("shadow_copy.lost", record, source, fields, context=record.event_id == _OLDEST)


ARTIFACT = EventArtifact(
    name="event_volsnap",
    wants={"System": frozenset(_WORDS)},
    parse=parse,
    emits={
        "shadow_copy.lost": kind(
            "Windows deleted {shadows_lost}[ of {volume_name}]", {"shadows_lost": str, "volume_name": str}, context=True
        )
    },
    providers=frozenset({"Volsnap", "volsnap"}),
)
