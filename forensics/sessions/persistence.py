"""Ways of coming back: run keys, services and scheduled tasks, each once however many artifacts hold it.

A task stands in its XML file, in the registry's task cache and in the logs (4698, 106); a service in the registry and
in 7045 and 4697; a Run value in the hive and in Sysmon 13. They are one entry. Every entry is listed; the score says
which to look at first, from place, program and account rather than from the mere shape.

What was recovered from free cells of a hive is no entry of the host any more. It is listed as deleted, together with
what the logs know of it, and apart from an entry of the same name that is there now.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from forensics.model import Host, PersistenceEntry, stable_id
from forensics.rules import autoruns, load
from forensics.rules.engine import hits, rules_of, total
from forensics.sessions.persistence_values import by_place, meaning, place_of, sid_in, startup_files
from forensics.sessions.projects import Projects, told
from forensics.sessions.rows import People, Row, Rows, because, ids_of, is_service_sid, stamp
from forensics.sessions.texts import basename, split_command

_TASKS = ("task.defined", "task.cached", "task.registered", "task.updated", "task.deleted")
_WRAPPED = "service.wrapper_config"
_SERVICES = ("service.configured", "service.installed")
# Kinds whose rows say that an entry is there, not that it was made once.
_DEFINITIONS = frozenset({"task.defined", "task.cached", "service.configured", "autorun.configured"})
_INLINE = "PER-60"  # the rule that rests on the project, not on the entry
_GONE = "\0deleted"  # behind the name of a deleted entry beside a live one
_Key = tuple[str, str, str]  # mechanism, owner, name
_AUTORUN_VALUE = re.compile(
    r"\\(?:currentversion\\(?:run|runonce|runonceex|runservices|policies\\explorer\\run))$", re.IGNORECASE
)
_CONTROL_SET = re.compile(r"\\controlset\d{3}\\")
_UNTOLD = frozenset({"", "binary data", "(empty)"})  # what Sysmon says of a value when it does not say what is in it
# What a time says: these are of the entry's making, the others are later changes or runs.
_BIRTH = frozenset({"Creation Time", "Last registered Time"})
_CHANGE = frozenset({"Content Modification Time", "Metadata Modification Time", "Last registered Time"})
_KEY_WRITTEN = "Content Modification Time"
_MADE = frozenset({
    "task.registered", "service.installed", "registry.value_set", "wmi.consumer_changed", "wmi.subscribed",
    "file.created",
})  # fmt: skip
_CHANGED = frozenset({"task.updated"})
_BY_NAME = frozenset({"scheduled_task", "service"})  # these stand in several places under one name
_SYSTEM_NAMES = frozenset({"system", "localsystem", "nt authority\\system", "s-1-5-18"})


@dataclass(slots=True)
class Entry:
    """One entry while its rows are put together."""

    mechanism: str
    owner: str
    rows: list[Row] = field(default_factory=list)
    remark: str = ""  # of its place, where no artifact says more

    @property
    def deleted(self) -> list[Row]:
        """The rows that were recovered; an entry has either these or live ones, besides those of logs."""
        return [row for row in self.rows if row.deleted]

    def first(self, *names: str) -> str:
        """The first of these fields that a row has; definitions before log events, the newest before older ones."""
        ranked = sorted(self.rows, key=lambda row: (_RANK.get(row.kind, 9), row.time is None, row.order), reverse=False)
        for name in names:
            for row in ranked:
                if row.get(name):
                    return row.get(name)
        return ""


_RANK = {
    "task.defined": 0, "task.cached": 1, "task.updated": 2, "task.registered": 3, "service.configured": 0,
    _WRAPPED: -1, "service.installed": 1, "autorun.configured": 0, "registry.value_set": 1,
}  # fmt: skip


def persistence(rows: Rows, host: Host, label: str) -> tuple[PersistenceEntry, ...]:
    """Every entry of the host, highest score first, then by mechanism and name.

    Nothing is dropped: what is known to be harmless by place and command is listed with score 0 and says so.
    """
    people, projects = People(host.users), Projects(rows)
    found = [_entry(entry, people, projects, label) for entry in _merged(rows, people)]
    return tuple(sorted(found, key=lambda item: (-item.score, item.mechanism, item.name.casefold(), item.id)))


def _merged(rows: Rows, people: People) -> list[Entry]:
    entries: dict[_Key, Entry] = {}
    definitions = {_task_name(row) for row in rows.of("task.defined", "task.cached", "task.registered", "task.updated")}
    recovered: list[tuple[_Key, Row]] = []
    for key, row in _defined(rows, definitions):
        if row.deleted:
            recovered.append((key, row))
        else:
            _into(entries, *key, row)
    for (mechanism, owner, name), row in recovered:
        there = entries.get((mechanism, owner, name))
        lives = there is not None and any(not item.deleted and item.kind in _DEFINITIONS for item in there.rows)
        _into(entries, mechanism, owner, f"{name}{_GONE}" if lives else name, row)
    for row in rows.of(_WRAPPED):
        wrapped = entries.get(("service", "", row.get("service_name").casefold()))
        if wrapped:
            wrapped.rows.append(row)  # what the service really runs goes before the wrapper's own command line
    places = by_place({key: entry.rows for key, entry in entries.items() if key[0] not in _BY_NAME | {"run_key"}})
    for row in rows.of("registry.value_set"):
        _set_value(entries, row, people)
        _set_by_place(entries, row, places)
    for key, row in startup_files(rows, {key: entry.rows for key, entry in entries.items()}):
        _into(entries, *key, row)
    for row in rows.of("tunnel.service_registered"):
        _registered(entries, row)
    return [entry for _, entry in sorted(entries.items(), key=lambda item: item[0])]


def _defined(rows: Rows, definitions: set[str]) -> Iterator[tuple[_Key, Row]]:
    """The rows that define entries or tell of them by name, each with the key of its entry."""
    for row in rows.of(*_TASKS):
        # 106 and 141 carry no command: alone, a deletion tells of an entry that was there.
        if row.kind != "task.deleted" or _task_name(row) in definitions:
            yield ("scheduled_task", "", _task_name(row)), row
    for row in rows.of(*_SERVICES):
        yield ("service", "", row.first("service_name", "entry_name").casefold()), row
    yield from _subscriptions(rows)
    for row in rows.of("autorun.configured"):
        if row.get("mechanism") == "wmi":
            continue
        owner = (row.get("user_sid") or row.get("profile_user")).casefold()
        yield (row.get("mechanism") or "run_key", owner, _place_and_name(row)), row


def _subscriptions(rows: Rows) -> Iterator[tuple[_Key, Row]]:
    """Those of WMI, of one name in the repository and in the logs; a carved one stands apart from a live one."""
    stored = [row for row in rows.of("autorun.configured") if row.get("mechanism") == "wmi"]
    live = {row.get("entry_name").casefold() for row in stored if "carved" not in row.get("reason")}
    for row in (*stored, *rows.of("wmi.consumer_changed", "wmi.subscribed")):
        name = row.get("entry_name").casefold()
        apart = name in live and "carved" in row.get("reason")
        yield ("wmi", "", f"{name}{_GONE}" if apart else name), row


def _into(entries: dict[_Key, Entry], mechanism: str, owner: str, name: str, row: Row) -> None:
    entries.setdefault((mechanism, owner, name), Entry(mechanism, owner)).rows.append(row)


def _task_name(row: Row) -> str:
    return "\\" + row.first("task_name", "entry_name").replace("/", "\\").strip("\\").casefold()


def _place_and_name(row: Row) -> str:
    """The key below its hive, without the root that artifacts spell differently, and the value's name."""
    location = row.first("location", "key_path").casefold().replace("/", "\\")
    tail = location[location.find("\\microsoft\\") :] if "\\microsoft\\" in location else location
    wow = "wow6432node" if "wow6432node" in location else ""
    return f"{wow}{tail}\\{row.first('entry_name', 'value_name').casefold()}"


