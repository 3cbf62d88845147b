r"""`serve-web-token` and `serve-web-key-half`: this profile ran `code serve-web`, an editor server for browsers.

`code serve-web` opens the host's files and a terminal to whoever reaches its port and has the token (`?tkn=`). The
files hold that secret and half of a key: their presence, length and times are told, their content never is. The
creation time is the first such start. Source: `serve_web.rs` and `state.rs` of microsoft/vscode.
"""

from __future__ import annotations

from forensics.artifacts._tunnel import cli_globs, owner, times
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.model import make_fact


def parse(given: FileInput) -> Output:
    """One row for the file, whatever it holds."""
    name = given.path.rpartition("/")[2]
    fields = {**owner(given), "file_name": name, "secret_length": given.size}
    yield make_fact("server.web_secret", given.source(), times(given), fields)


ARTIFACT = FileArtifact(
    name="serve_web_secrets",
    paths=cli_globs("serve-web-token", "serve-web-key-half"),
    parse=parse,
    emits={
        "server.web_secret": Kind(
            "Secret of `code serve-web` present: {file_name}[ of {profile_user}], {secret_length} bytes",
            {"file_name": str, "secret_length": int, "data_dir": str, "profile_user": str},
        )
    },
)
