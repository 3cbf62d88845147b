r"""Files of Credential Manager: when a credential was stored, by whom; never which, and never its content.

The tunnel's command-line program stores its login as a credential of Enterprise persistence, so a new file of 32
hexadecimal digits appears in `%APPDATA%\Microsoft\Credentials` of the user who logged in (of SYSTEM's profile when it
ran as such); those of machine persistence lie in `%LOCALAPPDATA%`. All of this is from memory, as is that creation is
about the login and modification about its last refresh. The target's name is in the protected part: which file belongs
to a tunnel, only the times tell, so all are context. The master key's id says with whose key it opens.

Format: `formats/dpapi.py`.
"""

from __future__ import annotations

from forensics.artifacts._dpapi import DPAPI, dpapi_fields
from forensics.artifacts._tunnel import home_globs, profile_user, times, windows_path
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, dpapi
from forensics.model import Problem, Value, make_fact

_NAME = "credential_files"
_LIMIT = 1024 * 1024


def parse(given: FileInput) -> Output:
    """One row for the file; what is wrong with its blob beside it."""
    fields: dict[str, Value | None] = {
        "file_path": windows_path(given.path),
        "file_name": given.path.rpartition("/")[2],
        "file_size": given.size,
        "profile_user": profile_user(given),
        "credential_place": "roaming" if "/roaming/" in given.path.casefold() else "local",
    }
    try:
        fields |= dpapi_fields(dpapi.read_credential(given.read(_LIMIT)))
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source(), str(error))
    yield make_fact("credential.file", given.source(), times(given), fields, context=True)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=home_globs(*(f"AppData/{part}/Microsoft/Credentials/*" for part in ("Roaming", "Local"))),
    parse=parse,
    emits={
        "credential.file": Kind(
            "Credential stored[ by {profile_user}] ({credential_place}): {file_name}[, {dpapi_description}]"
            "[, master key {dpapi_master_key}]",
            {
                "file_path": str,
                "file_name": str,
                "file_size": int,
                "profile_user": str,
                "credential_place": str,
                **DPAPI,
            },
            context=True,
        )
    },
)
