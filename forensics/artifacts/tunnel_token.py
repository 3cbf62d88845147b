r"""`token.json`: the tunnel's login kept in a file, which it is only when Windows could not keep it.

The CLI stores its GitHub or Microsoft token in the Credential Manager; this file is written when that fails (a logon
session without one, such as a network logon's) or when `VSCODE_CLI_USE_FILE_KEYCHAIN` is set, so its presence on
Windows is itself unusual. It holds a JSON string: sealed with a key that depends on the host's name, or, with
`VSCODE_CLI_DISABLE_KEYCHAIN_ENCRYPT`, a JSON text with provider, token and expiry; after `tunnel user logout` it is
`null`. Only provider, expiry and lengths are told, never a token. Its modification time is the last login, refresh or
logout. Source: `auth.rs` and `state.rs` of microsoft/vscode.

Other programs have a `token.json` as well: outside the CLI's own folders only a string of this form counts.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from forensics.artifacts._tunnel import cli_globs, in_cli_folder, owner, times
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, guardedjson
from forensics.model import Problem, Value, make_fact
from forensics.times import from_iso, iso

_NAME = "tunnel_token"
_LIMIT = 256 * 1024
_PROVIDERS = {"github": "github", "microsoft": "microsoft"}
_SEALED = re.compile(r"[A-Za-z0-9+/=_-]{40,}")


def _plain(text: str) -> dict[str, Any] | None:
    """The credential in a string that is not sealed."""
    try:
        value = guardedjson.loads(text.encode("utf-8", "replace"), _LIMIT)
    except FormatError:
        return None
    return value if isinstance(value, dict) and {"p", "a"} <= value.keys() else None


def _expiry(value: object) -> str | None:
    moment = from_iso(value, UTC) if isinstance(value, str) else None
    return iso(moment) if isinstance(moment, datetime) else None


def _open_fields(credential: dict[str, Any]) -> dict[str, Value | None]:
    provider, token = credential["p"], credential["a"]
    return {
        "credential_state": "plain",
        "provider_name": _PROVIDERS.get(provider.casefold(), provider[:40]) if isinstance(provider, str) else None,
        "secret_length": len(token) if isinstance(token, str) else None,
        "refresh_token_present": isinstance(credential.get("r"), str) and bool(credential["r"]),
        "expires_at": _expiry(credential.get("e")),
    }


def _fields(value: object) -> dict[str, Value | None] | None:
    """What the file says of the credential, None when it is none of the CLI's."""
    if value is None:
        return {"credential_state": "logged out"}
    if isinstance(value, dict) and {"p", "a"} <= value.keys():
        return _open_fields(value)
    if not isinstance(value, str):
        return None
    if credential := _plain(value):
        return _open_fields(credential)
    return {"credential_state": "sealed", "secret_length": len(value)} if _SEALED.fullmatch(value) else None


def parse(given: FileInput) -> Output:
    """One row for the file, a problem for one of the CLI's folder that is none of this."""
    own = in_cli_folder(given)
    try:
        value = guardedjson.loads(given.read(_LIMIT + 1), _LIMIT)
        fields = _fields(value)
    except FormatError as error:
        if own:
            # What is wrong is said without the text: it may hold the token.
            yield Problem("bad_record", _NAME, given.source(), str(error).partition(":")[0])
        return
    if fields is None:
        if own:
            yield Problem("bad_record", _NAME, given.source(), "neither a credential nor null")
        return
    reason = None if own else "by its form; the folder is not one of the CLI's default folders"
    said = {**owner(given), **fields, "reason": reason}
    yield make_fact("tunnel.token", given.source(), times(given), said, context=not own and value is None)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=cli_globs("token.json"),
    parse=parse,
    emits={
        "tunnel.token": Kind(
            "Login of the tunnel CLI kept in a file: {credential_state}[, {provider_name}][, valid until {expires_at}]"
            "[ ({reason})]",
            {
                "credential_state": str,
                "provider_name": str,
                "secret_length": int,
                "refresh_token_present": bool,
                "expires_at": str,
                "reason": str,
                "data_dir": str,
                "profile_user": str,
            },
        )
    },
)
