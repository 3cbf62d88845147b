"""Which tunnel a bundle is: name, id, cluster, account, and what ties processes to it.

A server's connection token is base64url(SHA-256(tunnel id)) without padding, so a process ties to an id even where the
file with the id is gone. A client may send a token of its own: a match is strong, a mismatch proves nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence

from forensics.rules import load
from forensics.sessions.exits import Exits
from forensics.sessions.rows import Group, Row, because, grouped, stamp
from forensics.sessions.texts import pid
from forensics.sessions.tunnel_around import provider_by_login
from forensics.sessions.tunnel_bundle import FILES, LOG, NETWORK, PROCESS, SAVED, STATE, Bundle
from forensics.sessions.tunnel_call import servers_in
from forensics.sessions.tunnel_periods import Period
from forensics.sessions.tunnel_resident import as_null, is_resident

_TOKEN = re.compile(r"--connection-token[= ]\"?([A-Za-z0-9_-]{40,64})")
_WEB_NAME = re.compile(
    r"(?P<id>[a-z0-9][a-z0-9-]{1,47}?[a-z0-9])-(?P<port>\d{1,5})(?:-inspect)?\.(?P<cluster>[a-z]{3,4}\d{0,3})\.devtunnels\.ms"
)
_RELAY_NAME = re.compile(
    r"(?P<cluster>[a-z]{3,4}\d{1,3}|asse|aue|brs|euw|use)(?:-data)?\.rel\.tunnels\.api\.visualstudio\.com"
)
_PROVIDER_OPTIONS = {"-g": "github", "--github": "github", "-e": "microsoft", "--entra": "microsoft"}


def token_of(tunnel_id: str) -> str:
    """The connection token that a server of this tunnel is started with."""
    return base64.urlsafe_b64encode(hashlib.sha256(tunnel_id.encode()).digest()).decode().rstrip("=")


def tokens_of(tunnel_id: str) -> set[str]:
    """Both spellings: newer versions put an `a` before one that would begin with a dash and be taken for an option."""
    token = token_of(tunnel_id)
    return {token, "a" + token} if token.startswith("-") else {token}


def server_starts(bundle: Bundle) -> list[Row]:
    """Process starts of the remote server, whose command line carries the connection token."""
    return [row for row in bundle.of(PROCESS) if "--connection-token" in row.get("command_line").casefold()]


def connection_tokens(bundle: Bundle) -> tuple[str, ...]:
    """The tokens that its servers were started with, as processes and logs tell them."""
    found = {match[1] for row in server_starts(bundle) if (match := _TOKEN.search(row.get("command_line")))}
    found |= {row.get("tunnel_connection_token") for row in bundle.of(LOG, "tunnel.server_started")}
    return tuple(sorted(found - {""}))


class Identity:
    """What is known of one bundle's tunnel; `reasons` says by what."""

    def __init__(self, bundle: Bundle, periods: list[Period], exits: Exits) -> None:
        self._bundle, self._periods, self._exits = bundle, periods, exits
        self.reasons: list[str] = []
        self.extra: list[Row] = []
        self.unregistered_by: list[Row] = []
        self._state = self._newest()
        self._by_call = self._called()
        self._by_name = self._looked_up()
        self.name = self._named("tunnel_name") or self._name_option()
        self.id = self._named("tunnel_id") or self._by_call[0] or self._by_name[0]
        self.cluster = self._named("tunnel_cluster") or self._by_call[1] or self._by_name[1]
        self.unregistered = self._is_unregistered()
        self._say()
        self.others = self._contradicted()

    def _newest(self) -> Group | None:
        """The newest state of code_tunnel.json; without times the one that names a tunnel."""

        def age(group: Group) -> tuple[str, bool, str]:
            times = group.times.values()
            return (max(times).isoformat() if times else "", bool(group.get("tunnel_id")), group.source.path)

        return max(grouped(self._registrations()), key=age, default=None)

    def _registrations(self) -> list[Row]:
        """Of the file itself; where it was not collected or is gone, of its record in the $MFT."""
        rows = self._bundle.of(STATE, "tunnel.identity")
        return [row for row in rows if not is_resident(row)] or rows

    def _named(self, field: str) -> str | None:
        """Of code_tunnel.json first, then of the log, then of whatever else tells it; the newest of each."""
        bundle = self._bundle
        for rows in (self._registrations(), bundle.of(LOG), bundle.of(SAVED), bundle.of(STATE)):
            stated = [row for row in rows if row.get(field)]
            if stated:
                return max(stated, key=lambda row: (row.time is not None, row.order)).get(field)
        return None

    def _contradicted(self) -> dict[str, list[Row]]:
        """Ids that other traces of the same folder name, with these: it was registered anew, or a file exchanged."""
        found: dict[str, list[Row]] = {}
        for row in (*self._bundle.of(STATE), *self._bundle.of(LOG), *self._bundle.of(SAVED)):
            if (ident := row.get("tunnel_id")) and ident != self.id:
                found.setdefault(ident, []).append(row)
        for row, call in self._bundle.calls:
            if (ident := call.named_tunnel[0]) and ident != self.id:
                found.setdefault(ident, []).append(row)
        for ident, rows in found.items():
            where = ", ".join(dict.fromkeys(_file_of(row) for row in rows))
            text = f"another tunnel id, {ident}, stands in {where}: the folder was registered anew, or a file exchanged"
            self.reasons.append(because(f"{text}; what is told here may be of either", rows))
        return found

    def _name_option(self) -> str | None:
        return next((name for _, call in self._bundle.calls if (name := call.options.get("--name"))), None)

    def _called(self) -> tuple[str | None, str | None]:
        """The id and cluster that a command line names."""
        for row, call in reversed(self._bundle.calls):
            ident, cluster = call.named_tunnel
            if ident:
                self.reasons.append(because(f"the tunnel's id {ident} stands on a command line ({call.verb})", [row]))
                return ident, cluster or None
        return None, None

    def _looked_up(self) -> tuple[str | None, str | None]:
        """Of a dev tunnel: the id and cluster in names that were looked up while it was hosted (inference).

        Anybody on the host may look up another tunnel's address: one counts whose port is hosted here.
        """
        if self._bundle.product != "devtunnel":
            return None, None
        hosted = {port for _, call in self._bundle.calls if call.hosts for port in call.ports}
        cluster = None
        for row in self._bundle.of(NETWORK):
            name = row.first("query_name", "destination_host").casefold().rstrip(".")
            match = _WEB_NAME.fullmatch(name)
            if match and int(match["port"]) in hosted and self._by_call[0] in (None, match["id"]):
                text = f"id {match['id']} and cluster {match['cluster']} are in the address {name}"
                self.reasons.append(because(f"{text} that was looked up while it was hosted (inference)", [row]))
                return match["id"], match["cluster"]
            relay = _RELAY_NAME.fullmatch(name)
            cluster = cluster or (relay["cluster"] if relay else None)
        return None, cluster

    def _is_unregistered(self) -> bool:
        """By `null` in the file, or by a call that deletes it and ended with status 0, nothing being hosted after."""
        if self._state is not None:
            if self._state.fields.get("tunnel_unregistered") is True:
                self.unregistered_by = self._bundle.of(STATE, "tunnel.identity")
                return True
            written = max(self._state.times.values(), default=None)
        else:
            written = None
        if self._state is None and (short := as_null(self._bundle.of(FILES))):
            self.unregistered_by = short
            text = "code_tunnel.json is 4 bytes long in the $MFT, as `null` is: the tunnel was unregistered"
            self.reasons.append(because(f"{text} (inference; the content is not at hand)", short))
            return True
        for row, call in reversed(self._bundle.calls):
            if not call.unregisters or row.time is None or (written and written > row.time):
                continue
            if any(period.start and period.start > row.time for period in self._periods):
                continue
            ends = self._exits.of(row)
            if any(pid(end.get("result_code")) == 0 for end in ends if end.get("result_code")):
                self.unregistered_by = [row, *ends]
                self.extra += ends
                text = f"`{call.verb}` deleted the tunnel at the service: it ended with status 0"
                self.reasons.append(because(text, self.unregistered_by))
                return True
            text = f"`{call.verb}` was called at {stamp(row.time)}; whether it deleted the tunnel is not recorded"
            self.reasons.append(because(text, [row, *ends]))
        return False

    def _say(self) -> None:
        bundle = self._bundle
        rows = [row for row in self._registrations() if row.get("tunnel_id") == (self._state or row).get("tunnel_id")]
        if self._state is None:
            if bundle.product != "devtunnel":
                self.reasons.insert(
                    0, "no code_tunnel.json: name and id are known only as far as other traces tell them"
                )
        elif self.unregistered and self._state.fields.get("tunnel_unregistered") is True:
            self.reasons.insert(
                0,
                because(f"code_tunnel.json{_copy(rows)} holds null: the tunnel was unregistered at the service", rows),
            )
        else:
            name = f"{self._state.get('tunnel_name')} ({self._state.get('tunnel_id')})"
            self.reasons.insert(0, because(f"code_tunnel.json{_copy(rows)} names the tunnel {name}", rows))
        if (
            bundle.product == "devtunnel"
            and sum(period.run is not None for period in self._periods) > 1
            and not self.id
        ):
            self.reasons.append(
                "each call without an id hosts a dev tunnel of its own; those of the profile stand together"
            )
        self._say_tokens()

    def _say_tokens(self) -> None:
        """Tie the servers' processes to the id."""
        if not self.id:
            return
        stated = {row.get("tunnel_connection_token") for row in self._bundle.of(STATE, "tunnel.identity")} - {""}
        wanted = stated | tokens_of(self.id) | {"a" + token for token in stated}
        same = [row for row in server_starts(self._bundle)
                if (match := _TOKEN.search(row.get("command_line"))) and match[1] in wanted]  # fmt: skip
        same += [row for row in self._bundle.of(LOG, "tunnel.server_started")
                 if row.get("tunnel_connection_token") in wanted]  # fmt: skip
        if same:
            text = "the connection token of the server is the hash of this tunnel's id"
            self.reasons.append(because(text, same))
        other = self._foreign(wanted)
        if other:
            text = "a server was started with a connection token that is no hash of this id: another tunnel's"
            self.reasons.append(because(f"{text}, or one that the client sent (a mismatch proves nothing)", other))

    def _foreign(self, wanted: set[str]) -> list[Row]:
        """Starts of servers with a token that the id does not explain."""
        found = [row for row in server_starts(self._bundle)
                 if (match := _TOKEN.search(row.get("command_line"))) and match[1] not in wanted]  # fmt: skip
        logged = self._bundle.of(LOG, "tunnel.server_started")
        return found + [row for row in logged if row.get("tunnel_connection_token") not in wanted | {""}]


