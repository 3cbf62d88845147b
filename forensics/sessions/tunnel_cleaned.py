"""Whether a tunnel's traces were removed: its own files, its data folder and its program in the journal's deletions.

An old server's folder, its log and pid file go by themselves (`prune`, a newer version), so they count only beside
files that nothing but a person, a script or an uninstaller removes. Source of what the CLI removes by itself:
`code_server.rs` and `download_cache.rs` of microsoft/vscode.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from forensics.model import AntiForensic
from forensics.rules import load
from forensics.sessions.rows import Row, Rows, because, ids_of, short, stamp
from forensics.sessions.texts import basename, inside, norm, same_path
from forensics.sessions.tunnel_bundle import Bundle
from forensics.sessions.tunnel_periods import Period
from forensics.sessions.tunnel_programs import is_desktops, programs_of

_STAYING = re.compile(
    r"code_tunnel\.json|tunnel-(?:stable|insiders|oss|exploration)\.lock|tunnel-service\.log|license_consent\.json"
    r"|token\.json"
)
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The deletions of one tunnel's files, in order; `telling`: those among them that do not go by themselves."""

    rows: tuple[Row, ...] = ()
    telling: tuple[Row, ...] = ()

    @property
    def reason(self) -> str:
        """What was removed and when, or ""."""
        if not self.telling:
            return ""
        return because(f"its traces were removed: {self.said()}", [*self.telling, *self.rows])

    def said(self) -> str:
        """The names of what was deleted, and from when to when."""
        names = list(dict.fromkeys(short(_name(row)) for row in (*self.telling, *self.rows)))
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        times = sorted(row.time for row in self.rows if row.time)
        span = f" from {stamp(times[0])} to {stamp(times[-1])}" if times else ""
        return f"{', '.join(names[:_SHOWN])}{more} deleted{span}"

    def sign(self, session: str, label: str) -> AntiForensic:
        """The same as a sign of removed traces."""
        data = load("tunnel")["removed"]
        times = [row.time for row in self.rows if row.time]
        detail = data["detail"].format(what=self.said(), session=session)
        return AntiForensic(min(times, default=None), "tunnel_removed", detail, tuple(data["innocent_causes"]),
                            ids_of(self.rows), label, data["level"], None, tuple(data["attack"]))  # fmt: skip


def cleaned(rows: Rows, bundle: Bundle, periods: Sequence[Period]) -> Cleaned:
    """The deletions in the bundle's data folder, of the folder, and of its programs, that nothing made anew."""
    if not re.match(r"[A-Za-z]:\\", bundle.data_dir):
        return Cleaned()
    programs = [path for path in programs_of(bundle, periods) if not is_desktops(path)]
    found: list[Row] = []
    telling: list[Row] = []
    made = _made(rows)
    for row in rows.of("usn.file_deleted"):
        path = row.get("file_path")
        own = inside(path, bundle.data_dir) or norm(path) == bundle.key
        program = any(same_path(path, known) for known in programs)
        if not (own or program) or row.time is None or made.get(norm(path), row.time) > row.time:
            continue
        found.append(row)
        if program or norm(path) == bundle.key or (_STAYING.fullmatch(basename(path)) and _at_top(path, bundle)):
            telling.append(row)
    return Cleaned(tuple(found), tuple(telling)) if _enough(telling, bundle) else Cleaned()


def _at_top(path: str, bundle: Bundle) -> bool:
    return norm(path).rpartition("\\")[0] == bundle.key


def _made(rows: Rows) -> dict[str, datetime]:
    """When a file of each path was made last: one that was made after a deletion was only replaced, as on saving."""
    made: dict[str, datetime] = {}
    for row in rows.of("usn.file_created", "usn.file_renamed"):
        if row.time:
            made[norm(row.get("file_path"))] = row.time
    return made


def _enough(telling: Sequence[Row], bundle: Bundle) -> bool:
    """One file may go for many reasons: the registration or the folder says it, else two files do."""
    paths = {norm(row.get("file_path")) for row in telling}
    return len(paths) > 1 or bool(paths & {bundle.key, f"{bundle.key}\\code_tunnel.json"})


def _name(row: Row) -> str:
    return row.get("file_path").replace("/", "\\").rpartition("\\")[2]
