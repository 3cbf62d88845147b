r"""`license_consent.json`: this profile accepted the server licence, so it used `code tunnel` or `code serve-web`.

Its creation time is the first such use by the profile. Source: `legal.rs` of microsoft/vscode.
"""

from __future__ import annotations

from forensics.artifacts._tunnel import cli_globs, owner, times
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, guardedjson
from forensics.model import Problem, make_fact

_NAME = "tunnel_consent"
_LIMIT = 64 * 1024


def parse(given: FileInput) -> Output:
    """One row for the file."""
    try:
        value = guardedjson.loads(given.read(_LIMIT + 1), _LIMIT)
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source(), str(error))
        return
    if not isinstance(value, dict):
        yield Problem("bad_record", _NAME, given.source(), "not an object")
        return
    stated = value.get("consented")
    consented = stated if isinstance(stated, bool) else None
    yield make_fact("tunnel.consent", given.source(), times(given), {**owner(given), "consented": consented})


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=cli_globs("license_consent.json"),
    parse=parse,
    emits={
        "tunnel.consent": Kind(
            "Licence of the tunnel server answered[, accepted: {consented}][ by {profile_user}]",
            {"consented": bool, "data_dir": str, "profile_user": str},
        )
    },
)
