r"""Startup folders: whatever lies in one is opened at logon, of one user or of all.

A program, a script or a shortcut here needs no right beyond writing into the user's own profile, which makes it the
second most common way of coming back after Run keys. A shortcut is told with the target and arguments that it starts;
what else a shortcut says is told by `lnk_files`. `desktop.ini`, which Explorer makes to translate the folder's name, is
context as long as it is a small text. The registry can put the folder elsewhere (`startup_folder_moved`). Folders below
are not opened by Windows, so their files are not told. The times are the file's own: it started at the logons since its
creation. Mechanism: `startup_folder`.
https://learn.microsoft.com/windows/win32/shell/csidl (CSIDL_STARTUP, CSIDL_COMMON_STARTUP); links: [MS-SHLLINK].
"""

from __future__ import annotations

import re

from forensics.artifacts._autostart import EMITS, file_entry, hive_root, key_entry
from forensics.artifacts._tunnel import windows_path
from forensics.artifacts.base import FileArtifact, FileInput, Output, RegistryArtifact
from forensics.formats import FormatError, shelllink
from forensics.formats.hive import Hive
from forensics.model import Problem

_NAME = "startup_folders"
_MECHANISM = "startup_folder"
_LIMIT = 4 * 1024 * 1024
_SMALL = 4096
_PROFILE = "AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Startup/*"
_URL = re.compile(r"^\s*URL\s*=\s*(\S.*?)\s*$", re.IGNORECASE | re.MULTILINE)
_FOLDERS = ("User Shell Folders", "Shell Folders")
# The end of the path is enough where profiles lie elsewhere, as with folder redirection.
_USUAL = re.compile(
    r"\\Start Menu\\Programs\\Startup\\?$"
    r"|^[a-z]:\\(?:documents and settings|users)\\.*\\(?:startup|スタートアップ)$",
    re.IGNORECASE,
)
_PROGRAMS = frozenset({"exe", "com", "scr", "pif", "dll", "cpl"})


def parse(given: FileInput) -> Output:
    """One row for the file; a shortcut that cannot be read is a row without its command, and a problem."""
    data = given.read(_LIMIT)
    name = given.path.rpartition("/")[2].casefold()
    ending = name.rpartition(".")[2]
    if name == "desktop.ini" and given.size <= _SMALL and data[:2] != b"MZ":
        yield file_entry(given, _MECHANISM, None, context=True, reason="the folder's own settings")
        return
    if data.startswith(shelllink.SIGNATURE[:4]) or ending == "lnk":
        yield from _link(given, data)
        return
    if ending in ("url", "website") and (found := _URL.search(_text(data))):
        yield file_entry(given, _MECHANISM, found.group(1)[:4096])
        return
    disguised = data[:2] == b"MZ" and ending not in _PROGRAMS
    yield file_entry(given, _MECHANISM, _own(given), reason="a program under another ending" if disguised else None)


def _own(given: FileInput) -> str:
    return f'"{windows_path(given.path)}"'


def _link(given: FileInput, data: bytes) -> Output:
    try:
        link = shelllink.read(data)
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source(), str(error))
        yield file_entry(given, _MECHANISM, _own(given), reason="a shortcut that cannot be read")
        return
    for lost in link.problems[:50]:
        yield Problem("bad_record", _NAME, given.source(), str(lost))
    target, _ = link.target
    quoted = f'"{target}"' if " " in target and link.arguments else target
    command = f"{quoted} {link.arguments}".strip()
    extra = given.size - link.end if not link.problems else 0
    reason = f"{extra} bytes behind the shortcut's end" if extra > 0 else None
    yield file_entry(given, _MECHANISM, command or None, target_path=target or None, reason=reason)


def _text(data: bytes) -> str:
    return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1", "replace")


def parse_moved(hive: Hive, given: FileInput) -> Output:
    """One row for each of the two folders that the registry puts elsewhere than Windows does."""
    before, root = hive_root(hive)
    for place in _FOLDERS:
        key = hive.key(f"{before}Microsoft\\Windows\\CurrentVersion\\Explorer\\{place}")
        for name in ("Startup", "Common Startup") if key else ():
            value = key.value(name) if key else None
            text = value.text().strip() if value else ""
            if key and text and not _USUAL.search(text):
                yield key_entry(
                    given, key, root, _MECHANISM, name, text, value_name=name,
                    reason="the startup folder lies elsewhere; what is in it is not told here",
                )  # fmt: skip


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(
        "ProgramData/Microsoft/Windows/Start Menu/Programs/Startup/*",
        f"Users/*/{_PROFILE}",
        f"Windows/System32/config/systemprofile/{_PROFILE}",
        f"Windows/ServiceProfiles/*/{_PROFILE}",
    ),
    parse=parse,
    emits=EMITS,
)
MOVED = RegistryArtifact(
    name="startup_folder_moved",
    hives=frozenset({"SOFTWARE", "NTUSER"}),
    parse=parse_moved,
    emits=EMITS,
    deleted=True,
)
