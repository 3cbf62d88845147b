r"""Programs of the logon screen that are something else, by what the $MFT says of their files.

`sethc.exe` and its like start as SYSTEM before anybody logs on. The table has their size, the birth of their name and
the names that lead to them, also where nobody collected the files. In a Windows as it was set up each file of System32
is a hard link of one below WinSxS; a copy of `cmd.exe` put there is not, has the size of `cmd.exe`, and is younger than
its neighbours. All of that is inferred, and each sign has its harmless reason beside it; where the file itself is at
hand, its content decides (`accessibility_replaced`). Signs are told only where the neighbours do not have them.
Hard links of servicing: from memory [M].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from forensics.artifacts.base import FileInput, Kind
from forensics.formats.mft import Entry
from forensics.formats.ntfspaths import Folders, reference_text
from forensics.model import Fact, Value, make_fact
from forensics.times import Moment, from_filetime, iso

_FOLDER = "\\windows\\system32"
_STORE = "\\windows\\winsxs\\"
PROGRAMS = frozenset({
    "sethc.exe", "utilman.exe", "osk.exe", "magnify.exe", "narrator.exe", "displayswitch.exe", "atbroker.exe",
})  # fmt: skip
_SHELLS = {
    "cmd.exe": _FOLDER, "taskmgr.exe": _FOLDER, "mmc.exe": _FOLDER,
    "powershell.exe": f"{_FOLDER}\\windowspowershell\\v1.0", "explorer.exe": "\\windows",
}  # fmt: skip
_NAMES = PROGRAMS | frozenset(_SHELLS)
_LATER = timedelta(days=1)
_NEIGHBOURS = 3  # fewer tell nothing of how this Windows was set up


@dataclass(frozen=True, slots=True)
class _Seen:
    """One of the files, as the table has it."""

    entry: Entry
    path: str
    born: Moment
    linked: bool


class LogonScreen:
    """Collects the programs while the table is read, and compares them at its end."""

    def __init__(self) -> None:
        self._programs: dict[str, _Seen] = {}
        self._sizes: dict[int, str] = {}

    def take(self, entry: Entry, folders: Folders) -> None:
        """Note a file when it is one of the programs or of the shells that they are replaced by."""
        for name in entry.names:
            folded = name.name.casefold()
            if folded not in _NAMES or not entry.in_use:
                continue
            place = folders.place(name.parent)
            folder = place.path.casefold() if place.whole else ""
            if folded in PROGRAMS and folder == _FOLDER:
                linked = any(folders.place(item.parent).path.casefold().startswith(_STORE) for item in entry.names)
                born = from_filetime(name.times.born)
                self._programs[folded] = _Seen(entry, place.of(name.name), born, linked)
            elif _SHELLS.get(folded) == folder and entry.size:
                self._sizes[entry.size] = folded

    def facts(self, given: FileInput) -> Iterator[Fact]:
        """One row for each program that does not look like what Windows put there."""
        for name, seen in sorted(self._programs.items()):
            signs = list(self._signs(name, seen))
            if not signs:
                continue
            path = given.drive + seen.path
            fields: dict[str, Value | None] = {
                "mechanism": "accessibility_replaced",
                "location": path.rpartition("\\")[0],
                "entry_name": path.rpartition("\\")[2],
                "command_line": path,
                "file_path": path,
                "file_size": seen.entry.size,
                "file_reference": reference_text(seen.entry.ref),
                "table_note": "; ".join(signs),
            }
            source = given.source(f"MFT record {seen.entry.number}")
            yield make_fact("mft.program_odd", source, {"Creation Time": seen.born}, fields)

    def _signs(self, name: str, seen: _Seen) -> Iterator[str]:
        size = seen.entry.size
        if size and size in self._sizes:
            yield f"as large as {self._sizes[size]} ({size} bytes), so a copy of it (inferred; chance is a rare cause)"
        others = [item for other, item in self._programs.items() if other != name]
        linked = sum(item.linked for item in others)
        if seen.linked or linked < _NEIGHBOURS or linked < len(others) - 1:
            return
        yield (
            f"no hard link of it below WinSxS, as {linked} of {len(others)} programs beside it have (inferred; a file "
            "that was restored or copied back has none either)"
        )
        births = [item.born for item in others if isinstance(item.born, datetime)]
        if births and isinstance(seen.born, datetime) and seen.born > max(births) + _LATER:
            yield (
                f"its name was made at {iso(seen.born)}, after those beside it, the last at {iso(max(births))} "
                "(inferred; an update can replace one of them alone)"
            )


PROGRAM_ODD = Kind(
    "{file_path} is not as Windows put it, by the $MFT: {table_note}",
    {
        "mechanism": str,
        "location": str,
        "entry_name": str,
        "command_line": str,
        "file_path": str,
        "file_size": int,
        "file_reference": str,
        "table_note": str,
    },
    data_type="fs:stat:ntfs",
)
