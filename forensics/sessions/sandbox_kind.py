"""What a virtual machine is: a sandbox, somebody else's, or one that nothing tells.

WSL, Docker, Hyper-V machines, Application Guard and the templates that the container manager keeps for itself run on
the same machinery and leave the same events.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from forensics.sessions.rows import Row, Rows, because
from forensics.sessions.sandbox_disk import disk_of, in_new_layout, is_session_disk, words
from forensics.sessions.texts import guid

_OWNER = re.compile(r'"Owner"\s*:\s*"([^"]{1,80})"', re.IGNORECASE)
_BOTH = "as the Sandbox and Application Guard have them"
_NAMED = "the VM is named or owned as Windows Sandbox"
_TEMPLATE = re.compile(r'"TemplateSystemId"\s*:\s*"\{?([0-9a-f-]{36})', re.IGNORECASE)


@dataclass(slots=True)
class Judgement:
    """`verdict`: sandbox | open (nothing says what it is) | other. `marks` say why, `basis` are their rows.

    `by_disk`: a disk of a session was seen, which no template has. `named`: its name or owner is the Sandbox's, which
    alone tells it from Application Guard.
    """

    verdict: str = "open"
    marks: list[str] = field(default_factory=list)
    basis: list[Row] = field(default_factory=list)
    by_disk: bool = False
    named: bool = False


class Strangers:
    """Ids of machines that other machines' records name: templates, and machines that were set up in Hyper-V."""

    def __init__(self, rows: Rows) -> None:
        templates = {
            match.casefold() for row in rows.of("compute.modified") for match in _TEMPLATE.findall(_settings(row))
        }
        manager = words()["manager"]
        machines = {
            found.casefold()
            for row in rows.of_channel(manager["channel"], manager["ids"])
            if (found := guid(row.get("vm_id")) or guid(row.text()))
        }
        self.ids = templates | machines


def judge(ident: str, members: list[Row], strangers: Strangers) -> Judgement:
    """Say what the machine is, from all that is known of its id (folded)."""
    word = words()
    disks = [row for row in members if disk_of(row) or row.get("path_tail")]
    session = [row for row in disks if is_session_disk(row)]
    owned = _labels(members)
    if ident in strangers.ids:
        return Judgement("other")
    named = [row for label, row in owned if label in word["sandbox_names"] + word["sandbox_owners"]]
    if session:
        marks = [because(_of_disk(session), session), *([because(_NAMED, named)] if named else [])]
        return Judgement("sandbox", marks, [*session, *named], by_disk=True, named=bool(named))
    template = any(word["template_disk"].search(disk_of(row)) for row in disks)
    if template or _managed(owned) or _foreign(members, disks, owned):
        return Judgement("other")
    if named:
        return Judgement("sandbox", [because(_NAMED, named)], named, named=True)
    return Judgement()


def _of_disk(session: list[Row]) -> str:
    whose = (
        _BOTH
        if any(not in_new_layout(row) for row in session)
        else "of the Sandbox (by the layout from 24H2 on, which Application Guard has none of: from memory)"
    )
    if all(row.kind.startswith(("usn.", "mft.")) for row in session):
        made = any(row.kind != "usn.file_deleted" for row in session)
        gone = any(row.kind == "usn.file_deleted" or row.fields.get("file_deleted") is True for row in session)
        what = "made and deleted" if made and gone else "deleted" if gone else "made"
        return (
            f"a session's disk, {whose}, was {what}, by the file system's own records (inference: the disk is made "
            "when a session begins and deleted when it ends)"
        )
    return f"a session's disk, {whose}, was opened"


def _settings(row: Row) -> str:
    return row.get("settings_json")


def _labels(members: Iterable[Row]) -> list[tuple[str, Row]]:
    """The names and owners that rows give a VM, folded."""
    found = []
    for row in members:
        found += [(match.casefold(), row) for match in _OWNER.findall(_settings(row))]
        name = row.get("vm_name").casefold().strip()
        if name and not guid(name):
            found.append((name, row))
    return found


def _managed(owned: list[tuple[str, Row]]) -> bool:
    """Whether the container manager keeps the VM for itself, as a template of sandboxes to come."""
    return any(label in words()["template_owners"] for label, _ in owned)


def _foreign(members: list[Row], disks: list[Row], owned: list[tuple[str, Row]]) -> bool:
    """Whether it is WSL, Docker, or a machine that somebody set up in Hyper-V."""
    word = words()
    own_names = word["sandbox_names"] + word["sandbox_owners"] + word["neutral_names"]
    if any(label not in own_names for label, _ in owned):
        return True
    if any(row.get("switch_name").casefold().strip() in word["foreign_switches"] for row in members):
        return True
    text = "\n".join(disk_of(row).casefold() for row in disks)
    text += "\n".join(_settings(row).casefold().replace("\\\\", "\\") for row in members)
    if any(part in text for part in word["foreign_disks"]):
        return True
    # A container (its id is no GUID), or a machine whose disks all lie elsewhere.
    own_disks = [row for row in disks if "\\containers\\" in disk_of(row).casefold()]
    return not any(_has_guid(row) for row in members) or (bool(disks) and not own_disks)


def _has_guid(row: Row) -> bool:
    named = row.first("vm_id", "command_line", "target_user_name")
    return bool(guid(named)) or row.first("target_user_sid", "user_sid").startswith("S-1-5-83-1-")
