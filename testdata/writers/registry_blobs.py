"""Encoders for the binary values (and one lock file) that the built hosts hold.

Layouts read off real hives where public ones have them (UserAssist, BAM, RecentDocs, TimeZoneInformation); the task
cache follows the structure definitions of the winreg-tasks project, the lock file the source of the VS Code CLI.
Functions that give several values of one key return `(name, type, data)`, ready for `HiveWriter.value`.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgpack

from forensics.times import to_filetime
from testdata.writers.hive import REG_BINARY, REG_DWORD, REG_EXPAND_SZ, REG_QWORD, REG_SZ

# What UserAssist counts: programs started directly, and shortcuts.
USERASSIST_PROGRAMS = "{CEBFF5CD-ACE2-4F4F-9178-9926F41749EA}"
USERASSIST_SHORTCUTS = "{F4E57C4B-2036-45F0-A9AB-443BCFE33D9F}"
TASK_READY = 0

Values = list[tuple[str, int, bytes | str | int]]


def userassist_name(path: str) -> str:
    """The value name of a UserAssist entry: ROT13 of the path, which may begin with a known folder's GUID."""
    return codecs.encode(path, "rot13")


def userassist(last_run: datetime | None, runs: int, focus_count: int = 0, focus_ms: int = 0) -> bytes:
    """A version 5 entry (Windows 7 and later), 72 bytes; `None` is a program that only ever had the focus."""
    ratios = struct.pack("<10f", *[-1.0] * 10)
    ticks = _ticks(last_run)
    return struct.pack("<IIII", 0, runs, focus_count, focus_ms) + ratios + struct.pack("<IQI", 0xFFFFFFFF, ticks, 0)


def bam(last_run: datetime, *, packaged: bool = False) -> bytes:
    """A Background Activity Moderator entry, 24 bytes. `packaged`: named after an app, not after a device path."""
    return struct.pack("<QQII", _ticks(last_run), 0, int(packaged), 2)


def bam_values(entries: dict[str, datetime], sequence: int = 1) -> Values:
    """The values of `bam\\State\\UserSettings\\<SID>`: entries by device path or app name."""
    listed: Values = [("Version", REG_DWORD, 1), ("SequenceNumber", REG_DWORD, sequence)]
    return listed + [
        (name, REG_BINARY, bam(time, packaged=not name.startswith("\\"))) for name, time in entries.items()
    ]


def task_actions(command: str, arguments: str = "", directory: str = "", context: str = "Author") -> bytes:
    """The `Actions` value of a cached task with one exec action (version 3, Windows 8 and later).

    `context` is the id of the task's principal (`Author`, `LocalSystem`, ...).
    """
    action = struct.pack("<H", 0x6666) + _counted("")
    action += _counted(command) + _counted(arguments) + _counted(directory) + struct.pack("<H", 0)
    return struct.pack("<H", 3) + _counted(context) + action


def task_com_action(clsid: str, data: str = "", context: str = "LocalSystem") -> bytes:
    """The `Actions` value of a cached task that calls a COM handler, as most tasks of Windows itself do."""
    action = struct.pack("<H", 0x7777) + _counted("") + UUID(clsid).bytes_le + _counted(data)
    return struct.pack("<H", 3) + _counted(context) + action


def task_dynamic_info(
    registered: datetime, last_run: datetime | None = None, completed: datetime | None = None, result: int = 0
) -> bytes:
    """The `DynamicInfo` value, 36 bytes: registration, last start, last error code, last successful end."""
    head = struct.pack("<IQQ", 3, _ticks(registered), _ticks(last_run))
    return head + struct.pack("<IIQ", TASK_READY, result, _ticks(completed))


def task_triggers(sid: str, principal: str = "Author", start: datetime | None = None, crc: int = 0) -> bytes:
    """The `Triggers` value (version 0x17): settings, the account the task runs as, and a single start if given.

    `sid` is the only place of the task cache that names the account. Fields of eight bytes hold fewer and are filled
    up with `H`, as Windows does.
    """
    boundaries = _boundary(start) + _boundary(None)
    well_known = sid.count("-") == 3
    bucket = _filled(struct.pack("<I", 0x42402138 if well_known else 0x42412138)) + _filled(struct.pack("<I", crc))
    bucket += _sized(principal.encode("utf-16-le")) + _sized(b"")
    bucket += _filled(b"\x00") * 2 + _filled(struct.pack("<I", 5 if well_known else 1)) + _sized(sid_bytes(sid))
    bucket += _sized(b"")
    # Idle 10 min, wait 1 h, limit 3 days, never deleted, priority 7, no restart, no network
    limits = struct.pack("<7I16s", 600, 3600, 259_200, 0xFFFFFFFF, 7, 0, 0, bytes(16)) + bytes(4)
    bucket += _filled(struct.pack("<I", 0x30)) + limits
    return struct.pack("<Q", 0x17) + boundaries + bucket + (_time_trigger(start) if start else b"")


