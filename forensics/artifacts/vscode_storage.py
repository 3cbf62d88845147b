r"""`storage.json` of the desktop VS Code: windows on remote machines, so tunnels that this host was the CLIENT of.

The program remembers its open windows, backups and associations of profiles by address. `vscode-remote://tunnel+<name>`
there means that somebody at this host looked into the tunnel of another: the other side of what a hosting machine
leaves, and easily taken for it. Remote-SSH, WSL and containers stand there as well and are context. Addresses are taken
from names and values wherever they stand, since the places changed with versions (from memory). The file's time is that
of the last change of any window. It lies in `User\globalStorage`, in older versions in the data folder itself.
Source: `src/vs/platform/windows/electron-main/windowsStateHandler.ts` of microsoft/vscode (from memory), issue #200910.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from forensics.artifacts._tunnel import times, windows_path
from forensics.artifacts._vscode import REMOTE_OPENED, desktop_globs, desktop_owner, remote_fields
from forensics.artifacts.base import FileArtifact, FileInput, Output
from forensics.formats import FormatError, guardedjson
from forensics.model import Problem, Value, make_fact

_NAME = "vscode_storage"
_MOST = 1_000
_PLACE = 200


def texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401  # what JSON holds
    """Every text of a JSON value with the names that lead to it; names of members are texts as well."""
    waiting: list[tuple[str, Any]] = [(place, value)]
    while waiting:
        where, item = waiting.pop()
        if isinstance(item, str):
            yield where[:_PLACE], item
        elif isinstance(item, list):
            waiting += [(f"{where}[{number}]"[-_PLACE:], part) for number, part in enumerate(item)]
        elif isinstance(item, dict):
            for name, part in item.items():
                yield where[:_PLACE], name
                waiting.append((f"{where}.{name}"[-_PLACE:].lstrip("."), part))


def parse(given: FileInput) -> Output:
    """One row for each remote address, at the first place where it stands."""
    if not given.size:
        return
    try:
        told = guardedjson.loads(given.read(guardedjson.SIZE_LIMIT + 1))
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source(), str(error))
        return
    owner = desktop_owner(given)
    owner["user_data_dir"] = owner["user_data_dir"] or windows_path(given.path).rpartition("\\")[0]
    seen: set[str] = set()
    for place, text in texts(told):
        fields: dict[str, Value | None] = {} if text in seen else remote_fields(text)
        if not fields:
            continue
        if len(seen) >= _MOST:
            detail = f"more than {_MOST} remote addresses, the rest was not read"
            yield Problem("truncated", _NAME, given.source(place), detail)
            return
        seen.add(text)
        context = not fields["tunnel_name"]
        fields = {**owner, **fields, "state_key": place}
        yield make_fact("vscode.remote_opened", given.source(place), times(given), fields, context=context)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=desktop_globs(
        "User/globalStorage/storage.json", "storage.json", anywhere=("user-data/User/globalStorage/storage.json",)
    ),
    parse=parse,
    emits={"vscode.remote_opened": REMOTE_OPENED},
)
