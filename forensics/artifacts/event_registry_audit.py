r"""Security 4657 and 4663: registry values set or deleted, and keys written to, with the account and process behind it.

The registry dates keys, not values; this record dates the value itself, says who wrote it and by which program, and
keeps what a deleted or overwritten value held. Written only where "Audit Registry" is on and the key's own access list
asks for it, which few hosts have for autostart keys. It is the same as Sysmon's 13 and is told under the same kinds.

Keys are named as the kernel names them (`\REGISTRY\MACHINE\...`, `\REGISTRY\USER\<SID>_Classes\...`); told is the
root that everybody knows, `HKLM` or `HKU`. Windows resolves `CurrentControlSet` before it logs: the control set has its
number. A value without a name is the default value; one whose name begins with NUL may be logged the same way [INF].
4663 says that the right to write to a key was used, not which value was written; other objects' 4663 is not told here.
Layout and codes: https://learn.microsoft.com/previous-versions/windows/it-pro/windows-10/security/threat-protection/auditing/event-4657
and event-4663 beside it [M]; no real record of 4657 was seen, 4663 of keys was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._evtx import Made, account, decimal, fact, file_name, known, number, pick
from forensics.artifacts._evtx_kinds import REGISTRY_KEY_CHANGED, REGISTRY_VALUE_SET
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.recording import is_recording_key
from forensics.rules.watch import is_autostart_key, is_watched

_ROOTS = (
    (re.compile(r"^\\registry\\machine(?=\\|$)", re.IGNORECASE), "HKLM"),
    (re.compile(r"^\\registry\\user(?=\\|$)", re.IGNORECASE), "HKU"),
)
_DELETED = frozenset({"%%1906", "registry value deleted"})
# KEY_SET_VALUE, KEY_CREATE_SUB_KEY, KEY_CREATE_LINK, DELETE, WRITE_DAC, WRITE_OWNER.
_WRITES = {0x2: "set value", 0x4: "create subkey", 0x20: "create link", 0x10000: "delete", 0x40000: "write access list",
           0x80000: "write owner"}  # fmt: skip


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One change of a value, or one use of the right to write to a key."""
    key = key_path(pick(record, "ObjectName") or "")
    image = known(pick(record, "ProcessName"))
    who: Made = {
        **account(record),
        "executable": image,
        "executable_name": file_name(image),
        "pid": decimal(pick(record, "ProcessId")),
    }
    if record.event_id == 4663:
        yield from _accessed(record, source, key, who)
        return
    name = known(record.data.get("ObjectValueName")) or "(Default)"
    old, new = (known(record.data.get(field)) for field in ("OldValue", "NewValue"))
    path = f"{key}\\{name}"
    kept = is_autostart_key(path) or is_recording_key(path) or is_watched(path, old or "", new or "", image or "")
    if (pick(record, "OperationType") or "").strip().casefold() in _DELETED:
        fields = who | {"key_path": path, "action": "DeleteValue", "old_value_data": old}
        yield fact("registry.key_changed", record, source, fields, context=not kept)
        return
    fields = who | {"key_path": key, "value_name": name, "value_data": new, "old_value_data": old}
    yield fact("registry.value_set", record, source, fields, context=not kept)


def _accessed(record: Record, source: Source, key: str, who: Made) -> Iterator[Fact]:
    mask = number(pick(record, "AccessMask")) or 0
    if (pick(record, "ObjectType") or "").casefold() != "key" or not any(mask & bit for bit in _WRITES):
        return
    used = ", ".join(word for bit, word in _WRITES.items() if mask & bit)
    kept = is_autostart_key(key) or is_recording_key(key) or is_watched(key, str(who["executable"] or ""))
    fields = who | {"key_path": key, "action": f"right used: {used}"}
    yield fact("registry.key_changed", record, source, fields, context=not kept)


def key_path(name: str) -> str:
    """A key's name with the root that registry editors show."""
    for root, stead in _ROOTS:
        if root.match(name):
            return root.sub(stead, name)
    return name


ARTIFACT = EventArtifact(
    name="event_registry_audit",
    wants={"Security": frozenset({4657, 4663})},
    parse=parse,
    emits={"registry.value_set": REGISTRY_VALUE_SET, "registry.key_changed": REGISTRY_KEY_CHANGED},
    providers=frozenset({"Microsoft-Windows-Security-Auditing"}),
)
