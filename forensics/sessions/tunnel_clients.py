"""Which clients came through a tunnel, and when: each once, however many logs tell of it.

A client is seen on a channel of the relay, then on an rpc connection that asks for a server of its version, until the
connection is disposed of. The server's own logs know the editor's windows (the first 8 characters of the reconnection
token), also of runs whose CLI log is gone. Where no log is left, the extension host's process tells of a window, and
the birth of a server's folder of the first client of that version. The client's address is in none of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import datetime

from forensics.sessions.exits import Exits
from forensics.sessions.rows import Row, because, stamp
from forensics.sessions.texts import basename, pid
from forensics.sessions.tunnel_bundle import FILES, LOG, PROCESS, SERVER, STATE, Bundle
from forensics.sessions.tunnel_call import servers_in
from forensics.sessions.tunnel_periods import HOST_DOWN, Period, once, window
from forensics.sessions.tunnel_windows import Client, Lines, Merger, Spans, View


class Clients:
    """Finds the clients of one bundle, given its hosting periods. `reasons`: what is inferred, and why."""

    def __init__(self, bundle: Bundle, periods: list[Period], exits: Exits) -> None:
        self._bundle, self._exits = bundle, exits
        self._spans = Spans(periods)
        self._starts = sorted(period.start for period in periods if period.start)
        self.reasons: list[str] = []
        self.extra: list[Row] = []

    def build(self) -> list[Client]:
        """All clients, in order."""
        rows = once(self._bundle.of(LOG))
        lines = Lines(rows)
        found = _served(lines)
        taken = {row.id for client in found for row in client.rows}
        found += [Client(row.time, rows=[row]) for row in rows
                  if row.kind == "tunnel.client_connected" and row.time and row.id not in taken]  # fmt: skip
        for client in found:
            self._end(client, lines)
        logged = self._logged()
        merger = Merger(found)
        for view in sorted([*logged, *self._hosts(logged)], key=lambda item: (item.start, item.rows[0].id)):
            merger.take(view)
        found = _joined(merger.found)
        self._born(found)
        commits = {row.get("commit") for row in self._bundle.of(STATE, "tunnel.server_used")} - {""}
        for client in found:
            client.commit = client.commit or (next(iter(commits)) if len(commits) == 1 else None)
            self._finish(client)
        return sorted(found, key=lambda item: (item.start, [row.id for row in item.rows]))

    def _end(self, client: Client, lines: Lines) -> None:
        """By the first line behind its start that says so, before the next start of the hosting."""
        place = bisect_right(self._starts, client.start)
        restart = self._starts[place] if place < len(self._starts) else None
        gone = lines.first(("gone", client.rpc), client.start) if client.rpc else None
        told = [place for place in (gone, lines.first(("stopped",), client.start)) if place is not None]
        row = lines.rows[min(told)] if told else None
        if row is None or (restart and row.time and row.time >= restart):
            return
        client.end = row.time
        client.end_kind = "disconnected" if row.kind == "tunnel.client_disconnected" else "tunnel_stopped"
        client.rows.append(row)

    def _logged(self) -> list[View]:
        """Windows by connection id, of all copies of the server's log together."""
        by_id: dict[str, list[Row]] = {}
        copies = [*self._bundle.of(SERVER), *(row for row in self._bundle.of(LOG) if row.kind.startswith("server."))]
        wanted = ("server.window_", "server.second_client")
        for row in once(copies):
            kind = row.get("connection_kind")
            if row.kind.startswith(wanted) and row.time and (not kind or kind == "ManagementConnection"):
                by_id.setdefault(row.get("connection_id") or row.id, []).append(row)
        said: dict[str, Row] = {}
        for row in copies:
            if row.get("rpc_id"):
                said.setdefault(row.get("connection_id"), row)
        views = []
        for ident, rows in by_id.items():
            opened = next((row for row in rows if row.kind == "server.window_opened"), None)
            if opened and opened.time:
                view = _view(opened.time, rows)
                if ident in said:
                    view.rpc, view.log = said[ident].get("rpc_id"), said[ident].source.path
                views.append(view)
        return views

    def _hosts(self, logged: list[View]) -> list[View]:
        """Windows that no log tells of, by the process of their extension host."""
        spans = [(view.start, view.end) for view in logged]
        named = {pid(row.get("pid")) for row in self._bundle.of(SERVER, "server.extension_host_started")} - {None}
        found: dict[int | None, View] = {}
        for row in self._bundle.of(PROCESS, "process.created"):
            number, slack = pid(row.get("pid")), window("same_start")
            if "--type=extensionhost" not in row.get("command_line").casefold() or row.time is None:
                continue
            known = found.get(number)
            if number in named or (known and row.time - known.start <= window("same_process")):
                continue
            if any(start - slack <= row.time and (end is None or row.time <= end + slack) for start, end in spans):
                continue
            ends = self._exits.of(row)
            self.extra += ends
            end, kind = (ends[0].time, "disconnected") if ends else (None, "unknown")
            server = servers_in(row.get("command_line")) or servers_in(row.get("executable"))
            found[number] = View(row.time, end, kind, server[2] if server else None, [row])
        if found:
            text = f"{len(found)} editor windows are known by the process of their extension host alone (inference)"
            self.reasons.append(because(text, [view.rows[0] for view in found.values()]))
        return list(found.values())

    def _born(self, found: list[Client]) -> None:
        """The birth of a server's folder: the first client of that version came shortly before, or is known by it."""
        births: dict[str, Row] = {}
        staged: dict[str, Row] = {}
        for row in self._bundle.of(FILES):
            server = servers_in(row.get("file_path"))
            born = row.kind == "usn.file_created" or (row.kind == "mft.entry" and row.meaning == "Creation Time")
            born = born or row.kind == "usn.file_renamed"
            name = basename(row.get("file_path"))
            if not server or not born or row.time is None or server[2] not in name or name.endswith("-web"):
                continue
            (staged if name.endswith(".staging") else births).setdefault(server[2], row)
        for commit, row in sorted(births.items(), key=lambda item: item[1].order):
            self._first(found, commit, min(row, staged.get(commit, row), key=lambda item: item.order))
        for commit, row in sorted(staged.items(), key=lambda item: item[1].order):
            if commit not in births and all(client.commit != commit for client in found):
                text = f"a client asked for a server of version {commit[:10]}, whose download did not finish"
                self.reasons.append(because(text, [row]))

    def _first(self, found: list[Client], commit: str, birth: Row) -> None:
        moment = birth.time
        assert moment is not None
        mine = sorted((client for client in found if client.commit in (commit, None)), key=lambda item: item.start)
        first = mine[0] if mine else None
        if first and first.start <= moment + window("first_attach"):
            if first.start > moment and not first.log:
                text = f"the first client of version {commit[:10]} had come by {stamp(moment)}: its server's folder was"
                self.reasons.append(because(f"{text} made then (inference); its window opened later", [birth]))
            first.rows.append(birth)
            first.commit = first.commit or commit
            return
        if any("--install-extension" in call.options for _, call in self._bundle.calls):
            text = f"a server of version {commit[:10]} was downloaded, perhaps only to install an extension"
            self.reasons.append(because(f"{text} (--install-extension): that alone is no client", [birth]))
            return
        text = f"a client of version {commit[:10]} came by {stamp(moment)}: its server's folder was made then"
        logs = [row for part in (LOG, SERVER) for row in self._bundle.of(part)]
        undated = any(row.time is None for row in logs)
        left = "the logs at hand have no usable time" if undated else "no log of it is left"
        left = "the logs at hand do not name it" if logs and not undated else left
        self.reasons.append(because(f"{text} (inference); {left}", [birth]))
        found.append(Client(moment, commit=commit, rows=[birth], inferred=True))

    def _finish(self, client: Client) -> None:
        """A client that nothing says left, left with the hosting."""
        if client.end is not None or client.inferred:
            return
        period = self._spans.around(client.start)
        if period and period.end and client.end_kind == "unknown" and not _lost(client):
            client.end = period.end
            client.end_kind = "host_shutdown" if period.reason in HOST_DOWN else "tunnel_stopped"


