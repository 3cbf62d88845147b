r"""Windows Sandbox configurations on disk: what a sandbox would have been allowed to do on this host.

A `.wsb` file names the host folders that a sandbox can write to, the command that runs in it at logon, and whether it
has a network. The published MirrorFace case used `C:\Windows\System32\default.wsb`; the Store version of Windows
Sandbox keeps its own in `...\LocalState\Recipes\Default.wsb`. A file proves the configuration, not that it ran. Files
in the recycle bin are read too (`$R...wsb`; their `$I...wsb` twin says where they lay and when they were deleted).
Format: Microsoft, "Windows Sandbox configuration"; see `formats/wsb.py`. Recycle bin: `formats/recyclebin.py`.
"""

from __future__ import annotations

from forensics.artifacts._tunnel import profile_user, times, windows_path
from forensics.artifacts._wsb import CONFIG, WSB_GLOB, config_fields
from forensics.artifacts._xmlfile import malformed
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, recyclebin, wsb
from forensics.formats.xmlguard import SIZE_LIMIT
from forensics.model import Problem, Value, make_fact

_NAME = "wsb_files"


def _deleted(given: FileInput, name: str) -> Output:
    try:
        entry = recyclebin.read(given.read(recyclebin.SIZE_LIMIT))
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source(), f"recycle bin entry: {error}")
        return
    fields: dict[str, Value | None] = {
        "file_path": entry.path,
        "file_name": entry.path.rpartition("\\")[2],
        "file_size": entry.size,
        "recycled_as": name.replace("$I", "$R", 1),
    }
    yield make_fact("file.recycled", given.source(), {"Content Deletion Time": entry.deleted}, fields)


def parse(given: FileInput) -> Output:
    """The configuration with the file's own times, or a problem when the file holds none."""
    name = given.path.rpartition("/")[2]
    if name.upper().startswith("$I") and "$recycle.bin" in given.path.casefold():
        yield from _deleted(given, name)
        return
    data = given.read(SIZE_LIMIT + 1)
    try:
        config = wsb.read(data)
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source(), f"not a sandbox configuration: {error}")
        return
    if len(data) > SIZE_LIMIT:
        yield Problem("truncated", _NAME, given.source(), f"{given.size} bytes: only the first {SIZE_LIMIT} were read")
    if config.malformed:
        yield from malformed(_NAME, given, config.notes)
    fields: dict[str, Value | None] = {
        "file_path": windows_path(given.path),
        "file_name": name,
        "file_size": given.size,
        "file_sha256": given.sha256,
        "profile_user": profile_user(given),
    }
    yield make_fact("sandbox.config", given.source(), times(given), fields | config_fields(config))


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(WSB_GLOB,),
    parse=parse,
    emits={
        "sandbox.config": CONFIG,
        "file.recycled": Kind(
            "Moved to the recycle bin: {file_path}[ (kept as {recycled_as})]",
            {"file_path": str, "file_name": str, "file_size": int, "recycled_as": str},
            data_type="windows:metadata:deleted_item",
        ),
    },
)
