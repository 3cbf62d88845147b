"""Reading command lines, paths, GUIDs and process ids as Windows artifacts spell them."""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from string import ascii_letters
from uuid import UUID

_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_WORKER_SID = re.compile(r"S-1-5-83-1-(\d{1,10})-(\d{1,10})-(\d{1,10})-(\d{1,10})", re.IGNORECASE)
_ZERO_GUID = "00000000-0000-0000-0000-000000000000"
_LIMIT = 32 * 1024
# Device and namespace prefixes, then the drive: what is left is the path on its volume.
_PREFIX = re.compile(
    r"^(?:\\\\[?.]\\|\\\?\?\\)?(?:\\?device\\harddiskvolume\d+|\\?volume\{[^}]*\}|[a-z]:)?", re.IGNORECASE
)
_VARIABLES = {
    "%systemdrive%": "", "%systemroot%": "\\windows", "%windir%": "\\windows", "%programdata%": "\\programdata",
    "%allusersprofile%": "\\programdata", "%public%": "\\users\\public", "%programfiles%": "\\program files",
}  # fmt: skip
_VARIABLE = re.compile("|".join(re.escape(name) for name in _VARIABLES))
_QUOTED_WSB = re.compile(r'"([^"]*\.wsb)"', re.IGNORECASE)
# No colon inside: a second drive letter starts a second path, so that an executable before the file is not swallowed.
# Each run of signs that a path may have is looked at once, not from each sign that could begin one: thousands of
# backslashes in each of thousands of command lines took hours.
_RUN = re.compile(r'[^":<>|*?\r\n]+')
_ROOT = re.compile(r"\\\\|%\w+%\\")
_WSB_END = re.compile(r"\.wsb(?!\w)", re.IGNORECASE)
_PLAIN_WSB = re.compile(r'(?<![^\s"\':<>|*?])[^\s"\':<>|*?]+\.wsb(?!\w)', re.IGNORECASE)
_EXE_END = re.compile(r"\.(?:exe|com|bat|cmd|sys|dll)(?=[\s\"']|$)", re.IGNORECASE)


def guid(text: str) -> str | None:
    """The first GUID in a text, as it is spelled; None without one or when it is all zero."""
    match = _GUID.search(text[:_LIMIT])
    return match.group() if match and match.group() != _ZERO_GUID else None


def machine_of_sid(sid: str) -> str | None:
    """The id of the virtual machine whose worker has this SID (S-1-5-83-1-a-b-c-d), None for any other SID.

    The four numbers are the id's sixteen bytes as they lie in memory, read as little-endian words (from memory).
    """
    match = _WORKER_SID.fullmatch(sid.strip())
    parts = [int(part) for part in match.groups()] if match else []
    if not parts or max(parts) > 0xFFFFFFFF:
        return None
    return str(UUID(bytes_le=struct.pack("<4I", *parts))).upper()


def pid(text: str) -> int | None:
    """A process id as 4688 (hex with 0x) or Sysmon and the task log (decimal) write it."""
    try:
        return int(text, 16) if text.lower().startswith("0x") else int(text)
    except ValueError:
        return None


@lru_cache(maxsize=8192)
def basename(path: str) -> str:
    """The last component of a Windows path, folded, without quotes."""
    return path.strip().strip('"').replace("/", "\\").rpartition("\\")[2].casefold()


def norm(path: str) -> str:
    """A path made comparable: folded, backslashes, no quotes, no drive or device prefix, the fixed variables expanded.

    The drive is dropped because artifacts name the same volume by letter, device number or volume GUID. Two volumes
    with the same tree would become one; the reasons show the paths as they were written.
    """
    text = path.strip().strip('"').replace("/", "\\").casefold()
    text = _VARIABLE.sub(lambda match: _VARIABLES[match.group()], text)
    text = _PREFIX.sub("", text, count=1).rstrip("\\")
    return text if text.startswith("\\") else "\\" + text


def same_path(one: str, two: str) -> bool:
    """Whether two spellings name the same path."""
    return norm(one) == norm(two)


def inside(path: str, folder: str) -> bool:
    """Whether `path` is the folder or below it."""
    below, above = norm(path), norm(folder)
    return below == above or below.startswith(above.rstrip("\\") + "\\")


def wsb_path(command_line: str) -> str | None:
    """The .wsb file that a command line names, quoted or not, with spaces or not."""
    text = command_line[:_LIMIT]
    if quoted := _QUOTED_WSB.search(text):
        return quoted.group(1)
    plain = _rooted_wsb(text) or _PLAIN_WSB.search(text)
    return plain.group() if isinstance(plain, re.Match) else plain


def _rooted_wsb(text: str) -> str | None:
    """The first path from a drive, a share or a variable on that ends in `.wsb`."""
    for run in _RUN.finditer(text):
        start, body = drive_before(text, run.start()), run.start() + 1
        if start == run.start() or text[run.start()] not in "\\/":
            root = _ROOT.search(text, run.start(), run.end())
            if root is None:
                continue
            start, body = root.span()
        if end := _WSB_END.search(text, body, run.end()):
            return text[start : end.end()]
    return None


def drive_before(text: str, place: int) -> int:
    """Where `C:` begins when it stands right before `place`, else `place`."""
    return place - 2 if place > 1 and text[place - 1] == ":" and text[place - 2] in ascii_letters else place


def split_command(command_line: str) -> tuple[str, str]:
    """(executable, arguments) of a command line; an unquoted path with spaces ends at the first `.exe` and the like."""
    text = command_line.strip()[:_LIMIT]
    if text.startswith('"'):
        image, _, rest = text[1:].partition('"')
        return image, rest.strip()
    match = _EXE_END.search(text)
    if match:
        return text[: match.end()], text[match.end() :].strip()
    image, _, rest = text.partition(" ")
    return image, rest.strip()
