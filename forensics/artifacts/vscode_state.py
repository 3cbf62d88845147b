r"""`state.vscdb`: the account that remote tunnel access was turned on with, its name, and tunnels used from here.

The desktop VS Code (and its forks) keeps its state in `%APPDATA%\<product>\User\globalStorage\state.vscdb`, a SQLite
table of keys and values. `remoteTunnelSession` names provider and account, with the desktop's log the only place on a
host that does. It is removed when access is turned off, so it is also looked for in `state.vscdb.backup`, in superseded
pages of the write-ahead log and in freed space; such rows are tagged and graded. `remoteTunnelServiceUsed` has the name
and time of the last use; that Settings Sync may bring it from another machine is from memory. Which extension may have
been recommended or what was prompted is context.

`history.recentlyOpenedPathsList` names remote folders: there this host was the client, not the host, of the tunnel.
Values of other keys, among them secrets (`secret://...`), are never told.
Source: `remoteTunnel.contribution.ts`, `remoteTunnel.ts` (read in a fork), `storage.ts` of microsoft/vscode.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from forensics.artifacts._tunnel import MODIFIED
from forensics.artifacts._vscode import ACCOUNT, OWNER, REMOTE_OPENED, desktop_globs, desktop_owner, remote_fields
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, guardedjson, sqlitefile, sqliteremnants
from forensics.formats.sqliteremnants import Page, Remnant
from forensics.model import Fact, Fields, Problem, Source, Value, make_fact
from forensics.times import Moment, NoTime, from_unix

_NAME = "vscode_state"
_TABLE = "ItemTable"
_SESSION, _SERVICE, _USED = "remoteTunnelSession", "remoteTunnelIsService", "remoteTunnelServiceUsed"
_RECENT = "history.recentlyOpenedPathsList"
# Whether each of the flags tells of a use, or only of a question that the program asked.
_FLAGS = {
    _SERVICE: True,
    "remoteTunnelHasUsed": True,
    "remoteTunnelServicePromptedPreview": False,
    "remoteTunnelExtensionRecommended": False,
}
_SMALL = (_SESSION, _USED, *_FLAGS)
_REMOTE = re.compile(rb"vscode-remote://tunnel(?:%2[Bb]|\+)[^\x00-\x20\"'\\<>\x7f-\xff]{1,500}")
# An id is hex digits and dashes; anything else might be a token and is not told.
_SESSION_ID = re.compile(r"[0-9A-Fa-f-]{8,64}")
_TEXT = 1_000
_ENTRIES = 2_000
_MOST_REMNANTS = 5_000


def parse(given: FileInput) -> Output:
    """The rows of the known keys, then what the files hold of earlier ones."""
    live: dict[str, str] = {}
    state = ""
    try:
        with sqlitefile.opened(given.fh, given.siblings) as database:
            state = database.state
            for problem in database.problems:
                yield Problem("bad_record", _NAME, given.source(), str(problem))
            if _TABLE not in database.tables:
                yield Problem("bad_record", _NAME, given.source(), f"no table {_TABLE}: not a state database")
            else:
                yield from _live(given, database, live)
    except FormatError as error:
        yield Problem("unreadable", _NAME, given.source(), str(error))
    yield from _Remnants(given, live, state).rows()


def _live(given: FileInput, database: sqlitefile.Database, live: dict[str, str]) -> Output:
    sources: dict[str, Source] = {}
    for row in database.rows(_TABLE, ("key", "value")):
        if isinstance(row, FormatError):
            yield Problem("bad_record", _NAME, given.source(_TABLE), str(row))
            continue
        key, value = row.values.get("key"), row.values.get("value")
        if isinstance(key, str) and (key in _SMALL or key == _RECENT):
            live[key] = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            sources[key] = given.source(f"{_TABLE} rowid {row.rowid} ({key})")
    moment = given.times.get(MODIFIED) or NoTime("the evidence kept no times of the file", "")
    service = live.get(_SERVICE)
    for key, source in sources.items():
        yield from _told(given, database.state, key, live[key], source, moment, service)


def _told(
    given: FileInput, state: str, key: str, value: str, source: Source, moment: Moment, service: str | None = None
) -> Output:
    """The rows of one key and value."""
    common: dict[str, Value | None] = {**desktop_owner(given), "state_key": key, "database_state": state}
    if key in _FLAGS:
        fields = {**common, "state_value": value[:_TEXT]}
        yield make_fact("vscode.tunnel_state", source, {MODIFIED: moment}, fields, context=not _FLAGS[key])
        return
    try:
        told = guardedjson.loads(value.encode("utf-8", "replace"))
    except FormatError as error:
        yield Problem("bad_record", _NAME, source, f"{key}: {error}")
        return
    told = told if isinstance(told, dict) else {}
    if key == _SESSION:
        as_service = None if service is None else service == "true"
        yield make_fact(
            "tunnel.account", source, {MODIFIED: moment}, {**common, **_account(told), "as_service": as_service}
        )
    elif key == _USED:
        fields = {**common, "tunnel_name": _text(told, "hostName")}
        yield make_fact("vscode.tunnel_service_used", source, {"Last Used Time": _stamp(told)}, fields)
    else:
        yield from _recent(common, told, source, moment)


def _account(told: dict[str, Any]) -> dict[str, Value | None]:
    identity = _text(told, "sessionId") or ""
    shaped = _SESSION_ID.fullmatch(identity) is not None
    return {
        "account": _text(told, "accountLabel"),
        "provider_name": _text(told, "providerId"),
        "auth_session_id": identity if shaped else None,
        "reason": "its session id is of an unusual shape and is not told" if identity and not shaped else None,
    }


def _stamp(told: dict[str, Any]) -> Moment:
    value = told.get("timeStamp")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return NoTime("no timestamp", str(value)[:40])
    return from_unix(value, "ms")


def _recent(common: dict[str, Value | None], told: dict[str, Any], source: Source, moment: Moment) -> Output:
    """Remote folders, workspaces and files among those opened last; this host was the client of them."""
    entries = told.get("entries")
    entries = entries if isinstance(entries, list) else []
    if len(entries) > _ENTRIES:
        detail = f"{len(entries)} entries: the first {_ENTRIES} were read"
        yield Problem("truncated", _NAME, source, detail)
    for number, entry in enumerate(entries[:_ENTRIES], 1):
        entry = entry if isinstance(entry, dict) else {}
        workspace = entry.get("workspace")
        configured = workspace.get("configPath") if isinstance(workspace, dict) else None
        for uri in (entry.get("folderUri"), configured, entry.get("fileUri")):
            fields = remote_fields(uri) if isinstance(uri, str) else {}
            if fields:
                place = replace(source, locator=f"{source.locator} entry {number}")
                fields = {**common, **fields, "display_text": _text(entry, "label")}
                context = "tunnel_name" not in fields or not fields["tunnel_name"]
                yield make_fact("vscode.remote_opened", place, {MODIFIED: moment}, fields, context=context)


def _text(values: dict[str, Any], name: str) -> str | None:
    value = values.get(name)
    return value[:_TEXT] if isinstance(value, str) else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


class _Remnants:
    """What page images hold that the database does not say any more."""

    def __init__(self, given: FileInput, live: dict[str, str], state: str) -> None:
        self._given, self._state = given, state
        self._known = set(live.items())
        self._recent = live.get(_RECENT, "")
        self._uris: set[str] = set()

    def rows(self) -> Output:
        """Rows tagged as recovered, once each; the first place they are found in stands for all."""
        yield from self._guarded("", sqliteremnants.pages_of(self._given.fh))
        if "-wal" in self._given.siblings:
            yield from self._guarded("-wal", sqliteremnants.frames_of(self._given.siblings["-wal"]))

    def _guarded(self, suffix: str, pages: Iterator[Page]) -> Output:
        try:
            for page in pages:
                yield from self._page(suffix, page)
                if len(self._known) + len(self._uris) > _MOST_REMNANTS:
                    detail = f"more than {_MOST_REMNANTS} remnants, the rest is not read"
                    yield Problem("budget", _NAME, self._given.source(suffix or "remnants"), detail)
                    return
        except FormatError as error:
            yield Problem("bad_record", _NAME, self._given.source(suffix or "remnants"), str(error))

    def _page(self, suffix: str, page: Page) -> Output:
        for found in sqliteremnants.remnants([page], _SMALL, _is_json):
            if (found.key, found.value) not in self._known:
                self._known.add((found.key, found.value))
                yield from self._marked(suffix, found)
        for found in sqliteremnants.texts([page], _REMOTE):
            if found.value not in self._uris and found.value not in self._recent:
                self._uris.add(found.value)
                yield from self._opened(suffix, found)

    def _place(self, suffix: str, found: Remnant) -> Source:
        file = f"{suffix} " if suffix else ""
        return self._given.source(f"{file}{found.where}, offset 0x{found.offset:x}")

    def _marked(self, suffix: str, found: Remnant) -> Output:
        none = NoTime("a remnant of a database has no time of its own", "")
        rows = _told(self._given, self._state, found.key, found.value, self._place(suffix, found), none)
        for row in rows:
            yield _recovered(row, suffix, found) if isinstance(row, Fact) else row

    def _opened(self, suffix: str, found: Remnant) -> Output:
        none = NoTime("a remnant of a database has no time of its own", "")
        fields = {**desktop_owner(self._given), **remote_fields(found.value), "database_state": self._state}
        fact = make_fact("vscode.remote_opened", self._place(suffix, found), {MODIFIED: none}, fields)
        yield _recovered(fact, suffix, found)


def _recovered(fact: Fact, suffix: str, found: Remnant) -> Fact:
    where = f"{'the write-ahead log' if suffix else 'the database file'}, {found.where}"
    about: Fields = {"recovered": True, "recovered_from": where, "recovery_grade": found.grade}
    return replace(fact, fields={**fact.fields, **about}, tags=(*fact.tags, "recovered"))


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=desktop_globs(
        "User/globalStorage/state.vscdb",
        "User/globalStorage/state.vscdb.backup",
        "User/profiles/*/globalStorage/state.vscdb",
        anywhere=("User/globalStorage/state.vscdb", "User/globalStorage/state.vscdb.backup"),
    ),
    siblings=("-wal", "-journal"),
    parse=parse,
    emits={
        "tunnel.account": ACCOUNT,
        "vscode.remote_opened": REMOTE_OPENED,
        "vscode.tunnel_service_used": Kind(
            "Remote tunnel access was last used under the name {tunnel_name}[ (profile {profile_user})]",
            {**OWNER, "tunnel_name": str, "state_key": str, "database_state": str},
        ),
        "vscode.tunnel_state": Kind(
            "State of the desktop program: {state_key} is {state_value}[ (profile {profile_user})]",
            {**OWNER, "state_key": str, "state_value": str, "database_state": str},
        ),
    },
)