def _set_value(entries: dict[_Key, Entry], row: Row, people: People) -> None:
    """Sysmon 13 on a Run key: with the entry that it made, or as the entry that is gone since."""
    path = row.get("key_path")
    if not _AUTORUN_VALUE.search(path):
        _set_elsewhere(entries, row, people)
        return
    sid = _hive_owner(row, people)
    name = _place_and_name(row)
    keys = [key for key in sorted(entries) if key[0] == "run_key" and key[2] == name]
    fitting = [key for key in keys if not sid or not key[1] or key[1] == sid.casefold()]
    if fitting:
        entries[fitting[0]].rows.append(row)
    else:
        _into(entries, "run_key", sid.casefold(), name, row)


def _hive_owner(row: Row, people: People) -> str:
    """The SID of the user whose hive a logged key path is in; "" for the machine's."""
    upper = row.get("key_path").upper()
    user_hive = re.search(r"\\(S-1-(?:5-21|12-1)-[\d-]+)", upper)
    if user_hive:
        return user_hive.group(1)
    return people.of(row)[1] or "" if upper.startswith(("HKU", "HKCU")) else ""


def _set_elsewhere(entries: dict[_Key, Entry], row: Row, people: People) -> None:
    """A logged write to another autostart place: with the entries of that value that it names, else one gone since."""
    mechanism = autoruns.mechanism_of(row.get("key_path"), row.get("value_name"))
    if mechanism is None:
        return
    sid, data = _hive_owner(row, people).casefold(), row.get("value_data").casefold()
    there = [
        entry
        for key, entry in sorted(entries.items())
        if key[0] == mechanism and key[1] in ("", sid) and bool(key[1]) == bool(sid)
        if any(_same_value(item, row) for item in entry.rows)
    ]
    named = [entry for entry in there if entry.first("command_line").casefold() in data]
    # Lists are logged as "Binary Data": which of their items was written is then not told.
    for entry in named or (there if data == "binary data" else ()):
        if row not in entry.rows:
            entry.rows.append(row)
    if not there and data not in _UNTOLD:
        _into(entries, mechanism, sid, _place_and_name(row), row)


