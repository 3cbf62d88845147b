"""What the parts of antiforensics.py share: a sign out of the data and its rows, and not too many of one kind."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from forensics.model import AntiForensic, Host
from forensics.rules import load
from forensics.sessions.hostlife import HostLife
from forensics.sessions.rows import People, Row, Rows, ids_of, is_service_sid, stamp
from forensics.text import worded

Found = tuple[Row, AntiForensic]
_SHUTDOWN = timedelta(minutes=10)
_KERNEL = timedelta(minutes=5)
_BOOT = timedelta(minutes=2)
_MOST_EVENTS = 50
_LOCAL_SERVICE = "S-1-5-19"


class Moments:
    """The times of some rows, to be asked whether one lies in a span."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.all = sorted(row.time for row in rows if row.time)

    def within(self, start: datetime, end: datetime) -> bool:
        """Whether one of them lies in the span, its ends included."""
        place = bisect_left(self.all, start)
        return place < len(self.all) and self.all[place] <= end


class Scene:
    """The rows of one host with what is asked of them again and again.

    `files` are the names of the prefetch files that the evidence holds, folded.
    """

    def __init__(self, rows: Rows, host: Host, label: str, files: frozenset[str] = frozenset()) -> None:
        self.rows, self.host, self.label, self.files = rows, host, label, files
        self.people, self.life = People(host.users), HostLife(rows)
        self._asked = Moments(rows.of("system.shutdown_requested"))
        self._stops = Moments(rows.of("system.kernel_stopped"))
        self._starts = Moments(rows.of("system.kernel_started"))
        self._crashes = Moments(rows.of("system.crashed"))

    def by(self, row: Row) -> str:
        """` by <account>`, "" when the row names nobody."""
        name = self.account(row)
        return f" by {name}" if name else ""

    def by_any(self, rows: Iterable[Row]) -> str:
        """The same of the first of several rows of one act that names somebody."""
        return next((said for row in rows if (said := self.by(row))), "")

    def account(self, row: Row) -> str | None:
        """The account that a row names, by its name where the host tells it, else its SID."""
        name, sid = self.people.complete(row.get("user_name"), row.get("user_sid"))
        return name or row.user or sid

    def sign(self, kind: str, row: Row, rows: Sequence[Row], **parts: str) -> Found:
        """A sign at the time of `row` that rests on `rows`; its words, causes and level are data."""
        data = load("antiforensics")[kind]
        detail, causes = worded(data["detail"], parts), tuple(data["innocent_causes"])
        if row.recovered_from:
            detail += f" (the record was recovered from {row.recovered_from})"
        if row.deleted:
            detail += " (a deleted entry of the registry)"
        events = ids_of(rows)[:_MOST_EVENTS]
        user = _named(parts) or self.account(row)
        return row, AntiForensic(
            row.time, kind, detail, causes, events, self.label, data["level"], user, tuple(data["attack"])
        )

    def of_service(self, row: Row) -> bool:
        """Whether a service account did it, no person."""
        return is_service_sid(self.people.complete(row.get("user_name"), row.get("user_sid"))[1])

    def of_time_service(self, row: Row) -> bool:
        """Whether the account did it that the time service runs as."""
        return self.people.complete(row.get("user_name"), row.get("user_sid"))[1] == _LOCAL_SERVICE

    def in_setup(self, row: Row) -> bool:
        """Whether a service account did it around the end of the installation, where set-up does such things."""
        described = self.rows.of("host.described")
        installed = next((item.time for item in described if item.meaning == "Installation Time"), None)
        if installed is None or row.time is None or not self.of_service(row):
            return False
        before, after = (timedelta(hours=number) for number in load("antiforensics")["setup_hours"])
        return installed - before <= row.time <= installed + after

    @property
    def is_server(self) -> bool:
        """Whether the host says that it is a Windows Server."""
        return "server" in (self.host.os or "").casefold()

    def went_down(self, row: Row) -> bool | None:
        """Whether Windows stopped at the time of a row (of a recorder that stopped); None where nobody can tell.

        The kernel's own records decide: without one of them in the evidence a missing one says nothing.
        """
        if row.time is None:
            return None
        if self._asked.within(row.time - _SHUTDOWN, row.time + _BOOT):
            return True
        if self._stops.within(row.time - _KERNEL, row.time + _KERNEL):
            return True
        boot = self.life.next_boot(row.time)
        if boot is None or boot.time is None or not self._starts.all or self._starts.all[0] > row.time:
            return None
        crashed = self._crashes.within(boot.time - _KERNEL, boot.time + _KERNEL)
        return crashed or self._starts.within(row.time, boot.time + _BOOT)


def usual(channel: str) -> dict[str, Any]:
    """What Windows sets for a channel, whose name a log file or a value may spell in any case; nothing of others."""
    return _channels().get(channel.casefold(), {})


@cache
def _channels() -> dict[str, dict[str, Any]]:
    return {name.casefold(): item for name, item in load("antiforensics")["channels"].items()}


def weakened(found: Found, weak: bool, level: str = "weak") -> Found:
    """The sign as one of less weight where the rules say so (`weak_when`, `medium_when`)."""
    return (found[0], replace(found[1], level=level)) if weak else found


def ordered_by(found: Found, scene: Scene, commands: Sequence[Row]) -> Found:
    """The sign with the account of the command that ordered it, where its own record names none."""
    row, sign = found
    name = scene.by_any(reversed(commands)).removeprefix(" by ")
    return (row, replace(sign, user=name)) if name and not sign.user else found


def _named(parts: Mapping[str, str]) -> str | None:
    """Whom the words of a sign name as the one who did it."""
    return parts.get("by", "").removeprefix(" by ") or None


def capped(found: Iterable[Found]) -> list[AntiForensic]:
    """The signs in order of time, undated last; of one kind and level the first, and one more that counts the rest."""
    most = load("antiforensics")["most_told"]
    kinds: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for item in sorted(found, key=lambda item: (*item[0].order, item[1].kind)):
        kinds[item[1].kind, item[1].level].append(item)
    kept: list[Found] = []
    for items in kinds.values():
        kept += items[:most]
        if rest := items[most:]:
            kept.append((rest[0][0], _rest([sign for _, sign in rest])))
    return [sign for _, sign in sorted(kept, key=lambda item: (*item[0].order, item[1].kind, item[1].detail))]


def _rest(signs: list[AntiForensic]) -> AntiForensic:
    times = [sign.time for sign in signs if sign.time]
    span = f", {stamp(times[0])} to {stamp(times[-1])}" if times else ""
    events = tuple(dict.fromkeys(event for sign in signs for event in sign.events))[:_MOST_EVENTS]
    detail = f"{len(signs)} more of the same kind{span}"
    users = {sign.user for sign in signs}
    return replace(signs[0], detail=detail, events=events, user=users.pop() if len(users) == 1 else None)
