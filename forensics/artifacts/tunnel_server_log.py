r"""`servers\<Quality>-<commit>\log.txt`: what the tunnel's server printed; each editor window opened and closed.

The folder exists only after a first client asked for that server build, so the log is evidence that somebody connected.
It is truncated at each start of the server. Its lines have a clock but no date; the date is recovered from the file's
own times and stated with its reason. Sources: `code_server.rs`, `serverServices.ts` of microsoft/vscode.
Remote-SSH keeps the same output as `.<commit>.log` in `.vscode-server` (from memory): read as well, and of no tunnel.
"""

from __future__ import annotations

from forensics.artifacts._tunnel import (
    BORN,
    MODIFIED,
    build,
    build_globs,
    cut_line,
    log_fields,
    owner,
    server_fact,
    server_name_globs,
    with_inferred_zone,
    zeroed,
)
from forensics.artifacts._tunnel_kinds import SERVER_KINDS
from forensics.artifacts.base import FileArtifact, FileInput, Output
from forensics.formats import serverlog
from forensics.formats.logzone import LogZone
from forensics.formats.serverlog import Entry
from forensics.times import Moment, NoTime, from_iso

_NAME = "tunnel_server_log"


def _moment(given: FileInput, entry: Entry, reason: str) -> Moment:
    if not entry.stamp:
        return NoTime(reason if entry.clock else "a line without a stamp", entry.clock)
    if given.zone is None:
        return NoTime("local time, and the host's zone is not known", entry.stamp)
    return from_iso(entry.stamp, given.zone)


def parse(given: FileInput) -> Output:
    """One row for every line that is not part of the licence banner."""
    yield from zeroed(_NAME, given)
    given, usual = with_inferred_zone(given, LogZone("local", "the server prints local time"))
    born, modified = given.times.get(BORN), given.times.get(MODIFIED)
    dates = serverlog.find_dates(serverlog.read(given.fh), born, modified, given.zone)
    zone = LogZone("local", f"{usual.reason}; {dates.reason}")
    fixed = {**owner(given), **build(given.path)}
    for entry in serverlog.dated(serverlog.read(given.fh), dates):
        if entry.cut:
            yield cut_line(_NAME, given, entry.number, entry.offset)
        if entry.text:
            common = log_fields(entry.text, entry.level, entry.number, entry.offset, zone) | fixed
            yield from server_fact(given, entry, _moment(given, entry, dates.reason), common, entry.number)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(*build_globs("log.txt"), *server_name_globs(f".{'?' * 40}.log")),
    parse=parse,
    emits=SERVER_KINDS,
)
