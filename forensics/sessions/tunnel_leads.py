"""What points to a tunnel, or to the same programs, without being one: findings, so that nothing of it stays unsaid.

The files of the remote editor's server are the same for Remote-SSH and for a tunnel; the editor's port forwarding is a
dev tunnel for ports alone; a desktop that opened another machine through a tunnel was its client; and of `devtunnel`,
which writes no log, often only the program or its login is left.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set

from forensics.model import Finding, TunnelSession
from forensics.sessions.rows import People, Row, Rows, because, ids_of, short
from forensics.sessions.texts import basename, norm
from forensics.sessions.tunnel_call import profile_in, tunnel_call
from forensics.text import worded

SERVER_USED, FORWARDING = "tunnel.server_unattributed", "tunnel.port_forwarding"
CLIENT, DEVTUNNEL = "tunnel.client_of_another", "tunnel.devtunnel_seen"
_USED = ("server.started", "server.window_opened", "server.extension_installed", "server.terminal_started",
         "tunnel.file_saved")  # fmt: skip
_DEV_RUNS = ("process.created", "prefetch.run", "bam.run", "userassist.run", "pca.launch")
_DEV_FILES = ("mft.entry", "usn.file_created", "usn.file_deleted", "file.mark_of_the_web", "amcache.file",
              "shimcache.entry", "devtunnel.file", "devtunnel.token_cache")  # fmt: skip
_PREFETCH = re.compile(r"devtunnel\.exe-[0-9a-f]{8}\.pf")
_DEV_FOLDER = "\\appdata\\local\\devtunnels\\"
_DEV_COPY = "\\appdata\\local\\temp\\devtunnels\\devtunnel.exe"


def leads(rows: Rows, people: People, ssh: Set[str], sessions: Sequence[TunnelSession], label: str) -> list[Finding]:
    """The findings; what a session rests on is told with it. `ssh`: profiles (folded) that hold signs of Remote-SSH."""
    taken = {ident for session in sessions for ident in session.events}
    found = [*_servers(rows, people, ssh, taken, label), *_forwarded(rows, label), *_opened(rows, label)]
    if not any(session.product == "devtunnel" for session in sessions):
        found += _devtunnel(rows, label)
    return found


def _servers(rows: Rows, people: People, ssh: Set[str], taken: Set[str], label: str) -> Iterable[Finding]:
    by_profile: dict[str, list[Row]] = defaultdict(list)
    for row in rows.of(*_USED):
        if row.id not in taken and not row.get("remote_authority").casefold().startswith("ssh-remote"):
            by_profile[row.get("profile_user") or profile_in(row.source.path) or people.of(row)[0] or ""].append(row)
    for profile, used in sorted(by_profile.items()):
        windows = {row.get("connection_id") or row.id for row in used if row.kind == "server.window_opened"}
        saves = sum(row.kind == "tunnel.file_saved" for row in used)
        whose = f" of {profile}" if profile else ""
        used_for = "a remote editor's server was used in the profile{whose}: {windows} windows, {saves} files saved"
        text = worded(used_for, {"whose": whose, "windows": len(windows), "saves": saves})
        signs = profile.casefold() in ssh
        why = "the profile holds signs of Remote-SSH, which leaves the same files" if signs else (
            "Remote-SSH and a tunnel leave the same files, and nothing at hand tells which it was")  # fmt: skip
        level = "informational" if signs else "medium"
        yield Finding(
            SERVER_USED, level, because(f"{text}; no tunnel is tied to it ({why})", used), ids_of(used), label
        )


def _forwarded(rows: Rows, label: str) -> Iterable[Finding]:
    """`tunnel forward-internal` and its own registration: ports of this host, not the editor, were published."""
    told = [row for row in rows.of("tunnel.identity", "tunnel.lock") if _is_forwarding(row)]
    calls = [row for row in rows.of("process.created")
             if (call := tunnel_call(row.get("command_line"))) and call.verb == "forward-internal"]  # fmt: skip
    if told or calls:
        named = next((row for row in told if row.get("tunnel_id")), None)
        which = f" (tunnel {named.get('tunnel_name')}, id {named.get('tunnel_id')})" if named else ""
        text = f"ports of this host were published through the editor's port forwarding{which}"
        ran = "" if calls else "; that it ran is known by its files alone"
        why = because(f"{text}: no editor or shell comes in by it{ran}", [*calls, *told])
        yield Finding(FORWARDING, "low", why, ids_of([*calls, *told]), label)


def _is_forwarding(row: Row) -> bool:
    return basename(row.source.path).startswith(("port_forwarding", "forwarding-"))


def _opened(rows: Rows, label: str) -> Iterable[Finding]:
    """The desktop program's list of what it opened: of another machine's tunnel, this host was the client."""
    by_name: dict[str, list[Row]] = defaultdict(list)
    for row in rows.of("vscode.remote_opened"):
        name = row.get("tunnel_name")
        if not name and row.get("remote_authority").casefold().startswith("tunnel+"):
            name = row.get("remote_authority").partition("+")[2]
        if name:
            by_name[name].append(row)
    for name, opened in sorted(by_name.items()):
        text = f"this host was the client of the tunnel {short(name, 80)}: its editor opened files of another machine"
        yield Finding(CLIENT, "low", because(text, opened), ids_of(opened), label)


def _devtunnel(rows: Rows, label: str) -> Iterable[Finding]:
    runs = [row for row in rows.of(*_DEV_RUNS) if _is_devtunnel(row.first("executable", "executable_name"))]
    runs += [row for row in rows.of(*_DEV_FILES) if _PREFETCH.fullmatch(basename(row.get("file_path")))]
    files = [row for row in rows.of(*_DEV_FILES) if _is_dev_file(row)]
    basis = [*runs, *files]
    if not basis:
        return
    places = dict.fromkeys(short(path) for row in basis if (path := row.first("executable", "file_path", "file_name")))
    shown = ", ".join(list(places)[:4]) + (f" and {len(places) - 4} more" if len(places) > 4 else "")
    what = "ran" if runs else "was there"
    text = f"devtunnel {what}: {shown}"
    why = because(f"{text}; whether it hosted a tunnel is not recorded here (it writes no log)", basis)
    own = all(norm(row.first("executable", "file_path")).endswith(_DEV_COPY) for row in basis)
    yield Finding(DEVTUNNEL, "informational" if own else "medium" if runs else "low", why, ids_of(basis), label)


def _is_devtunnel(path: str) -> bool:
    return basename(path) == "devtunnel.exe"


def _is_dev_file(row: Row) -> bool:
    if row.kind.startswith("devtunnel."):
        return True
    path = norm(row.first("file_path", "executable", "target_path"))
    return _is_devtunnel(path) or _DEV_FOLDER in path


__all__ = ["leads"]
