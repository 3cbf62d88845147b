"""Programs of well-known makers beside a library that they load from their own folder: how LODEINFO and ANEL start.

The makers' program is genuine; what is not is the library beside it, in a folder that the maker never installed to.
Pairs are data (rules/group.yml, `pairs`). Rows of any artifact that names files count: file system, journal, Amcache,
shimcache, prefetch with the libraries that a run opened. Nothing here knows the files' content: a portable or moved
installation of the maker looks the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from forensics.model import Finding
from forensics.rules import load
from forensics.sessions.rows import Row, Rows, because, ids_of
from forensics.sessions.texts import norm

_PATHS = ("file_path", "path_tail", "executable", "old_path")
_KINDS = (
    "file.created", "file.deleted", "usn.file_created", "usn.file_renamed", "usn.file_written", "usn.file_deleted",
    "mft.entry", "process.created", "amcache.file", "shimcache.entry", "bam.run", "userassist.run", "prefetch.run",
    "pca.launch",
)  # fmt: skip


class Pair(NamedTuple):
    """A program, the library that is put beside it, other files of the set, and the folders of its maker."""

    id: str
    used_by: str
    program: str
    library: str
    others: tuple[str, ...]
    home: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Every file name of the set."""
        return (self.program, self.library, *self.others)


@cache
def pairs() -> tuple[Pair, ...]:
    """The pairs, folded."""
    return tuple(
        Pair(
            item["id"], item["used_by"], item["program"].casefold(), item["library"].casefold(),
            tuple(name.casefold() for name in item.get("others", ())),
            tuple(part.casefold() for part in item["home"]),
        )
        for item in load("group")["pairs"]
    )  # fmt: skip


def findings(rows: Rows, label: str) -> list[Finding]:
    """One finding for each pair and folder outside its maker's, in the order of pairs and folders."""
    wanted = {name for pair in pairs() for name in pair.names}
    found: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows.of(*_KINDS):
        for path in _paths(row, wanted):
            folder, _, name = path.rpartition("\\")
            found[folder][name].append(row)
    told = (
        _finding(pair, folder, found[folder], label)
        for pair in pairs()
        for folder in sorted(found)
        if not any(part in folder + "\\" for part in pair.home)
    )
    return [item for item in told if item is not None]


def _paths(row: Row, wanted: set[str]) -> Iterator[str]:
    """The paths of a row whose last component is one of these names; those of prefetch begin at a volume."""
    listed = row.fields.get("file_names", ())
    texts: Iterable[str] = (row.get(name) for name in _PATHS)
    for text in dict.fromkeys((*texts, *(listed if isinstance(listed, tuple) else ()))):
        if text and text.rpartition("\\")[2].rpartition("/")[2].casefold() in wanted:
            yield norm(text.removeprefix("\\") if text.upper().startswith("\\VOLUME{") else text)


def _finding(pair: Pair, folder: str, here: dict[str, list[Row]], label: str) -> Finding | None:
    there = [name for name in pair.names if name in here]
    both = pair.program in here and pair.library in here
    if not there or (there == [pair.program] and "\\prefetch" in folder):
        return None
    basis = [row for name in there for row in here[name]]
    ids = ids_of(basis)
    if both:
        level, what = "high", f"{pair.program} lies beside {pair.library} in {folder or 'a folder that is not known'}"
    else:
        level, what = "low", f"{', '.join(there)} in {folder or 'a folder that is not known'}, without its counterpart"
    why = f"{pair.id} (T1574.001): {what}: {pair.used_by} starts so; a moved installation of the maker looks the same"
    return Finding("group.sideloading", level, because(why, basis), ids, label)
