"""Which rows of a host belong to which tunnel, and what only looks like one.

The desktop program asking `tunnel status`, a `.vscode-server` left by Remote-SSH, port forwarding by the editor, and
other products' tunnels never make one. A dev tunnel and a code tunnel of one profile are two.
"""

from __future__ import annotations

from forensics.model import LOOSE, PersistenceEntry
from forensics.sessions.exits import Exits
from forensics.sessions.hostlife import HostLife
from forensics.sessions.rows import People, Row, Rows
from forensics.sessions.texts import basename, norm
from forensics.sessions.tunnel_bundle import (
    FILES,
    LOG,
    OTHER,
    PROCESS,
    RUN,
    SAVED,
    SERVER,
    SHELL,
    STATE,
    Bundle,
)
from forensics.sessions.tunnel_call import (
    TunnelCall,
    data_dir_of,
    is_cli,
    is_on_host,
    on_host,
    product_of,
    profile_in,
    servers_in,
    tunnel_call,
    wrapped_call,
)
from forensics.sessions.tunnel_did import folder_of, is_anyones, not_through_tunnels, stated_folder
from forensics.sessions.tunnel_programs import add_runs, folders_read, logged_call, server_folders
from forensics.sessions.tunnel_resident import resident_identities
from forensics.sessions.tunnel_rows import (
    ANCHORS,
    FILE_KINDS,
    HISTORY,
    NO_SERVER,
    OWN_FILE,
    SERVER_LOG,
    SSH,
    forwarding,
    is_desktop,
    is_state,
    makes,
    names,
    part_of,
    same,
)
from forensics.sessions.tunnel_tasks import add_task_runs
from forensics.sessions.tunnel_terminals import add_typed, terminals


