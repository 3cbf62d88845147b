"""The facts of a tunnel that the rules of rules/tunnel.yml are about, and how sure it is that there was one."""

from __future__ import annotations

from datetime import datetime, tzinfo

from forensics.model import CONFIRMED, LOOSE, POSSIBLE, PROBABLE, ForwardedPort, SavedFile
from forensics.rules import load
from forensics.sessions.rows import People, Row, Rows, because, is_service_sid
from forensics.sessions.texts import basename, inside, norm, pid
from forensics.sessions.tunnel_bundle import (
    FILES,
    LOG,
    NETWORK,
    PROCESS,
    RUN,
    SAVED,
    SERVER,
    SHELL,
    STATE,
    TRACE,
    Bundle,
)
from forensics.sessions.tunnel_call import data_dir_of, wrapped_call
from forensics.sessions.tunnel_periods import Period
from forensics.sessions.tunnel_programs import logged_call
from forensics.sessions.tunnel_windows import Client

_TELLING = (STATE, LOG, SERVER, PROCESS, SAVED, SHELL, FILES, TRACE, NETWORK)
# A licence or a login says that a tunnel was prepared, not that there was one.
_WEAK = frozenset({"tunnel.consent", "tunnel.token", "tunnel.account"})
_PERSONAL = (2, 7, 10, 11)  # logon types of a person at the screen, near or far


def certainty(bundle: Bundle, periods: list[Period]) -> tuple[str, str]:
    """Confirmed: two kinds of evidence by different components; probable: one; possible: an autostart or `null`."""
    found = {part: rows for part in _TELLING if (rows := _evidence(bundle, part, periods))}
    state = found.get(STATE, [])
    live = [row for row in state if row.kind not in _WEAK and row.fields.get("tunnel_unregistered") is not True]
    if state and not live and (len(found) == 1 or all(row.kind in _WEAK for row in state)):
        del found[STATE]
    rows = [group[0] for group in found.values()]
    names = ", ".join(found)
    if len(found) >= 2:
        return CONFIRMED, because(f"confirmed: {len(found)} kinds of evidence of the tunnel ({names})", rows)
    if found:
        extra = " and an autostart entry for it" if bundle.of(RUN) else ""
        return PROBABLE, because(f"probable: one kind of evidence of the tunnel ({names}){extra}", rows)
    text = "possible: only an autostart entry, a consent or the state after unregistering; no run of the tunnel is seen"
    return POSSIBLE, because(text, [*state, *bundle.of(RUN)])


def _evidence(bundle: Bundle, part: str, periods: list[Period]) -> list[Row]:
    """The rows of a kind that no other kind repeats: one file is one kind of evidence."""
    rows = bundle.of(part)
    if part == SERVER:
        logs = {row.source.path for row in bundle.of(LOG)}
        return [row for row in rows if row.source.path not in logs]
    if part == FILES:
        read = {norm(row.source.path) for kind in (STATE, LOG, SERVER) for row in bundle.of(kind)}
        return [row for row in rows if not any(inside(path, row.get("file_path")) for path in read)]
    if part == NETWORK:
        return [row for row in rows if _is_own(row, bundle, periods)]
    return rows


def _is_own(row: Row, bundle: Bundle, periods: list[Period]) -> bool:
    """Whether a hosting process looked the name up, by its id or path."""
    number = pid(row.get("pid"))
    if number is not None and any(period.pid == number for period in periods):
        return True
    hosts = {norm(call.executable) for _, call in bundle.calls if call.hosts and "\\" in call.executable}
    return bool(row.get("executable")) and norm(row.get("executable")) in hosts


