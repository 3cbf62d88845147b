"""The configurations that exist on the host, what they are worth, and which one a session ran with.

A configuration is a .wsb file (`sandbox.config`) or the XML that a command line carries. A session is joined to one by
the path its launch names, else by what the launcher opened or the user touched at that time; the latter is an
inference and its reason says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from forensics.formats.wsb import default_folder, read_inline
from forensics.model import MappedFolder, SandboxConfig, SandboxSettings
from forensics.rules.engine import Hit, hits, rules_of, total
from forensics.sessions.rows import Group, Row, Rows, because, grouped, ids_of, short
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
from forensics.sessions.sandbox_launch import role
from forensics.sessions.texts import basename, norm, wsb_path

_FOLDER = re.compile(r"^(?P<host>.*?)(?: -> (?P<guest>.*?))? \((?P<mode>rw|ro)\)$", re.DOTALL)
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


@dataclass(slots=True)
class Known:
    """One configuration with the rows that hold it. `facts` is what the rules look at."""

    settings: SandboxSettings
    facts: dict[str, object]
    sha256: str | None
    rows: list[Row] = field(default_factory=list)
    inline: bool = False
    gone: bool = False
    recovery: str = ""  # where the content comes from when it is not from the file itself

    @property
    def deleted(self) -> bool:
        """Whether the file lies in the recycle bin or is removed for good."""
        return self.gone or "$recycle.bin" in self.settings.source.casefold()

    def hits(self) -> list[Hit]:
        """The rules that the configuration fulfils."""
        return hits(rules_of("sandbox", "config_rules"), self.facts)


class Configs:
    """All configurations of a host, to be asked by path, by command line, or by time."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._journal: dict[str, list[Row]] = {}
        for row in rows.of(*change_kinds()):
            if _is_wsb(row.get("file_path")):
                self._journal.setdefault(norm(row.get("file_path")), []).append(row)
        self._files: dict[str, Known] = {}
        for group in sorted(grouped(rows.of("sandbox.config")), key=_is_recovered):
            self._add_file(group)
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
        key = _place(group).casefold()
        known = self._files.get(key)
        if known is not None and _is_recovered(group) and known.sha256 != _hash(group):
            key = f"{key} ({group.source})".casefold()  # an older content of a file that was made anew
            known = self._files.get(key)
        if known is None:
            known = self._files[key] = _of_file(group)
        known.rows += group.rows

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
        return tuple(_scored(known, host) for known in [*files, *inline])

    def at(self, path: str) -> Known | None:
        """The file of that path (the drive counts where two volumes hold it); of a bare name the only one called so."""
        exact = self._files.get(path.strip('"').replace("\\", "/").casefold())
        same = [known for key, known in sorted(self._files.items()) if norm(key) == norm(path)]
        if exact or same:
            return exact or same[0]
        if (moved := self._binned.get(norm(path))) and (known := self._files.get(moved)):
            return known
        if "\\" in path.replace("/", "\\"):
            return None
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
    return [name for name in _texts(row, "file_names") if _is_wsb(name)] if once else []


def opened_none(executed: Iterable[Row]) -> bool:
    """Whether the prefetch file of the launcher's only run lists what was opened, and no configuration among it."""
    once = [
        row for row in executed
        if row.kind == "prefetch.run" and row.fields.get("run_count") == 1 and role(row) == "launcher"
    ]  # fmt: skip
    return any(_texts(row, "file_names") for row in once) and not any(_opened(row) for row in once)


def _texts(row: Row, name: str) -> tuple[str, ...]:
    value = row.fields.get(name, ())
    return value if isinstance(value, tuple) else ()


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


def _is_recovered(group: Group) -> bool:
    return group.fields.get("recovered") is True or _snapshot(group) != ""


def _snapshot(group: Group) -> str:
    """The shadow copy that alone has the file, "" for a live one."""
    return group.rows[0].snapshot


def _hash(group: Group) -> str | None:
    """The hash of the configuration's own bytes."""
    recovered = group.fields.get("recovered") is True
    return group.get("file_sha256") or None if recovered else group.source.sha256


def _place(group: Group) -> str:
    """Where the file is or was: its own place, not that of the record or snapshot it was recovered from."""
    if group.fields.get("recovered") is not True:
        return group.source.path
    return (group.get("file_path") or group.get("path_tail")).replace("\\", "/")


