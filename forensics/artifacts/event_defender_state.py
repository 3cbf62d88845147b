"""Windows Defender 1013, 5001, 5010, 5012 and 5013: protection was switched off, or its history removed.

An attacker's tool runs undisturbed after 5001 (real-time protection off), 5010 (scanning for malware off) and 5012
(scanning for viruses off). 1013 says that the history of detections was deleted, by a user or by Windows after the
thirty days of its own limit. 5013 is an attempt that tamper protection stopped. Another product that registers as
the virus scanner switches Defender off in the same way.

Ids and meanings: Microsoft, "Review event logs and error codes to troubleshoot issues with Microsoft Defender
Antivirus"; the data of 1013 and 5013 are from memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import USER, Made, everything, fact, kind, named_account, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source

_OFF = {5001: "real-time protection", 5010: "scanning for malware", 5012: "scanning for viruses"}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One protection that was switched off, a removed history, or an attempt that was stopped."""
    about: Made = named_account(pick(record, "User"))
    if about and not about.get("user_sid") and not about.get("user_name"):
        about = {}
    about["user_sid"] = about.get("user_sid") or record.user_sid or None
    if record.event_id in _OFF:
        yield fact("antivirus.switched_off", record, source, about | {"protection": _OFF[record.event_id]})
    elif record.event_id == 1013:
        yield fact("antivirus.history_removed", record, source, about)
    else:
        value = pick(record, "Value") or everything(record)
        yield fact("antivirus.tampering_stopped", record, source, about | {"setting": value})


ARTIFACT = EventArtifact(
    name="event_defender_state",
    wants={"Microsoft-Windows-Windows Defender/Operational": frozenset({1013, 5013, *_OFF})},
    parse=parse,
    emits={
        "antivirus.switched_off": kind(
            "Defender: {protection} was switched off[, user {user_name}]", {**USER, "protection": str}
        ),
        "antivirus.history_removed": kind("Defender: the history of detections was removed[, user {user_name}]", USER),
        "antivirus.tampering_stopped": kind(
            "Defender: a change was stopped by tamper protection[: {setting}]", {**USER, "setting": str}
        ),
    },
    providers=frozenset({"Microsoft-Windows-Windows Defender"}),
)