def _lost(client: Client) -> bool:
    return any(row.kind == "server.window_lost" for view in client.views for row in view.rows[-1:])


def _served(lines: Lines) -> list[Client]:
    """Requests for a server, each with the newest channel before it that no other request took."""
    free = [row for row in lines.rows if row.kind == "tunnel.client_connected" and row.time]
    times = [row.time for row in free if row.time]
    found: list[Client] = []
    newest: dict[tuple[str, str], Client] = {}
    for place, row in enumerate(lines.rows):
        if row.kind != "tunnel.client_serving" or row.time is None:
            continue
        again = newest.get((row.source.path, row.get("rpc_id"))) if row.get("rpc_id") else None
        if again and _left(lines, again, place):
            again = None
        if again:  # the same connection asked once more
            again.rows.append(row)
            continue
        last = bisect_right(times, row.time) - 1
        channel = None
        if last >= 0 and times[last] >= row.time - window("channel_to_rpc"):
            channel = free.pop(last)
            del times[last]
        began = channel.time if channel and channel.time else row.time
        found.append(Client(began, commit=row.get("commit") or None, rows=[row, *([channel] if channel else [])]))
        newest[row.source.path, row.get("rpc_id")] = found[-1]
    return found


def _left(lines: Lines, client: Client, place: int) -> bool:
    """Whether a client's connection, or its process, ended before a later request with the same number."""
    keys: tuple[tuple[str, ...], ...] = (("turned", client.log), ("gone", client.log, client.rpc))
    ends = (lines.first(key, client.start) for key in keys)
    return any(end is not None and end < place for end in ends)


