"""VS Code tunnels and dev tunnels: what each bundle of rows is worth.

What the host cannot know is said with every tunnel: the client's address (the server listens on a named pipe), the
account behind a pure CLI login, and files that were only read.
"""

from __future__ import annotations

import base64
import hashlib
import re

from forensics.model import (
    CONFIRMED,
    POSSIBLE,
    PROBABLE,
    ForwardedPort,
    Host,
    PersistenceEntry,
    SavedFile,
    TunnelCommand,
    TunnelSession,
    stable_id,
)
from forensics.rules import load
from forensics.rules.engine import capped, hits, rules_of, total
from forensics.sessions.exits import Exits, image
from forensics.sessions.hostlife import HostLife
from forensics.sessions.rows import Group, People, Row, Rows, because, grouped, ids_of, is_service_sid, short
from forensics.sessions.texts import basename, norm
from forensics.sessions.tunnel_bundle import (
    LOG,
    OTHER,
    PROCESS,
    RUN,
    SAVED,
    SERVER,
    SHELL,
    STATE,
    Bundle,
    Bundler,
)
from forensics.sessions.tunnel_call import data_dir_of, servers_in
from forensics.sessions.tunnel_periods import (
    Client,
    Period,
    clients,
    hosting,
    once,
    reconcile,
    server_starts,
    window,
)

TECHNIQUE = "T1219.001"  # Remote Access Tools: IDE Tunneling
_TOKEN = re.compile(r"--connection-token[= ]\"?([A-Za-z0-9_-]{40,64})")
_TELLING = (STATE, LOG, SERVER, PROCESS, SAVED, SHELL)
_UNKNOWABLE = (
    "the client's address is not recorded on this host (the server listens on a named pipe); the account's sign-in log"
    " has it"
)


