r"""`extensions\extensions.json` of a VS Code server: the extensions installed on this host from afar, with their time.

An extension runs code on this host with the rights of the server, so what a client had installed is part of what was
done here. The list has id, version, place and, in `metadata`, where it came from and `installedTimestamp` (milliseconds
UTC). `.obsolete` beside it names versions that are to be removed at the next start. The desktop program has a list of
the same name: one is a server's where its folder is called so, or holds the logs of one (VSCODE_AGENT_FOLDER names any
folder). Remote-SSH leaves the same: by itself no evidence of a tunnel. Names and members are from memory; that the list
has `installedTimestamp` agrees with what Velociraptor's `Generic.VSCode.Extensions` reads of the desktop's twin.
"""

from __future__ import annotations

from typing import Any

from forensics.artifacts._server import OWNER, SERVER_LOGS, is_servers, server_folder
from forensics.artifacts._tunnel import times
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, guardedjson
from forensics.model import Problem, Value, make_fact
from forensics.times import Moment, NoTime, from_unix

_NAME = "server_extensions"
_MOST = 5_000
_TEXT = 1_000


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(values: dict[str, Any], name: str) -> str | None:
    value = values.get(name)
    return value[:_TEXT] if isinstance(value, str) else None


def _installed(metadata: dict[str, Any]) -> Moment:
    value = metadata.get("installedTimestamp")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return NoTime("no installedTimestamp", str(value)[:40] if value is not None else "")
    return from_unix(value, "ms")


def _fields(entry: dict[str, Any]) -> dict[str, Value | None]:
    metadata, place = _dict(entry.get("metadata")), _dict(entry.get("location"))
    return {
        "extension_id": _text(_dict(entry.get("identifier")), "id"),
        "extension_version": _text(entry, "version"),
        "extension_source": _text(metadata, "source"),
        "publisher": _text(metadata, "publisherDisplayName"),
        "install_folder": _text(place, "fsPath") or _text(place, "path") or _text(entry, "relativeLocation"),
    }


def _installs(given: FileInput, told: list[Any]) -> Output:
    for number, entry in enumerate(told[:_MOST], 1):
        source = given.source(f"entry {number}")
        if not isinstance(entry, dict):
            yield Problem("bad_record", _NAME, source, "not an object")
            continue
        moment = _installed(_dict(entry.get("metadata")))
        fields = {**server_folder(given), **_fields(entry)}
        yield make_fact("server.extension_present", source, {"Installation Time": moment}, fields)


def _obsolete(given: FileInput, told: dict[str, Any]) -> Output:
    for name in list(told)[:_MOST]:
        identity, _, version = name.rpartition("-")
        fields: dict[str, Value | None] = {
            **server_folder(given),
            "extension_id": (identity or name)[:_TEXT],
            "extension_version": version[:_TEXT] if identity else None,
        }
        yield make_fact("server.extension_obsolete", given.source(name[:200]), times(given), fields)


def parse(given: FileInput) -> Output:
    """One row for each extension of the list, or each version that is to be removed; none of the desktop's own."""
    if not is_servers(given, "/".join(given.path.split("/")[-2:])):
        return
    try:
        told = guardedjson.loads(given.read(guardedjson.SIZE_LIMIT + 1))
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source(), str(error))
        return
    if isinstance(told, list | dict) and len(told) > _MOST:
        yield Problem("truncated", _NAME, given.source(), f"{len(told)} entries: the first {_MOST} were read")
    if isinstance(told, list):
        yield from _installs(given, told)
    elif isinstance(told, dict) and given.path.casefold().endswith(".obsolete"):
        yield from _obsolete(given, told)
    else:
        yield Problem("bad_record", _NAME, given.source(), "no list of extensions")


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=("**/extensions/extensions.json", "**/extensions/.obsolete"),
    parse=parse,
    companions=(SERVER_LOGS,),
    emits={
        "server.extension_present": Kind(
            "Extension of the VS Code server: {extension_id}[ {extension_version}][ from {extension_source}]"
            "[, published by {publisher}][ (profile {profile_user})]",
            {
                **OWNER,
                "extension_id": str,
                "extension_version": str,
                "extension_source": str,
                "publisher": str,
                "install_folder": str,
            },
        ),
        "server.extension_obsolete": Kind(
            "Extension of the VS Code server to be removed: {extension_id}[ {extension_version}]",
            {**OWNER, "extension_id": str, "extension_version": str},
        ),
    },
)