def _view(start: datetime, rows: list[Row]) -> View:
    told = [row for row in rows if row.kind != "server.second_client"]
    last, end, kind = told[-1], None, "unknown"
    expired = last.kind == "server.window_expired"
    if last.kind == "server.window_closed":
        end, kind = last.time, "disconnected"
    elif expired:
        # The client was gone when the connection was lost; the server gave up waiting later.
        lost = [row.time for row in rows if row.kind == "server.window_lost"]
        end, kind = (lost[-1] if lost else last.time), "expired"
    elif last.kind == "server.window_lost":
        end = last.time
    commit = next((row.get("commit") for row in rows if row.get("commit")), "") or _commit_in(rows[0].source.path)
    view = View(start, end, kind, commit, rows, expired=expired)
    view.reconnected = [row for row in rows if row.kind == "server.window_reconnected"]
    view.second = len(told) < len(rows)
    return view


def _commit_in(path: str) -> str | None:
    found = servers_in(path)
    return found[2] if found else None


def _joined(found: list[Client]) -> list[Client]:
    """The clients; a connection that brought a lost window back is the same client, on a channel of its own."""
    slack, gone = window("channel_to_rpc"), set()
    free = sorted((client for client in found if not client.views), key=lambda item: item.start)
    starts = [client.start for client in free]
    for client in found:
        for row in [row for view in client.views for row in view.reconnected]:
            if row.time is None:
                continue
            first = bisect_left(starts, max(client.start, row.time - slack))
            back = free[first : bisect_right(starts, row.time + slack)]
            if back:
                other = max(back, key=lambda item: item.start)
                place = free.index(other, first)
                del free[place], starts[place]
                gone.add(id(other))
                _continued(client, other)
    return [client for client in found if id(client) not in gone]


def _continued(client: Client, other: Client) -> None:
    client.rows += other.rows
    closed = [view.end for view in client.views if view.end and view.end_kind == "disconnected"]
    client.end, client.end_kind = other.end, other.end_kind
    if client.end is None and closed:
        client.end, client.end_kind = max(closed), "disconnected"


def outside(clients: Iterable[Client], periods: list[Period]) -> list[Client]:
    """The clients that came when no hosting period is known to have been up."""
    spans = Spans(periods)
    return [client for client in clients if spans.around(client.start) is None]