class Tunnels:
    """Everything about tunnels that the rows of one host tell."""

    def __init__(
        self, rows: Rows, host: Host, host_label: str, life: HostLife, entries: tuple[PersistenceEntry, ...]
    ) -> None:
        self.label, self.life, self.rows = host_label, life, rows
        self.people = People(host.users)
        self._exits = Exits(rows, life)
        self._bundles = Bundler(rows, self.people, entries, life, self._exits).build()

    def sessions(self) -> tuple[TunnelSession, ...]:
        """One entry for each tunnel, in order of its data folder."""
        return tuple(self._session(bundle) for bundle in self._bundles)

    def _session(self, bundle: Bundle) -> TunnelSession:
        identity = _identity(bundle)
        periods, period_reasons, extra = hosting(bundle, self.life, self._exits)
        connected = clients(bundle, periods)
        more_reasons, more_rows = reconcile(periods, connected, self.life)
        period_reasons, extra = [*period_reasons, *more_reasons], [*extra, *more_rows]
        word, word_why = _certainty(bundle)
        account, provider, provider_why = _account(bundle)
        saved, commands, ports = _saved(bundle), _commands(bundle), _ports(bundle)
        unregistered = identity is not None and identity.fields.get("tunnel_unregistered") is True
        tunnel_id = _named(bundle, "tunnel_id")
        lookups = self._lookups(periods)
        facts = self._facts(bundle, periods, connected, saved, ports)
        scored = hits(rules_of("tunnel"), facts | {"unregistered": unregistered})
        reasons = [
            word_why, *_identity_reasons(bundle, identity), *_token_reasons(bundle, tunnel_id), *period_reasons,
            *_client_reasons(bundle, connected), provider_why, *_history_reason(bundle), *_lookup_reason(lookups),
            *(because(str(hit), _basis(hit.rule, bundle, connected)) for hit in scored), capped(scored), _UNKNOWABLE,
        ]  # fmt: skip
        attack = {TECHNIQUE, *(item for hit in scored for item in hit.attack)}
        attack |= {item for entry in bundle.entries for item in entry.attack}
        return TunnelSession(
            id=stable_id("tunnel", self.label, bundle.key),
            product=_product(bundle),
            profile_user=bundle.profile,
            tunnel_name=_named(bundle, "tunnel_name") or _name_option(bundle),
            tunnel_id=tunnel_id,
            cluster=_named(bundle, "tunnel_cluster"),
            account=account,
            provider=provider,
            unregistered=unregistered,
            hosting=tuple(period.done() for period in periods),
            clients=tuple(client.done() for client in connected),
            persistence=tuple(sorted(entry.id for entry in bundle.entries)),
            files_saved=saved,
            commands=commands,
            ports_forwarded=ports,
            certainty=word,
            score=total(scored),
            reasons=tuple(dict.fromkeys(reason for reason in reasons if reason)),
            attack=tuple(sorted(attack)),
            events=ids_of([*bundle.every, *extra, *lookups]),
            host=self.label,
        )

    def _lookups(self, periods: list[Period]) -> list[Row]:
        """DNS look-ups and connections of the tunnel service's names while the tunnel was up."""
        spans = [(period.start, period.end or period.last_seen) for period in periods if period.start]
        slack = window("channel_to_rpc")
        found = []
        for row in self.rows.of("dns.queried", "network.connected"):
            name = row.first("query_name", "destination_host").casefold().rstrip(".")
            if not name.endswith((".tunnels.api.visualstudio.com", ".devtunnels.ms")) or row.time is None:
                continue
            if any(start and start - slack <= row.time <= (end or start) + slack for start, end in spans):
                found.append(row)
        return found

    def _facts(
        self,
        bundle: Bundle,
        periods: list[Period],
        connected: list[Client],
        saved: tuple[SavedFile, ...],
        ports: tuple[ForwardedPort, ...],
    ) -> dict[str, object]:
        hosts = [(row, call) for row, call in bundle.calls if call.hosts or call.verb == "service install"]
        executables = {call.executable: None for _, call in hosts}
        for entry in bundle.entries:
            executables.setdefault((entry.command or "").strip().strip('"').partition('"')[0].partition(" --")[0])
        sids = {self.people.of(row)[1] for row, _ in hosts}
        return {
            "executables": tuple(path for path in executables if "\\" in path or "/" in path),
            "executable_names": tuple(dict.fromkeys(basename(path) for path in executables)),
            "renamed": any(call.renamed for _, call in hosts),
            "command_lines": tuple(row.get("command_line") for row, _ in hosts)
            + tuple(period.command_line for period in periods if period.command_line),
            "parents": tuple(parent for row, _ in hosts if (parent := row.get("parent_executable"))),
            "as_service": any(period.as_service for period in periods)
            or any(not entry.deleted for entry in bundle.entries),
            "clients": len(connected),
            "user_is_service": bundle.profile == "SYSTEM" or any(is_service_sid(sid) for sid in sids),
            "public_port": any(port.public for port in ports),
            "saved_paths": tuple(dict.fromkeys(file.path for file in saved)),
            "data_dir": bundle.data_dir,
            "data_dir_odd": data_dir_of(bundle.data_dir) is None and bundle.product != "devtunnel",
            "product": bundle.product,
        }


def _identity(bundle: Bundle) -> Group | None:
    """The newest state of code_tunnel.json; without times the one that names a tunnel."""
    groups = grouped(bundle.of(STATE, "tunnel.identity"))

    def newest(group: Group) -> tuple[str, bool, str]:
        times = group.times.values()
        return (max(times).isoformat() if times else "", bool(group.get("tunnel_id")), group.source.path)

    return max(groups, key=newest, default=None)


def _identity_reasons(bundle: Bundle, identity: Group | None) -> list[str]:
    if identity is None:
        text = "no code_tunnel.json: name and id are known only as far as other traces tell them"
        return [text] if bundle.product != "devtunnel" else []
    rows = bundle.of(STATE, "tunnel.identity")
    if identity.fields.get("tunnel_unregistered") is True:
        return [because("code_tunnel.json holds null: the tunnel was unregistered at the service", rows)]
    name = f"{identity.get('tunnel_name')} ({identity.get('tunnel_id')})"
    return [because(f"code_tunnel.json names the tunnel {name}", rows)]


