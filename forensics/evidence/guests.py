r"""Surviving disks of sandbox sessions, opened where they lie: each becomes a drive of its own, `guest-<GUID>:`.

A session's disk is deleted when it closes; one that is there means a crash, a pulled plug or a host that was imaged
while the sandbox ran, and then the guest's event logs, registry and files can be read, which tell what was done inside
(published for MirrorFace's use of the Sandbox: $MFT, change journal, registry and event logs are in it; prefetch and
SRUM were not recorded). The guest is another machine: its drive is never one of the host's, and what is read from it
goes into no join about the host. Files of Windows itself are links to the host's layer there and are not read
(inference).

Only the live Windows volume is searched, no shadow copy of it; a disk inside a guest's disk is not looked for.
At most eight are opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import BinaryIO
from uuid import UUID

from forensics.evidence.base import DAMAGE, Found, Noted, Opening, Refusal, Tree, reason
from forensics.evidence.globs import GlobSet
from forensics.evidence.image import volumes_of
from forensics.evidence.imagetree import ImageTree
from forensics.evidence.members import MemberTree
from forensics.evidence.opened import OpenedEvidence
from forensics.evidence.vhdx_chain import Chain, ChainError, Opener, open_chain
from forensics.model import GUEST_DRIVE

MOST = 8
# A member of an archive is unpacked by every process before its middle can be read, parents as well: so for all guests.
_MOST_PACKED = 2 * 1024**3
_FOLDER = "ProgramData/Microsoft/Windows/Containers"
DISKS = tuple(f"{_FOLDER}/{kind}/*/sandbox.vhdx" for kind in ("Sandboxes", "ContainerStorages"))
_READ = GlobSet(
    (
        "Windows/System32/winevt/Logs/*.evtx", "Windows/System32/config/*", "Windows/System32/config/systemprofile/**",
        "Windows/ServiceProfiles/*/NTUSER.DAT*", "Windows/AppCompat/Programs/Amcache.hve*", "Windows/Prefetch/*",
        "Windows/System32/Tasks/**", "Users/**", "**/*.wsb", "$MFT", "$Extend/$UsnJrnl:$J", "$Extend/$J",
    )
)  # fmt: skip


def storage_of(drive: str) -> str:
    """The folded name of the folder that a guest's disk lay in: the GUID of its machine or of its storage."""
    return drive.removeprefix(GUEST_DRIVE).rstrip(":")


class GuestTree:
    """The file system of a guest, as far as it is read: logs, registry, profiles, tasks, prefetch, file table."""

    def __init__(self, drive: str, tree: ImageTree, chain: Chain) -> None:
        self.drive, self.chain = drive, chain
        self._tree = tree
        self.refusals = tree.refusals

    def find(self, globs: GlobSet) -> Iterator[Found]:
        """As its file system's, of what is read."""
        return (found for found in self._tree.find(globs) if _READ.matches(found.path))

    def blocked(self, globs: GlobSet) -> Iterator[Found]:
        """What of it cannot be opened."""
        return (found for found in self._tree.blocked(globs) if _READ.matches(found.path))

    def noted(self, path: str) -> Noted:
        """No collector noted anything of it."""
        return self._tree.noted(path)

    def is_whole(self, path: str) -> bool:
        """As its file system has it."""
        return self._tree.is_whole(path)

    def open(self, path: str) -> BinaryIO:
        """A read-only stream over the file."""
        return self._tree.open(path)

    def times(self, path: str) -> dict[str, datetime]:
        """The file's own times."""
        return self._tree.times(path)


def add_guests(opened: OpenedEvidence) -> None:
    """Open the surviving disks of the evidence as further drives; what cannot be read of them is said."""
    found, opener = _surviving(opened.trees["C:"]), _Opener(opened)
    for number, item in enumerate(found):
        if number >= MOST:
            why = f"the {len(found)} disks of sandbox sessions are more than the {MOST} that are opened"
            opened.own_refusals.append(Refusal(item.path, "budget", why))
            return
        _add(opened, item, opener)


class _Opener:
    """Opens files of the evidence, out of an archive no more than is unpacked for all guests together."""

    def __init__(self, opened: OpenedEvidence) -> None:
        self._opened, self._left = opened, _MOST_PACKED
        self._packed = any(word in opened.kind for word in ("zip", "tar"))

    def __call__(self, path: str) -> BinaryIO:
        tree = self._opened.trees.get(path.partition("/")[0])
        if self._packed and isinstance(tree, MemberTree):
            size = tree.size(path.partition("/")[2])
            if size > self._left:
                raise ChainError(
                    f"{path}, {size:,} bytes inside an archive: unpack it and open the folder to have it read"
                )
            self._left -= size
        return self._opened.open(path)


def _surviving(live: Tree) -> list[Found]:
    """The disks on the live volume. Every process looks for them, so in an image only their folders are walked."""
    globs = GlobSet(DISKS)
    found = live.listed(globs) if isinstance(live, ImageTree) else live.find(globs)
    return sorted((replace(item, path=f"{live.drive}/{item.path}") for item in found), key=lambda item: item.path)


def _add(opened: OpenedEvidence, item: Found, opener: Opener) -> None:
    def refuse(why: str) -> None:
        opened.own_refusals.append(Refusal(item.path, "not_read", f"the guest's disk: {why}"))

    drive = _drive(item.path)
    if drive in opened.trees:
        refuse(f"another disk of {storage_of(drive)} is read already")
        return
    try:
        chain = open_chain(item.path, opener)
        tree = _tree(chain)
    except ChainError as error:
        refuse(str(error))
        return
    except (MemoryError, *DAMAGE) as error:  # whatever is in it, the host is read all the same
        refuse(reason(error))
        return
    for fault in chain.faults:
        refuse(fault)
    opened.trees[drive] = GuestTree(drive, tree, chain)
    what = "the disk of a session of Windows Sandbox or Application Guard survived"
    opened.notices.append(f"{what}: {' on '.join(chain.paths)} is read as {drive}")


def _drive(path: str) -> str:
    folder = path.rpartition("/")[0].rpartition("/")[2].casefold()
    try:
        return f"{GUEST_DRIVE}{UUID(folder)}:"
    except ValueError:
        plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in folder)
        return f"{GUEST_DRIVE}{plain[:40]}:"


def _tree(chain: Chain) -> ImageTree:
    """The NTFS volume that looks like a Windows volume, else the first."""
    volumes = volumes_of(chain.stream, Opening())
    trees = [tree for tree in volumes.trees if getattr(tree.fs, "__type__", "") == "ntfs"]
    if not trees:
        raise ChainError(f"no NTFS volume opens on it ({volumes.notes or 'no file system was found'})")
    return next((tree for tree in trees if tree.has_windows()), trees[0])
