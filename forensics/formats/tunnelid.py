r"""Names, ids and paths of VS Code tunnels, and the token that ties a process to a tunnel.

Sources: `commands/tunnels.rs` and `dev_tunnels.rs` of microsoft/vscode (token, name), `tunnelConstraints.ts` of
microsoft/dev-tunnels (ids and clusters), `paths.rs` and `download_cache.rs` (server folders).
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import NamedTuple
from urllib.parse import unquote

_OLD_ID = re.compile(r"[0123456789bcdfghjklmnpqrstvwxz]{8}")
_NEW_ID = re.compile(r"[a-z0-9][a-z0-9-]{1,47}[a-z0-9]")
_CLUSTER = re.compile(r"[a-z]{3,4}[0-9]{1,3}|asse|aue|brs|euw|use")
# The CLI allows 20 characters; the service's own limit is wider and old names stay valid.
_NAME = re.compile(r"[\w-]{1,60}", re.ASCII)
_LINK = re.compile(
    r"https://(?:insiders\.)?vscode\.dev/tunnel/(?P<name>[^/?#\s]{1,80})(?:/(?P<folder>[^?#]{0,1000}))?", re.IGNORECASE
)
_SERVER = re.compile(
    r"[\\/](?P<quality>Stable|Insiders|Exploration)-(?P<commit>[0-9a-f]{40})(?P<web>-web)?(?P<staging>\.staging)?"
    r"(?=[\\/]|$)",
    re.IGNORECASE,
)


def connection_token(tunnel_id: str) -> str:
    """`--connection-token` of the server that the CLI starts: base64url(SHA-256(tunnel id)) without padding.

    Newer versions put an `a` before a token that begins with `-` (`matches_token` accepts both). A client may have
    sent a token of its own instead: a match is strong evidence, a mismatch proves nothing.
    """
    token = (
        base64.urlsafe_b64encode(hashlib.sha256(tunnel_id.encode("utf-8", "replace")).digest())
        .decode("ascii")
        .rstrip("=")
    )
    return "a" + token if token.startswith("-") else token


def matches_token(token: str, tunnel_id: str) -> bool:
    """Whether this connection token belongs to this tunnel id, by the old or the new rule."""
    expected = connection_token(tunnel_id)
    return token == expected or (expected.startswith("a-") and token == expected[1:])


def is_tunnel_id(text: str) -> bool:
    """Whether this is a tunnel id of the old (8 letters and digits) or new (words and suffix) kind."""
    return _OLD_ID.fullmatch(text) is not None or _NEW_ID.fullmatch(text) is not None


def is_cluster(text: str) -> bool:
    """Whether this is a service cluster such as `jpe1` or `usw2`."""
    return _CLUSTER.fullmatch(text) is not None


def is_tunnel_name(text: str) -> bool:
    """Whether this is a name that the CLI could have given to a tunnel."""
    return _NAME.fullmatch(text) is not None


class Link(NamedTuple):
    """What a tunnel's link names: the tunnel, and the folder that it opens ("" when it opens none)."""

    tunnel_name: str
    folder: str


def link_of(url: str) -> Link | None:
    """The tunnel that `https://vscode.dev/tunnel/<name>[/<folder>]` leads to."""
    match = _LINK.match(url)
    if not match:
        return None
    folder = unquote(match["folder"] or "", errors="replace").strip()
    return Link(unquote(match["name"], errors="replace"), folder)


class Server(NamedTuple):
    """A server build: its quality as the CLI writes it (`Stable`), its commit, and what the folder name adds."""

    quality: str
    commit: str
    web: bool
    staging: bool


def server_of(path: str) -> Server | None:
    """The server build that a path names (`...\\servers\\Stable-<40 hex>\\log.txt`, or the bare folder name)."""
    match = _SERVER.search("\\" + path)
    if not match:
        return None
    quality = match.group("quality").capitalize()
    return Server(quality, match.group("commit").lower(), bool(match.group("web")), bool(match.group("staging")))
