"""Whether a sandbox had a network: by an adapter's events, by the machine's settings, else by its configuration.

Networking is on unless a configuration disables it (documented). A configuration says what was asked for, an adapter
what was there; where the logs that would tell of one cover the start and tell of none, the two do not agree.
"""

from __future__ import annotations

from forensics.sessions.looked import SWITCH, Looked
from forensics.sessions.rows import Row, Rows, because, stamp
from forensics.sessions.sandbox_disk import seconds
from forensics.sessions.sandbox_joined import Joined
from forensics.sessions.sandbox_pieces import Draft

_LOG = "system.evtx"  # where an adapter's connection (232) is written on every host
_WHY_NOT = "a policy may forbid it, the adapter may have failed, or another configuration was in force"


def networked(
    draft: Draft, joined: Joined, rows: Rows, looked: Looked, *, by_default: bool
) -> tuple[bool | None, list[str], list[Row]]:
    """(networked, reasons, rows beyond the draft's own).

    `by_default`: the launch is recorded whole and names no configuration.
    """
    settings = joined.known.settings if joined.known else None
    asked = settings.networking if settings else True if by_default else None
    connected = draft.run.networked if draft.run else []
    adapters = draft.run.adapters if draft.run else []
    if connected:
        found = [because("networked: a virtual adapter was connected for this VM", connected)]
    elif adapters:
        text = "networked: an adapter was added to the machine's settings (2007; inference: not seen of the Sandbox)"
        found = [because(text, adapters)]
    elif kept := _registered(draft, rows):
        text = "networked: a network adapter of this machine is registered (the key's meaning is from memory)"
        found, adapters = [because(text, kept)], kept
    else:
        others = _others(draft, rows)
        return asked, _without(draft, joined, asked, others, looked), others
    if asked is False:
        both = [*connected, *adapters, *joined.rows]
        found.append(because("conflict: its configuration disables the network", both))
    return True, found, adapters


def _without(draft: Draft, joined: Joined, asked: bool | None, others: list[Row], looked: Looked) -> list[str]:
    """The reasons where no adapter is known to be this machine's."""
    absent = _absent(draft, others, looked)
    if asked is None:
        return [
            because(
                f"whether it was networked is not known: what its configuration says of it is not known, and {absent}",
                others,
            )
        ]
    basis, asking = "by its configuration", joined.rows
    if joined.known is None:
        basis, asking = "by default, as no configuration is named", draft.launch.every if draft.launch else []
    no = "" if asked else "not "
    told = [because(f"{no}networked: {basis} (inference: {absent})", [*asking, *others])]
    if asked and not others and looked.covers(SWITCH, draft.start, _LOG):
        text = f"conflict: the network was to be on, but the System log covers its start and has no adapter: {_WHY_NOT}"
        told.append(because(text, asking))
    return told


def _absent(draft: Draft, others: list[Row], looked: Looked) -> str:
    moment = draft.start or draft.latest
    if others:
        return "an adapter of a machine that nothing attributes was connected at that time, perhaps its own"
    word = looked.word(SWITCH, moment)
    if not word:
        return "no row about an adapter of its machine is in the evidence"
    return f"{SWITCH}: {word}" + (f" at {stamp(moment)}" if looked.covers(SWITCH, moment, _LOG) and moment else "")


def _registered(draft: Draft, rows: Rows) -> list[Row]:
    """The adapters of its machine that the registry of virtual switches still has."""
    ident = draft.run.vm_id.casefold() if draft.run and draft.run.vm_id else ""
    return [row for row in rows.of("vm.nic_registered") if ident and row.get("vm_id").casefold() == ident]


def _others(draft: Draft, rows: Rows) -> list[Row]:
    """The adapters that were connected at its start, where its own machine's id is not known."""
    start = draft.start
    if start is None or (draft.run and draft.run.vm_id):
        return []
    early, late = start - seconds("launch_after"), start + seconds("launch_before")
    return [row for row in rows.of("vm.nic_connected") if row.time and early <= row.time <= late]
