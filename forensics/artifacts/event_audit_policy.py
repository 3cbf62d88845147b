"""Security 4719: the audit policy was changed, so that the Security log records more, or less, from here on.

Who does not want process starts (4688) or logons to be recorded switches the auditing off before acting and on again
after it: the log stays whole and says nothing. Each record names one subcategory by its GUID and what was added or
removed, as numbers of messages (`%%8448` success removed, `%%8449` success added, `%%8450` failure removed, `%%8451`
failure added). A removal is kept, an addition is context. Group policy writes the same record as SYSTEM.

Fields: Microsoft's description of event 4719. The names of the subcategories
are those of the audit policy's own documentation (MS-GPAC 2.2.1.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._evtx import USER, account, fact, guid, kind, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules import load

_CHANGES = {"8448": "success removed", "8449": "success added", "8450": "failure removed", "8451": "failure added"}
_NUMBER = re.compile(r"%%(\d+)")


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One changed subcategory."""
    told = pick(record, "AuditPolicyChanges") or ""
    changes = ", ".join(_CHANGES.get(number, f"%%{number}") for number in _NUMBER.findall(told)) or told
    subcategory = guid(pick(record, "SubcategoryGuid"))
    removed = "removed" in changes
    fields = {
        **account(record),
        "audit_subcategory": load("antiforensics")["audit_subcategories"].get(subcategory or "", subcategory),
        "audit_changes": changes,
        "audit_removed": removed,
    }
    yield fact("audit.policy_changed", record, source, fields, context=not removed)


ARTIFACT = EventArtifact(
    name="event_audit_policy",
    wants={"Security": frozenset({4719})},
    parse=parse,
    emits={
        "audit.policy_changed": kind(
            "Audit policy changed: {audit_subcategory}[, {audit_changes}][, by {user_name}]",
            {**USER, "audit_subcategory": str, "audit_changes": str, "audit_removed": bool},
            context=True,
        )
    },
    providers=frozenset({"Microsoft-Windows-Security-Auditing"}),
)
