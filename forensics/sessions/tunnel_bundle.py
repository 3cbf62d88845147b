"""All rows of one tunnel put together: a tunnel is one CLI data folder of one profile.

The state files, the CLI's log, its server's logs, process starts, the Run value and PowerShell's log each name the data
folder, or at least the profile it belongs to. What only looks alike never makes a tunnel: the desktop program asking
`tunnel status`, a `.vscode-server` left by Remote-SSH, port forwarding by the editor.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from forensics.model import PersistenceEntry
from forensics.sessions.exits import Exits, image
from forensics.sessions.hostlife import HostLife
from forensics.sessions.rows import People, Row, Rows
from forensics.sessions.texts import basename, norm, pid
from forensics.sessions.tunnel_call import TunnelCall, data_dir_of, product_of, servers_in, tunnel_call

STATE, LOG, SERVER, PROCESS, SAVED, SHELL, RUN, OTHER = (
    "state files of the CLI", "log of the CLI", "log of its server", "process events", "editor's file history",
    "PowerShell log", "autostart entry", "other",
)  # fmt: skip
_LOG_KINDS = frozenset(
    f"tunnel.{name}"
    for name in (
        "host_started", "host_stopped", "created", "login", "relay_connected", "relay_lost", "client_connected",
        "client_serving", "server_started", "client_disconnected", "port_forwarded", "port_closed", "command_spawned",
        "service_registered",
    )
)  # fmt: skip
_HISTORY = frozenset({"tunnel.file_saved", "tunnel.saved_copy"})
# These alone show that a tunnel was hosted, registered or used.
_ANCHORS = frozenset(
    {
        "tunnel.identity", "tunnel.lock", "tunnel.server_used", "tunnel.host_started", "tunnel.created",
        "tunnel.relay_connected", "tunnel.client_connected", "tunnel.client_serving", "tunnel.file_saved",
    }
)  # fmt: skip


@dataclass(slots=True)
class Bundle:
    """The rows of one tunnel, by kind of evidence; `key` is the data folder made comparable."""

    key: str
    data_dir: str
    product: str
    profile: str | None
    parts: dict[str, dict[str, Row]] = field(default_factory=dict)
    calls: list[tuple[Row, TunnelCall]] = field(default_factory=list)
    entries: list[PersistenceEntry] = field(default_factory=list)
    typed: dict[str, Row] = field(default_factory=dict)

    def add(self, part: str, row: Row) -> None:
        """Take a row in as evidence of that kind."""
        self.parts.setdefault(part, {})[row.id] = row

    def of(self, part: str, *kinds: str) -> list[Row]:
        """Its rows of one kind of evidence, narrowed to some kinds of rows."""
        rows = sorted(self.parts.get(part, {}).values(), key=lambda row: row.order)
        return [row for row in rows if not kinds or row.kind in kinds]

    @property
    def every(self) -> list[Row]:
        """All rows."""
        return [row for rows in self.parts.values() for row in rows.values()]


Shells = dict[int, list[tuple[Bundle, Row]]]


class Bundler:
    """Builds the bundles of one host."""

    def __init__(
        self, rows: Rows, people: People, entries: tuple[PersistenceEntry, ...], life: HostLife, exits: Exits
    ) -> None:
        self._rows, self._people, self._entries = rows, people, entries
        self._life, self._exits = life, exits
        self._found: dict[str, Bundle] = {}

    def build(self) -> list[Bundle]:
        """All bundles, by key."""
        self._state_and_log()
        for row in self._rows.of("process.created"):
            self._process(row)
        for row in self._rows.of("powershell.started"):
            self._shell(row)
        for entry in self._entries:
            self._entry(entry)
        for row in self._rows.of("tunnel.file_saved", "tunnel.saved_copy"):
            self._saved(row)
        self._followers()
        self._typed()
        return [bundle for _, bundle in sorted(self._found.items()) if bundle.parts]

    def _bundle(self, data_dir: str, product: str, profile: str | None) -> Bundle:
        key = norm(data_dir)
        bundle = self._found.setdefault(key, Bundle(key, data_dir, product, profile))
        bundle.profile = bundle.profile or profile
        return bundle

    def _profile(self, row: Row) -> str | None:
        """The profile folder's name that a row belongs to: as stated, by its source's place, by its account."""
        stated = row.get("profile_user") or _profile_in(row.source.path)
        return stated or self._people.folder(*self._people.of(row))

    def _default(self, row: Row, product: str, create: bool) -> Bundle | None:
        """The bundle of the row's profile at the usual place; without `create` only one that is known already."""
        profile = self._profile(row)
        if profile is None:
            return None
        mine = [item for _, item in sorted(self._found.items()) if _same(item.profile, profile)]
        fitting = [item for item in mine if item.product == product] or mine
        if fitting or not create:
            return fitting[0] if fitting else None
        folder = {"vscode-insiders": ".vscode-insiders"}.get(product, ".vscode")
        place = "DevTunnels" if product == "devtunnel" else f"{folder}\\cli"
        home = self._people.profile(*self._people.of(row)) or f"C:\\Users\\{profile}"
        if profile == "SYSTEM":
            home = "C:\\Windows\\System32\\config\\systemprofile"
        return self._bundle(f"{home}\\{place}", product, profile)

    def _placed(self, row: Row) -> tuple[str, str] | None:
        """(data folder, product) that a row names or lies in; the desktop's copy of the log lies in neither."""
        if basename(row.source.path).startswith("remotetunnel"):
            return None
        stated = row.get("data_dir")
        if stated:
            return stated, product_of(stated, row.get("quality"))
        return data_dir_of(row.source.path)

    def _state_and_log(self) -> None:
        rows = [row for row in self._rows.under("tunnel.") if row.kind not in _HISTORY and not _forwarding(row)]
        anchors = [row for row in rows if row.kind in _ANCHORS]
        for row in sorted(anchors, key=lambda item: (self._placed(item) is None, item.order)):
            placed = self._placed(row)
            if placed:
                self._bundle(*placed, self._profile(row))
            else:
                self._default(row, product_of("", row.get("quality")), create=True)
        for row in rows:
            placed = self._placed(row)
            default = None if placed else self._default(row, product_of("", row.get("quality")), create=False)
            bundle = self._found.get(norm(placed[0])) if placed else default
            if bundle:
                bundle.add(LOG if row.kind in _LOG_KINDS else STATE, row)

    def _process(self, row: Row) -> None:
        line = row.get("command_line")
        call = tunnel_call(line)
        if call:
            self._call(row, call)
            return
        server = servers_in(line) or servers_in(row.get("executable")) or servers_in(row.get("parent_executable"))
        server = server or servers_in(row.get("parent_command_line"))
        if server and _is_cli(server[0]):
            self._bundle(server[0], product_of(*server[:2]), self._profile(row)).add(PROCESS, row)

    def _call(self, row: Row, call: TunnelCall) -> None:
        """Hosting and installing calls make a tunnel; others (unregister, prune, kill) belong to one that is known."""
        making = call.hosts or call.verb == "service install"
        data_dir = call.options.get("--cli-data-dir")
        bundle: Bundle | None
        if data_dir and (making or norm(data_dir) in self._found):
            bundle = self._bundle(data_dir, call.product, self._profile(row))
        else:
            bundle = self._default(row, call.product, create=making)
        if bundle and call.verb != "status":
            bundle.calls.append((row, call))
            bundle.add(PROCESS if making else OTHER, row)

    def _shell(self, row: Row) -> None:
        """A terminal with the editor's shell integration out of a tunnel's server folder."""
        server = servers_in(row.get("host_application"))
        if server and _is_cli(server[0]):
            self._bundle(server[0], product_of(*server[:2]), _profile_in(server[0])).add(SHELL, row)

    def _entry(self, entry: PersistenceEntry) -> None:
        call = tunnel_call(entry.command or "")
        if call is None or not (call.hosts or call.verb == "service install"):
            return
        data_dir = call.options.get("--cli-data-dir")
        rows = self._rows.named(entry.events)
        bundle = self._bundle(data_dir, call.product, _profile_in(data_dir) or entry.user) if data_dir else None
        if bundle is None and rows:
            bundle = self._default(rows[0], call.product, create=True)
        if bundle:
            bundle.entries.append(entry)
            for row in rows:
                bundle.add(RUN, row)

    def _saved(self, row: Row) -> None:
        """The history names the tunnel in its address; without one it may be of Remote-SSH and only follows."""
        bundle = self._default(row, "vscode", create=bool(row.get("tunnel_name")))
        if bundle:
            bundle.add(SAVED, row)

    def _typed(self) -> None:
        """What was started or run in a terminal of the tunnel, by the process id of its shell.

        4688 names the parent's id and image only; an id counts from the shell's start to its end or the next boot.
        """
        terminals = [(bundle, row) for _, bundle in sorted(self._found.items()) for row in bundle.of(PROCESS)]
        shells: Shells = {}
        for bundle, row in terminals:
            number = pid(row.get("pid"))
            if number is not None and "shellintegration" in row.get("command_line").casefold():
                shells.setdefault(number, []).append((bundle, row))
        if not shells:
            return
        for row in self._rows.of("process.created"):
            self._in_terminal(row, pid(row.get("parent_pid")), row.get("parent_executable"), shells)
        for row in self._rows.of("powershell.script_block"):
            self._in_terminal(row, pid(row.get("pid")), "", shells)

    def _in_terminal(self, row: Row, number: int | None, shell: str, shells: Shells) -> None:
        for bundle, start in shells.get(number, ()) if number is not None else ():
            if row.time is None or start.time is None or row.time < start.time:
                continue
            ends = self._exits.of(start)
            over = bool(ends) and ends[0].time is not None and row.time > ends[0].time
            other = bool(shell) and basename(shell) != image(start)
            if not over and not other and not self._life.boot_between(start.time, row.time):
                bundle.typed[row.id] = row
                bundle.add(PROCESS if row.kind == "process.created" else SHELL, row)
                return

    def _followers(self) -> None:
        """Server logs and shell history: of the profile's tunnel when there is one, else not of a tunnel at all."""
        choose: tuple[tuple[list[Row], str], ...] = (
            (self._rows.under("server."), SERVER),
            (self._rows.of("shell.history_line"), OTHER),
        )
        for rows, part in choose:
            for row in rows:
                placed = data_dir_of(row.source.path)
                bundle = self._found.get(norm(placed[0])) if placed else self._default(row, "vscode", create=False)
                if placed and bundle is None and part == SERVER:
                    bundle = self._bundle(*placed, self._profile(row))
                if bundle:
                    bundle.add(part, row)


def _profile_in(path: str) -> str | None:
    parts = path.replace("/", "\\").split("\\")
    lowered = [part.casefold() for part in parts]
    if "systemprofile" in lowered:
        return "SYSTEM"
    index = lowered.index("users") if "users" in lowered else -1
    return parts[index + 1] if 0 <= index < len(parts) - 1 else None


def _same(one: str | None, two: str) -> bool:
    return one is not None and one.casefold() == two.casefold()


def _is_cli(data_dir: str) -> bool:
    """Whether a folder with servers is the CLI's; Remote-SSH keeps its own below `.vscode-server`."""
    return ".vscode-server" not in data_dir.casefold()


def _forwarding(row: Row) -> bool:
    """Whether a state file is of port forwarding alone (`port_forwarding_tunnel.json`, `forwarding-stable.lock`)."""
    return basename(row.source.path).startswith(("port_forwarding", "forwarding-"))
