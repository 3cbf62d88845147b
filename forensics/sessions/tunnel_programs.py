"""Which programs host a tunnel, and the rows that remember runs of them without a log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from forensics.sessions.rows import People, Row, Rows
from forensics.sessions.texts import basename, norm, same_path
from forensics.sessions.tunnel_bundle import TRACE, Bundle
from forensics.sessions.tunnel_call import TunnelCall, data_dir_of, profile_in, tunnel_call, wrapped_call
from forensics.sessions.tunnel_periods import Period

# The log has the product's name before the line as it was: `code C:\x\code.exe tunnel`.
_PRODUCT = re.compile(r"^[\w.-]+\s+(?=\"?[A-Za-z]:\\)")
_RUNS = ("prefetch.run", "bam.run", "userassist.run", "pca.launch")
_ROLES = {"tunnel CLI": False, "devtunnel": True}
_OWN_FILES = frozenset({"code_tunnel.json", "tunnel-service.log"})
_COPIES = frozenset({"code.exe", "code-insiders.exe", "code-exploration.exe", "code-oss.exe"})


def is_desktops(path: str) -> bool:
    """Whether this is the copy that the desktop program brings along: it runs at every start to ask `tunnel status`."""
    return basename(path).endswith(("-tunnel.exe", "-tunnel-insiders.exe"))


def is_own_copy(path: str) -> bool:
    """Whether a program called as the CLI is lies where nothing installs a desktop program of that name."""
    parts = norm(path).split("\\")
    if parts[-1] not in _COPIES or len(parts) < 3:
        return False
    installed = any(part.startswith(("microsoft vs code", "program files")) for part in parts) or "programs" in parts
    return not installed and (parts[1] in ("users", "programdata", "perflogs", "temp") or "temp" in parts)


def logged_call(line: str) -> TunnelCall | None:
    """The call of a process, or of a line of the CLI's log, which has the product's name before it."""
    return tunnel_call(_PRODUCT.sub("", line, count=1))


def programs_of(bundle: Bundle, periods: Sequence[Period] = ()) -> list[str]:
    """The full paths of the programs that hosted the bundle's tunnel or are meant to."""
    found: dict[str, None] = {}
    for row, call in bundle.calls:
        if call.hosts or call.verb == "service install":
            found |= dict.fromkeys((call.executable, row.get("executable")))
    for entry in bundle.entries:
        entry_call = wrapped_call(entry.command or "")
        found |= {entry_call.executable: None} if entry_call else {}
    for period in periods:
        logged = logged_call(period.command_line or "")
        found |= {logged.executable: None} if logged else {}
    return [path for path in found if "\\" in path]


def folders_read(row: Row) -> list[tuple[str, str]]:
    """(data folder, product) of tunnels whose files a CLI read while it started, as its prefetch file lists them.

    `tunnel status` needs none of these files (inferred from the program's source).
    """
    names = row.fields.get("file_names") if row.get("program_role") == "tunnel CLI" else ()
    paths = [str(name) for name in names] if isinstance(names, tuple) else []
    placed = [data_dir_of(path) for path in paths if basename(path) in _OWN_FILES]
    return [found for found in placed if found is not None]


def add_runs(bundles: Sequence[Bundle], rows: Rows, people: People) -> None:
    """Add to each bundle what remembers runs of its program: a kind of evidence, of a run and not of a tunnel."""
    for row in rows.of(*_RUNS):
        for bundle in _owners(row, bundles, people):
            bundle.add(TRACE, row)


def _owners(row: Row, bundles: Sequence[Bundle], people: People) -> Iterable[Bundle]:
    """Those whose data folder the program read, else whose program it is, else the one of the profile."""
    text, path = row.text(), row.get("executable")
    by_files = [bundle for bundle in bundles if f"{bundle.key}\\" in text]
    if by_files or is_desktops(path or row.get("executable_name")):
        return by_files
    if own := [item for item in bundles if path and any(same_path(path, known) for known in programs_of(item))]:
        return own
    role = _ROLES.get(row.get("program_role"))
    dev = role if role is not None else False if is_own_copy(path) else None
    if dev is None:
        return []
    profile = row.get("profile_user") or profile_in(path) or people.folder(*people.of(row))
    mine = [item for item in bundles if (item.product == "devtunnel") is dev]
    fitting = [item for item in mine if profile and item.profile and item.profile.casefold() == profile.casefold()]
    return fitting[:1] or (mine if len(mine) == 1 and (profile or "public").casefold() == "public" else [])


def server_folders(bundles: Sequence[Bundle]) -> dict[str, Bundle]:
    """The folders that a hosting call had its server keep data in (`--server-data-dir`), made comparable."""
    return {
        norm(folder): bundle
        for bundle in bundles
        for _, call in bundle.calls
        if (folder := call.options.get("--server-data-dir"))
    }
