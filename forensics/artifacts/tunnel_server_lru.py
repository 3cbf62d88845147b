r"""`servers\lru.json`: which server builds the clients of the tunnel asked for, newest first.

A build is that of the client's own VS Code, and none is fetched before a client asks (or `--install-extension` does),
so an entry is evidence of use even when the folder is gone. The CLI keeps five. Only the newest entry has a time: the
file's modification. Two more lists have the form: `cli\lru.json` names copies of the CLI itself that were fetched for a
client (which does so to hop into WSL), `serve-web\lru.json` servers of `code serve-web`.
Source: `download_cache.rs`, `state.rs`, `serve_web.rs` of microsoft/vscode.
"""

from __future__ import annotations

import re

from forensics.artifacts._tunnel import build, cli_globs, owner, times, windows_path
from forensics.artifacts.base import FieldType, FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, guardedjson
from forensics.model import Problem, Value, make_fact
from forensics.times import Moment, NoTime

_NAME = "tunnel_server_lru"
_LIMIT = 1024 * 1024
_ENTRIES = 1000
_LISTS = {"servers": "tunnel.server_used", "cli": "tunnel.cli_fetched", "serve-web": "server.web_used"}
_BUILD = re.compile(r"(?:(Stable|Insiders|Exploration)-)?([0-9a-f]{40})(?:-([\w-]{1,40}))?", re.IGNORECASE)


def _entry(folder: str, name: str) -> dict[str, Value | None]:
    """Build and platform that an entry names."""
    if folder == "servers":
        return build(name)
    found = _BUILD.fullmatch(name)
    if not found:
        return {}
    quality = found[1].capitalize() if found[1] else None
    return {"quality": quality, "commit": found[2].lower(), "platform": found[3] if folder == "cli" else None}


def _owner(given: FileInput) -> dict[str, Value | None]:
    """Whose list it is: the folder of the list lies in the CLI's."""
    mine = owner(given)
    return mine | {"data_dir": windows_path(given.path).rsplit("\\", 2)[0]} if mine["data_dir"] else mine


def parse(given: FileInput) -> Output:
    """One row for each entry, the newest with the file's times."""
    try:
        value = guardedjson.loads(given.read(_LIMIT + 1), _LIMIT)
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source(), str(error))
        return
    if not isinstance(value, list):
        yield Problem("bad_record", _NAME, given.source(), "not a list")
        return
    folder = given.path.split("/")[-2].casefold()
    if len(value) > _ENTRIES:
        yield Problem("truncated", _NAME, given.source(), f"{len(value)} entries: the first {_ENTRIES} were read")
    for order, name in enumerate(value[:_ENTRIES], 1):
        source = given.source(f"entry {order}")
        if not isinstance(name, str):
            yield Problem("bad_record", _NAME, source, "not a name")
            continue
        older: dict[str, Moment | None] = {
            "Content Modification Time": NoTime("only the newest entry of the list has a time", "")
        }
        moments = times(given) if order == 1 else older
        fields: dict[str, Value | None] = {**_owner(given), **_entry(folder, name), "entry_name": name, "order": order}
        yield make_fact(_LISTS.get(folder, "tunnel.server_used"), source, moments, fields)


_FIELDS: dict[str, FieldType] = {
    "quality": str, "commit": str, "entry_name": str, "order": int, "data_dir": str, "profile_user": str,
}  # fmt: skip
ARTIFACT = FileArtifact(
    name=_NAME,
    paths=cli_globs("servers/lru.json", "cli/lru.json", "serve-web/lru.json"),
    parse=parse,
    emits={
        "tunnel.server_used": Kind(
            "Tunnel server build {entry_name} used, place {order} of the recent ones",
            _FIELDS,
        ),
        "tunnel.cli_fetched": Kind(
            "Copy of the tunnel CLI fetched for a client: {entry_name}, place {order} of the recent ones",
            {**_FIELDS, "platform": str},
        ),
        "server.web_used": Kind(
            "Server of `code serve-web` used: {entry_name}, place {order} of the recent ones", _FIELDS
        ),
    },
)
