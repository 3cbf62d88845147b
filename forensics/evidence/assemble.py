"""Out of a collection's members: the drives of one host, or a container within, or loose files known by content.

A collection may hold several hosts or several collections of one (folders side by side, containers side by side). Each
is a case of its own: `SeveralError` names them, and `Opening.host` chooses.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from forensics.evidence.base import SNAPSHOT, EvidenceError, Opening, Refusal, SeveralError
from forensics.evidence.layout import (
    Prefix,
    climbs,
    find_prefixes,
    find_profiles,
    in_profile,
    other_drives,
    other_shadows,
)
from forensics.evidence.loose import loose_tree
from forensics.evidence.members import Member, MemberTree
from forensics.evidence.opened import OpenedEvidence
from forensics.evidence.originals import Originals, originals_of

_INNER = (
    ".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".vhdx", ".vhd", ".vmdk", ".qcow2", ".e01",
    ".ad1", ".vdi",
)  # fmt: skip
OpenInner = Callable[[Member, Opening], OpenedEvidence]


def assembled(
    name: str, kind: str, members: list[Member], refusals: list[Refusal], opening: Opening, inner: OpenInner
) -> OpenedEvidence:
    """The evidence that these members are; raises EvidenceError with one sentence when they are none."""
    if not members:
        raise EvidenceError(f"{name} is empty" if not refusals else f"{name} holds no readable file: {refusals[0].why}")
    members = _inside(members, refusals)
    prefixes = find_prefixes(member.parts for member in members if not member.why)
    if not prefixes and (profiles := find_profiles(member.parts for member in members if not member.why)):
        members, kind = _as_users(name, members, profiles), f"profile folder in {kind}"
        prefixes = find_prefixes(member.parts for member in members if not member.why)
    containers = _containers(members)
    groups = sorted({prefix.group for prefix in prefixes})
    names = ["/".join(group) or "." for group in groups]
    if prefixes and (len(groups) == 1 or opening.host in names):
        group = groups[names.index(opening.host)] if opening.host in names else groups[0]
        _check_choice(name, names, opening)
        mine = [prefix for prefix in prefixes if prefix.group == group]
        refusals += _beside(containers, mine)
        return _drives(name, kind, members, refusals, mine)
    if prefixes:
        raise _several(name, names)
    if containers:
        return _contained(name, containers, opening, inner)
    if tree := loose_tree(members):
        return OpenedEvidence(name, f"loose files in {kind}", [tree], refusals)
    raise EvidenceError(f"{name} holds no Windows installation, no collection of one, and no file of a known kind")


def _inside(members: list[Member], refusals: list[Refusal]) -> list[Member]:
    """The members without those whose escaped names (`%2e%2e%2f`) lead upwards once they are undone."""
    kept = []
    for member in members:
        if any(climbs(part) for part in member.parts):
            refusals.append(Refusal("/".join(member.parts), "refused", "its escaped name climbs out of the collection"))
        else:
            kept.append(member)
    return kept


def _as_users(name: str, members: list[Member], profiles: list[tuple[str, ...]]) -> list[Member]:
    """Profile folders where Windows has them: whose they are, and what in them belongs together, hangs on that."""
    own = _user_of(name)
    return [
        member if (parts := in_profile(member.parts, profiles, own)) is None else replace(member, parts=parts)
        for member in members
    ]


def _user_of(name: str) -> str:
    """The user's name when the evidence is the profile itself: the folder's, or the container's without suffixes."""
    place = Path(name)
    if place.is_dir():
        return os.fsencode(place.resolve().name).decode("utf-8", "surrogateescape") or "_"
    suffix = max((item for item in _INNER if place.name.casefold().endswith(item)), key=len, default="")
    return place.name[: -len(suffix)] if suffix else place.name


def _several(name: str, names: list[str]) -> SeveralError:
    many = f"{', '.join(names[:8])}{' and more' if len(names) > 8 else ''}"
    return SeveralError(
        f"{name} holds {len(names)} hosts or collections ({many}); choose one with --host", tuple(names)
    )