def _named(bundle: Bundle, field: str) -> str | None:
    """A name or id: of code_tunnel.json first, then of the log, then of whatever else tells it; the newest of each."""
    for rows in (bundle.of(STATE, "tunnel.identity"), bundle.of(LOG), bundle.of(SAVED), bundle.every):
        stated = [row for row in rows if row.get(field)]
        if stated:
            return max(stated, key=lambda row: (row.time is not None, row.order)).get(field)
    return None


def _name_option(bundle: Bundle) -> str | None:
    return next((name for _, call in bundle.calls if (name := call.options.get("--name"))), None)


def _product(bundle: Bundle) -> str:
    """By the server's quality where one is known, else by the data folder or program."""
    qualities = {row.get("quality").casefold() for row in bundle.every if row.get("quality")}
    qualities |= {found[1].casefold() for row in bundle.of(PROCESS) if (found := servers_in(row.get("command_line")))}
    return "vscode-insiders" if qualities == {"insiders"} else bundle.product


def _certainty(bundle: Bundle) -> tuple[str, str]:
    """Confirmed: two kinds of evidence by different components; probable: one; possible: an autostart or `null`."""
    found = {part: bundle.of(part) for part in _TELLING if bundle.of(part)}
    state = found.get(STATE, [])
    live = [row for row in state if row.kind != "tunnel.consent" and row.fields.get("tunnel_unregistered") is not True]
    if state and not live and (len(found) == 1 or all(row.kind == "tunnel.consent" for row in state)):
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


def _token_reasons(bundle: Bundle, tunnel_id: str | None) -> list[str]:
    """The server's connection token is the hash of the tunnel's id: it ties a process to the tunnel."""
    if not tunnel_id:
        return []
    stated = {row.get("tunnel_connection_token") for row in bundle.of(STATE, "tunnel.identity")} - {""}
    token = base64.urlsafe_b64encode(hashlib.sha256(tunnel_id.encode()).digest()).decode().rstrip("=")
    # Newer versions put an "a" before a token that would begin with a dash and be taken for an option.
    wanted = stated | {token, "a" + token}
    same = [
        row
        for row in server_starts(bundle)
        if (match := _TOKEN.search(row.get("command_line"))) and match.group(1) in wanted
    ]
    same += [row for row in bundle.of(LOG, "tunnel.server_started") if row.get("tunnel_connection_token") in wanted]
    text = "the connection token of the server is the hash of this tunnel's id"
    return [because(text, same)] if same else []


def _client_reasons(bundle: Bundle, connected: list[Client]) -> list[str]:
    if connected:
        rows = [row for client in connected for row in client.rows]
        return [because(f"{len(connected)} remote connections are recorded", rows)]
    undated = [row for row in bundle.of(SERVER, "server.window_opened") if row.time is None]
    if undated:
        text = f"{len(undated)} connections are recorded without a usable time (is the host's zone known?)"
        return [because(f"{text}; they are undated facts", undated)]
    if bundle.of(STATE, "tunnel.server_used") or bundle.of(SERVER):
        return ["a server for remote clients was downloaded or ran; the logs at hand name no connection"]
    return ["no remote connection is recorded in the logs at hand (the CLI's log holds its last run only)"]


def _account(bundle: Bundle) -> tuple[str | None, str | None, str]:
    """(account, provider, reason). The CLI keeps no account on disk; the provider shows by what it talks to."""
    rows = sorted(bundle.every, key=lambda row: row.order)
    account = next((row.get("account") for row in reversed(rows) if row.get("account")), None)
    stated = [row for row in rows if row.get("provider_name").casefold() in ("github", "microsoft")]
    if stated:
        provider = stated[-1].get("provider_name").casefold()
        text = f"provider {provider}: from the log (inferred where it only names a host)"
        return account, provider, because(text, stated)
    for name, provider in load("tunnel")["login_hosts"].items():
        told = [row for row in bundle.of(LOG) if name in row.text()]
        if told:
            return account, provider, because(f"provider {provider}: the CLI talks to {name} (inference)", told)
    return account, None, ""