def _provider(row: Row) -> str:
    return row.get("provider_name").casefold()


def _copy(rows: Sequence[Row]) -> str:
    """Said where the $MFT's record alone has the file's content."""
    if not all(is_resident(row) for row in rows):
        return ""
    gone = ", of the deleted file" if all(row.fields.get("file_deleted") is True for row in rows) else ""
    return f" (its content in the $MFT's own record{gone})"


def _file_of(row: Row) -> str:
    if is_resident(row):
        return f"code_tunnel.json{_copy([row])}"
    return "a command line" if row.kind == "process.created" else row.source.path.rpartition("/")[2]


def product(bundle: Bundle) -> str:
    """By the server's quality where one is known, else by the data folder or program."""
    qualities = {row.get("quality").casefold() for row in bundle.every if row.get("quality")}
    qualities |= {found[1].casefold() for row in bundle.of(PROCESS) if (found := servers_in(row.get("command_line")))}
    return "vscode-insiders" if qualities == {"insiders"} else bundle.product


def account(bundle: Bundle, logins: Sequence[Row] = ()) -> tuple[str | None, str | None, str]:
    """(account, provider, reason). The CLI keeps no account on disk; the provider shows by what it talks to."""
    rows = sorted(bundle.every, key=lambda row: row.order)
    name = next((row.get("account") for row in reversed(rows) if row.get("account")), None)
    told = [row for row in rows if row.get("account")]
    by = f"account {name}: as the desktop program or the cache of dev tunnels holds it; " if name else ""
    stated = [
        row for row in rows if _provider(row) in ("github", "microsoft") and row.fields.get("present") is not False
    ]
    if stated:
        found = _provider(stated[-1])
        files = ", ".join(dict.fromkeys(_file_of(row) for row in stated if _provider(row) == found))
        text = f"{by}provider {found}: told by {files} (inferred where it only names a host)"
        return name, found, because(text, [*told, *stated])
    for row, call in reversed(bundle.calls):
        option = call.options.get("--provider", "").casefold() if call.verb == "user login" else ""
        flags = [_PROVIDER_OPTIONS[flag] for flag in call.options if flag in _PROVIDER_OPTIONS]
        found = option or (flags[0] if flags and call.product == "devtunnel" else "")
        if found in ("github", "microsoft"):
            return name, found, because(f"{by}provider {found}: named by the command that logged in", [*told, row])
    for host, found in load("tunnel")["login_hosts"].items():
        seen = [row for row in bundle.of(LOG) if host in row.text()]
        if seen:
            return name, found, because(f"{by}provider {found}: the CLI talks to {host} (inference)", [*told, *seen])
    found_here, pages = provider_by_login(logins)
    if found_here:
        text = f"{by}provider {found_here}: its page of a device login was opened here near the hosting (inference)"
        return name, found_here, because(text, [*told, *pages])
    return name, None, because(by.rstrip("; "), told) if name else ""
