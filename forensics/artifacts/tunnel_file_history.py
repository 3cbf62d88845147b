r"""Local history of the remote editor: every file that was saved in a remote window, with the time of saving.

VS Code keeps copies of saved files beside an `entries.json`; for a remote window that history lies on the remote
machine, the one under examination. The resource names the tunnel (`vscode-remote://tunnel+<name>/...`), even when
`code_tunnel.json` is gone. Times are milliseconds UTC. Files that were only moved, read or changed in a terminal do not
appear; by default 50 entries per file, none over 256 KiB (from memory).
Source: `workingCopyHistoryService.ts` of microsoft/vscode; the percent-encoding of `+` is from memory, both are read.
"""

from __future__ import annotations

from typing import Any

from forensics.artifacts._tunnel import server_globs, server_owner
from forensics.artifacts._vscode import resource_fields
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, guardedjson
from forensics.model import Problem, make_fact
from forensics.times import Moment, NoTime, from_unix

_NAME = "tunnel_file_history"
_ENTRIES = 10_000


def _saved(entry: dict[str, Any]) -> Moment:
    stamp = entry.get("timestamp")
    if isinstance(stamp, bool) or not isinstance(stamp, int | float):
        return NoTime("no timestamp", str(stamp)[:40])
    return from_unix(stamp, "ms")


def _text(entry: dict[str, Any], name: str) -> str | None:
    value = entry.get(name)
    return value if isinstance(value, str) else None


def parse(given: FileInput) -> Output:
    """One row for each saved version."""
    try:
        value = guardedjson.loads(given.read(guardedjson.SIZE_LIMIT + 1))
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source(), str(error))
        return
    entries = value.get("entries") if isinstance(value, dict) else None
    if not isinstance(entries, list):
        yield Problem("bad_record", _NAME, given.source(), "no list of entries")
        return
    if len(entries) > _ENTRIES:
        yield Problem("truncated", _NAME, given.source(), f"{len(entries)} entries: the first {_ENTRIES} were read")
    common = server_owner(given) | resource_fields(_text(value, "resource") or "")
    for number, entry in enumerate(entries[:_ENTRIES], 1):
        source = given.source(f"entry {number}")
        if not isinstance(entry, dict):
            yield Problem("bad_record", _NAME, source, "not an object")
            continue
        fields = {**common, "saved_id": _text(entry, "id"), "save_source": _text(entry, "source")}
        yield make_fact("tunnel.file_saved", source, {"Content Modification Time": _saved(entry)}, fields)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=server_globs("data/User/History/*/entries.json"),
    parse=parse,
    emits={
        "tunnel.file_saved": Kind(
            "File saved in a remote editor window: {saved_path}[ (tunnel {tunnel_name})][ ({save_source})]",
            {
                "saved_path": str,
                "saved_id": str,
                "save_source": str,
                "remote_authority": str,
                "tunnel_name": str,
                "server_data_dir": str,
                "profile_user": str,
            },
        )
    },
)
