"""Which clients came through a tunnel, and when: each once, however many logs tell of it.

A client is seen on a channel of the relay, then on an rpc connection that asks for a server of its version, until the
connection is disposed of. The server's own logs know the editor's windows (the first 8 characters of the reconnection
token), also of runs whose CLI log is gone. Where no log is left, the extension host's process tells of a window, and
the birth of a server's folder of the first client of that version. The client's address is in none of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from forensics.model import TunnelClient
from forensics.sessions.exits import Exits
from forensics.sessions.rows import Row, because, stamp
from forensics.sessions.texts import basename, pid
from forensics.sessions.tunnel_bundle import FILES, LOG, PROCESS, SERVER, STATE, Bundle, log_order
from forensics.sessions.tunnel_call import servers_in
from forensics.sessions.tunnel_periods import HOST_DOWN, Period, once, when, window


@dataclass(slots=True)
class View:
    """One editor window out of the server's logs, or of its extension host's process."""

    start: datetime
    end: datetime | None
    end_kind: str
    commit: str | None
    rows: list[Row]
    rpc: str = ""
    log: str = ""
    reconnected: list[Row] = field(default_factory=list)
    second: bool = False
    expired: bool = False


@dataclass(slots=True)
class Client:
    """One client connection while it is put together."""

    start: datetime
    end: datetime | None = None
    commit: str | None = None
    end_kind: str = "unknown"
    rows: list[Row] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    inferred: bool = False

    @property
    def rpc(self) -> str:
        """Its rpc connection, "" when the CLI's log does not tell."""
        return next((row.get("rpc_id") for row in self.rows if row.get("rpc_id")), "")

    @property
    def log(self) -> str:
        """The CLI log that tells of it; "" when none does."""
        return next((row.source.path for row in self.rows if row.kind.startswith("tunnel.")), "")

    def done(self) -> TunnelClient:
        """The client as the model has it."""
        times = {row.time.replace(microsecond=0) for view in self.views for row in view.reconnected if row.time}
        second = any(view.second for view in self.views)
        return TunnelClient(
            self.start, self.end, self.commit, self.end_kind, len(self.views), len(times), second_client=second
        )


class Clients:
    """Finds the clients of one bundle, given its hosting periods. `reasons`: what is inferred, and why."""

    def __init__(self, bundle: Bundle, periods: list[Period], exits: Exits) -> None:
        self._bundle, self._periods, self._exits = bundle, periods, exits
        self.reasons: list[str] = []
        self.extra: list[Row] = []

    def build(self) -> list[Client]:
        """All clients, in order."""
        rows = once(self._bundle.of(LOG))
        found = _served(rows)
        taken = {row.id for client in found for row in client.rows}
        found += [Client(row.time, rows=[row]) for row in rows
                  if row.kind == "tunnel.client_connected" and row.time and row.id not in taken]  # fmt: skip
        for client in found:
            self._end(client, rows)
        logged = self._logged()
        for view in sorted([*logged, *self._hosts(logged)], key=lambda item: (item.start, item.rows[0].id)):
            _merge(found, view)
        _joined(found)
        self._born(found)
        commits = {row.get("commit") for row in self._bundle.of(STATE, "tunnel.server_used")} - {""}
        for client in found:
            client.commit = client.commit or (next(iter(commits)) if len(commits) == 1 else None)
            self._finish(client)
        return sorted(found, key=lambda item: (item.start, [row.id for row in item.rows]))

    def _end(self, client: Client, rows: list[Row]) -> None:
        rpc = client.rpc
        restart = next((p.start for p in sorted(self._periods, key=when) if p.start and p.start > client.start), None)
        for row in rows:
            if row.time is None or row.time < client.start or (restart and row.time >= restart):
                continue
            if row.kind == "tunnel.client_disconnected" and rpc and row.get("rpc_id") == rpc:
                client.end, client.end_kind = row.time, "disconnected"
            elif row.kind == "tunnel.host_stopped":
                client.end, client.end_kind = row.time, "tunnel_stopped"
            else:
                continue
            client.rows.append(row)
            return

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
        self.reasons.append(because(f"{text} (inference); no log of it is left", [birth]))
        found.append(Client(moment, commit=commit, rows=[birth], inferred=True))

    def _finish(self, client: Client) -> None:
        """A client that nothing says left, left with the hosting."""
        if client.end is not None or client.inferred:
            return
        around = [
            p for p in self._periods if p.start and p.start <= client.start and (not p.end or p.end > client.start)
        ]
        period = max(around, key=lambda item: item.start or client.start, default=None)
        if period and period.end and client.end_kind == "unknown" and not _lost(client):
            client.end = period.end
            client.end_kind = "host_shutdown" if period.reason in HOST_DOWN else "tunnel_stopped"


