"""Security 4720, 4724, 4726, 4728, 4732, 4738, 4742, 4756, 4765 and 4781: accounts made, changed and given rights.

An account of one's own is a way back that no list of autostarts shows. A name that ends in `$` is left out where
accounts are listed (`net user`), as those of computers are; a computer's password that an anonymous logon changed is
what Zerologon leaves (4742), and a SID history (4765) makes an account somebody else as well. The log has the account
that did it and whom it was done to. 4738 and 4742 are context unless somebody anonymous did it: Windows itself changes
accounts at every change of a password.

Fields: real records of 4720, 4724, 4738, 4742 and 4765; Microsoft's descriptions of the events.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import USER, Made, account, fact, kind, known, pick
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source

_GROUPS = (4728, 4732, 4756)
_ACTIONS = {
    4720: "created", 4724: "given a new password", 4726: "deleted", 4738: "changed", 4742: "changed",
    4765: "given a SID history", 4781: "renamed",
}  # fmt: skip
_ANONYMOUS = "S-1-5-7"


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One change of an account or of a group's members."""
    data = record.data
    fields: Made = {**account(record), "target_user_domain": known(data.get("TargetDomainName"))}
    if record.event_id in _GROUPS:
        fields |= {
            "group_name": known(data.get("TargetUserName")),
            "group_sid": known(data.get("TargetSid")),
            "target_user_name": known(data.get("MemberName")),
            "target_user_sid": known(data.get("MemberSid")),
        }
        yield fact("account.group_joined", record, source, fields)
        return
    fields |= {
        "target_user_name": pick(record, "TargetUserName", "NewTargetUserName"),
        "target_user_sid": known(data.get("TargetSid")),
        "action": _ACTIONS[record.event_id],
        "old_name": known(data.get("OldTargetUserName")),
        "sid_history": pick(record, "SourceSid", "SidHistory") if record.event_id == 4765 else None,
    }
    routine = record.event_id in (4738, 4742) and data.get("SubjectUserSid") != _ANONYMOUS
    yield fact("account.changed", record, source, fields, context=routine)


ARTIFACT = EventArtifact(
    name="event_accounts",
    wants={"Security": frozenset({*_ACTIONS, *_GROUPS})},
    parse=parse,
    emits={
        "account.changed": kind(
            "Account {target_user_name} {action}[ (was {old_name})][ of {sid_history}][, by {user_name}]",
            {
                **USER, "target_user_name": str, "target_user_domain": str, "target_user_sid": str, "action": str,
                "old_name": str, "sid_history": str,
            },
        ),
        "account.group_joined": kind(
            "Account [{target_user_name} ]{target_user_sid} added to the group {group_name}[, by {user_name}]",
            {
                **USER, "target_user_name": str, "target_user_domain": str, "target_user_sid": str, "group_name": str,
                "group_sid": str,
            },
        ),
    },
    providers=frozenset({"Microsoft-Windows-Security-Auditing"}),
)  # fmt: skip
