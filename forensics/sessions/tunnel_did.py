"""What was done through a tunnel as far as the host remembers it: commands, saved files, extensions, ports, bytes."""

from __future__ import annotations

import re
from datetime import datetime

from forensics.model import LOOSE, ForwardedPort, InstalledExtension, SavedFile, TunnelCommand
from forensics.rules import load
from forensics.sessions.exits import image
from forensics.sessions.rows import Row, Rows, because, short
from forensics.sessions.texts import basename, norm, split_command
from forensics.sessions.tunnel_bundle import LOG, OTHER, PROCESS, SAVED, SERVER, SHELL, Bundle, line_of
from forensics.sessions.tunnel_call import servers_in
from forensics.sessions.tunnel_periods import Period, once, window
from forensics.sessions.tunnel_programs import programs_of

_NOISE = re.compile(r'[\\"]')


def saved(bundle: Bundle) -> tuple[SavedFile, ...]:
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


def commands(bundle: Bundle) -> tuple[TunnelCommand, ...]:
    """What was run: by the tunnel's own record, in its terminals, and in the profile's undated history."""
    spawned = once(bundle.of(LOG, "tunnel.command_spawned"))
    shells = [row for row in bundle.of(SHELL) if "shellintegration" in row.get("host_application").casefold()
              and row.kind != "powershell.stopped"]  # fmt: skip
    found = [TunnelCommand(row.time, row.kind, row.first("command_line", "log_message")) for row in spawned]
    ran = _processes(bundle)
    found += [TunnelCommand(row.time, row.kind, row.get("host_application")) for row in shells
              if not any(_is_twin(row, item) for item in ran)]  # fmt: skip
    scripts = bundle.of(SHELL, "powershell.script_block")
    found += [TunnelCommand(row.time, row.kind, short(row.get("script_text"), 4000)) for row in scripts]
    found += [TunnelCommand(row.time, row.kind, row.first("executable", "log_message"))
              for row in bundle.of(SERVER, "server.terminal_started")]  # fmt: skip
    dated = sorted([*found, *ran], key=lambda item: (_text(item.time), item.command))
    return (*dated, *_history(bundle))


def _is_twin(row: Row, ran: TunnelCommand) -> bool:
    """Whether PowerShell's own log tells of the start that the process log tells of: the same line at that time."""
    near = row.time is not None and ran.time is not None and abs(row.time - ran.time) <= window("same_process")
    return near and _plain(row.get("host_application")) == _plain(ran.command)


def _plain(line: str) -> str:
    """A command line without what the two logs write differently: quotes, their escapes, spaces, the program's path."""
    program, rest = split_command(line)
    return f"{basename(program)} {''.join(_NOISE.sub('', rest).split())}".casefold()


