"""The only room that touches evidence: open it, say what it is, find files, hand out read-only streams.

`open_evidence` succeeds only when a Windows installation was found; "the open did not raise" is never taken for
success (dissect.target returns empty targets without an error for many common collections). Files are found by our own
case-insensitive globs over the opened file system, so a missing SOFTWARE hive hides nothing.
"""

from __future__ import annotations

from pathlib import Path

from forensics.evidence.base import EvidenceError, Found, Opening, Tree
from forensics.evidence.opened import OpenedEvidence

__all__ = ["EvidenceError", "Found", "OpenedEvidence", "Opening", "Tree", "open_evidence"]


def open_evidence(path: str | Path, opening: Opening | None = None) -> OpenedEvidence:
    """Open a disk image, a collection folder, a collection zip or any folder that holds a Windows tree.

    Raises EvidenceError with one sentence for a person when it cannot be opened or holds no Windows installation.
    """
    location, how = Path(path), opening or Opening()
    if location.is_dir():
        from forensics.evidence.folder import open_folder

        return open_folder(location, how)
    if not location.is_file():
        raise EvidenceError(f"{location} does not exist" if not location.exists() else f"{location} is not a file")
    from forensics.evidence.archive import is_zip, open_archive

    if is_zip(location):
        return open_archive(location, how)
    from forensics.evidence.image import open_image

    return open_image(location, how)
