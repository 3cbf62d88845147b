"""Autostart entries put together: the rows of one entry out of hives, files and logs, however many tell of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from forensics.rules import autoruns
from forensics.sessions.persistence_commands import COMMANDED, commanded
from forensics.sessions.persistence_logged import Logged, logged
from forensics.sessions.persistence_values import by_place, meaning, place_of, sid_in, startup_files
from forensics.sessions.rows import People, Row, Rows

_TASKS = ("task.defined", "task.cached", "task.registered", "task.updated", "task.deleted")
_WRAPPED = "service.wrapper_config"
_SERVICES = ("service.configured", "service.installed")
# Kinds whose rows say that an entry is there, not that it was made once.
_DEFINITIONS = frozenset({"task.defined", "task.cached", "service.configured", "autorun.configured"})
_GONE = "\0deleted"  # behind the name of a deleted entry beside a live one
_Key = tuple[str, str, str]  # mechanism, owner, name
_AUTORUN_VALUE = re.compile(
    r"\\(?:currentversion\\(?:run|runonce|runonceex|runservices|policies\\explorer\\run))$", re.IGNORECASE
)
_SERVICE_KEY = re.compile(r"\\(?:currentcontrolset|controlset\d{3})\\services\\([^\\]+)$", re.IGNORECASE)
_CONTROL_SET = re.compile(r"\\controlset\d{3}\\")
_UNTOLD = frozenset({"", "binary data", "(empty)"})  # what Sysmon says of a value when it does not say what is in it
_BY_NAME = frozenset({"scheduled_task", "service"})  # these stand in several places under one name


@dataclass(slots=True)
class Entry:
    """One entry while its rows are put together."""

    mechanism: str
    owner: str
    rows: list[Row] = field(default_factory=list)
    remark: str = ""  # of its place, where no artifact says more
    name: str = ""  # where the rows' own names are of something else

    @property
    def deleted(self) -> list[Row]:
        """The rows that were recovered; an entry has either these or live ones, besides those of logs."""
        return [row for row in self.rows if row.deleted]

    def first(self, *names: str) -> str:
        """The first of these fields that a row has; definitions before log events, the newest before older ones."""
        ranked = sorted(self.rows, key=_rank)
        for name in names:
            for row in ranked:
                if row.get(name):
                    return row.get(name)
        return ""


_RANK = {
    "task.defined": 0, "task.cached": 1, "task.updated": 2, "task.registered": 3, "service.configured": 0,
    _WRAPPED: -1, "service.installed": 1, "autorun.configured": 0, "registry.value_set": 1, "mft.program_odd": 1,
}  # fmt: skip


def _rank(row: Row) -> tuple[bool, int, bool, tuple[datetime, str]]:
    """What was made goes before what was to be made."""
    return COMMANDED in row.fields, _RANK.get(row.kind, 9), row.time is None, row.order


def merged(rows: Rows, people: People) -> list[Entry]:
    """Every entry with its rows, in order of mechanism, owner and name."""
    entries: dict[_Key, Entry] = {}
    by_command = list(commanded(rows))
    definitions = {_task_name(row) for row in rows.of("task.defined", "task.cached", "task.registered", "task.updated")}
    recovered: list[tuple[_Key, Row]] = []
    for key, row in _defined(rows, definitions, people):
        if row.deleted:
            recovered.append((key, row))
        else:
            _into(entries, *key, row)
    for (mechanism, owner, name), row in recovered:
        there = entries.get((mechanism, owner, name))
        lives = there is not None and any(not item.deleted and item.kind in _DEFINITIONS for item in there.rows)
        _into(entries, mechanism, owner, f"{name}{_GONE}" if lives else name, row)
    _into_named(entries, by_command)
    for row in rows.of(_WRAPPED):
        wrapped = entries.get(("service", "", row.get("service_name").casefold()))
        if wrapped:
            wrapped.rows.append(row)  # what the service really runs goes before the wrapper's own command line
    places = by_place({key: entry.rows for key, entry in entries.items() if key[0] not in _BY_NAME | {"run_key"}})
    for row in (*rows.of("registry.value_set"), *(row for row in by_command if row.kind == "registry.value_set")):
        _set_value(entries, row, people)
        _set_by_place(entries, row, places)
    for row in rows.of("registry.key_changed"):
        _deleted_value(entries, row, people, places)
    for key, row in startup_files(rows, {key: entry.rows for key, entry in entries.items()}):
        _into(entries, *key, row)
    for told in logged(rows):
        _logged(entries, told)
    for row in rows.of("tunnel.service_registered"):
        _registered(entries, row)
    return [entry for _, entry in sorted(entries.items(), key=lambda item: item[0])]


def _defined(rows: Rows, definitions: set[str], people: People) -> Iterator[tuple[_Key, Row]]:
    """The rows that define entries or tell of them by name, each with the key of its entry."""
    for row in rows.of(*_TASKS):
        # 106 and 141 carry no command: alone, a deletion tells of an entry that was there.
        if row.kind != "task.deleted" or _task_name(row) in definitions:
            yield ("scheduled_task", "", _task_name(row)), row
    for row in rows.of(*_SERVICES):
        yield ("service", "", row.first("service_name", "entry_name").casefold()), row
    yield from _subscriptions(rows)
    for row in rows.of("autorun.configured", "mft.program_odd"):
        if row.get("mechanism") == "wmi":
            continue
        owner = _owner(row, people).casefold()
        yield (row.get("mechanism") or "run_key", owner, _place_and_name(row)), row


def _owner(row: Row, people: People) -> str:
    """Whose hive or file it is: of a collection without the list of profiles only the folder's name is known."""
    name, sid = row.get("profile_user"), row.get("user_sid")
    if sid or not row.get("key_path"):
        return sid or name
    return people.complete(name, "")[1] or name


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


