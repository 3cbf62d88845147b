"""The configurations that exist on the host, what they are worth, and which one a session ran with.

A configuration is a .wsb file (`sandbox.config`) or the XML that a command line carries. A session is joined to one by
the path its launch names, else by what the launcher opened or the user touched at that time; the latter is an
inference and its reason says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from forensics.formats.wsb import read_inline
from forensics.model import SandboxConfig
from forensics.sessions.rows import Group, Row, Rows, because, grouped, ids_of
from forensics.sessions.sandbox_disk import seconds
from forensics.sessions.sandbox_hints import (
    ACCESS,
    CHANGE,
    LINK,
    PREFETCH,
    RECENT,
    Candidate,
    change_kinds,
    link_rows,
    ranked,
)
from forensics.sessions.sandbox_known import (
    Known,
    facts_of,
    hash_of,
    is_recovered,
    is_tail,
    known_of,
    place_of,
    scored,
    texts_of,
)
from forensics.sessions.sandbox_launch import role
from forensics.sessions.texts import basename, norm, wsb_path

_MAY_CARRY = re.compile(r"configuration|(?:<|lt;)\s*(?:networking|mappedfolder|logoncommand|hostfolder)", re.IGNORECASE)
_INLINE = {
    "process.created": "command_line",
    "powershell.script_block": "script_text",
    "shell.history_line": "history_line",
    "task.defined": "command_line",
    "task.cached": "command_line",
    "task.registered": "command_line",
    "task.updated": "command_line",
    "autorun.configured": "command_line",
    "service.configured": "command_line",
    "typed.command": "command_line",
}


class Configs:
    """All configurations of a host, to be asked by path, by command line, or by time."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._journal: dict[str, list[Row]] = {}
        for row in rows.of(*change_kinds()):
            if _is_wsb(row.get("file_path")):
                self._journal.setdefault(norm(row.get("file_path")), []).append(row)
        self._files: dict[str, Known] = {}
        for group in sorted(grouped(rows.of("sandbox.config")), key=is_recovered):
            self._add_file(group)
        self._tell_damaged()
        self._inline: dict[str, Known] = {}
        for kind, name in _INLINE.items():
            for row in rows.of(kind):
                self._add_inline(row, row.get(name))
        for row in rows.of("powershell.command"):
            self._add_inline(row, row.get("script_text"))
            self._add_inline(row, row.get("command_details"))
        self._binned = dict(_binned(rows))
        self._unread: dict[str, list[Row]] = {}  # the files of which no content is in the evidence
        read = {norm(known.settings.source) for known in self._files.values()}
        for row in rows.of("mft.entry", *change_kinds()):
            path = row.get("file_path")
            if row.time and path.casefold().endswith(".wsb") and not _in_bin(path) and norm(path) not in read:
                self._unread.setdefault(norm(path), []).append(row)
        self._recent = [row for row in rows.of("recent.document") if row.time and _is_wsb(row.get("file_name"))]

    def _add_file(self, group: Group) -> None:
        """A file, or what was recovered of one: the same content under the same path is one configuration."""
        key = place_of(group).casefold()
        if is_tail(group):  # the same content at a path that ends so is the same file
            ends = (other for other, item in self._files.items() if other.endswith(f"/{key}") and not item.tail)
            key = next((other for other in ends if self._files[other].sha256 == hash_of(group)), key)
        known = self._files.get(key)
        if known is not None and is_recovered(group) and known.sha256 != hash_of(group):
            key = f"{key} ({group.source})".casefold()  # an older content of a file that was made anew
            known = self._files.get(key)
        if known is None:
            known = self._files[key] = known_of(group)
        known.rows += group.rows

    def _tell_damaged(self) -> None:
        """Say of a damaged file, and of a whole copy of it, that there are two contents of one file."""
        for known in [item for item in self._files.values() if item.facts["malformed"] and not item.recovery]:
            copy = self._copy_of(known)
            if copy is not known:
                known.note += "; " * bool(known.note) + because(
                    f"a copy that parses is in {copy.rows[0].source.path}; that one is taken", copy.rows
                )
                text = (
                    "the file itself is in the evidence and damaged (not well-formed, another content): both are listed"
                )
                copy.note = because(f"content from {copy.rows[0].source.path}; {text}", [*known.rows, *copy.rows])
                copy.recovery = ""

    def _copy_of(self, known: Known) -> Known:
        """A whole copy of a damaged file that the file table has of it now, else the file as it is."""
        path = norm(known.settings.source)
        copies = (item for item in self._files.values() if item is not known and norm(item.settings.source) == path)
        whole = [item for item in copies if not item.facts["malformed"] and not item.deleted]
        return whole[0] if known.facts["malformed"] and whole else known

    def _ending(self, path: str) -> Known | None:
        """The only file of which no more is known than an end of that path."""
        ends = [item for item in self._files.values() if item.tail and norm(path).endswith(norm(item.settings.source))]
        return ends[0] if len(ends) == 1 else None

    def _add_inline(self, row: Row, text: str) -> None:
        if not _MAY_CARRY.search(text):
            return
        config = read_inline(text)
        if config is None:
            return
        settings = config.settings(f"inline: {row.source}")
        facts = facts_of(settings, "", config.absent, malformed=config.malformed, dtd=config.dtd)
        known = self._inline.setdefault(config.xml, Known(settings, facts, None, [], inline=True))
        known.rows.append(row)

    def listed(self, host: str) -> tuple[SandboxConfig, ...]:
        """Every configuration with its score, files first, in order of place."""
        files = [known for _, known in sorted(self._files.items())]
        inline = [known for _, known in sorted(self._inline.items(), key=lambda item: item[1].rows[0].order)]
        return tuple(scored(known, host) for known in [*files, *inline])

    def at(self, path: str) -> Known | None:
        """The file of that path (the drive counts where two volumes hold it); of a bare name the only one called so."""
        exact = self._files.get(path.strip('"').replace("\\", "/").casefold())
        same = [known for key, known in sorted(self._files.items()) if norm(key) == norm(path)]
        if exact or same:
            return self._copy_of(exact or same[0])
        if (moved := self._binned.get(norm(path))) and (known := self._files.get(moved)):
            return known
        if "\\" in path.replace("/", "\\"):
            return self._ending(path)
        named = [known for key, known in sorted(self._files.items()) if basename(key) == basename(path)]
        return named[0] if len(named) == 1 else None

    def carried(self, rows: Iterable[Row]) -> Known | None:
        """The configuration that one of these command lines carries."""
        wanted = set(ids_of(rows))
        found = (known for known in self._inline.values() if wanted & set(ids_of(known.rows)))
        return min(found, key=lambda known: known.rows[0].order, default=None)

    def near(self, span: tuple[datetime, datetime], executed: Iterable[Row]) -> list[Candidate[Known | None]]:
        """Candidates for a launch that names no file, the best first; `span` is from its first trace to its start."""
        early, late = span[0] - seconds("config_before"), span[1] + seconds("config_after")
        made: dict[int, Candidate[Known | None]] = {}

        def note(known: Known | None, sort: str, rows: list[Row]) -> None:
            if known is not None and rows:
                made.setdefault(id(known), Candidate(known, known.settings.source)).add(sort, rows)

        executed = list(executed)
        for row in executed:
            for name in _opened(row):
                note(self.at(name), PREFETCH, [row])
        for row in self._recent:
            if row.time and early <= row.time <= late:
                note(self._named(row.get("file_name")), RECENT, [row])
        for name, row in link_rows(self._rows.of, early, late):
            note(self.at(name) or self._named(name), LINK, [row])
        for known in self._files.values():
            near = [row for row in self._traces(known) if row.time and early <= row.time <= late]
            note(known, ACCESS, [row for row in near if row.meaning == "Last Access Time"])
            note(known, CHANGE, [row for row in near if row.meaning != "Last Access Time"])
        found = ranked(made.values())
        return [item for item in found if not item.weak] if opened_none(executed) else found

    def lost(self, span: tuple[datetime, datetime], executed: Iterable[Row]) -> Lost | None:
        """The one .wsb that the launcher or the user opened then, and that is not in the evidence."""
        early, late = span[0] - seconds("config_before"), span[1] + seconds("config_after")
        listed = [(name, row) for row in executed for name in _opened(row)]
        recent = [(row.get("file_name"), row) for row in self._recent if row.time and early <= row.time <= late]
        for sort, named in ((PREFETCH, listed), (RECENT, recent)):
            if named:
                names = {norm(name): name for name, _ in named if not self._any_named(name)}
                one = len(names) == 1 and len({norm(name) for name, _ in named}) == 1
                return Lost(next(iter(names.values())), sort, [row for _, row in named]) if one else None
        return None

    def unread(self, span: tuple[datetime, datetime], executed: Iterable[Row]) -> list[Candidate[Known | None]]:
        """Candidates of which no more than the name and the times is known."""
        early, late = span[0] - seconds("config_before"), span[1] + seconds("config_after")
        found: list[Candidate[Known | None]] = []
        for rows in self._unread.values() if not opened_none(executed) else ():
            near = [row for row in rows if row.time and early <= row.time <= late]
            item: Candidate[Known | None] = Candidate(None, rows[0].get("file_path"))
            item.add(ACCESS, [row for row in near if row.meaning == "Last Access Time"])
            item.add(CHANGE, [row for row in near if row.meaning != "Last Access Time"])
            found.append(item)
        return ranked(found)

    def _any_named(self, name: str) -> bool:
        return any(basename(key) == basename(name) for key in self._files)

    def _traces(self, known: Known) -> list[Row]:
        """The times of the file itself, and what the change journal has of it."""
        return [*known.rows, *self._journal.get(norm(known.settings.source), ())]

    def _named(self, name: str) -> Known | None:
        named = [known for key, known in sorted(self._files.items()) if basename(key) == basename(name)]
        return named[0] if len(named) == 1 else None