def _time_trigger(start: datetime) -> bytes:
    """One start, no repetition."""
    schedule = _boundary(start) + _boundary(None) + _boundary(start)
    schedule += struct.pack("<4I4H", 0, 0, 0xFFFFFFFF, 0, 0, 0, 0, 0) + struct.pack("<BBHIII", 0, 1, 0, 0, 0, 0)
    return _filled(struct.pack("<I", 0xDDDD)) + schedule + struct.pack("<Q", 0)


def _boundary(moment: datetime | None) -> bytes:
    """A time of a schedule; all ones are "none"."""
    return struct.pack("<QQ", 0, to_filetime(moment) if moment else 0xFFFFFFFFFFFFFFFF)


def _filled(value: bytes) -> bytes:
    return value.ljust(8, b"H")


def _sized(data: bytes) -> bytes:
    return _filled(struct.pack("<I", len(data))) + data + b"H" * (-len(data) % 8)


def recent_document(name: str) -> bytes:
    """A RecentDocs entry: the document's name, and the shell item of the shortcut that Explorer made for it.

    Times and sizes in the item are zero, as Explorer leaves them here.
    """
    shortcut = name + ".lnk"
    plain = shortcut.isascii()
    short = (shortcut + "\x00").encode("ascii" if plain else "utf-16-le")
    short += bytes(len(short) % 2)
    head = struct.pack("<BBIIH", 0x32 if plain else 0x36, 0, 0, 0, 0) + short
    long = (shortcut + "\x00").encode("utf-16-le")
    extension = struct.pack("<HIIIHHQQHII", 9, 0xBEEF0004, 0, 0, 0x2E, 0, 0, 0, 0, 0, 0) + long
    extension = struct.pack("<H", len(extension) + 4) + extension + struct.pack("<H", 2 + len(head))
    item = struct.pack("<H", 2 + len(head) + len(extension)) + head + extension
    return (name + "\x00").encode("utf-16-le") + item + bytes(2)


def mru_list_ex(order: Sequence[int]) -> bytes:
    """The order of a most-recently-used list, newest first."""
    return struct.pack(f"<{len(order)}iI", *order, 0xFFFFFFFF)


def recent_documents(names: Sequence[str]) -> Values:
    """The values of a RecentDocs key whose documents were opened in this order, newest first."""
    # The oldest got number 0, as Explorer numbers them in order of first use.
    numbered: Values = [(str(number), REG_BINARY, recent_document(name)) for number, name in enumerate(reversed(names))]
    return [*numbered, ("MRUListEx", REG_BINARY, mru_list_ex(range(len(names) - 1, -1, -1)))]


def run_commands(commands: Sequence[str]) -> Values:
    """The values of `RunMRU` for commands run in this order, newest first."""
    letters = "abcdefghijklmnopqrstuvwxyz"[: len(commands)][::-1]  # the oldest got the letter a
    listed: Values = [(letter, REG_SZ, command + "\\1") for letter, command in zip(letters, commands, strict=True)]
    return [*listed, ("MRUList", REG_SZ, letters)]


def typed_paths(paths: Sequence[str]) -> Values:
    """The values of `TypedPaths`, newest first."""
    return [(f"url{number}", REG_SZ, path) for number, path in enumerate(paths, 1)]


def searches(terms: Sequence[str]) -> Values:
    """The values of `WordWheelQuery`, newest first."""
    return _numbered([(term + "\x00").encode("utf-16-le") for term in terms])


def open_save(choices: Sequence[bytes]) -> Values:
    """The values of an `OpenSavePidlMRU` key: lists of shell items (writers/shell_items.py), newest first."""
    return _numbered(choices)