def _into_named(entries: dict[_Key, Entry], by_command: Iterable[Row]) -> None:
    """Tasks, services and consumers that commands were to make: into the entries of their names."""
    for row in by_command:
        if row.kind == "task.registered":
            _into(entries, "scheduled_task", "", _task_name(row), row)
        elif row.kind == "service.installed":
            _into(entries, "service", "", row.get("service_name").casefold(), row)
        elif row.kind == "wmi.consumer_changed":
            _into(entries, "wmi", "", row.get("entry_name").casefold(), row)


def _logged(entries: dict[_Key, Entry], told: Logged) -> None:
    """A row that a log alone has: with what a queue, hive or file holds of that name, else as an entry of its own."""
    name = told.name.casefold()
    for key in sorted(entries):
        if key[0] == told.mechanism and name in {row.get("entry_name").casefold() for row in entries[key].rows}:
            entries[key].rows.append(told.row)
            return
    key = (told.mechanism, "", f"logged\\{name}")
    _into(entries, *key, told.row)
    entries[key].name, entries[key].remark = told.name, entries[key].remark or told.remark


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
    if (service := _SERVICE_KEY.search(path)) and row.get("value_name").casefold() == "imagepath":
        key = ("service", "", service.group(1).casefold())
        _into(entries, *key, row)
        entries[key].name = entries[key].first("service_name", "entry_name") or service.group(1)
        return
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
        entries[key].name = meant.name_of(path)


def _deleted_value(
    entries: dict[_Key, Entry], row: Row, people: People, places: Mapping[tuple[str, str, bool], list[_Key]]
) -> None:
    """A logged deletion of a value: with its entry; one that only this tells of where the record has what it held."""
    if row.get("action") != "DeleteValue":
        return
    key, _, name = row.get("key_path").rpartition("\\")
    told = {"key_path": key, "value_name": name, "value_data": row.get("old_value_data")}
    there = set(entries)
    shaped = replace(row, fields={**row.fields, **told})
    _set_value(entries, shaped, people)
    _set_by_place(entries, shaped, places)
    mechanism = autoruns.mechanism_of(key, name)
    for entry in (entries[item] for item in sorted(there) if item[0] == mechanism):
        if row.id not in {item.id for item in entry.rows} and any(_same_value(item, shaped) for item in entry.rows):
            entry.rows.append(shaped)
    if not told["value_data"]:
        for made in set(entries) - there:  # Windows itself takes values away all the time
            del entries[made]


def _registered(entries: dict[_Key, Entry], row: Row) -> None:
    """The CLI's own word that it registered its Run value: it supports the entry of that profile."""
    profile = row.get("profile_user").casefold()
    for entry in (entries[key] for key in sorted(entries)):
        if entry.mechanism == "run_key" and "internal-run" in entry.first("command_line", "value_data").casefold():
            owners = {item.get("profile_user").casefold() for item in entry.rows} - {""}
            if not profile or not owners or profile in owners:
                entry.rows.append(row)
                return
