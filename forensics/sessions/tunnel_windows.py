"""Clients and windows of a tunnel held against each other by index: logs may tell of tens of thousands of each."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate

from forensics.model import TunnelClient
from forensics.sessions.rows import Row
from forensics.sessions.tunnel_periods import Period, other_reading, window

_NEVER = datetime.max.replace(tzinfo=UTC)


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
    last: View | None = None  # the window that is open the longest
    all_expired: bool = True

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
            self.start, self.end, self.commit, self.end_kind, len(self.views), len(times), second,
            other_reading(self.rows, self.start), other_reading(self.rows, self.end),
        )  # fmt: skip


class Lines:
    """Rows of the CLI's logs in their order, and where those stand that end a connection."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self._places: dict[tuple[str, ...], tuple[list[datetime], list[int]]] = {}
        for place, row in enumerate(rows):
            path, rpc = row.source.path, row.get("rpc_id")
            if row.kind == "tunnel.client_disconnected":
                self._note(place, ("gone", rpc), ("gone", path, rpc))
            elif row.kind == "tunnel.host_stopped":
                self._note(place, ("stopped",), ("turned", path))
            elif row.kind == "tunnel.host_started":
                self._note(place, ("turned", path))

    def _note(self, place: int, *keys: tuple[str, ...]) -> None:
        moment = self.rows[place].time
        if moment is None:
            return
        for key in keys:
            times, places = self._places.setdefault(key, ([], []))
            times.append(moment)
            places.append(place)

    def first(self, key: tuple[str, ...], start: datetime) -> int | None:
        """The place of the first such row at or after a moment."""
        times, places = self._places.get(key, ([], []))
        at = bisect_left(times, start)
        return places[at] if at < len(places) else None


class Merger:
    """Puts windows, in the order of their start, to the clients whose they are; `found` has the clients."""

    def __init__(self, found: list[Client]) -> None:
        self.found = found
        self._slack = window("same_window")
        self._waiting = sorted(((client.start, -place) for place, client in enumerate(found)), reverse=True)
        self._starts = sorted(client.start for client in found)
        self._live: list[
            tuple[datetime, int]
        ] = []  # start, and place in `found` (less than 0: the earlier, the greater)
        self._rpcs: dict[tuple[str, str], list[Client]] = {}
        self._place = {id(client): place for place, client in enumerate(found)}
        self._logs = {id(client): client.log for client in found}
        self._known: set[int] = set()
        for client in found:
            self._named(client, client.rows)

    def _named(self, client: Client, rows: list[Row]) -> None:
        """Remember by which connection a client is known, once one of its rows says so."""
        if id(client) in self._known or not self._logs[id(client)]:
            return
        rpc = next((row.get("rpc_id") for row in rows if row.get("rpc_id")), "")
        if rpc:
            self._known.add(id(client))
            self._rpcs.setdefault((rpc, self._logs[id(client)]), []).append(client)

    def take(self, view: View) -> None:
        """Into the client whose connection it names or that was connected when it opened, else one of its own."""
        client = self._by_rpc(view) or self._by_time(view)
        if client is None:
            client = Client(view.start, view.end, view.commit, view.end_kind, list(view.rows), [view])
            client.last, client.all_expired = view, view.expired
            self._logs[id(client)] = ""
            self._place[id(client)] = len(self.found)
            self.found.append(client)
            insort(self._starts, client.start)
            insort(self._live, (client.start, -self._place[id(client)]))
        else:
            before = client.end
            _add(client, view, alone=not self._logs[id(client)])
            key = (client.start, -self._place[id(client)])
            if client.end != before and key not in self._live and key[0] <= view.start + self._slack:
                insort(self._live, key)  # it had been taken for superseded
            self._named(client, view.rows)

    def _by_rpc(self, view: View) -> Client | None:
        named = self._rpcs.get((view.rpc, view.log), []) if view.rpc else []
        inside = [client for client in named if client.start - self._slack <= view.start]
        return max(inside, key=lambda item: (item.start, -self._place[id(item)]), default=None)

    def _by_time(self, view: View) -> Client | None:
        """The newest that was connected; who was gone, or without end before a newer one came, is so for good."""
        while self._waiting and self._waiting[-1][0] - self._slack <= view.start:
            insort(self._live, self._waiting.pop())
        newest = bisect_right(self._starts, view.start)
        last = self._starts[newest - 1] if newest else None
        self._live = [item for item in self._live if self._is_live(self.found[-item[1]], view.start, last)]
        for _, place in reversed(self._live):
            client = self.found[-place]
            if self._logs[id(client)] or client.commit is None or view.commit in (client.commit, None):
                return client
        return None

    def _is_live(self, client: Client, moment: datetime, last: datetime | None) -> bool:
        if client.end is not None:
            return moment <= client.end + self._slack
        return last is None or client.start >= last


def _add(client: Client, view: View, *, alone: bool) -> None:
    """A window more of a client; of one that windows alone tell of, it goes on as long as one of them."""
    client.rows += view.rows
    client.views.append(view)
    client.commit = client.commit or view.commit
    client.all_expired = client.all_expired and view.expired
    if alone:
        client.last = max((client.last or view, view), key=lambda item: (item.end is None, item.end or item.start))
        client.end, client.end_kind = client.last.end, client.last.end_kind
    elif client.end is None and view.end is not None:
        client.end, client.end_kind = view.end, view.end_kind
    near = client.end is None or view.end is None or abs(client.end - view.end) <= window("channel_to_rpc")
    if client.all_expired and near:
        client.end_kind = "expired"


class Spans:
    """Hosting periods by their start."""

    def __init__(self, periods: list[Period]) -> None:
        self._periods = sorted((item for item in periods if item.start), key=lambda item: item.start or _NEVER)
        self._starts = [period.start for period in self._periods if period.start]
        ends = (period.end or _NEVER for period in self._periods)
        self._ends = list(accumulate(ends, max))  # the latest end so far

    def around(self, moment: datetime) -> Period | None:
        """The newest period that was up then."""
        found: Period | None = None
        place = bisect_right(self._starts, moment) - 1
        while place >= 0 and self._ends[place] > moment and (not found or self._starts[place] == found.start):
            period = self._periods[place]
            found = period if not period.end or period.end > moment else found
            place -= 1
        return found
