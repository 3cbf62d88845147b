r"""Lines of the tunnel CLI's log carved from the page file, the hibernation file and unallocated space (`--carve`).

`tunnel-service.log` is truncated at each start of the tunnel, so older runs are only left where Windows keeps what was
in memory or on clusters that are free now. Only lines whose message the catalogue knows are told, with their byte
offset in the file (for unallocated space: in the volume). Nothing says whose log a line was of, nor in which zone it
was written but its date (public logs changed to UTC between 2025-09 and 2026-07); a line of the live log may be among
them, too. The hibernation file is compressed: what of it is not plain gives nothing.
Source: `cli/src/log.rs` of microsoft/vscode; see `formats/linecarve.py`.
"""

from __future__ import annotations

from forensics.artifacts._tunnel import BORN, log_fields
from forensics.artifacts._tunnel_kinds import carved_kind
from forensics.artifacts.base import FileArtifact, FileInput, Output
from forensics.formats import FormatError, linecarve, logzone
from forensics.model import Fact, Problem, make_fact

_NAME = "tunnel_carved"
_MOST = 100_000
_HINT = "carved: of an earlier run, or a copy of the live log"


def _fact(given: FileInput, carved: linecarve.Carved) -> Fact:
    line = carved.line
    stamp = logzone.naive(line.stamp)
    zone = logzone.decide(logzone.Evidence(stamp, stamp), None, given.zone)
    moment, other = logzone.resolve(line.stamp, zone, given.zone)
    meaning = line.meaning
    fields = log_fields(line.text, line.level, 0, carved.offset, zone) | {
        "line_number": None,
        "rpc_id": line.rpc or None,
        "log_time_if_utc": other,
        "log_event": meaning.event,
        "reason": _HINT if carved.whole else f"{_HINT}; its end is lost",
    }
    context = meaning.event == "message" and not meaning.keep
    return make_fact(
        "tunnel.log_carved", given.source(f"offset 0x{carved.offset:x}"), {BORN: moment}, fields, context=context
    )


def parse(given: FileInput) -> Output:
    """One row for every known line, up to a budget."""
    told = 0
    for found in linecarve.carve(given.fh):
        if isinstance(found, FormatError):
            yield Problem("unreadable", _NAME, given.source(), str(found))
            continue
        if told == _MOST:
            yield Problem("budget", _NAME, given.source(f"offset 0x{found.offset:x}"), f"more than {_MOST} lines")
            return
        told += 1
        yield _fact(given, found)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=("pagefile.sys", "swapfile.sys", "hiberfil.sys", "$Unallocated"),
    parse=parse,
    head_only=True,
    on_request=True,
    emits={"tunnel.log_carved": carved_kind()},
)