def _lost(client: Client) -> bool:
    return any(row.kind == "server.window_lost" for view in client.views for row in view.rows[-1:])


def _served(rows: list[Row]) -> list[Client]:
    """Requests for a server, each with the newest channel before it that no other request took."""
    free = [row for row in rows if row.kind == "tunnel.client_connected" and row.time]
    found: list[Client] = []
    newest: dict[tuple[str, str], Client] = {}
    for row in rows:
        if row.kind != "tunnel.client_serving" or row.time is None:
            continue
        again = newest.get((row.source.path, row.get("rpc_id"))) if row.get("rpc_id") else None
        if again and _left(rows, again, row):
            again = None
        if again:  # the same connection asked once more
            again.rows.append(row)
            continue
        early = row.time - window("channel_to_rpc")
        before = [item for item in free if item.time and early <= item.time <= row.time]
        channel = before[-1] if before else None
        if channel:
            free.remove(channel)
        began = channel.time if channel and channel.time else row.time
        found.append(Client(began, commit=row.get("commit") or None, rows=[row, *([channel] if channel else [])]))
        newest[row.source.path, row.get("rpc_id")] = found[-1]
    return found


def _left(rows: list[Row], client: Client, row: Row) -> bool:
    """Whether a client's connection, or its process, ended before a later request with the same number."""
    between = [item for item in rows if item.time and client.start <= item.time and log_order(item) < log_order(row)]
    return any(
        item.kind in ("tunnel.host_started", "tunnel.host_stopped")
        or (item.kind == "tunnel.client_disconnected" and item.get("rpc_id") == client.rpc)
        for item in between
        if item.source.path == client.log
    )


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


def _merge(found: list[Client], view: View) -> None:
    """Into the client whose connection it names or that was connected when it opened, else a client of its own."""
    slack = window("same_window")
    inside = [client for client in found if view.rpc and client.rpc == view.rpc and client.log == view.log
              and client.start - slack <= view.start]  # fmt: skip
    inside = inside or [
        client
        for client in found
        if client.start - slack <= view.start
        and (client.end is None or view.start <= client.end + slack)
        and not (client.end is None and any(client.start < other.start <= view.start for other in found))
        and (client.log or client.commit is None or view.commit in (client.commit, None))
    ]
    if not inside:
        found.append(Client(view.start, view.end, view.commit, view.end_kind, list(view.rows), [view]))
        return
    client = max(inside, key=lambda item: item.start)
    client.rows += view.rows
    client.views.append(view)
    client.commit = client.commit or view.commit
    if not client.log:  # a client of windows alone goes on as long as one of them
        last = max(client.views, key=lambda item: (item.end is None, item.end or item.start))
        client.end, client.end_kind = last.end, last.end_kind
    elif client.end is None and view.end is not None:
        client.end, client.end_kind = view.end, view.end_kind
    near = client.end is None or view.end is None or abs(client.end - view.end) <= window("channel_to_rpc")
    if client.views and all(item.expired for item in client.views) and near:
        client.end_kind = "expired"


def _joined(found: list[Client]) -> None:
    """A connection that brought a lost window back is the same client, on a channel of its own."""
    slack = window("channel_to_rpc")
    for client in list(found):
        for row in [row for view in client.views for row in view.reconnected]:
            back = [other for other in found if other is not client and not other.views and row.time
                    and max(client.start, row.time - slack) <= other.start <= row.time + slack]  # fmt: skip
            if back:
                other = max(back, key=lambda item: item.start)
                client.rows += other.rows
                closed = [view.end for view in client.views if view.end and view.end_kind == "disconnected"]
                client.end, client.end_kind = other.end, other.end_kind
                if client.end is None and closed:
                    client.end, client.end_kind = max(closed), "disconnected"
                found.remove(other)


def outside(clients: Iterable[Client], periods: list[Period]) -> list[Client]:
    """The clients that came when no hosting period is known to have been up."""
    return [client for client in clients if not any(period.covers(client.start) for period in periods)]
