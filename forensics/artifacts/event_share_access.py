r"""Security 5142, 5143 and 5145: what was opened over the network on this host, by whom and from which address.

Services and tasks are made on another machine through the pipes `svcctl` and `atsvc` of its share IPC$, and programs
get there through ADMIN$ and C$: 5145 names pipe or file, the account and the address it came from, the one thing that
7045 and 4698 lack. A file server writes it a million times a day ("Audit Detailed File Share"), so only pipes through
which a machine is steered, pipes named like those of PsExec and its copies, and programs written below an
administrative share are kept; the rest is context. 5142 and 5143 are a share made or changed.

Fields: real records of 5142 and 5145; Microsoft's descriptions of the events.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._evtx import USER, Made, account, fact, file_name, kind, pick
from forensics.artifacts.base import Deferral, EventArtifact, FieldType
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_steered, is_write

_SHARES = {5142: "added", 5143: "changed"}
_SEEN = ("ShareName", "RelativeTargetName", "AccessMask")
_FIELDS: dict[str, FieldType] = {
    **USER, "share_name": str, "share_path": str, "share_target": str, "share_access": str, "source_ip": str,
    "source_port": str, "file_name": str,
}  # fmt: skip
_DEVICE = re.compile(r"^\\\?\?\\")


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One share, or one file or pipe opened through it."""
    share, target, mask = (pick(record, name) for name in _SEEN)
    fields: Made = {
        **account(record),
        "share_name": share,
        "share_path": _DEVICE.sub("", pick(record, "ShareLocalPath") or "") or None,
    }
    if record.event_id in _SHARES:
        yield fact("share.configured", record, source, {**fields, "action": _SHARES[record.event_id]})
        return
    fields |= {
        "share_target": target,
        "share_access": None if mask is None else "write" if is_write(mask) else "read",
        "file_name": file_name(target),
        "source_ip": pick(record, "IpAddress"),
        "source_port": pick(record, "IpPort"),
    }
    yield fact("share.accessed", record, source, fields, context=not is_steered(share or "", target or "", mask or ""))


ARTIFACT = EventArtifact(
    name="event_share_access",
    wants={"Security": frozenset({*_SHARES, 5145})},
    parse=parse,
    emits={
        "share.configured": kind(
            "Share {share_name} {action}[: {share_path}][, by {user_name}]",
            {**USER, "share_name": str, "share_path": str, "action": str},
        ),
        "share.accessed": kind(
            "{share_name}[\\{share_target}] opened over the network[ by {user_name}][ from {source_ip}]",
            _FIELDS,
            context=True,
        ),
    },
    providers=frozenset({"Microsoft-Windows-Security-Auditing"}),
    defers={5145: Deferral("share.accessed", _SEEN, matters=is_steered)},
)