class Facts:
    """Puts the facts for the rules together."""

    def __init__(self, rows: Rows, people: People, zone: tzinfo | None) -> None:
        self._people, self._zone = people, zone
        self._hours = usual_hours(rows, zone)
        self.hours_reason = "" if self._hours else "the host's usual hours are not judged: too few days are recorded"

    def of(
        self, bundle: Bundle, periods: list[Period], clients: list[Client], ports: tuple[ForwardedPort, ...],
        saved: tuple[SavedFile, ...],
    ) -> dict[str, object]:  # fmt: skip
        """The facts of one tunnel."""
        hosts = [(row, call) for row, call in bundle.calls if call.hosts or call.verb == "service install"]
        executables = _executables(bundle, periods)
        names = load("tunnel")["programs"]
        known = {name for group in names.values() for name in group}
        odd = [path for path in executables if "\\" in path and basename(path) not in known]
        sids = {self._people.of(row)[1] for row, _ in hosts}
        entries = [entry.command or "" for entry in bundle.entries]
        return {
            "executables": tuple(path for path in executables if "\\" in path or "/" in path),
            "executable_names": tuple(dict.fromkeys(basename(path) for path in executables)),
            "renamed": any(call.renamed for _, call in hosts) or bool(odd),
            "command_lines": tuple(row.get("command_line") for row, _ in hosts)
            + tuple(period.command_line for period in periods if period.command_line),
            "parents": tuple(parent for row, _ in hosts if (parent := row.get("parent_executable"))),
            "launch_lines": tuple(line for row, _ in hosts if (line := row.get("parent_command_line")))
            + tuple(entries),
            "as_service": any(period.as_service for period in periods)
            or any(not entry.deleted for entry in bundle.entries),
            "clients": len(clients),
            "user_is_service": bundle.profile == "SYSTEM" or any(is_service_sid(sid) for sid in sids),
            "public_port": any(port.public for port in ports),
            "saved_paths": tuple(dict.fromkeys(file.path for file in saved)),
            "data_dir": bundle.data_dir,
            "data_dir_odd": data_dir_of(bundle.data_dir) is None
            and bundle.product != "devtunnel"
            and not bundle.data_dir.startswith(LOOSE),
            "product": bundle.product,
            "outputs": tuple(dict.fromkeys(period.output_to for period in periods if period.output_to)),
            "odd_hours": self._odd_hours(periods),
            "usual_hours": f"{self._hours[0]:02}:00 to {self._hours[1]:02}:59" if self._hours else "",
        }

    def _odd_hours(self, periods: list[Period]) -> tuple[str, ...]:
        """Starts, in the host's zone, more than an hour outside the hours in which it is used."""
        if self._hours is None or self._zone is None:
            return ()
        first, last = self._hours
        local = [period.start.astimezone(self._zone) for period in periods if period.start and not period.as_service]
        return tuple(f"{moment:%Y-%m-%d %H:%M}" for moment in local if not first - 1 <= moment.hour <= last + 1)


def usual_hours(rows: Rows, zone: tzinfo | None) -> tuple[int, int] | None:
    """(first, last) hour of the day, local, in which the host is used: by logons of persons, boots and shutdowns.

    None below five days of records, which is too few to call an hour unusual, and where the zone is unknown. A tenth of
    the days may lie outside at each end.
    """
    if zone is None:
        return None
    used = [row for row in rows.of("logon.succeeded") if row.fields.get("logon_type") in _PERSONAL]
    used += rows.of("system.log_started", "system.log_stopped", "system.shutdown_requested")
    days: dict[str, list[datetime]] = {}
    for row in used:
        if row.time:
            local = row.time.astimezone(zone)
            days.setdefault(local.date().isoformat(), []).append(local)
    if len(days) < 5:
        return None
    firsts = sorted(min(moments).hour for moments in days.values())
    lasts = sorted(max(moments).hour for moments in days.values())
    spare = len(days) // 10
    return firsts[spare], lasts[len(lasts) - 1 - spare]


def _executables(bundle: Bundle, periods: list[Period]) -> list[str]:
    """The programs that hosted or are meant to: of processes, log lines and autostart entries."""
    found = {call.executable: None for _, call in bundle.calls if call.hosts or call.verb == "service install"}
    for row, call in bundle.calls:
        if (call.hosts or call.verb == "service install") and "\\" in row.get("executable"):
            found.setdefault(row.get("executable"))
    for period in periods:
        logged = logged_call(period.command_line or "")
        if logged and "\\" in logged.executable:
            found.setdefault(logged.executable)
    for entry in bundle.entries:
        entry_call = wrapped_call(entry.command or "")
        if entry_call:
            found.setdefault(entry_call.executable)
    return list(found)
