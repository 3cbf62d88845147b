"""A described host as a collector leaves it, without a disk: its files, its master file table and its change journal.

`testdata.build` makes a volume with `mkntfs` and takes table and journal from it. Here both are written directly, so
that the scenarios that are not shipped can be rendered wherever the tests run.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from testdata import image
from testdata.host import Host
from testdata.journal import settings
from testdata.render import Files, Rendered, render, whole
from testdata.writers import mft


def taken(host: Host) -> Files:
    """What a triage collection of the host holds, by path."""
    files = render(host)
    described, _ = image.describe(host, files)
    table, references = mft.build(described)
    found = files | {"$MFT": Rendered(table, whole(host))}
    if described.journal:
        found["$Extend/$J"] = Rendered(described.journal(references), whole(host))
    if made := settings(host):
        found["$Extend/$Max"] = Rendered(made, whole(host))
    return {path: file for path, file in found.items() if not _left(host, path)}


def _left(host: Host, path: str) -> bool:
    return any(fnmatchcase(path.casefold(), pattern.casefold()) for pattern in host.not_taken)
