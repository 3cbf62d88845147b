r"""How the event logs that matter are kept: switched off, made small, or told to stop when they are full.

A log that records nothing is quieter than one that was cleared. `Enabled` 0 of a channel in
`SOFTWARE\...\WINEVT\Channels` is how `wevtutil sl <channel> /e:false` leaves it; `MaxSize` beside it, and for the old
logs in `SYSTEM\<control set>\Services\EventLog`, says when the oldest records are overwritten: a log smaller than that
has not come round yet, so records that it lacks at its beginning were not lost by rollover. Which channels are looked
at, whether Windows has them on and how large they are by default is data (rules/antiforensics.yml, `channels`; defaults
from memory of Windows 10 and 11). What is as Windows has it is context, but for the three classic logs, whose size
is needed to judge them.

The time is the key's last write. `Retention` 0xffffffff: records are never overwritten; with `AutoBackupLogFiles` a
full log is archived. A policy (`SOFTWARE\Policies\Microsoft\Windows\EventLog`, in KiB) goes before both. https://learn.microsoft.com/windows/win32/eventlog/eventlog-key
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._registry import place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.formats.hostinfo import number_of
from forensics.model import Fact, make_fact
from forensics.rules import load

_CHANNELS = "Microsoft\\Windows\\CurrentVersion\\WINEVT\\Channels"
_POLICIES = "Policies\\Microsoft\\Windows\\EventLog"
_NEVER = 0xFFFFFFFF


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every channel of the list that the hive configures."""
    sets = hive.control_sets()
    for control_set in sets[:1]:
        for name in ("Application", "Security", "System"):
            key = hive.key(f"{control_set}\\Services\\EventLog\\{name}")
            if key is not None:
                yield from _row(given, key, name)
    for name in load("antiforensics")["channels"] if not sets else ():
        for path, unit in ((f"{_CHANNELS}\\{name}", 1), (f"{_POLICIES}\\{name}", 1024)):
            key = hive.key(path)
            if key is not None:
                yield from _row(given, key, name, unit)


def _row(given: FileInput, key: Key, name: str, unit: int = 1) -> Iterator[Fact]:
    known = load("antiforensics")["channels"][name]
    enabled, size = number_of(key, "Enabled"), number_of(key, "MaxSize")
    retention = number_of(key, "Retention")
    switched_off = enabled == 0 and bool(known["enabled"])
    size = None if size is None else size * unit
    small = size is not None and size < known["size"]
    yield make_fact(
        "log.configured",
        place(given, key),
        {"Content Modification Time": key.last_write},
        {
            "log_channel": name,
            "is_enabled": None if enabled is None else bool(enabled),
            "is_switched_off": switched_off or None,
            "maximum_bytes": size,
            "is_shrunk": small or None,
            "keeps_oldest": True if retention == _NEVER else None,
            "is_archived_when_full": True if number_of(key, "AutoBackupLogFiles") else None,
            "log_path": _text(key, "File"),
            "key_path": key.path,
        },
        context=not (switched_off or small or known.get("classic", False)),
    )


def _text(key: Key, name: str) -> str | None:
    value = key.value(name)
    return value.text() if value is not None and not value.lost else None


ARTIFACT = RegistryArtifact(
    name="log_channels",
    hives=frozenset({"SOFTWARE", "SYSTEM"}),
    parse=parse,
    emits={
        "log.configured": Kind(
            "Event log {log_channel} is kept[ up to {maximum_bytes} bytes][, switched off{is_switched_off:flag}]"
            "[, smaller than by default{is_shrunk:flag}][, oldest records kept{keeps_oldest:flag}]",
            {
                "log_channel": str,
                "is_enabled": bool,
                "is_switched_off": bool,
                "maximum_bytes": int,
                "is_shrunk": bool,
                "keeps_oldest": bool,
                "is_archived_when_full": bool,
                "log_path": str,
                "key_path": str,
            },
            context=True,
        )
    },
)