def last_visited(choices: Sequence[tuple[str, bytes]]) -> Values:
    """The values of `LastVisitedPidlMRU`: program and folder as a list of shell items, newest first."""
    return _numbered([(program + "\x00").encode("utf-16-le") + items for program, items in choices])


def dialog_sizes(programs: Sequence[str]) -> Values:
    """The values of `CIDSizeMRU`: the program in a field of 520 bytes, sizes of the dialog behind it."""
    return _numbered([program.encode("utf-16-le").ljust(520, b"\x00") + bytes(72) for program in programs])


def _numbered(entries: Sequence[bytes]) -> Values:
    """Binary entries by number, the oldest got 0, and their order."""
    listed: Values = [(str(number), REG_BINARY, entry) for number, entry in enumerate(reversed(entries))]
    return [*listed, ("MRUListEx", REG_BINARY, mru_list_ex(range(len(entries) - 1, -1, -1)))]


def last_use(start: datetime | None, stop: datetime | None, consent: str = "Allow") -> Values:
    """The values of a program's key under a capability of `ConsentStore`; without a stop it is in use."""
    times = (("LastUsedTimeStart", start), ("LastUsedTimeStop", stop))
    return [("Value", REG_SZ, consent), *((name, REG_QWORD, _ticks(moment)) for name, moment in times)]


def tzi(bias: int, standard_bias: int = 0, daylight_bias: int = -60) -> bytes:
    """The `TZI` value of a time zone without daylight saving, 44 bytes; UTC = local + `bias` minutes."""
    return struct.pack("<iii", bias, standard_bias, daylight_bias) + bytes(32)


def time_zone_values(key_name: str, bias: int, standard: str, daylight: str) -> Values:
    """The values of `Control\\TimeZoneInformation` for a zone without daylight saving.

    `standard` and `daylight` are the resource references that Windows stores, such as `@tzres.dll,-632`.
    """
    return [
        ("Bias", REG_DWORD, bias & 0xFFFFFFFF),
        ("DaylightBias", REG_DWORD, 0),
        ("DaylightName", REG_SZ, daylight),
        ("DaylightStart", REG_BINARY, bytes(16)),
        ("StandardBias", REG_DWORD, 0),
        ("StandardName", REG_SZ, standard),
        ("StandardStart", REG_BINARY, bytes(16)),
        ("TimeZoneKeyName", REG_SZ, key_name),
        ("DynamicDaylightTimeDisabled", REG_DWORD, 0),
        ("ActiveTimeBias", REG_DWORD, bias & 0xFFFFFFFF),
    ]


def sid_bytes(sid: str) -> bytes:
    """The binary form of `S-1-5-...`."""
    _, revision, authority, *parts = sid.split("-")
    head = struct.pack("<BB", int(revision), len(parts)) + int(authority).to_bytes(6, "big")
    return head + struct.pack(f"<{len(parts)}I", *map(int, parts))


def profile_values(sid: str, path: str, loaded: datetime | None = None, unloaded: datetime | None = None) -> Values:
    """The values of a `ProfileList\\<SID>` key, with the split FILETIMEs of the last load and unload."""
    values: Values = [
        ("ProfileImagePath", REG_EXPAND_SZ, path),
        ("Flags", REG_DWORD, 0),
        ("State", REG_DWORD, 0),
        ("Sid", REG_BINARY, sid_bytes(sid)),
    ]
    for name, moment in (("LocalProfileLoadTime", loaded), ("LocalProfileUnloadTime", unloaded)):
        if moment:
            ticks = to_filetime(moment)
            values += [(f"{name}Low", REG_DWORD, ticks & 0xFFFFFFFF), (f"{name}High", REG_DWORD, ticks >> 32)]
    return values


def tunnel_lock(pipe: str, pid: int, leftover: bytes = b"") -> bytes:
    """`tunnel-stable.lock` of the VS Code CLI: one locked byte, then MessagePack `[pipe, pid]`.

    The file is not cut before it is written again, so a shorter pipe name may leave the end of a longer one behind.
    """
    packed: bytes = msgpack.packb([pipe, pid])
    current = b"\x00" + packed
    return current + leftover[len(current) :]


def _ticks(moment: datetime | None) -> int:
    return to_filetime(moment) if moment else 0


def _counted(text: str) -> bytes:
    """UTF-16 behind its length in bytes."""
    data = text.encode("utf-16-le")
    return struct.pack("<I", len(data)) + data
