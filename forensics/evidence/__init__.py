"""The only room that touches evidence: open it, say what it is, find files, hand out read-only streams.

`open_evidence` succeeds only when a Windows installation was found; "the open did not raise" is never taken for
success (dissect.target returns empty targets without an error for many common collections). Files are found by our own
case-insensitive globs over the opened file system, so a missing SOFTWARE hive hides nothing.
"""

from __future__ import annotations

from pathlib import Path

from forensics.evidence.base import SNAPSHOT, EvidenceError, Found, Opening, SeveralError, Tree
from forensics.evidence.opened import OpenedEvidence

__all__ = ["EvidenceError", "Found", "OpenedEvidence", "Opening", "SeveralError", "Tree", "open_evidence"]


def open_evidence(path: str | Path, opening: Opening | None = None) -> OpenedEvidence:
    """Open a disk image, a collection (folder, zip, tar, container), a folder with a Windows tree, or loose files.

    Raises EvidenceError with one sentence for a person when it cannot be opened or holds nothing known; SeveralError
    when it holds several hosts and `opening.host` does not choose one.
    """
    location, how = Path(path), opening or Opening()
    opened = _opened(location, how)
    if how.snapshots and not any(SNAPSHOT in drive for drive in opened.trees):
        opened.notices.append("--vss was given, and there are no shadow copies in this evidence")
    if "C:" in opened.trees:
        from forensics.evidence.guests import add_guests

        add_guests(opened)
    return opened


def _opened(location: Path, how: Opening) -> OpenedEvidence:
    if location.is_dir():
        from forensics.evidence.folder import open_folder

        return open_folder(location, how)
    if not location.is_file():
        raise EvidenceError(f"{location} does not exist" if not location.exists() else f"{location} is not a file")
    from forensics.evidence.containers import open_container

    # A link that the user names is the user's choice; what it leads to is opened, and only that.
    return open_container(location.resolve() if location.is_symlink() else location, how, top=True)
