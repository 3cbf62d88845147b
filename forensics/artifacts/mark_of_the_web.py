r"""Marks of the web of sandbox configurations, tunnel programs and downloaded documents: that a file came from outside.

The mark says from where, too. Browsers, mail programs and archivers put a stream `Zone.Identifier` beside what they
write: a `.wsb` that carries one was not made on this host, and its `HostUrl` and `ReferrerUrl` name the server. A
configuration without a mark was made here, unpacked by a program that hands none on, or copied out of a sandbox:
copying within the guest drops the stream (a hypothesis of the note that describes it). The same stream ties a
downloaded tunnel CLI to its source. `about:internet` means that the program kept the address to itself (from memory).
The stream has no time of its own: given is the birth of the file that it belongs to, which is mostly that of the
download.

Read here are streams as an NTFS image has them, and as collectors and unpackers leave them: `x.wsb:Zone.Identifier`,
with `%3A`, `_`, U+F03A (Windows' stand-in for a colon) or nothing in place of the colon. A mark that only the $MFT has
is told by the artifact of the $MFT. Format: [MS-FSCC] "Zone.Identifier Stream Name"; see `formats/zoneid.py`.
"""

from __future__ import annotations

import re

from forensics.artifacts._mark import MARK, mark_fields
from forensics.artifacts._tunnel import BORN, profile_user, times, windows_path
from forensics.artifacts._wsb import WSB_GLOB
from forensics.artifacts.base import FileArtifact, FileInput, Output
from forensics.formats import FormatError, zoneid
from forensics.model import Problem, Value, make_fact

_NAME = "mark_of_the_web"
_STREAM = re.compile(r"(?:%3A|[:_\uf03a])?Zone\.Identifier(?::\$DATA)?$", re.IGNORECASE)
# Names of the tunnel CLI alone are sought wherever people can write, `code.exe` only among downloads.
_MARKED = (
    WSB_GLOB,
    "Users/**/vscode_cli_*.zip",
    "Users/**/vscode-cli-*.zip",
    "Users/**/code-tunnel*.exe",
    "Users/**/devtunnel*.exe",
    "Users/**/Downloads/**/code*.exe",
    "ProgramData/**/vscode_cli_*.zip",
    "ProgramData/**/code*.exe",
    # Documents and disk images that came by mail or from the web, for the advisory's checklist.
    *(f"Users/*/Downloads/**/*.{name}" for name in ("doc", "xls", "ppt", "rtf", "iso", "img", "vhd", "lnk", "one")),
)


def parse(given: FileInput) -> Output:
    """One row for the file that the stream belongs to, or a problem when it is no mark."""
    path = _STREAM.sub("", given.path)
    data = given.read(zoneid.SIZE_LIMIT)
    if given.size > zoneid.SIZE_LIMIT:
        yield Problem("truncated", _NAME, given.source(), f"{given.size} bytes: only the first {len(data)} were read")
    try:
        mark = zoneid.read(data)
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source(), f"not a mark of the web: {error}")
        return
    fields: dict[str, Value | None] = {
        "file_path": windows_path(path),
        "file_name": path.rpartition("/")[2],
        "profile_user": profile_user(given),
    }
    known = times(given)
    born = {BORN: known[BORN]} if BORN in known else known
    yield make_fact("file.mark_of_the_web", given.source(), born, fields | mark_fields(mark))


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=tuple(f"{glob}*{zoneid.STREAM}" for glob in _MARKED),
    parse=parse,
    emits={"file.mark_of_the_web": MARK},
)
