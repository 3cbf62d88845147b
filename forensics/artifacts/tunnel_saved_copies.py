r"""Copies that the remote editor's local history keeps: the very content of files saved through a tunnel.

Beside each `User\History\<hash>\entries.json` lie the saved versions themselves, named by entry id. They are evidence
of what an intruder wrote, even after the file at its own place was deleted or changed; the hash ties them to malware
lists. The copies are listed and hashed here, never interpreted. A copy's file name is the `id` of an entry of
`entries.json`.
Source: `workingCopyHistoryService.ts` of microsoft/vscode.
"""

from __future__ import annotations

from forensics.artifacts._tunnel import server_globs, server_owner
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.model import make_fact


def parse(given: FileInput) -> Output:
    """One row for each copy; the list of entries beside them has an artifact of its own."""
    name = given.path.rpartition("/")[2]
    if name.casefold() == "entries.json":
        return
    fields = {
        **server_owner(given),
        "file_path": given.path,
        "saved_id": name,
        "file_sha256": given.sha256,
        "file_size": given.size,
    }
    yield make_fact("tunnel.saved_copy", given.source(), dict(given.times), fields)


ARTIFACT = FileArtifact(
    name="tunnel_saved_copies",
    paths=server_globs("data/User/History/*/*"),
    parse=parse,
    emits={
        "tunnel.saved_copy": Kind(
            "Copy of a file saved in a remote editor window: {file_path}, {file_size} bytes",
            {
                "file_path": str,
                "saved_id": str,
                "file_sha256": str,
                "file_size": int,
                "server_data_dir": str,
                "profile_user": str,
            },
            data_type="fs:stat:ntfs",
        )
    },
)
