"""Runs and clients that logs tell of without a usable time, as local time is where the host's zone is not known.

What a line means needs no time: the run, its command line and its clients are told, "when" is left open. The CLI's log,
the server's own and its console each hold a copy of a connection, so what they share counts once.
"""

from __future__ import annotations

from collections.abc import Sequence

from forensics.model import TunnelClient
from forensics.sessions.looked import Looked
from forensics.sessions.rows import Row, because
from forensics.sessions.tunnel_bundle import LOG, SERVER, Bundle, line_of
from forensics.sessions.tunnel_periods import Period
from forensics.sessions.tunnel_windows import Client
from forensics.text import worded

SOURCES = {"the CLI's log": LOG, "the server's logs": SERVER, "the server's console log": SERVER}
_WITHOUT = "without a usable time (local stamps, and the host's zone is not known)"


def untimed_periods(bundle: Bundle, periods: Sequence[Period]) -> tuple[list[Period], list[str]]:
    """(a run for each start in a log without times, what is to be said of it); none where a run is dated already."""
    rows = [row for row in bundle.of(LOG) if row.time is None and row.kind.startswith("tunnel.")]
    starts = [row for row in rows if row.kind == "tunnel.host_started"]
    told = starts or [row for row in rows if row.kind in ("tunnel.relay_connected", "tunnel.created")][:1]
    if not told:
        return [], []
    if periods:
        text = f"the CLI's log tells of a run {_WITHOUT}: it may be one of the dated ones"
        return [], [because(text, told)]
    found = []
    for number, row in enumerate(told):
        later = told[number + 1] if number + 1 < len(told) else None
        found.append(_period(row, [item for item in rows if _between(row, item, later)]))
    return found, [because(f"a log tells of {len(found)} runs that hosted, {_WITHOUT}", told)]


def _period(row: Row, rows: list[Row]) -> Period:
    stop = next((item for item in rows if item.kind == "tunnel.host_stopped"), None)
    line = row.get("command_line") if row.kind == "tunnel.host_started" else ""
    period = Period(None, command_line=line or None, rows=[row, *([stop] if stop else [])])
    period.reason = (stop.get("reason") or stop.get("log_message") or None) if stop else None
    service = "internal-run" in line or row.source.path.endswith("tunnel-service.log")
    period.as_service = service or (False if line else None)
    return period


def _between(first: Row, row: Row, later: Row | None) -> bool:
    same = row.source.path == first.source.path
    ends = later is None or later.source.path != row.source.path or line_of(row) < line_of(later)
    return same and line_of(row) >= line_of(first) and ends


def untimed_clients(bundle: Bundle, dated: Sequence[Client]) -> tuple[list[TunnelClient], list[Row], list[str]]:
    """(clients without times, the rows that tell of them, what is to be said): less those that a date tells of.

    A client is a connection of the CLI's log; a window of a run of the server that no CLI log tells of is one, too.
    """
    served: dict[tuple[str, str], Row] = {}
    for row in bundle.of(LOG, "tunnel.client_serving"):
        if row.time is None:
            served.setdefault((row.source.path, row.get("rpc_id")), row)
    windows, named = _windows(bundle)
    apart = [row for row in windows if not served or not named[row.get("connection_id")] & _of_cli(bundle, named)]
    rows = [*served.values(), *windows]
    if not rows:
        return [], [], []
    left = {(row.source.path, row.get("rpc_id")) for row in bundle.of(LOG, "tunnel.client_disconnected")}
    found = [_client(row, _windows_of(bundle, *key), left=key in left) for key, row in served.items()]
    found += [TunnelClient(None, None, row.get("commit") or None, "unknown", 1) for row in apart]
    found = found[len(dated) :]
    connections = worded("{n} connections in the CLI's log", {"n": len(served)}) if served else ""
    editors = "1 editor window" if len(windows) == 1 else f"{len(windows)} editor windows"
    seen = f"{editors} in the server's logs" if windows else ""
    text = f"{' and '.join(item for item in (connections, seen) if item)} are recorded {_WITHOUT}"
    return found, rows, [because(f"{text}; copies of a line in several logs count once", rows)]


def _windows(bundle: Bundle) -> tuple[list[Row], dict[str, set[str]]]:
    """(the windows, each once; the logs that tell of each)."""
    named: dict[str, set[str]] = {}
    first: dict[str, Row] = {}
    for row in bundle.of(SERVER, "server.window_opened"):
        if row.time is None:
            ident = row.get("connection_id")
            named.setdefault(ident, set()).add(row.source.path)
            first.setdefault(ident, row)
    return list(first.values()), named


def _of_cli(bundle: Bundle, named: dict[str, set[str]]) -> set[str]:
    """The logs of the runs that the CLI's log tells of, too; all where it repeats none of the server's lines."""
    own = {row.source.path for row in bundle.of(LOG)}
    idents = {row.get("connection_id") for row in bundle.of(SERVER) if row.source.path in own} - {""}
    if not idents:
        return {path for paths in named.values() for path in paths}
    return own | {row.source.path for row in bundle.of(SERVER) if row.get("connection_id") in idents}


def _windows_of(bundle: Bundle, path: str, rpc: str) -> int:
    rows = bundle.of(SERVER, "server.window_opened")
    return len({row.get("connection_id") for row in rows if (row.source.path, row.get("rpc_id")) == (path, rpc)})


def _client(row: Row, windows: int, *, left: bool) -> TunnelClient:
    return TunnelClient(None, None, row.get("commit") or None, "disconnected" if left else "unknown", windows)


def without_client(bundle: Bundle, looked: Looked) -> str:
    """What became of the sources that would name clients; one that is at hand holds none."""
    parts = []
    for source in SOURCES:
        word = looked.word(source, None)
        here = [row for row in bundle.of(SOURCES[source]) if _is_of(source, row)]
        if word or here:
            parts.append(f"{source}: {'at hand, names none' if here else word}")
    return f" ({'; '.join(parts)})" if parts and looked.known else ""


def _is_of(source: str, row: Row) -> bool:
    console = row.source.path.casefold().endswith("/log.txt")
    return source == "the CLI's log" or console is (source == "the server's console log")


__all__ = ["untimed_clients", "untimed_periods", "without_client"]
