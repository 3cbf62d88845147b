r"""BITS jobs that start a program: a download job whose notify command runs when it ends, or fails.

`bitsadmin /SetNotifyCmdLine` gives a job a command that BITS, a service of Windows, starts as the job's owner, and
starts again as often as the job fails: a job that never ends is a way of coming back that stands in no list of
autostarts and lives for 90 days. The queue (`qmgr.db`) keeps it, jobs in free pages included. Rows are graded as
carved: a job is known by the owner's SID and the four texts before it; that these are name, description, command and
arguments is from memory of published readers, not held against a real file. No time is read. What a job downloads is
told by `bits_queue`. Mechanism: `bits_job`. https://attack.mitre.org/techniques/T1197/ ; `formats/bitsqueue.py`.
"""

from __future__ import annotations

from forensics.artifacts._autostart import EMITS
from forensics.artifacts._tunnel import windows_path
from forensics.artifacts.base import FileArtifact, FileInput, Output
from forensics.formats import bitsqueue
from forensics.model import make_fact
from forensics.times import NoTime

_FOLDER = "ProgramData/Microsoft/Network/Downloader"


def parse(given: FileInput) -> Output:
    """One row for every job with a command."""
    for job in bitsqueue.commands(given.fh):
        yield make_fact(
            "autorun.configured",
            given.source(f"offset 0x{job.offset:x}"),
            {"Creation Time": NoTime("not read from the queue", "")},
            {
                "mechanism": "bits_job",
                "location": windows_path(given.path),
                "entry_name": job.name or "(unnamed)",
                "command_line": f'"{job.program}" {job.arguments}'.strip() if " " in job.program else job.command,
                "target_path": job.program,
                "user_sid": job.owner,
                "reason": "carved: known by the form of its texts",
            },
        )


ARTIFACT = FileArtifact(
    name="bits_jobs",
    paths=(f"{_FOLDER}/qmgr.db", f"{_FOLDER}/qmgr0.dat", f"{_FOLDER}/qmgr1.dat"),
    parse=parse,
    emits=EMITS,
)
