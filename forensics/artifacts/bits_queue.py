r"""BITS' own queue of jobs, `ProgramData\Microsoft\Network\Downloader\qmgr.db`: what was to be downloaded where.

Unlike the event log it names the file that a download was written to: the place where a tunnel's program was put. Old
jobs stay in free pages until these are used again. Rows are graded as carved: the texts are known by their form, the
layout is from memory of published readers and was not held against a real file. No time is read; the event log has the
times for the same address. Only watched addresses and targets are kept, the rest is context. Some 40 MB are usual.

Format: `formats/bitsqueue.py`.
"""

from __future__ import annotations

from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import bitsqueue
from forensics.model import make_fact
from forensics.rules.watch import is_watched
from forensics.times import NoTime

_NAME = "bits_queue"
_FOLDER = "ProgramData/Microsoft/Network/Downloader"
_GRADE = "carved: known by the form of its texts"


def parse(given: FileInput) -> Output:
    """One row for every file of a job."""
    for found in bitsqueue.read(given.fh):
        yield make_fact(
            "bits.queued",
            given.source(f"offset 0x{found.offset:x}"),
            {"Creation Time": NoTime("not read from the queue", "")},
            {
                "url": found.url,
                "target_path": found.target,
                "temporary_path": found.temporary,
                "bytes_total": found.size,
                "bytes_transferred": found.transferred,
                "reason": _GRADE,
                "file_offset": found.offset,
            },
            context=not is_watched(found.url, found.target),
        )


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(f"{_FOLDER}/qmgr.db", f"{_FOLDER}/qmgr0.dat", f"{_FOLDER}/qmgr1.dat"),
    parse=parse,
    emits={
        "bits.queued": Kind(
            "BITS download of {url}[ to {target_path}][, {bytes_transferred} bytes][ of {bytes_total}] ({reason})",
            {
                "url": str,
                "target_path": str,
                "temporary_path": str,
                "bytes_total": int,
                "bytes_transferred": int,
                "reason": str,
                "file_offset": int,
            },
            context=True,
        )
    },
)
