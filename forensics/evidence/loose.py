"""A bare folder of files, without the Windows tree they come from: each is known by its content, not by its name.

Event logs, hives, prefetch files, $MFT, change journals, tasks and sandbox configurations say what they are in their
first bytes, VS Code's logs and state files in their first lines (`loosetext.py`). What does not is taken by a name that
only one program uses. Such a file stands for the place where it would lie; its own path stays its source, and the user
it belonged to is not known.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from forensics.evidence.base import DAMAGE, Found
from forensics.evidence.globs import GlobSet, normal
from forensics.evidence.loosetext import role_of
from forensics.evidence.members import Member, MemberTree
from forensics.formats.usn import decode as usn_record
from forensics.model import LOOSE

_HEAD = 4096
_MOST = 100_000
_CONFIG, _LOGS = "Windows/System32/config", "Windows/System32/winevt/Logs"
_HIVES = {
    "system": f"{_CONFIG}/SYSTEM",
    "software": f"{_CONFIG}/SOFTWARE",
    "sam": f"{_CONFIG}/SAM",
    "security": f"{_CONFIG}/SECURITY",
    "default": f"{_CONFIG}/DEFAULT",
    "ntuser.dat": "Users/_/NTUSER.DAT",
    "usrclass.dat": "Users/_/AppData/Local/Microsoft/Windows/UsrClass.dat",
    "amcache.hve": "Windows/AppCompat/Programs/Amcache.hve",
}
# Names that only one program uses: taken by name.
_NAMED = {
    "activitiescache.db": "Users/_/AppData/Local/ConnectedDevicesPlatform/_/ActivitiesCache.db",
    "pcaapplaunchdic.txt": "Windows/appcompat/pca/PcaAppLaunchDic.txt",
    "pcageneraldb0.txt": "Windows/appcompat/pca/PcaGeneralDb0.txt",
    "pcageneraldb1.txt": "Windows/appcompat/pca/PcaGeneralDb1.txt",
    "srudb.dat": "Windows/System32/sru/SRUDB.dat",
    "consolehost_history.txt": (
        "Users/_/AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine/ConsoleHost_history.txt"
    ),
}


class LooseTree(MemberTree):
    """Loose files: searched by what they are, opened by where they lie."""

    def __init__(self, roles: dict[str, str]) -> None:
        super().__init__(LOOSE)
        self._roles = roles

    def find(self, globs: GlobSet) -> Iterator[Found]:
        """The files that stand for a place that a glob matches."""
        for key in sorted(self._held):
            held, role = self._held[key], self._roles.get(key)
            if role and (matched := globs.matches(role)):
                yield Found(held.spelled, held.member.size, matched, loose=True)


def loose_tree(members: Iterable[Member]) -> LooseTree | None:
    """The members whose kind is known; None when there is none."""
    roles: dict[str, str] = {}
    kept: list[Member] = []
    for member in list(members)[:_MOST]:
        if member.why:
            continue
        kept.append(member)
        if role := _role(member):
            roles[normal("/".join(member.parts))] = role
    if not roles:
        return None
    tree = LooseTree(roles)
    for member in kept:
        tree.add("/".join(member.parts), member)
    return tree


def _role(member: Member) -> str | None:
    """The place that a file stands for."""
    name = member.parts[-1].casefold()
    try:
        with member.open() as handle:
            head = handle.read(_HEAD)
    except DAMAGE:
        return None
    if head.startswith(b"ElfFile\x00"):
        return f"{_LOGS}/{member.parts[-1].removesuffix('.evtx')}.evtx"
    if head.startswith(b"regf"):
        return _hive(head, name)
    if head[4:8] == b"SCCA" or head[:3] == b"MAM":
        return f"Windows/Prefetch/{name.removesuffix('.pf')}.pf"
    if head[:4] in (b"FILE", b"BAAD") and member.size % 1024 == 0:
        return "$MFT"
    if usn_record(head, 0, 0) is not None:
        return "$Extend/$J"
    return _text(head, name)


def _hive(head: bytes, name: str) -> str | None:
    """A hive by the file name that Windows wrote into its header; a log of a hive is none."""
    if len(head) < 512 or struct.unpack_from("<I", head, 28)[0] != 0:
        return None
    inner = head[48:112].decode("utf-16-le", "replace").partition("\x00")[0].casefold().replace("/", "\\")
    for known, place in _HIVES.items():
        if inner.endswith(known) or (not inner and known in name):
            return place
    return next((place for known, place in _HIVES.items() if known.partition(".")[0] in name), f"{_CONFIG}/SYSTEM")


def _text(head: bytes, name: str) -> str | None:
    whole = _decoded(head).lstrip("\ufeff \r\n\t")
    text = whole.casefold()
    if text.startswith("<") and "<configuration" in text and "<task" not in text:
        return f"Users/_/{name.removesuffix('.wsb')}.wsb"
    if text.startswith("<") and "<task" in text and "schemas.microsoft.com/windows/2004/02/mit/task" in text:
        return f"Windows/System32/Tasks/{name}"
    if role := role_of(head, whole, name):
        return role
    return _NAMED.get(name)


def _decoded(head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head[1:2] == b"\x00":
        return head.decode("utf-16" if head[:1] in (b"\xff", b"\xfe") else "utf-16-le", "replace")
    return head.decode("utf-8", "replace")


__all__ = ["LOOSE", "LooseTree", "loose_tree"]
