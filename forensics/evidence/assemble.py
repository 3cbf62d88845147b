"""Out of a collection's members: the drives of one host, or a container within, or loose files known by content.

A collection may hold several hosts or several collections of one (folders side by side, containers side by side). Each
is a case of its own: `SeveralError` names them, and `Opening.host` chooses.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from forensics.evidence.base import DAMAGE, SNAPSHOT, EvidenceError, Opening, Refusal, SeveralError
from forensics.evidence.layout import (
    Prefix,
    climbs,
    collector_of,
    find_prefixes,
    find_profiles,
    in_profile,
    other_drives,
    other_shadows,
)
from forensics.evidence.listed import missing
from forensics.evidence.loose import LooseTree, loose_tree
from forensics.evidence.members import Member, MemberTree
from forensics.evidence.opened import OpenedEvidence
from forensics.evidence.originals import Originals, originals_of

_INNER = (
    ".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".vhdx", ".vhd", ".vmdk", ".qcow2", ".e01",
    ".ad1", ".vdi",
)  # fmt: skip
_INNER_RAW = (".dd", ".raw", ".img", ".bin", ".ima", ".image", ".hdd", ".hds", ".001", ".000", ".01", ".1")
_EXTENT = re.compile(r"-(?:flat|s\d{3}|f\d{3}|delta|ctk|sesparse|rdmp?)\.vmdk$")
# What the first segment of a set is called, and what the others are.
_SETS = (
    (re.compile(r"\.[a-z]01$"), re.compile(r"\.(?:[a-z]\d\d|[e-z][a-z]{2})$")),
    (re.compile(r"\.ad1$"), re.compile(r"\.ad\d{1,5}$")),
    (re.compile(r"\.0*[01]$"), re.compile(r"\.\d{1,5}$")),
)
_MOST_HEADS = 10_000
_LOOSE_HOST = "."  # what loose files beside containers are chosen by
_OF_ALL = frozenset({"budget", "hard_link"})  # refusals that count over the whole listing, and name one place of many
_COLLECTED = frozenset({"folder", "zip", "tar", "packed tar"})
Parts = tuple[str, ...]
OpenInner = Callable[[Member, Opening, list[Member]], OpenedEvidence]


def assembled(
    name: str, kind: str, members: list[Member], refusals: list[Refusal], opening: Opening, inner: OpenInner
) -> OpenedEvidence:
    """The evidence that these members are; raises EvidenceError with one sentence when they are none."""
    if not members:
        damaged = any(item.fault in ("truncated", "bad_record") for item in refusals)
        why = f"holds no readable file: {refusals[0].why}" if refusals else "is empty"
        raise EvidenceError(f"{name} {why}", integrity=damaged)
    members = _inside(members, refusals)
    prefixes = find_prefixes(member.parts for member in members if not member.why)
    if not prefixes and (profiles := find_profiles(member.parts for member in members if not member.why)):
        members, kind = _as_users(name, members, profiles), f"profile folder in {kind}"
        prefixes = find_prefixes(member.parts for member in members if not member.why)
    containers = _containers(members)
    if prefixes:
        return _collected(name, kind, members, refusals, opening, (prefixes, containers, inner))
    if tree := loose_tree(item for item in members if not any(item is other for other in containers)):
        return _loose(name, f"loose files in {kind}", tree, members, refusals, opening, (containers, inner))
    if images := containers or _images(_likely(members)):
        return _within_one(name, images, members, refusals, opening, inner)
    raise EvidenceError(f"{name} holds no Windows installation, no collection of one, and no file of a known kind")


def _collected(
    name: str, kind: str, members: list[Member], refusals: list[Refusal], opening: Opening,
    found: tuple[list[Prefix], list[Member], OpenInner],
) -> OpenedEvidence:  # fmt: skip
    """The chosen one of the collected trees, and of the containers that lie beside them as their equals."""
    prefixes, containers, inner = found
    containers = [*containers, *_images(_equals(_likely(members), prefixes))]
    groups = sorted({prefix.group for prefix in prefixes})
    names = ["/".join(group) or "." for group in groups]
    equals = _equals(containers, prefixes)
    labels = ["/".join(item.parts) for item in equals]
    if opening.host not in names and _within(opening.host, labels):
        return _within_one(name, equals, members, refusals, opening, inner, set(groups))
    _check_choice(name, [*names, *labels], opening)
    if opening.host is None and len(names) + len(labels) > 1:
        raise _several(name, [*names, *labels])
    group = groups[names.index(opening.host)] if opening.host is not None else groups[0]
    mine = [prefix for prefix in prefixes if prefix.group == group]
    refusals += _beside([item for item in containers if item not in equals], prefixes)
    homes = {*groups, *(item.parts[:-1] for item in equals)}
    if kind in _COLLECTED and (collector := collector_of((item.parts for item in members), group, mine)):
        kind = f"{collector} {kind}"
    return _drives(name, kind, members, _told_of(refusals, group, homes, [item.parts for item in equals]), mine)


def _loose(
    name: str, kind: str, tree: LooseTree, members: list[Member], refusals: list[Refusal], opening: Opening,
    found: tuple[list[Member], OpenInner],
) -> OpenedEvidence:  # fmt: skip
    """Loose files; containers beside them that hold evidence are its equals, any other costs only itself."""
    containers, inner = found
    labels = ["/".join(item.parts) for item in containers]
    if opening.host != _LOOSE_HOST and _within(opening.host, labels):
        return _within_one(name, containers, members, refusals, opening, inner, {()})
    equals, shut = _that_open(containers, members, opening, inner)
    labels = ["/".join(item.parts) for item in equals]
    _check_choice(name, [_LOOSE_HOST, *labels], opening)
    if opening.host is None and equals:
        raise _several(name, [_LOOSE_HOST, *labels])
    told = [*_told_of(refusals, (), {()}, [item.parts for item in equals]), *shut]
    told += [_apart(item, "an image beside loose files") for item in _images(_likely(members)) if item not in equals]
    return OpenedEvidence(name, kind, [tree], told)


def _that_open(
    containers: list[Member], members: list[Member], opening: Opening, inner: OpenInner
) -> tuple[list[Member], list[Refusal]]:
    """The containers that hold evidence, or may (a password is missing), and what is said of the others."""
    equals, shut = [], []
    for item in containers:
        try:
            inner(item, replace(opening, host=None), _companions(item, members))
        except SeveralError:
            equals.append(item)
        except EvidenceError as error:
            if error.password:
                equals.append(item)
            else:
                why = f"a container beside loose files, of which nothing is read: {error}"
                shut.append(Refusal("/".join(item.parts), "not_opened", why))
        else:
            equals.append(item)
    return equals, shut


def _within_one(
    name: str, containers: list[Member], members: list[Member], refusals: list[Refusal], opening: Opening,
    inner: OpenInner, groups: Collection[Parts] = (),
) -> OpenedEvidence:  # fmt: skip
    """The chosen container, with the further segments of its set; what was refused around it is still said.

    `groups` are the folders of the hosts that lie beside it as trees.
    """
    opened = _contained(name, containers, opening, lambda item, how: inner(item, how, _companions(item, members)))
    chosen = next((item for item in containers if _within(opening.host, ["/".join(item.parts)])), containers[0])
    homes = {*groups, *(item.parts[:-1] for item in containers)}
    others = [item.parts for item in containers if item is not chosen]
    opened.own_refusals = [*_told_of(refusals, chosen.parts[:-1], homes, others), *opened.own_refusals]
    return opened


def _told_of(refusals: list[Refusal], home: Parts, homes: Collection[Parts], others: list[Parts]) -> list[Refusal]:
    """What was refused in the folder of one host, or where none is at home; each host tells its own.

    `homes` are the folders of all hosts, the deepest one counts; `others` are further hosts that are containers.
    """

    def is_own(item: Refusal) -> bool:
        parts = tuple(item.path.split("/")) if item.path else ()
        if item.fault in _OF_ALL or not parts:
            return True
        owner = max((place for place in homes if parts[: len(place)] == place), key=len, default=home)
        return owner == home and not any(parts[: len(other)] == other for other in others)

    return [item for item in refusals if is_own(item)]


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
    """Known by their names; of a VMDK that is several files, the one that describes it."""
    found = [item for item in members if not item.why and item.parts[-1].casefold().endswith(_INNER)]
    names = {"/".join(item.parts).casefold() for item in found}
    return [item for item in found if _EXTENT.sub(".vmdk", text := "/".join(item.parts).casefold()) == text
            or _EXTENT.sub(".vmdk", text) not in names]  # fmt: skip


def _likely(members: list[Member]) -> list[Member]:
    """What may be a raw image, or another one under a wrong name, by its name and size."""
    return [
        item
        for item in members
        if not item.why
        and item.size >= 4096
        and ("." not in item.parts[-1] or item.parts[-1].casefold().endswith(_INNER_RAW))
    ]


def _images(likely: list[Member]) -> list[Member]:
    """Those of them that begin as an image does."""
    return [item for item in likely[:_MOST_HEADS] if _begins_as_image(item)]


def _begins_as_image(member: Member) -> bool:
    try:
        with member.open() as handle:
            head = handle.read(512)
    except DAMAGE:
        return False
    if head[:8] == b"EVF\x09\x0d\x0a\xff\x00":
        return head[9:11] == b"\x01\x00"
    known = head.startswith((b"KDMV", b"# Disk Desc", b"vhdxfile", b"QFI\xfb", b"conectix", b"ADSEGMENTEDFILE\x00"))
    return known or head[510:] == b"\x55\xaa" or head[3:11] == b"-FVE-FS-" or head[64:68] == b"\x7f\x10\xda\xbe"


def _companions(item: Member, members: list[Member]) -> list[Member]:
    """The further segments of a set, from the same folder of the collection."""
    stem, _, suffix = item.parts[-1].casefold().rpartition(".")
    fits = next((others for first, others in _SETS if first.fullmatch(f".{suffix}")), None)
    if fits is None:
        return []
    return [
        other
        for other in members
        if other is not item and not other.why and other.parts[:-1] == item.parts[:-1]
        and (name := other.parts[-1].casefold()).rpartition(".")[0] == stem and fits.fullmatch(name[len(stem):])
    ]  # fmt: skip


def _apart(item: Member, what: str) -> Refusal:
    return Refusal("/".join(item.parts), "not_read", f"{what}: open it on its own")


def _equals(containers: list[Member], prefixes: list[Prefix]) -> list[Member]:
    """Containers that lie where a collection lies: in the folder of a collected tree, in one above it, or elsewhere.

    Not one below a drive, nor one in a folder of the collection's own beside its drives.
    """
    tops, groups = {prefix.parts for prefix in prefixes}, {prefix.group for prefix in prefixes}
    found = []
    for item in containers:
        place = item.parts[:-1]
        above = {place[:depth] for depth in range(len(place) + 1)}
        if not above & tops and (place in groups or not above & groups):
            found.append(item)
    return found


def _within(host: str | None, labels: list[str]) -> bool:
    """Whether a host is one of these containers, or in one of them."""
    return host is not None and any(host == label or host.startswith(f"{label}/") for label in labels)


def _beside(containers: list[Member], prefixes: list[Prefix]) -> list[Refusal]:
    """Containers that lie beside the drives were not looked into: they may be the same collection once more.

    One below a drive of any host is a file of that host.
    """
    tops = {prefix.parts for prefix in prefixes}
    return [
        _apart(item, "a container beside the collected tree")
        for item in containers
        if not any(item.parts[:depth] in tops for depth in range(len(item.parts)))
    ]


def _contained(
    name: str, containers: list[Member], opening: Opening, inner: Callable[[Member, Opening], OpenedEvidence]
) -> OpenedEvidence:
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
    known = originals_of(members, group, refusals)
    _tell_originals(trees, known)
    own = [item for item in members if item.parts[: len(group)] == group]
    lost, unlisted = missing(known.taken, own, trees, (item.path for item in refusals if item.folder))
    opened = OpenedEvidence(name, kind, trees, [*refusals, *lost])
    opened.unlisted = unlisted
    return opened


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
