"""UserAssist: programs and shortcuts that a user started through Explorer, with count and last time.

The best witness that a person at the desktop opened Windows Sandbox or VS Code, since it belongs to one user's hive.
A program started by a task, a service or another program leaves nothing here. Value names are ROT13; a leading GUID is
a known folder and is resolved (rules/known_folders.yml). Entries of 72 bytes: Windows 7 and later; 16 bytes: before,
where the count starts at 5. The counters of the key itself (UEME_CTL...) are no programs and are left out.
An entry is known by its shape: a recovered value of 72 bytes whose name decodes to something watched is one as well,
even where its key is lost.
https://github.com/libyal/winreg-kb/blob/main/docs/sources/explorer-keys/User-assist.md
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Iterator
from typing import NamedTuple

from forensics.artifacts._registry import file_name, lost, owner, place, resolved
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.hive import Hive, Key, RegValue
from forensics.model import Fact, Problem, make_fact
from forensics.rules.watch import is_watched
from forensics.times import Moment, from_filetime

_NAME = "userassist"
_COUNTS = "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\UserAssist\\*\\Count"
_PREFIXES = ("UEME_RUNPATH:", "UEME_RUNPIDL:", "UEME_RUNCPL:", "UEME_UISCUT:")
_COUNTERS = ("UEME_CTL", "UEME_UI")
_OLD_START = 5
_ENTRY = 72


class Usage(NamedTuple):
    """What an entry counts; the focus time is not kept before Windows 7."""

    run_count: int
    focus_seconds: int | None
    last_run: Moment


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every program or shortcut; recovered values of unknown keys that are entries by their shape."""
    user, sid = owner(given)
    for key in hive.glob(_COUNTS):
        for value in key.values():
            name = _without_prefix(codecs.decode(value.name, "rot13"))
            if name:
                yield from _row(given, key, value, name, (user, sid))
    for key in hive.unplaced():
        for value in key.values():
            name = _without_prefix(codecs.decode(value.name, "rot13"))
            if len(value.raw) == _ENTRY and (key.name.casefold() == "count" or is_watched(name)):
                yield from _row(given, key, value, name, (user, sid))


def decode(raw: bytes) -> Usage:
    """Decode the data of an entry. Raises FormatError."""
    if len(raw) >= 68:
        _session, count, _focus, milliseconds = struct.unpack_from("<IIII", raw)
        return Usage(count, milliseconds // 1000, from_filetime(struct.unpack_from("<Q", raw, 60)[0]))
    if len(raw) == 16:
        _session, count, ticks = struct.unpack("<IIQ", raw)
        return Usage(max(count - _OLD_START, 0), None, from_filetime(ticks))
    raise FormatError(f"a UserAssist entry takes 16 or 72 bytes, there are {len(raw)}")


def _without_prefix(name: str) -> str:
    """The program's name, "" for a counter of the key itself."""
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return name[len(prefix) :]
    return "" if name.startswith(_COUNTERS) else name


def _row(
    given: FileInput, key: Key, value: RegValue, name: str, user: tuple[str | None, str | None]
) -> Iterator[Fact | Problem]:
    source = place(given, key, value.name)
    try:
        usage = decode(value.raw)
    except FormatError as error:
        yield lost(_NAME, source, error)
        return
    executable = resolved(name)
    yield make_fact(
        "userassist.run",
        source,
        {"Last Time Executed": usage.last_run},
        {
            "executable": executable,
            "executable_name": file_name(executable),
            "run_count": usage.run_count,
            "focus_seconds": usage.focus_seconds,
            "profile_user": user[0],
            "user_sid": user[1],
            "key_path": key.path,
            "value_name": value.name,
        },
        context=not is_watched(executable),
    )


ARTIFACT = RegistryArtifact(
    name=_NAME,
    hives=frozenset({"NTUSER"}),
    parse=parse,
    emits={
        "userassist.run": Kind(
            "{executable} started through Explorer, run count {run_count}[, in focus for {focus_seconds} s][ (user "
            "{profile_user})]",
            {
                "executable": str,
                "executable_name": str,
                "run_count": int,
                "focus_seconds": int,
                "profile_user": str,
                "user_sid": str,
                "key_path": str,
                "value_name": str,
            },
            context=True,
            data_type="windows:registry:userassist",
        )
    },
    deleted=True,
)