def _check_choice(name: str, names: list[str], opening: Opening) -> None:
    if opening.host is not None and opening.host not in names:
        raise EvidenceError(f"{name} holds no host {opening.host!r}; it holds {', '.join(names)}")


def _containers(members: list[Member]) -> list[Member]:
    return [item for item in members if not item.why and item.parts[-1].casefold().endswith(_INNER)]


def _beside(containers: list[Member], mine: list[Prefix]) -> list[Refusal]:
    """Containers that lie beside the drives were not looked into: they may be the same collection once more."""
    tops = {prefix.parts for prefix in mine}
    return [
        Refusal("/".join(item.parts), "not_read", "a container beside the collected tree: open it on its own")
        for item in containers
        if not any(item.parts[:depth] in tops for depth in range(len(item.parts)))
    ]


def _contained(name: str, containers: list[Member], opening: Opening, inner: OpenInner) -> OpenedEvidence:
    names = ["/".join(item.parts) for item in containers]
    if opening.host is None:
        if len(containers) > 1:
            raise _several(name, names)
        return inner(containers[0], opening)
    for item, label in zip(containers, names, strict=True):
        if opening.host == label or opening.host.startswith(f"{label}/"):
            return inner(item, replace(opening, host=opening.host[len(label) + 1 :] or None))
    if len(containers) == 1:
        return inner(containers[0], opening)
    raise EvidenceError(f"{name} holds no host {opening.host!r}; it holds {', '.join(names)}")


def _drives(name: str, kind: str, members: list[Member], refusals: list[Refusal], mine: list[Prefix]) -> OpenedEvidence:
    live = [prefix for prefix in mine if not prefix.shadow]
    if not live:
        newest = max(mine, key=lambda prefix: int(prefix.shadow[3:]))
        why = f"the collection holds shadow copies only: {newest.shadow} is read as if it were the live volume"
        refusals.append(Refusal("/".join(newest.parts), "partial", why))
        mine = [replace(item, shadow="") if item.shadow == newest.shadow else item for item in mine]
    group = mine[0].group
    paths = [member.parts for member in members if member.parts[: len(group)] == group]
    mine = [*mine, *other_shadows(paths, mine)]
    mine = [*mine, *other_drives(paths, mine)]
    trees = _fill(mine, members)
    _tell_originals(trees, originals_of(members, group, refusals))
    return OpenedEvidence(name, kind, trees, refusals)


def _tell_originals(trees: list[MemberTree], known: Originals) -> None:
    by_drive = {tree.drive: tree for tree in trees}
    for tree in trees:
        drive, _, shadow = tree.drive.partition(SNAPSHOT)
        tree.note(known.noted, shadow or drive.casefold())
    for shadow, path, drive, original in known.same:
        view = by_drive.get(f"{drive.upper()}{SNAPSHOT}{shadow}")
        live = by_drive.get(drive.upper())
        if view is not None and live is not None:
            view.alias(path, live, original)


def _fill(prefixes: list[Prefix], members: list[Member]) -> list[MemberTree]:
    trees: dict[str, MemberTree] = {}
    depths = sorted({len(prefix.parts) for prefix in prefixes}, reverse=True)
    by_parts = {prefix.parts: prefix for prefix in prefixes}
    for member in sorted(members, key=lambda item: item.parts):
        prefix = next((by_parts[head] for depth in depths if (head := member.parts[:depth]) in by_parts), None)
        if prefix is None or len(prefix.parts) == len(member.parts):
            continue
        drive = f"{prefix.drive}{SNAPSHOT}{prefix.shadow}" if prefix.shadow else prefix.drive
        tree = trees.setdefault(drive, MemberTree(drive))
        tree.add("/".join(member.parts[len(prefix.parts) :]), member)
    ordered = [trees[drive] for drive in sorted(trees)]
    for tree in ordered:
        tree.expand()
    return ordered
