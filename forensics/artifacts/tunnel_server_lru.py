r"""`servers\lru.json`: which server builds the clients of the tunnel asked for, newest first.

A build is that of the client's own VS Code, and none is fetched before a client asks (or `--install-extension` does),
so an entry is evidence of use even when the folder is gone. The CLI keeps five. Only the newest entry has a time: the
file's modification. Source: `download_cache.rs` of microsoft/vscode.
"""

from __future__ import annotations

from forensics.artifacts._tunnel import build, cli_globs, owner, times
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, guardedjson
from forensics.model import Problem, Value, make_fact
from forensics.times import Moment, NoTime

_NAME = "tunnel_server_lru"
_LIMIT = 1024 * 1024
_ENTRIES = 1000


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
        fields: dict[str, Value | None] = {**owner(given), **build(name), "entry_name": name, "order": order}
        yield make_fact("tunnel.server_used", source, moments, fields)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=cli_globs("servers/lru.json"),
    parse=parse,
    emits={
        "tunnel.server_used": Kind(
            "Tunnel server build {entry_name} used, place {order} of the recent ones",
            {"quality": str, "commit": str, "entry_name": str, "order": int, "data_dir": str, "profile_user": str},
        )
    },
)
