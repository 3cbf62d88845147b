"""`code_tunnel.json` out of the $MFT, which keeps so small a file in its own record, also after it was deleted.

The last content stays until the record is used again: `null` in it means that the tunnel was unregistered before the
file was deleted. Source of the file's form: `dev_tunnels.rs` of microsoft/vscode.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from forensics.formats import FormatError, guardedjson
from forensics.formats.tunnelid import connection_token
from forensics.model import Value
from forensics.sessions.rows import Row, Rows
from forensics.sessions.texts import basename
from forensics.sessions.tunnel_call import data_dir_of, is_cli, profile_in

FILE = "code_tunnel.json"
_LIMIT = 4096
_NULL = 4  # bytes of `null`
_FIELDS = {"name": "tunnel_name", "id": "tunnel_id", "cluster": "tunnel_cluster"}


def resident_identities(rows: Rows) -> list[Row]:
    """What the file's own records in the $MFT hold, as the rows of the file itself would be."""
    found = []
    for row in rows.of("mft.resident_content"):
        path = row.first("old_path", "file_path")
        if basename(path) != FILE or not is_cli(path):
            continue
        told = _identity(row.get("content_text"))
        if told:
            folder = path.replace("/", "\\").rpartition("\\")[0]
            placed = data_dir_of(path)
            place: dict[str, Value] = {"data_dir": placed[0] if placed else folder}
            if profile := profile_in(path):
                place["profile_user"] = profile
            found.append(replace(row, kind="tunnel.identity", fields={**row.fields, **place, **told}))
    return found


def _identity(text: str) -> dict[str, Value]:
    try:
        value = guardedjson.loads(text.encode("utf-8", "surrogatepass"), _LIMIT)
    except FormatError:
        return {}
    if value is None:
        return {"tunnel_unregistered": True}
    if not isinstance(value, dict):
        return {}
    told: dict[str, Value] = {field: value[name] for name, field in _FIELDS.items()
                              if isinstance(value.get(name), str) and value[name]}  # fmt: skip
    if isinstance(ident := told.get("tunnel_id"), str):
        told["tunnel_connection_token"] = connection_token(ident)
    return {**told, "tunnel_unregistered": False} if told else {}


def is_resident(row: Row) -> bool:
    """Whether a row of the file is out of the $MFT."""
    return row.kind == "tunnel.identity" and "content_text" in row.fields


def as_null(rows: Iterable[Row]) -> list[Row]:
    """Records of the file that are as long as `null` is, of which the content itself is not at hand (inference)."""
    newest: dict[str, Row] = {}
    for row in rows:
        if row.kind == "mft.entry" and basename(row.get("file_path")) == FILE and row.fields.get("file_size"):
            newest[row.get("file_path").casefold()] = row
    return [row for row in newest.values() if row.fields.get("file_size") == _NULL]
