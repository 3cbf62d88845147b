r"""`remoteTunnelService.log`: the tunnel as the desktop VS Code saw it, and the account that it was turned on with.

"Turn on Remote Tunnel Access" lets the desktop program run the CLI and keep what it prints. Together with `state.vscdb`
this is the only place on the host that names the account; it also has each start and end of the CLI with its command
line, the link that was shown, and clients. One folder per start of the program, `%APPDATA%\<product>\logs\<stamp>`
(forks of VS Code alike); the first builds of 2022 wrote `remoteTunnel.log`. A `tunnel status` call, `Session reset` and
`No other tunnel running` stand in the log of every developer and are context: they are no evidence of a tunnel.

The stamp outside is the desktop's (local time), that inside the CLI's own; rows have the outer one, to the millisecond,
and keep both. Their difference says for each line whether the CLI wrote local time or UTC.
Sources: `remoteTunnelService.ts` (read in a fork) of microsoft/vscode, issues #267495, #324147, #322248.
"""

from __future__ import annotations

from datetime import UTC, timezone, tzinfo
from typing import Any

from forensics.artifacts._tunnel import (
    BORN,
    EDITOR_ZONE,
    MESSAGE_LIMIT,
    cut_line,
    with_inferred_zone,
    zeroed,
    zone_fields,
)
from forensics.artifacts._tunnel_kinds import SERVER_KINDS, TUNNEL_LOG_KINDS
from forensics.artifacts._tunnel_reader import LogReader
from forensics.artifacts._vscode import ACCOUNT, OWNER, desktop_globs, desktop_owner
from forensics.artifacts.base import FieldType, FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, desktoplog, guardedjson
from forensics.formats.desktoplog import Record
from forensics.formats.logzone import UNDECIDED, UTC_ZONE, LogZone, inferred
from forensics.formats.tunnellog import Line
from forensics.model import Value, make_fact
from forensics.times import Moment, NoTime, from_iso

_NAME = "vscode_tunnel_service_log"
_UNREAD = LogZone(UNDECIDED, "the CLI printed this without a stamp; the time is the desktop's, local")
# Calls of the CLI that every start of the program makes.
_ASKING = frozenset({"status"})


class _Inside(LogReader):
    """Rows of what the CLI printed, at the desktop's time."""

    def __init__(self, given: FileInput) -> None:
        super().__init__(given, _UNREAD, name=_NAME)
        self._profile = desktop_owner(given)["profile_user"]
        self._outer = ""
        self.note = ""  # how the zone of the desktop's stamps was inferred, where it was
        self._at: Moment = NoTime("a line without a stamp", "")

    def take(self, record: Record, moment: Moment) -> Output:
        """The rows of one line of the CLI."""
        line = record.line
        if line is None:
            return
        self._outer, self._at = record.stamp, moment
        self._zone = desktoplog.zone_of(record.stamp, line.stamp, self._given.zone) if line.stamp else _UNREAD
        if self.note and self._zone.zone != UTC_ZONE:
            self._zone = self._zone._replace(reason=f"{self._zone.reason}; {self.note}")
        self._owner = {
            "profile_user": self._profile,
            "log_outer_stamp": record.stamp or None,
            "log_inner_stamp": line.stamp or None,
        }
        line.level, line.cut = line.level or record.level, False
        yield from self.rows(line)

    def _moment(self, line: Line) -> tuple[Moment, str | None]:
        offset = desktoplog.offset_between(self._outer, line.stamp) if line.stamp else None
        outer = desktoplog.local(self._outer)
        if self._zone.zone == UTC_ZONE and offset is not None and outer is not None:
            return (outer - offset).replace(tzinfo=UTC), None
        return self._at, None