def _saved(bundle: Bundle) -> tuple[SavedFile, ...]:
    """The saves of the history, each with the hash of the copy that the editor keeps beside its list."""
    copies = {_copy_key(row.source.path): row for row in bundle.of(SAVED, "tunnel.saved_copy")}
    found: dict[tuple[object, ...], SavedFile] = {}
    for row in bundle.of(SAVED, "tunnel.file_saved"):
        copy = copies.get(_copy_key(f"{row.source.path.rpartition('/')[0]}/{row.get('saved_id')}"))
        digest = (copy.get("file_sha256") or copy.source.sha256) if copy else None
        found.setdefault((row.time, norm(row.get("saved_path"))), SavedFile(row.time, row.get("saved_path"), digest))
    return tuple(found.values())


def _copy_key(path: str) -> str:
    return path.replace("\\", "/").casefold()


def _commands(bundle: Bundle) -> tuple[TunnelCommand, ...]:
    """What was run: by the tunnel's own record, in its terminals, and in the profile's undated history."""
    spawned = once(bundle.of(LOG, "tunnel.command_spawned"))
    shells = [row for row in bundle.of(SHELL) if "shellintegration" in row.get("host_application").casefold()]
    found = [TunnelCommand(row.time, row.kind, row.first("command_line", "log_message")) for row in spawned]
    found += [TunnelCommand(row.time, row.kind, row.get("host_application")) for row in shells]
    scripts = bundle.of(SHELL, "powershell.script_block")
    found += [TunnelCommand(row.time, row.kind, short(row.get("script_text"), 4000)) for row in scripts]
    processes: list[TunnelCommand] = []
    for row in bundle.of(PROCESS):
        line = row.first("command_line", "executable")
        twin = any(
            known.command == line and known.time and row.time and row.time - known.time <= window("same_process")
            for known in processes
        )
        if (row.id in bundle.typed or _is_command(row)) and not twin:
            processes.append(TunnelCommand(row.time, row.kind, line))
    history = [TunnelCommand(None, row.kind, row.get("history_line")) for row in bundle.of(OTHER, "shell.history_line")]
    dated = sorted([*found, *processes], key=lambda item: (item.time.isoformat() if item.time else "", item.command))
    return (*dated, *history)


def _is_command(row: Row) -> bool:
    """A process that the server's terminal or the server itself started, apart from the server's own helpers."""
    if row.kind != "process.created" or image(row) in load("tunnel")["infrastructure"]:
        return False
    by_server = basename(row.get("parent_executable")) == "node.exe" and servers_in(row.get("parent_executable"))
    in_terminal = "shellintegration" in row.get("parent_command_line").casefold()
    return bool(by_server) or (in_terminal and servers_in(row.get("parent_command_line")) is not None)


def _ports(bundle: Bundle) -> tuple[ForwardedPort, ...]:
    found = []
    for row in once(bundle.of(LOG, "tunnel.port_forwarded")):
        port, public = row.fields.get("port"), row.fields.get("public")
        if isinstance(port, int):
            found.append(ForwardedPort(row.time, port, public if isinstance(public, bool) else None))
    return tuple(found)


def _history_reason(bundle: Bundle) -> list[str]:
    rows = bundle.of(OTHER, "shell.history_line")
    text = "the profile's PowerShell history has no times: its lines may have been typed outside the tunnel"
    return [because(text, rows)] if rows else []


def _lookup_reason(lookups: list[Row]) -> list[str]:
    text = "names of the tunnel service were looked up or connected to while it was up"
    return [because(text, lookups)] if lookups else []


def _basis(rule: str, bundle: Bundle, connected: list[Client]) -> list[Row]:
    """The rows that a rule's facts come from."""
    if rule == "TUN-01":
        return [row for client in connected for row in client.rows]
    if rule == "TUN-08":
        return bundle.of(STATE, "tunnel.identity")
    if rule == "TUN-09":
        return bundle.of(LOG, "tunnel.port_forwarded")
    if rule == "TUN-10":
        return bundle.of(SAVED)
    return [row for row, _ in bundle.calls] + bundle.of(RUN)