class Bundler:
    """Builds the bundles of one host. `ssh`: profiles (folded) that hold signs of Remote-SSH, known after `build`."""

    def __init__(
        self, rows: Rows, people: People, entries: tuple[PersistenceEntry, ...], life: HostLife, exits: Exits
    ) -> None:
        self._rows, self._people, self._entries = rows, people, entries
        self._life, self._exits = life, exits
        self._found: dict[str, Bundle] = {}
        self._hints: dict[str, tuple[str, str]] = {}
        self._loose: list[Row] = []
        self._elsewhere: set[str] = set()
        self._agents: dict[str, Bundle] = {}
        self.ssh: set[str] = set()

    def build(self) -> list[Bundle]:
        """All bundles, by key."""
        self._state_and_log()
        # What hosts a tunnel first: what was called before it (a login) belongs to a tunnel that is known then.
        calls = [(row, tunnel_call(row.get("command_line"))) for row in self._rows.of("process.created")]
        for row, call in sorted(calls, key=lambda item: (item[1] is None or not makes(item[1]), item[0].order)):
            self._process(row, call)
        for row in self._rows.of("vscode.cli_spawned"):
            spawned = tunnel_call(row.get("command_line"))
            if spawned:
                self._call(row, spawned, LOG)
        for row in terminals(self._rows):
            self._shell(row)
        for entry in self._entries:
            self._entry(entry)
        self._files()
        self._placeless()
        self._agents = self._server_folders()
        self._elsewhere = not_through_tunnels(self._rows)
        for row in self._rows.of("tunnel.file_saved", "tunnel.saved_copy"):
            self._saved(row)
        self._followers()
        add_typed([bundle for _, bundle in sorted(self._found.items())], self._rows, self._exits, self._life)
        self._read()
        add_runs([bundle for _, bundle in sorted(self._found.items())], self._rows, self._people)
        self._join()
        return [bundle for _, bundle in sorted(self._found.items()) if bundle.parts]

    def _bundle(self, data_dir: str, product: str, profile: str | None, *, stated: bool = True) -> Bundle:
        key = norm(data_dir)
        bundle = self._found.setdefault(key, Bundle(key, data_dir, product, profile))
        bundle.profile = bundle.profile or profile
        bundle.stated = bundle.stated or (stated and is_on_host(data_dir))
        return bundle

    def _profile(self, row: Row) -> str | None:
        """The profile folder's name that a row belongs to: as stated, by its source's place, by its account."""
        if stated := row.get("profile_user") or profile_in(row.source.path):
            return stated
        name, sid = self._people.of(row)
        return "SYSTEM" if name == "SYSTEM" else self._people.folder(name, sid)

    def _default(self, row: Row, product: str, create: bool) -> Bundle | None:
        """The bundle of the row's profile at the usual place; without `create` only one that is known already."""
        profile = self._profile(row)
        if profile is None:
            return None
        dev = product == "devtunnel"
        mine = [item for _, item in sorted(self._found.items())
                if same(item.profile, profile) and (item.product == "devtunnel") is dev]  # fmt: skip
        fitting = [item for item in mine if item.product == product] or mine
        if fitting or not create:
            return fitting[0] if fitting else None
        return self._bundle(self._usual(row, profile, product), product, profile, stated=False)

    def _usual(self, row: Row, profile: str, product: str) -> str:
        folder = {"vscode-insiders": ".vscode-insiders"}.get(product, ".vscode")
        place = "AppData\\Local\\DevTunnels" if product == "devtunnel" else f"{folder}\\cli"
        home = self._people.profile(*self._people.of(row)) or f"C:\\Users\\{profile}"
        if profile == "SYSTEM":
            home = "C:\\Windows\\System32\\config\\systemprofile"
        return f"{home}\\{place}"

    def _placed(self, row: Row) -> tuple[str, str] | None:
        """(data folder, product) that a row names or lies in; the desktop's copy of the log lies in neither."""
        stated = "" if is_desktop(row) else on_host(stated_folder(row))
        if is_on_host(stated):
            return stated, product_of(stated, row.get("quality"))
        hint = self._hints.get(row.source.path) or (self._hints.get(folder_of(row)) if stated else None)
        if hint or is_desktop(row):
            return hint
        return (stated, product_of(stated, row.get("quality"))) if stated else data_dir_of(row.source.path)

    def _hint(self, row: Row) -> None:
        """A log that lies elsewhere names the folder of the server that it starts, or that its program was told.

        Files that were collected without their folders lie together: what one of them names is that of all.
        """
        own = on_host(stated_folder(row))
        if is_on_host(own) or data_dir_of(row.source.path):
            return
        server = servers_in(row.get("log_message"))
        placed = (server[0], product_of(*server[:2])) if server and is_cli(server[0]) else None
        call = logged_call(row.get("command_line")) if row.kind == "tunnel.host_started" else None
        if placed is None and call and is_on_host(told := call.options.get("--cli-data-dir", "")):
            placed = told, call.product
        if placed:
            self._hints.setdefault(row.source.path, placed)
            if own:
                self._hints.setdefault(folder_of(row), placed)

    def _state_and_log(self) -> None:
        rows = []
        for row in (*self._rows.under("tunnel."), *resident_identities(self._rows)):
            if row.kind in HISTORY or forwarding(row):
                continue
            if is_cli(stated_folder(row)) and is_cli(row.source.path):
                rows.append(row)
                self._hint(row)
            else:
                self._is_ssh(row)
        anchors = [row for row in rows if row.kind in ANCHORS and not is_anyones(row)]
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
                bundle.add(part_of(row), row)
            else:
                self._loose.append(row)

    def _placeless(self) -> None:
        """Logs that name no folder: by the tunnel's name in them, else by their profile now that all are known."""
        for path in sorted({row.source.path for row in self._loose}):
            rows = [row for row in self._loose if row.source.path == path]
            named = next((row for row in rows if row.get("tunnel_name")), None)
            bundle = self._called(named, named.get("tunnel_name")) if named else None
            for row in rows:
                owner = bundle or self._default(row, product_of("", row.get("quality")), create=False)
                if owner:
                    owner.add(part_of(row), row)

    def _is_ssh(self, row: Row) -> None:
        profile = self._profile(row)
        if profile:
            self.ssh.add(profile.casefold())

    def _process(self, row: Row, call: TunnelCall | None) -> None:
        line = row.get("command_line")
        if call:
            self._call(row, call)
            return
        if SSH.search(line) or SSH.search(row.get("executable")):
            self._is_ssh(row)
        server = servers_in(line) or servers_in(row.get("executable")) or servers_in(row.get("parent_executable"))
        server = server or servers_in(row.get("parent_command_line"))
        if server and is_cli(server[0]):
            self._bundle(server[0], product_of(*server[:2]), self._profile(row)).add(PROCESS, row)

    def _call(self, row: Row, call: TunnelCall, part: str = PROCESS) -> None:
        """Hosting and installing calls make a tunnel; others (unregister, prune, kill) belong to one that is known."""
        making = makes(call)
        data_dir = call.options.get("--cli-data-dir")
        bundle: Bundle | None
        if call.product == "devtunnel":
            bundle = self._dev(row, call)
        elif data_dir and (making or norm(data_dir) in self._found):
            bundle = self._bundle(data_dir, call.product, self._profile(row) if making else None)
        else:
            bundle = self._default(row, call.product, create=making)
        if bundle and call.verb != "status":
            bundle.calls.append((row, call))
            bundle.add(part if making else OTHER, row)

    def _dev(self, row: Row, call: TunnelCall) -> Bundle | None:
        """The dev tunnel that a call names, else the one of the profile: those that no call names stand together."""
        profile, ident = self._profile(row), call.named_tunnel[0]
        if profile and ident:
            key = f"{self._usual(row, profile, call.product)}\\{ident}"
            if call.hosts or norm(key) in self._found:
                return self._bundle(key, call.product, profile, stated=False)
        return self._default(row, call.product, create=call.hosts)

    def _shell(self, row: Row) -> None:
        """A terminal with the editor's shell integration out of a tunnel's server folder."""
        server = servers_in(row.get("host_application"))
        if server and is_cli(server[0]):
            self._bundle(server[0], product_of(*server[:2]), profile_in(server[0])).add(SHELL, row)

    def _entry(self, entry: PersistenceEntry) -> None:
        call = wrapped_call(entry.command or "")
        if call is None or not makes(call):
            return
        data_dir = call.options.get("--cli-data-dir")
        rows = self._rows.named(entry.events)
        bundle = self._bundle(data_dir, call.product, profile_in(data_dir) or entry.user) if data_dir else None
        if bundle is None and rows:
            bundle = self._default(rows[0], call.product, create=True)
        if bundle:
            bundle.entries.append(entry)
            add_task_runs(bundle, call, rows, self._rows)
            for row in rows:
                bundle.add(RUN, row)

    def _files(self) -> None:
        """Births, changes and deletions of the CLI's own files and of its servers' folders."""
        for row in self._rows.of(*FILE_KINDS):
            path = row.get("file_path")
            server = servers_in(path)
            if SSH.search(path):
                self._is_ssh(row)
            placed: tuple[str, str] | None = None
            if server and len(server[2]) == 40 and is_cli(server[0]):
                placed = server[0], product_of(*server[:2])
            elif OWN_FILE.fullmatch(basename(path)) and is_cli(path):
                folder = path.replace("/", "\\").rpartition("\\")[0]
                placed = data_dir_of(path) or ((folder, product_of(folder)) if folder[1:3] == ":\\" else None)
            if placed:
                folder = self._with_drive(placed[0])
                self._bundle(folder, placed[1], profile_in(folder)).add(FILES, row)

    def _with_drive(self, folder: str) -> str:
        """A folder out of a loose $MFT has no drive: it is the one of that path that something else names."""
        known = self._found.get(norm(folder.removeprefix(LOOSE))) if folder.startswith(LOOSE) else None
        return known.data_dir if known else folder

    def _server_folders(self) -> dict[str, Bundle]:
        """The folders of any name that a tunnel's server keeps its data in, by the variable or option that says so."""
        found: dict[str, Bundle] = {}
        for row in self._rows.of("tunnel.environment_set"):
            if row.get("variable_name").upper() == "VSCODE_AGENT_FOLDER" and row.get("variable_value"):
                owners = [self._default(row, "vscode", create=False)]
                if row.get("environment_of") == "machine":
                    owners = [item for _, item in sorted(self._found.items()) if item.product != "devtunnel"]
                if len(owners) == 1 and owners[0]:
                    found[norm(row.get("variable_value"))] = owners[0]
        return found | server_folders([bundle for _, bundle in sorted(self._found.items())])

    def _saved(self, row: Row) -> None:
        """The history names the tunnel in its address; without one it may be of Remote-SSH and only follows."""
        remote, name = row.get("remote_authority").casefold(), row.get("tunnel_name")
        if remote and not remote.startswith("tunnel"):
            if remote.startswith("ssh-remote"):
                self._is_ssh(row)
            return
        if row.kind == "tunnel.saved_copy" and folder_of(row) in self._elsewhere:
            return
        bundle = self._called(row, name) if name else None
        bundle = bundle or self._agents.get(norm(row.get("server_data_dir")))
        bundle = bundle or self._default(row, "vscode", create=bool(name))
        if bundle:
            bundle.add(SAVED, row)

    def _called(self, row: Row, name: str) -> Bundle | None:
        """The tunnel of that name; of several the one of the row's profile."""
        profile = self._profile(row) or ""
        fitting = [bundle for _, bundle in sorted(self._found.items()) if name.casefold() in names(bundle)]
        return min(fitting, key=lambda bundle: not same(bundle.profile, profile), default=None)

    def _followers(self) -> None:
        """Server logs, shell history, what the desktop program and caches know: of the profile's tunnel, or of none."""
        history = self._rows.of("shell.history_line")
        # `code serve-web` and agent hosts keep files in the same folders and need no tunnel.
        server = [row for row in self._rows.under("server.") if not row.kind.startswith(NO_SERVER)]
        about_tunnels = [row for row in self._rows.under("vscode.") if "tunnel" in row.kind]
        choose: tuple[tuple[list[Row], str, str], ...] = (
            ([row for row in server if row.kind in SERVER_LOG], SERVER, "vscode"),
            ([row for row in server if row.kind not in SERVER_LOG], OTHER, "vscode"),
            (history, OTHER, "vscode"),
            ([row for row in history if "devtunnel" in row.get("history_line").casefold()], OTHER, "devtunnel"),
            (about_tunnels, OTHER, "vscode"),
            ([row for row in self._rows.under("devtunnel.") if is_state(row)], STATE, "devtunnel"),
            ([row for row in self._rows.under("devtunnel.") if not is_state(row)], OTHER, "devtunnel"),
        )
        for rows, part, product in choose:
            for row in rows:
                self._follow(row, part, product)

    def _follow(self, row: Row, part: str, product: str) -> None:
        if agent := self._agents.get(norm(row.get("server_data_dir"))):
            agent.add(part, row)
            return
        stated = stated_folder(row) if row.kind.startswith("server.") else ""
        if not is_cli(stated):
            self._is_ssh(row)
            return
        stated = on_host(stated)
        if stated.startswith(LOOSE) and not self._hints.get(folder_of(row)) and norm(stated) not in self._found:
            stated = ""  # alone it is no tunnel's
        placed = data_dir_of(row.source.path) or ((stated, "") if stated else None)
        if placed and not is_on_host(placed[0]):
            placed = self._hints.get(row.source.path) or self._hints.get(folder_of(row)) or placed
        if placed is None and product == "devtunnel" and row.get("tunnel_id"):
            bundle = self._default(row, product, create=True)
        else:
            bundle = self._found.get(norm(placed[0])) if placed else self._default(row, product, create=False)
        if placed and bundle is None and part == SERVER:
            bundle = self._bundle(placed[0], placed[1] or product_of(placed[0]), self._profile(row))
        if bundle:
            bundle.add(part, row)

    def _read(self) -> None:
        """Where all else is gone: the data folders that a CLI read while it started, by its prefetch file."""
        for row in self._rows.of("prefetch.run"):
            for place, product in folders_read(row):
                whose = profile_in(place)
                if whose and norm(place) not in self._found:
                    # Prefetch has the profile's name in capitals, the host's list as it is.
                    self._bundle(place, product, self._people.folder(whose, None) or whose, stated=False)

    def _join(self) -> None:
        """Bundles that name the same tunnel id are one tunnel; the one that hosts keeps its place."""
        by_id: dict[str, Bundle] = {}
        for key, bundle in sorted(self._found.items(), key=lambda item: (not item[1].calls, item[0])):
            rows = [row for row in bundle.of(STATE, "tunnel.identity") if row.get("tunnel_id")]
            ident = max(rows, key=lambda row: (row.time is not None, row.order)).get("tunnel_id") if rows else ""
            if not ident:
                continue
            known = by_id.setdefault(ident, bundle)
            if known is not bundle:
                known.take(bundle)
                del self._found[key]
        self._join_loose()

    def _join_loose(self) -> None:
        """Files collected without their folders are of the tunnel that has their name on a command line."""
        for key, bundle in sorted(self._found.items()):
            if is_on_host(bundle.data_dir):
                continue
            named = [other for _, other in sorted(self._found.items())
                     if is_on_host(other.data_dir) and names(other) & names(bundle)]  # fmt: skip
            if len(named) == 1:
                named[0].take(bundle)
                del self._found[key]
