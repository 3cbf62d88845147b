"""One configuration as its rows hold it: the settings, what the rules look at, and what it is worth."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from forensics.formats.wsb import LOST, default_folder
from forensics.model import MappedFolder, SandboxConfig, SandboxSettings
from forensics.rules.engine import Hit, hits, rules_of, total
from forensics.sessions.rows import Group, Row, because, ids_of, short

_FOLDER = re.compile(r"^(?P<host>.*?)(?: -> (?P<guest>.*?))? \((?P<mode>rw|ro)\)$", re.DOTALL)
_DAMAGE = re.compile("[\x00-\x1f\x7f\ufffd<>|]")  # none of these is in the name of a folder


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
    tail: bool = False  # of its path only the end is known
    note: str = ""  # which of two contents of one file this is

    @property
    def deleted(self) -> bool:
        """Whether the file lies in the recycle bin or is removed for good."""
        return self.gone or "$recycle.bin" in self.settings.source.casefold()

    def told(self) -> list[str]:
        """Reasons for taking this content for that of the file."""
        return [text for text in (self.recovery, self.note) if text]

    def hits(self) -> list[Hit]:
        """The rules that the configuration fulfils."""
        return hits(rules_of("sandbox", "config_rules"), self.facts)


def texts_of(row: Row, name: str) -> tuple[str, ...]:
    """A field that holds several texts; empty where it is absent."""
    value = row.fields.get(name, ())
    return value if isinstance(value, tuple) else ()


def is_recovered(group: Group) -> bool:
    """Whether it comes from a file's record or from a shadow copy alone, not from the live file."""
    return group.fields.get("recovered") is True or _snapshot(group) != ""


def _snapshot(group: Group) -> str:
    """The shadow copy that alone has the file, "" for a live one."""
    return group.rows[0].snapshot


def hash_of(group: Group) -> str | None:
    """The hash of the configuration's own bytes."""
    recovered = group.fields.get("recovered") is True
    return group.get("file_sha256") or None if recovered else group.source.sha256


def is_tail(group: Group) -> bool:
    """Whether only the end of a recovered file's path is known."""
    return group.fields.get("recovered") is True and not group.get("file_path")


def place_of(group: Group) -> str:
    """Where the file is or was: its own place, not that of the record or snapshot it was recovered from."""
    if group.fields.get("recovered") is not True:
        return group.source.path
    return (group.get("file_path") or group.get("path_tail")).replace("\\", "/")


def known_of(group: Group) -> Known:
    """The configuration that a fact holds."""
    settings, unread = _readable(_settings(group))
    facts = facts_of(
        settings,
        place_of(group),
        texts_of(group.rows[0], "wsb_defaults"),
        malformed=group.fields.get("wsb_malformed") is True,
        dtd=group.fields.get("wsb_dtd") is True,
    )
    if not is_recovered(group):
        return Known(settings, facts, group.source.sha256, note=unread)
    if snapshot := _snapshot(group):
        why = f"content from shadow copy {snapshot}: the live volume has no such file, or another content"
        return Known(settings, facts, hash_of(group), gone=True, recovery=because(why, group.rows))
    gone = group.fields.get("file_deleted") is True
    why = "the file is deleted" if gone else "the file itself is not in the evidence"
    recovery = because(f"content recovered from {group.source.path}, {group.source.locator}: {why}", group.rows)
    return Known(settings, facts, hash_of(group), gone=gone, recovery=recovery, tail=is_tail(group), note=unread)


def _readable(settings: SandboxSettings) -> tuple[SandboxSettings, str]:
    """The settings without folders whose name is damage, and a reason about those."""
    kept = tuple(folder for folder in settings.mapped_folders if not _DAMAGE.search(folder.host))
    lost = len(settings.mapped_folders) - len(kept)
    if not lost:
        return settings, ""
    text = f"{lost} mapped folder{'s' if lost > 1 else ''} with a damaged name: unknown, no rule was asked about that"
    return replace(settings, mapped_folders=kept, lost=(*settings.lost, "MappedFolders")), text


def _lost_parts(group: Group) -> tuple[str, ...]:
    """The elements that a damaged file may have had: unknown, where an intact file has none of them."""
    notes = texts_of(group.rows[0], "wsb_notes")
    return tuple(name for name in texts_of(group.rows[0], "wsb_defaults") if f"{name} {LOST}" in notes)


def _settings(group: Group) -> SandboxSettings:
    def flag(name: str) -> bool | None:
        value = group.fields.get(name)
        return value if isinstance(value, bool) else None

    memory = group.fields.get("wsb_memory_mb")
    unknown = (text.partition("=") for text in texts_of(group.rows[0], "wsb_unknown"))
    return SandboxSettings(
        source=place_of(group),
        networking=flag("wsb_networking"),
        vgpu=flag("wsb_vgpu"),
        memory_mb=memory if isinstance(memory, int) else None,
        logon_command=group.get("wsb_logon_command") or None,
        clipboard=flag("wsb_clipboard"),
        protected_client=flag("wsb_protected_client"),
        mapped_folders=tuple(_folder(text) for text in texts_of(group.rows[0], "wsb_mapped_folders")),
        unknown={name: value for name, _, value in unknown},
        lost=_lost_parts(group),
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
        "network_on": settings.networking is True,
        "network_enabled": settings.networking is True and "Networking" not in absent,
        "memory_mb": settings.memory_mb,
        "malformed": malformed,
        "dtd": dtd,
        "unknown": tuple(settings.unknown),
    }


def _within(command: str, guest: str) -> bool:
    folder = guest.casefold().replace("/", "\\").rstrip("\\")
    return bool(folder) and folder + "\\" in command


def scored(known: Known, host: str) -> SandboxConfig:
    """What it is worth by itself, whoever used it."""
    found = known.hits()
    reasons = [because(str(hit), known.rows) for hit in found]
    reasons += known.told()
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