class _Reader:
    """Turns the records of one log into rows."""

    def __init__(self, given: FileInput) -> None:
        self._given, self._owner, self._inside = given, desktop_owner(given), _Inside(given)
        self._zone: tzinfo | None = given.zone
        self._on = False
        self._inferred: dict[str, Value | None] = {}
        if self._zone is None:
            self._infer()

    def _infer(self) -> None:
        """The zone of this file where the host's is not known: two clocks in one line, or the last line's."""
        if offset := desktoplog.offset_in(self._given.fh):
            told = inferred(offset, "the CLI's stamps in it, which are UTC, are {hours} h from the desktop's")
            self._zone = timezone(offset)
        else:
            given, told = with_inferred_zone(self._given, EDITOR_ZONE)
            self._zone = given.zone
        self._inferred = zone_fields(told)
        self._inside.note = told.reason if self._inferred else ""

    def rows(self, record: Record) -> Output:
        """The rows of one record."""
        if record.cut:
            yield cut_line(_NAME, self._given, record.number, record.offset)
        self._learn(record)
        moment = self._moment(record.stamp)
        if record.line is not None:
            yield from self._inside.take(record, moment)
            return
        event = record.meaning.event
        if event == "status":
            yield from self._status(record, moment)
            return
        kind, fields, context = self._told(event, record.meaning.values, record.meaning.note or None)
        self._on = self._on or event == "account"
        context = context and not record.meaning.keep
        source = self._given.source(f"line {record.number}")
        yield make_fact(kind, source, {BORN: moment}, {**self._common(record), **fields}, context=context)

    def _learn(self, record: Record) -> None:
        """A line whose stamps contradict the host's zone says in which one the lines after it were written."""
        inner, here = record.line.stamp if record.line else "", desktoplog.local(record.stamp)
        offset = desktoplog.offset_between(record.stamp, inner) if inner else None
        if offset and here:
            host = here.replace(tzinfo=self._given.zone).utcoffset() if self._given.zone else None
            self._zone = self._given.zone if host == offset else timezone(offset)

    def _moment(self, stamp: str) -> Moment:
        if not stamp:
            return NoTime("a line without a stamp", "")
        if self._zone is None:
            return NoTime("local time, and the host's zone is not known", stamp)
        return from_iso(stamp, self._zone)

    def _common(self, record: Record) -> dict[str, Value | None]:
        return {
            **self._owner,
            **self._inferred,
            "log_level": record.level,
            "log_message": record.text[:MESSAGE_LIMIT],
            "line_number": record.number,
            "file_offset": record.offset,
        }

    def _told(self, event: str, values: dict[str, str], note: str | None) -> tuple[str, dict[str, Value | None], bool]:
        """The kind of a message of the desktop's own, its fields, and whether it is context."""
        call = values.get("call")
        asking = call in _ASKING or values.get("command_line", "").endswith(" tunnel status")
        if event == "account":
            service = values.get("as_service")
            fields: dict[str, Value | None] = {"account": values["account"], "provider_name": values["provider"]}
            return "tunnel.account", {**fields, "as_service": service and service == "true", "reason": note}, False
        if event == "spawned":
            return "vscode.cli_spawned", {"cli_call": call, "command_line": values["command_line"]}, asking
        if event == "ended":
            ended = {"cli_call": call, "pid": values["pid"], "result_code": values.get("result_code"), "reason": note}
            return "vscode.cli_ended", {**ended}, asking
        if event == "reset":
            return "vscode.tunnel_reset", {}, not self._on
        return "vscode.tunnel_log_message", {}, True

    def _status(self, record: Record, moment: Moment) -> Output:
        """What `tunnel status` printed: the tunnel that ran then, as the CLI itself knew it."""
        source = self._given.source(f"line {record.number}")
        try:
            value = guardedjson.loads(record.text.encode("utf-8", "replace"))
        except FormatError:
            yield make_fact("vscode.tunnel_log_message", source, {BORN: moment}, self._common(record), context=True)
            return
        tunnel = value.get("tunnel") if isinstance(value, dict) else None
        tunnel = tunnel if isinstance(tunnel, dict) else {}
        installed = value.get("service_installed") if isinstance(value, dict) else None
        fields = {**self._common(record), **_status_fields(tunnel)}
        fields["service_installed"] = installed if isinstance(installed, bool) else None
        moments: dict[str, Moment | None] = {BORN: moment}
        if started := _text(tunnel, "started_at"):
            moments["Start Time"] = from_iso(started)
        yield make_fact("tunnel.status", source, moments, fields, context=not tunnel)


def _text(values: dict[str, Any], name: str) -> str | None:
    value = values.get(name)
    return value[:1_000] if isinstance(value, str) else None


def _status_fields(tunnel: dict[str, Any]) -> dict[str, Value | None]:
    return {
        "tunnel_name": _text(tunnel, "name"),
        "relay_state": _text(tunnel, "tunnel"),
        "relay_connected_at": _text(tunnel, "last_connected_at"),
        "relay_lost_at": _text(tunnel, "last_disconnected_at"),
        "reason": _text(tunnel, "last_fail_reason"),
    }


def parse(given: FileInput) -> Output:
    """One row for every message of the desktop and every line of the CLI but its banner."""
    yield from zeroed(_NAME, given)
    reader = _Reader(given)
    for record in desktoplog.read(given.fh):
        yield from reader.rows(record)


_COMMON: dict[str, FieldType] = {
    **OWNER, "log_level": str, "log_message": str, "log_zone": str, "log_zone_reason": str, "line_number": int,
    "file_offset": int,
}  # fmt: skip
ARTIFACT = FileArtifact(
    name=_NAME,
    paths=desktop_globs(
        "logs/*/remoteTunnel*.log",
        anywhere=("logs/*/remoteTunnelService*.log", "logs/*/remoteTunnel.log", "logs/*/remoteTunnel.*.log"),
    ),
    parse=parse,
    emits={
        **TUNNEL_LOG_KINDS,
        **SERVER_KINDS,
        "tunnel.account": ACCOUNT,
        "tunnel.status": Kind(
            "Tunnel status asked for[: {tunnel_name}][ {relay_state}][, last connected {relay_connected_at}]"
            "[, lost {relay_lost_at}][ ({reason})][, installed as a service{service_installed:flag}]",
            {
                **_COMMON,
                "tunnel_name": str,
                "relay_state": str,
                "relay_connected_at": str,
                "relay_lost_at": str,
                "reason": str,
                "service_installed": bool,
            },
        ),
        "vscode.cli_spawned": Kind(
            "The desktop program started the tunnel CLI[ for {cli_call}]: {command_line}",
            {**_COMMON, "cli_call": str, "command_line": str},
        ),
        "vscode.cli_ended": Kind(
            "The desktop program's tunnel CLI[ for {cli_call}] ended or was ended[, process {pid}]"
            "[, exit code {result_code}][ ({reason})]",
            {**_COMMON, "cli_call": str, "pid": str, "result_code": str, "reason": str},
        ),
        "vscode.tunnel_reset": Kind("Remote tunnel access of the desktop program is off (session reset)", _COMMON),
        "vscode.tunnel_log_message": Kind("Tunnel log of the desktop program: {log_message}", _COMMON, context=True),
    },
)
