"""Windows Defender 1116, 1117, 5007, 1121 and 1122: malware found on the host, and what the scanner was told to pass.

The guest of a sandbox has no scanner of its own, so what it fetched is seen only when it comes back through a mapped
folder: a detection whose process is vmwp.exe is a file that a guest wrote (vmwp.exe as the writer is published; that
detections name it is inferred). An exclusion (5007) of a folder that a sandbox maps is its preparation. 1121 and 1122
are rules against attacks that blocked, or would have, among them starts of programs by tasks and Office. Detections and
exclusions are kept, the rest is context unless something watched is named.

Fields: real records of 1116, 1117 and 5007; those of 1121 and 1122 are from memory. Numbers of actions: Microsoft's
description of MSFT_MpThreatDetection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._evtx import USER, Made, fact, file_name, guid, kind, known, named_account, nonzero, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_watched

_KINDS = {
    1116: "antivirus.detected",
    1117: "antivirus.acted",
    1121: "antivirus.attack_blocked",
    1122: "antivirus.attack_audited",
    5007: "antivirus.setting_changed",
}
_ACTIONS = {
    "0": "unknown", "1": "clean", "2": "quarantine", "3": "remove", "6": "allow", "8": "user defined", "9": "no action",
    "10": "block",
}  # fmt: skip
_EXCLUSION = "\\exclusions\\"
# What is switched off: `...\Real-Time Protection\DisableRealtimeMonitoring = 0x1`, `...\TamperProtection = 0x4`.
_WEAKENED = re.compile(
    r"\\(?:disable(?:realtimemonitoring|antispyware|antivirus|behaviormonitoring|onaccessprotection|ioavprotection|"
    r"scriptscanning|scanonrealtimeenable|blockatfirstseen|intrusionpreventionsystem)\s*=\s*0x1|"
    r"tamperprotection\s*=\s*0x[04])\s*$",
    re.IGNORECASE,
)
_UNKNOWN = "unknown"


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One detection, action, blocked attack or changed setting."""
    name = _KINDS[record.event_id]
    if record.event_id == 5007:
        old, new = pick(record, "Old Value"), pick(record, "New Value")
        texts = (old or "", new or "")
        excluded = any(_EXCLUSION in text.casefold() for text in texts)
        weakened = bool(_WEAKENED.search(new or ""))
        fields: Made = {
            "setting_before": old,
            "setting": new,
            "is_exclusion": excluded,
            "is_weakened": weakened or None,
        }
        yield fact(name, record, source, fields, context=not (excluded or weakened or is_watched(*texts)))
        return
    fields = _attack(record) if record.event_id in (1121, 1122) else _detection(record)
    kept = record.event_id in (1116, 1117) or is_watched(*(str(text) for text in fields.values() if text))
    yield fact(name, record, source, fields, context=not kept)


def _process(record: Record) -> Made:
    image = pick(record, "Process Name")
    image = None if image and image.casefold() == _UNKNOWN else image
    return {
        **named_account(pick(record, "Detection User", "User")),
        "executable": image,
        "executable_name": file_name(image),
    }


def _detection(record: Record) -> Made:
    action = pick(record, "Action ID")
    return {
        **_process(record),
        "threat_name": pick(record, "Threat Name"),
        "detection_id": guid(pick(record, "Detection ID")),
        "detected_path": _paths(record),
        "action": _ACTIONS.get(action or "", action),
        "error_code": nonzero(pick(record, "Error Code")),
    }


def _paths(record: Record) -> str | None:
    """`file:_C:\\a.ps1; process:_pid:4711`: each part, of files without the mark in front."""
    parts = [part.strip() for part in (pick(record, "Path") or "").split(";")]
    return "; ".join(part.removeprefix("file:_") for part in parts if part) or None


def _attack(record: Record) -> Made:
    path = pick(record, "Path")
    return {
        **_process(record),
        "rule_id": guid(pick(record, "ID")),
        "file_path": path,
        "file_name": file_name(path),
        "parent_command_line": known(pick(record, "Parent Commandline")),
    }


_FOUND = {
    **USER,
    "executable": str, "executable_name": str, "threat_name": str, "detection_id": str,
    "detected_path": str, "action": str, "error_code": str,
}  # fmt: skip
_ATTACK = {
    **USER,
    "executable": str, "executable_name": str, "rule_id": str, "file_path": str, "file_name": str,
    "parent_command_line": str,
}  # fmt: skip

ARTIFACT = EventArtifact(
    name="event_defender",
    wants={"Microsoft-Windows-Windows Defender/Operational": frozenset(_KINDS)},
    parse=parse,
    emits={
        "antivirus.detected": kind(
            "Defender found {threat_name}[ in {detected_path}][, process {executable}][, user {user_name}]", _FOUND
        ),
        "antivirus.acted": kind(
            "Defender acted on {threat_name}[: {action}][, {detected_path}][, error {error_code}]", _FOUND
        ),
        "antivirus.attack_blocked": kind(
            "Defender's rule {rule_id} blocked {executable}[ with {file_path}]", _ATTACK, context=True
        ),
        "antivirus.attack_audited": kind(
            "Defender's rule {rule_id} would have blocked {executable}[ with {file_path}]", _ATTACK, context=True
        ),
        "antivirus.setting_changed": kind(
            "Defender setting changed[ from {setting_before}][ to {setting}][, an exclusion{is_exclusion:flag}]"
            "[, a protection switched off{is_weakened:flag}]",
            {"setting_before": str, "setting": str, "is_exclusion": bool, "is_weakened": bool},
            context=True,
        ),
    },
    providers=frozenset({"Microsoft-Windows-Windows Defender"}),
)