def _same_value(defined: Row, logged: Row) -> bool:
    """Whether a row of a hive is of the value that a log names, whatever the control set."""
    key = _CONTROL_SET.sub(r"\\currentcontrolset\\", "\\" + defined.get("key_path").casefold())
    path = _CONTROL_SET.sub(r"\\currentcontrolset\\", logged.get("key_path").casefold())
    return path.endswith(key) and defined.get("value_name").casefold() == logged.get("value_name").casefold()


def _set_by_place(entries: dict[_Key, Entry], row: Row, places: Mapping[tuple[str, str, bool], list[_Key]]) -> None:
    """Sysmon 13 on another autostart value: with the entry that the hive holds, or as one that only the log has."""
    path, name = row.get("key_path"), row.get("value_name")
    if autoruns.mechanism_of(path, name) is not None:
        return
    keys = [
        key for key in places.get(place_of(path, name), ()) if not key[1].startswith("s-1-") or key[1] in path.lower()
    ]
    for key in keys:
        entries[key].rows.append(row)
    meant = meaning(path, name)
    if meant and not keys and row.get("value_data") not in ("", "(Empty)"):
        key = (meant.mechanism, sid_in(path), "\\".join(map(str, place_of(path, name))))
        _into(entries, *key, row)
        entries[key].remark = meant.remark


def _registered(entries: dict[_Key, Entry], row: Row) -> None:
    """The CLI's own word that it registered its Run value: it supports the entry of that profile."""
    profile = row.get("profile_user").casefold()
    for entry in (entries[key] for key in sorted(entries)):
        if entry.mechanism == "run_key" and "internal-run" in entry.first("command_line", "value_data").casefold():
            owners = {item.get("profile_user").casefold() for item in entry.rows} - {""}
            if not profile or not owners or profile in owners:
                entry.rows.append(row)
                return