def _text(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _processes(bundle: Bundle) -> list[TunnelCommand]:
    """Processes of the tunnel's terminals, each once though two logs tell of it."""
    found: list[TunnelCommand] = []
    newest: dict[str, datetime] = {}
    for row in bundle.of(PROCESS):
        line = row.first("command_line", "executable")
        known = newest.get(line)
        twin = known is not None and row.time is not None and row.time - known <= window("same_process")
        if (row.id in bundle.typed or _is_command(row)) and not twin:
            found.append(TunnelCommand(row.time, row.kind, line))
            if row.time:
                newest[line] = max(known or row.time, row.time)
    return found


def _history(bundle: Bundle) -> list[TunnelCommand]:
    """The lines of the profile's history in the order of their file: it has no times."""
    rows = bundle.of(OTHER, "shell.history_line")
    ordered = sorted(rows, key=lambda row: (row.source.path, line_of(row), row.id))
    return [TunnelCommand(None, row.kind, row.get("history_line")) for row in ordered]


def history_reason(bundle: Bundle) -> str:
    """What the history is worth."""
    rows = bundle.of(OTHER, "shell.history_line")
    text = "the profile's PowerShell history has no times: its lines may have been typed outside the tunnel"
    return because(text, rows) if rows else ""


def _is_command(row: Row) -> bool:
    """A process that the server's terminal or the server itself started, apart from the server's own helpers."""
    if row.kind != "process.created" or image(row) in load("tunnel")["infrastructure"]:
        return False
    by_server = basename(row.get("parent_executable")) == "node.exe" and servers_in(row.get("parent_executable"))
    in_terminal = "shellintegration" in row.get("parent_command_line").casefold()
    return bool(by_server) or (in_terminal and servers_in(row.get("parent_command_line")) is not None)


def ports(bundle: Bundle, periods: list[Period]) -> tuple[ForwardedPort, ...]:
    """Ports that a client opened, and those that a dev tunnel was hosted with."""
    found = []
    for row in once(bundle.of(LOG, "tunnel.port_forwarded")):
        port, public = row.fields.get("port"), row.fields.get("public")
        if isinstance(port, int):
            found.append(ForwardedPort(row.time, port, public if isinstance(public, bool) else None))
    for period in periods:
        call = period.run.call if period.run else None
        if call and call.product == "devtunnel":
            # Of a tunnel that was made before, another call may have let everybody in.
            public = True if call.anonymous else None if call.named_tunnel[0] else False
            found += [ForwardedPort(period.start, port, public) for port in call.ports]
    return tuple(found)


def extensions(bundle: Bundle, periods: list[Period]) -> tuple[InstalledExtension, ...]:
    """The extensions that the server installed on this host; one that two logs tell of counts once.

    The list of extensions that are there is shared with Remote-SSH: of it only what came while the tunnel was hosted.
    """
    found: list[InstalledExtension] = []
    there = [row for row in bundle.of(OTHER, "server.extension_present") if row.time and any(
        period.covers(row.time) for period in periods)]  # fmt: skip
    for row in [*once(bundle.of(SERVER, "server.extension_installed")), *there]:
        name = row.get("extension_id")
        twin = any(
            item.id.casefold() == name.casefold() and (item.time is None or row.time is None
                                                       or abs(row.time - item.time) <= window("same_start"))
            for item in found
        )  # fmt: skip
        if name and not twin:
            found.append(InstalledExtension(row.time, name, row.kind))
    return tuple(found)


def traffic(rows: Rows, bundle: Bundle, periods: list[Period]) -> tuple[int | None, int | None, list[Row]]:
    """(bytes sent, received, the rows that say so): SRUM's hours of the hosting programs while they hosted.

    The relay's traffic is in the CLI's process, not in its server's (inference from the program's source).
    """
    hosting = {norm(path) for path in programs_of(bundle, periods)}
    spans = [(period.start, period.end or period.last_seen) for period in periods if period.start]
    hour = window("usage_hour")
    found = []
    for row in rows.of("srum.network_usage"):
        near = any(row.time and start and start <= row.time and (end is None or row.time <= end + hour)
                   for start, end in spans)  # fmt: skip
        if near and norm(row.first("executable", "application")) in hosting:
            found.append(row)
    if not found:
        return None, None, []
    return _sum(found, "bytes_sent"), _sum(found, "bytes_received"), found


def _sum(rows: list[Row], name: str) -> int:
    return sum(value for row in rows if isinstance(value := row.fields.get(name), int))


def traffic_reason(sent: int | None, received: int | None, rows: list[Row]) -> str:
    """Where the sums come from."""
    if not rows:
        return ""
    text = f"SRUM counted {sent} bytes sent and {received} received by the hosting program in the hours of hosting"
    return because(f"{text}; each row sums up an hour, which may hold more than the tunnel", rows)


def stated_folder(row: Row) -> str:
    """The CLI's data folder that a row names; of loose files, the folder of the collection that holds them together."""
    path = row.source.path
    if path.startswith(LOOSE) and row.kind.startswith(("tunnel.", "server.")):
        return path.replace("/", "\\").rpartition("\\")[0]
    return row.get("data_dir")


def is_anyones(row: Row) -> bool:
    """Whether it may as well be Remote-SSH's: a list of servers, where the folder that it lay in is not known."""
    return row.source.path.startswith(LOOSE) and row.kind == "tunnel.server_used"


def folder_of(row: Row) -> str:
    """The folder of the file that a row comes from."""
    return row.source.path.rpartition("/")[0]


def not_through_tunnels(rows: Rows) -> set[str]:
    """Folders of the history whose list says that the file was saved through something else (`ssh-remote+...`)."""
    remotes: dict[str, set[str]] = {}
    for row in rows.of("tunnel.file_saved"):
        if remote := row.get("remote_authority").casefold():
            remotes.setdefault(folder_of(row), set()).add(remote)
    return {folder for folder, names in remotes.items() if not any(name.startswith("tunnel") for name in names)}