def _of_file(group: Group) -> Known:
    settings = _settings(group)
    facts = facts_of(
        settings,
        _place(group),
        _texts(group.rows[0], "wsb_defaults"),
        malformed=group.fields.get("wsb_malformed") is True,
        dtd=group.fields.get("wsb_dtd") is True,
    )
    if not _is_recovered(group):
        return Known(settings, facts, group.source.sha256)
    if snapshot := _snapshot(group):
        why = f"content from shadow copy {snapshot}: the live volume has no such file, or another content"
        return Known(settings, facts, _hash(group), gone=True, recovery=because(why, group.rows))
    gone = group.fields.get("file_deleted") is True
    why = "the file is deleted" if gone else "the file itself is not in the evidence"
    recovery = because(f"content recovered from {group.source.path}, {group.source.locator}: {why}", group.rows)
    return Known(settings, facts, _hash(group), gone=gone, recovery=recovery)


def _settings(group: Group) -> SandboxSettings:
    def flag(name: str) -> bool | None:
        value = group.fields.get(name)
        return value if isinstance(value, bool) else None

    memory = group.fields.get("wsb_memory_mb")
    unknown = (text.partition("=") for text in _texts(group.rows[0], "wsb_unknown"))
    return SandboxSettings(
        source=_place(group),
        networking=flag("wsb_networking"),
        vgpu=flag("wsb_vgpu"),
        memory_mb=memory if isinstance(memory, int) else None,
        logon_command=group.get("wsb_logon_command") or None,
        clipboard=flag("wsb_clipboard"),
        protected_client=flag("wsb_protected_client"),
        mapped_folders=tuple(_folder(text) for text in _texts(group.rows[0], "wsb_mapped_folders")),
        unknown={name: value for name, _, value in unknown},
    )


def _folder(text: str) -> MappedFolder:
    match = _FOLDER.match(text)
    if not match:
        return MappedFolder(text, None, read_only=False)
    return MappedFolder(match["host"], match["guest"] or None, match["mode"] == "ro")


def facts_of_path(path: str) -> dict[str, object]:
    """What the rules look at of a configuration of which only the place is known."""
    settings = SandboxSettings(source=path, networking=False)
    return facts_of(settings, path, (), malformed=False, dtd=False)


def facts_of(
    settings: SandboxSettings, path: str, absent: tuple[str, ...], *, malformed: bool, dtd: bool
) -> dict[str, object]:
    """What the config_rules of rules/sandbox.yml look at."""
    writable = tuple(folder.host for folder in settings.mapped_folders if not folder.read_only)
    guests = tuple(folder.sandbox or default_folder(folder.host) or "" for folder in settings.mapped_folders)
    command = (settings.logon_command or "").casefold().replace("/", "\\")
    return {
        "path": path or None,
        "host_folders": tuple(folder.host for folder in settings.mapped_folders),
        "writable_folders": writable,
        "sandbox_folders": tuple(guest for guest in guests if guest),
        "writable": bool(writable),
        "writable_count": len(writable),
        "logon_command": settings.logon_command,
        "command_in_mapped": any(_within(command, guest) for guest in guests),
        "network_on": settings.networking is not False,
        "network_enabled": settings.networking is True and "Networking" not in absent,
        "memory_mb": settings.memory_mb,
        "malformed": malformed,
        "dtd": dtd,
        "unknown": tuple(settings.unknown),
    }


def _within(command: str, guest: str) -> bool:
    folder = guest.casefold().replace("/", "\\").rstrip("\\")
    return bool(folder) and folder + "\\" in command


def _scored(known: Known, host: str) -> SandboxConfig:
    found = known.hits()
    reasons = [because(str(hit), known.rows) for hit in found]
    if known.recovery:
        reasons.append(known.recovery)
    if known.facts["malformed"]:
        reasons.append("not well-formed XML: read as far as it goes")
    if known.settings.unknown:
        reasons.append(f"elements that nobody documents: {short(', '.join(known.settings.unknown))}")
    if not found:
        reasons.append("none of the rules for configurations matches")
    return SandboxConfig(
        source=known.settings.source,
        sha256=known.sha256,
        deleted=known.deleted,
        settings=known.settings,
        score=total(found),
        reasons=tuple(reasons),
        events=ids_of(known.rows),
        host=host,
    )