def _entry(entry: Entry, people: People, projects: Projects, label: str) -> PersistenceEntry:
    command = entry.first("command_line", "value_data", "target_path") or _written(entry)
    name = entry.first("task_name", "entry_name", "service_name", "value_name", "file_name") or "(unnamed)"
    location = entry.first("location", "key_path") or _log_place(entry)
    user, run_as, as_system = _users(entry, people)
    facts = _facts(entry, name, command, location, run_as or user)
    facts["run_as_system"] = as_system
    built = projects.named_in(command)
    facts["inline_task"] = told(built) or None
    known = _known(entry.mechanism, name, command) or autoruns.stock(entry.mechanism, location, name, command)
    scored = [] if known else hits((*rules_of("persistence"), *rules_of("autoruns")), facts)
    reasons = [because(str(hit), built if hit.rule == _INLINE else entry.rows) for hit in scored]
    if known:
        text = f"known autostart: {known} (by place and command; signature not checked)"
        reasons.append(because(text, entry.rows))
    reasons += _remarks(entry)
    gone = entry.deleted
    identity = [entry.mechanism, entry.owner, name.casefold(), _key_of(entry, location), *(["deleted"] if gone else [])]
    attack = {item for hit in scored for item in hit.attack}
    if scored:
        attack |= set(load("persistence")["techniques"].get(entry.mechanism, ()))
        attack |= set(load("autoruns")["techniques"].get(entry.mechanism, ()))
    return PersistenceEntry(
        id=stable_id("persistence", label, *identity),
        mechanism=entry.mechanism,
        location=location,
        name=name,
        command=command or None,
        user=user if entry.mechanism == "run_key" else run_as or user,
        first_seen=_first_seen(entry.rows, gone=bool(gone)),
        last_write=_last_write(entry.rows),
        score=total(scored),
        reasons=tuple(dict.fromkeys(reasons)) or ("nothing about its place, program or account stands out",),
        attack=tuple(sorted(attack)),
        events=ids_of([*entry.rows, *built]),
        host=label,
        deleted=bool(gone),
        trigger=entry.first("task_trigger", "event_query") or None,
    )


def _written(entry: Entry) -> str:
    """The file itself, of an entry that only a log tells of: it was put there, what it held is not known."""
    made = [row for row in entry.rows if row.kind == "file.created"]
    return f'"{made[0].get("file_path")}"' if made and len(made) == len(entry.rows) else ""


def _key_of(entry: Entry, location: str) -> str:
    """The part of a location that does not depend on which artifact told it (tasks and services have their name)."""
    folded = location.casefold()
    if entry.mechanism not in _BY_NAME | {"run_key"}:
        return folded
    return folded[folded.find("\\currentversion\\") :] if "\\currentversion\\run" in folded else ""


def _log_place(entry: Entry) -> str:
    """Where an entry stands that only a log or a file tells of."""
    row = entry.rows[0]
    return row.source.path if row.kind == "task.defined" else f"named in {row.first('channel') or row.source.path}"


def _users(entry: Entry, people: People) -> tuple[str | None, str | None, bool]:
    """(whose hive, account it runs as, whether that is SYSTEM)."""
    owner = entry.owner
    user, _sid = people.complete("", owner.upper()) if owner.startswith("s-1-") else people.complete(owner, "")
    stated = next((item for row in entry.rows if (item := row.get("profile_user"))), None)
    text = entry.first("task_run_as", "service_account")
    run_as, sid = people.complete("", text) if text.upper().startswith("S-1-") else people.complete(text, "")
    as_system = is_service_sid(sid) or text.casefold() in _SYSTEM_NAMES
    if as_system and text.casefold() in _SYSTEM_NAMES:
        run_as = "SYSTEM"
    return stated or user, run_as, as_system


def _facts(entry: Entry, name: str, command: str, location: str, run_as: str | None) -> dict[str, object]:
    executable, arguments = split_command(command)
    return {
        "mechanism": entry.mechanism,
        "name": name,
        "command": command or None,
        "executable": executable or None,
        "executable_name": basename(executable) or None,
        "arguments": arguments or None,
        "library": entry.first("target_path") or None,
        "location": location,
        "remark": entry.first("reason", "consumer_type") or entry.remark or None,
        "run_as": run_as,
        "hidden": _hidden_name(name, *(row.get("value_name") for row in entry.rows))
        or any(_is_hidden(row) for row in entry.rows),
        "kernel": "driver" in entry.first("service_type").casefold(),
        "enabled": next((row.fields["enabled"] for row in entry.rows if "enabled" in row.fields), None),
    }