@dataclass(frozen=True, slots=True)
class Lost:
    """A configuration that is named but not there: its name or path, the sort of hint, and the rows that name it."""

    name: str
    sort: str
    rows: list[Row]


def _opened(row: Row) -> list[str]:
    """The configurations in the prefetch file of a program's only run."""
    once = row.kind == "prefetch.run" and row.fields.get("run_count") == 1
    return [name for name in texts_of(row, "file_names") if _is_wsb(name)] if once else []


def opened_none(executed: Iterable[Row]) -> bool:
    """Whether the prefetch file of the launcher's only run lists what was opened, and no configuration among it."""
    once = [
        row for row in executed
        if row.kind == "prefetch.run" and row.fields.get("run_count") == 1 and role(row) == "launcher"
    ]  # fmt: skip
    return any(texts_of(row, "file_names") for row in once) and not any(_opened(row) for row in once)


def _is_wsb(name: str) -> bool:
    return name.casefold().endswith(".wsb") or wsb_path(name) is not None


def _binned(rows: Rows) -> Iterator[tuple[str, str]]:
    """(the place that a file had, its key in the recycle bin): `$I` names the place, `$R` holds the content."""
    for row in rows.of("file.recycled"):
        folder, slash, name = row.source.path.rpartition("/")
        if _is_wsb(row.get("file_path")) and name[:2].casefold() == "$i":
            yield norm(row.get("file_path")), f"{folder}{slash}$R{name[2:]}".casefold()
    for row in rows.of("usn.file_renamed"):
        if _is_wsb(row.get("old_path")) and _in_bin(row.get("file_path")):
            yield norm(row.get("old_path")), row.get("file_path").replace("\\", "/").casefold()


def _in_bin(path: str) -> bool:
    return "$recycle.bin" in path.casefold()
