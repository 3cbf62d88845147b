"""Rows out of the lines of `code tunnel`, wherever they stand: its log, the desktop's log, output kept elsewhere."""

from __future__ import annotations

import re
from datetime import datetime

from forensics.artifacts._tunnel import BORN, build, cut_line, log_fields, owner, server_fact
from forensics.artifacts.base import FileInput, Output
from forensics.formats import logzone
from forensics.formats.tunnelid import link_of
from forensics.formats.tunnellog import Line
from forensics.model import Value, make_fact
from forensics.times import Moment, NoTime

_TOKEN = re.compile(r"--connection-token[= ]\"?([A-Za-z0-9_-]{20,64})(?![\w-])")
_PIPE = re.compile(r"--socket-path[= ]\"?([^\"\s]{1,300})")
_ENDPOINT = re.compile(r"https://(?P<id>[a-z0-9-]{3,60})-\{port\}\.(?P<cluster>[a-z0-9]{2,10})\.devtunnels\.ms")
_LOCATOR_ID = re.compile(r"\bid: \"([^\"]{1,60})\"", re.IGNORECASE)
_LOCATOR_CLUSTER = re.compile(r"\bcluster: \"([^\"]{1,20})\"", re.IGNORECASE)
_SERVING_LIMIT = 10_000


def _locator(text: str) -> dict[str, Value | None]:
    """Id and cluster out of the debug form of a tunnel locator (its exact shape is from memory)."""
    found, cluster = _LOCATOR_ID.search(text), _LOCATOR_CLUSTER.search(text)
    return {
        "tunnel_id": found.group(1) if found else None,
        "tunnel_cluster": cluster.group(1) if cluster else None,
    }


def _endpoint(text: str) -> dict[str, Value | None]:
    found = _ENDPOINT.search(text)
    return {"tunnel_id": found["id"], "tunnel_cluster": found["cluster"]} if found else {}


def _command(text: str) -> dict[str, Value | None]:
    """A command line; of a server's also its connection token, pipe and build."""
    token, pipe = _TOKEN.search(text), _PIPE.search(text)
    return {
        "command_line": text,
        "tunnel_connection_token": token.group(1) if token else None,
        "pipe_name": pipe.group(1).replace("\\\\", "\\") if pipe else None,
        **build(text),
    }


def _port(values: dict[str, str]) -> dict[str, Value | None]:
    public = values.get("public", "").casefold() == "true" if "public" in values else None
    if "privacy" in values:
        public = values["privacy"] == "Public"
    return {"port": int(values["port"]), "public": public}


def _link(values: dict[str, str]) -> dict[str, Value | None]:
    url = values.get("url", "").strip()
    link = link_of(url)
    return {
        "tunnel_name": values.get("tunnel_name") or (link.tunnel_name if link else None),
        "opened_path": link.folder if link else None,
        "url": url or None,
    }


class LogReader:
    """Turns the records of one CLI log into rows; keeps what ties lines together (rpc to server build).

    `whose`: the fields that say whose log it is, where its folder does not.
    """

    def __init__(
        self, artifact: str, given: FileInput, zone: logzone.LogZone, whose: dict[str, Value | None] | None = None
    ) -> None:
        self._artifact, self._given, self._zone = artifact, given, zone
        self._owner = owner(given) if whose is None else whose
        self._started = False
        self._last: datetime | None = None
        self._providers: set[str] = set()
        self._builds: dict[str, dict[str, Value | None]] = {}

    def rows(self, line: Line) -> Output:
        """The row of a record, and a problem when the record was cut."""
        if line.cut:
            yield cut_line(self._artifact, self._given, line.number, line.offset)
        if line.banner or not line.text:
            return
        moment, other = self._moment(line)
        common = log_fields(line.text, line.level, line.number, line.offset, self._zone)
        common |= self._owner | {"rpc_id": line.rpc or None, "log_time_if_utc": other}
        if line.server:
            common |= self._builds.get(line.rpc, {})
            yield from server_fact(self._given, line.server, moment, common, line.number)
            return
        event = self._event(line)
        fields = self._fields(line, event)
        context = event == "log_message" and not line.meaning.keep
        source = self._given.source(f"line {line.number}")
        yield make_fact(f"tunnel.{event}", source, {BORN: moment}, {**common, **fields}, context=context)

    def _moment(self, line: Line) -> tuple[Moment, str | None]:
        if not line.stamp:
            after = f", after that of {line.after}" if line.after else ""
            return NoTime(f"a line without a stamp{after}", ""), None
        moment, other = logzone.resolve(line.stamp, self._zone, self._given.zone, self._last)
        self._last = moment if isinstance(moment, datetime) else self._last
        return moment, other

    def _event(self, line: Line) -> str:
        """The event of a record; a start is told twice and a provider's name stands at many lines, so by order."""
        event, provider = line.meaning.event, line.meaning.values.get("provider", "")
        if event == "provider_contacted":
            event = "message" if provider in self._providers else "login"
            self._providers.add(provider)
        elif event == "singleton_started":
            event = "message" if self._started else "host_started"
        if event in ("host_started", "host_stopped"):
            self._started = event == "host_started"
        return "log_message" if event == "message" else event

    def _fields(self, line: Line, event: str) -> dict[str, Value | None]:
        values, note = line.meaning.values, line.meaning.note or None
        if event == "client_serving":
            self._remember(line.rpc, build(values["server_log"]))
            return build(values["server_log"])
        if event in ("port_forwarded", "port_closed"):
            found = _port(values)
            return found if event == "port_forwarded" else {"port": found["port"]}
        if event in ("host_started", "server_started"):
            found = _command(values["command_line"]) if event == "server_started" and "command_line" in values else {}
            return {
                "reason": note,
                "server_pid": values.get("server_pid"),
                "command_line": values.get("command_line"),
            } | found
        if event == "command_spawned":
            return {"command_line": f"{values['command']} {values['arguments']}"}
        if event == "login":
            inferred = (
                "provider inferred from the host contacted" if line.meaning.event == "provider_contacted" else note
            )
            shown = {"user_code": values.get("user_code"), "url": values.get("url")}
            return {"provider_name": values.get("provider"), "reason": inferred, **shown}
        if event == "link_shown":
            return _link(values)
        if event == "created":
            return {"tunnel_name": values.get("tunnel_name"), "reason": note, **_locator(values.get("locator", ""))}
        if event == "relay_connected":
            return {"reason": note, **_endpoint(values.get("endpoint", ""))}
        return {
            "channel_number": values.get("channel_number"),
            "reason": values.get("reason"),
            "destination_host": values.get("destination_host"),
            "provider_name": values.get("provider"),
            "peer_software": values.get("peer_software"),
            "product_version": values.get("product_version"),
        }

    def _remember(self, rpc: str, found: dict[str, Value | None]) -> None:
        if rpc and found and len(self._builds) < _SERVING_LIMIT:
            self._builds[rpc] = found