def _hidden_name(*names: str) -> bool:
    """Whether regedit would not show a name, as the artifacts tag it; a NUL may stand there cleaned."""
    return any("\x00" in name or "\\x00" in name or len(name) > autoruns.LONGEST_SHOWN for name in names)


def _is_hidden(row: Row) -> bool:
    return row.kind == "task.cached" and "hidden from" in row.get("reason").casefold()


@cache
def _known_entries() -> tuple[tuple[str, str, re.Pattern[str], re.Pattern[str]], ...]:
    flag = re.IGNORECASE
    return tuple(
        (item["name"], item["mechanism"], re.compile(item["entry"], flag), re.compile(item["command"], flag))
        for item in load("persistence")["known"]
    )


def _known(mechanism: str, name: str, command: str) -> str | None:
    """The name of the known harmless entry that this one is, by place and command."""
    for label, kind, entry, line in _known_entries():
        if kind == mechanism and entry.search(name) and line.search(command.strip()):
            return label
    return None


def known_entry(facts: dict[str, str]) -> str | None:
    """As the list of known entries sees it; for the rules' own examples."""
    return _known(facts["mechanism"], facts["name"], facts["command"])


def _remarks(entry: Entry) -> list[str]:
    """What differs between the artifacts, and what happened to the entry since."""
    found = []
    if gone := entry.deleted:
        how = ", ".join(sorted({row.deleted for row in gone}))
        found.append(because(f"deleted: recovered from free cells ({how}), no longer in effect", gone))
    gone_kinds = ("task.deleted", "wmi.consumer_changed")
    deleted = [row for row in entry.rows if row.kind in gone_kinds and row.get("action") in ("", "Deleted")]
    if deleted and deleted[-1].time:
        found.append(because(f"deleted at {stamp(deleted[-1].time)}", deleted))
    disabled = [row for row in entry.rows if row.fields.get("enabled") is False]
    if disabled:
        found.append(because("switched off", disabled))
    wrapped = [row for row in entry.rows if row.kind == _WRAPPED or row.get("wrapper_command_line")]
    if wrapped:
        found.append(because("a service wrapper starts this command, the service's own program is another", wrapped))
    own = [row.first("wrapper_command_line", "command_line") for row in entry.rows if row.kind != _WRAPPED]
    commands = {" ".join(command.casefold().replace('"', "").split()) for command in own} - {""}
    if len(commands) > 1:
        found.append(because("its command changed, or differs between the artifacts", entry.rows))
    orphan = [row for row in entry.rows if row.kind == "task.cached" and "is gone" in row.get("reason")]
    return found + ([because(orphan[0].get("reason"), orphan)] if orphan else [])


def _times(rows: Iterable[Row], meanings: frozenset[str], kinds: frozenset[str]) -> list[datetime]:
    """The times of these meanings in files and hives, and of these kinds of log events."""
    return [
        row.time
        for row in rows
        if row.time and (row.kind in kinds if "event_identifier" in row.fields else row.meaning in meanings)
    ]


def _first_seen(rows: Iterable[Row], *, gone: bool) -> datetime | None:
    """The earliest making; without one the first time at which the entry is known to be there.

    The last write of a key that lost an entry is when it was lost, or later: that says nothing of a deleted entry.
    """
    rows = list(rows)
    made = _times(rows, _BIRTH, _MADE) or _times(rows, frozenset() if gone else _CHANGE, _MADE | _CHANGED)
    # The date inside a task's XML is free text of whoever wrote it: only where nothing else is left.
    return min(made or _times(rows, frozenset({"Registration Time"}), frozenset()), default=None)


def _last_write(rows: Iterable[Row]) -> datetime | None:
    """The last change; of a task's key in the cache, which each run writes, too, only where nothing else tells."""
    rows = list(rows)
    told = [row for row in rows if row.kind != "task.cached" or row.meaning != _KEY_WRITTEN]
    made = _MADE | _CHANGED
    return max(_times(told, _CHANGE, made) or _times(rows, _CHANGE, made), default=None)
