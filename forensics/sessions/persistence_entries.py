"""Autostart entries put together: the rows of one entry out of hives, files and logs, however many tell of it."""

from __future__ import annotations

import re
from bisect import insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from forensics.rules import autoruns
from forensics.sessions import persistence_wmi
from forensics.sessions.persistence_commands import COMMANDED, commanded
from forensics.sessions.persistence_logged import Logged, logged
from forensics.sessions.persistence_values import by_place, meaning, place_of, sid_in, startup_files
from forensics.sessions.rows import People, Row, Rows

_TASKS = ("task.defined", "task.cached", "task.registered", "task.updated", "task.deleted")
_WRAPPED = "service.wrapper_config"
_SERVICES = ("service.configured", "service.installed")
# Kinds whose rows say that an entry is there, not that it was made once.
_DEFINITIONS = frozenset({"task.defined", "task.cached", "service.configured", "autorun.configured"})
_Key = tuple[str, str, str]  # mechanism, owner, name
_AUTORUN_VALUE = re.compile(
    r"\\(?:currentversion\\(?:run|runonce|runonceex|runservices|policies\\explorer\\run))$", re.IGNORECASE
)
_SERVICE_KEY = re.compile(r"\\(?:currentcontrolset|controlset\d{3})\\services\\([^\\]+)$", re.IGNORECASE)
_CONTROL_SET = re.compile(r"\\controlset\d{3}\\")
UNTOLD = frozenset({"", "binary data", "(empty)"})  # what Sysmon says of a value when it does not say what is in it
_BY_NAME = frozenset({"scheduled_task", "service"})  # these stand in several places under one name


@dataclass(slots=True)
class Entry:
    """One entry while its rows are put together."""

    mechanism: str
    owner: str
    rows: list[Row] = field(default_factory=list)
    remark: str = ""  # of its place, where no artifact says more
    name: str = ""  # where the rows' own names are of something else
    versions: list[tuple[str, Row]] = field(default_factory=list)  # commands in a logged list that no entry has
    _items: set[str] = field(default_factory=set)  # rows that write a list of which this entry is one item
    _ranked: list[Row] = field(default_factory=list)
    key: str = ""  # what keeps it apart from others of its mechanism and owner

    @property
    def deleted(self) -> list[Row]:
        """The rows that were recovered; an entry has either these or live ones, besides those of logs."""
        return [row for row in self.rows if row.deleted]

    def first(self, *names: str) -> str:
        """The first of these fields that a row has; definitions before log events, the newest before older ones."""
        if len(self._ranked) != len(self.rows):
            newest = sorted(self.rows, key=lambda row: row.order, reverse=True)
            self._ranked = sorted(newest, key=_rank)
        for name in names:
            for row in self._ranked:
                if row.get(name):
                    return row.get(name)
        return ""

    def add_once(self, row: Row) -> None:
        """The row, unless it was the last one that came."""
        if not self.rows or self.rows[-1] is not row:
            self.rows.append(row)

    def add_item(self, row: Row) -> None:
        """A row that writes a whole list of which this entry is an item."""
        self.add_once(row)
        self._items.add(row.id)

    def listed(self, row: Row) -> bool:
        """Whether the row's data is a list, not this entry's command."""
        return row.id in self._items


class _Entries(dict[_Key, Entry]):
    """The entries by key, with look-ups by what a logged value tells: all of them for each record took hours."""

    def __init__(self) -> None:
        super().__init__()
        self._named: dict[tuple[str, str], list[_Key]] = {}
        self._values: dict[tuple[str, str, str], list[_Key]] = {}

    def put(self, mechanism: str, owner: str, name: str, row: Row) -> Entry:
        """The row into its entry, which is made where there is none."""
        key = (mechanism, owner, name)
        if key not in self:
            self[key] = Entry(mechanism, owner, key=name)
            insort(self._named.setdefault((mechanism, name), []), key)
        self[key].rows.append(row)
        if row.get("key_path"):
            keys = self._values.setdefault((mechanism, *_value_of(row)), [])
            if key not in keys[-1:]:
                keys.append(key)
        return self[key]

    def named(self, mechanism: str, name: str) -> list[_Key]:
        """The keys of the entries of one name, whoever owns them, in order."""
        return self._named.get((mechanism, name), [])

    def of_value(self, mechanism: str, row: Row) -> list[_Key]:
        """The keys of the entries that may stand in the value which a row names, in order."""
        return sorted(set(self._values.get((mechanism, *_value_of(row)), ())))

    def drop_after(self, count: int) -> None:
        """The entries beyond so many are taken away again."""
        for key in list(islice(reversed(self), len(self) - count)):
            del self[key]
            self._named[key[0], key[2]].remove(key)


def _value_of(row: Row) -> tuple[str, str]:
    return row.get("key_path").casefold().rpartition("\\")[2], row.get("value_name").casefold()


_RANK = {
    "task.defined": 0, "task.cached": 1, "task.updated": 2, "task.registered": 3, "service.configured": 0,
    _WRAPPED: -1, "service.installed": 1, "autorun.configured": 0, "registry.value_set": 1, "mft.program_odd": 1,
}  # fmt: skip


def _rank(row: Row) -> tuple[bool, int, bool]:
    """What was made goes before what was to be made."""
    return COMMANDED in row.fields, _RANK.get(row.kind, 9), row.time is None


def merged(rows: Rows, people: People) -> list[Entry]:
    """Every entry with its rows, in order of mechanism, owner and name."""
    entries = _Entries()
    by_command = list(commanded(rows))
    definitions = {_task_name(row) for row in rows.of("task.defined", "task.cached", "task.registered", "task.updated")}
    recovered: list[tuple[_Key, Row]] = []
    for key, row in _defined(rows, definitions, people):
        if row.deleted:
            recovered.append((key, row))
        else:
            entries.put(*key, row)
    for (mechanism, owner, name), row in recovered:
        there = entries.get((mechanism, owner, name))
        lives = there is not None and any(not item.deleted and item.kind in _DEFINITIONS for item in there.rows)
        entries.put(mechanism, owner, f"{name}{persistence_wmi.GONE}" if lives else name, row)
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
        entries.put(*key, row)
    _into_logged(entries, logged(rows))
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
    yield from persistence_wmi.subscriptions(rows)
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


def _into_named(entries: _Entries, by_command: Iterable[Row]) -> None:
    """Tasks, services and consumers that commands were to make: into the entries of their names."""
    for row in by_command:
        if row.kind == "task.registered":
            entries.put("scheduled_task", "", _task_name(row), row)
        elif row.kind == "service.installed":
            entries.put("service", "", row.get("service_name").casefold(), row)
        elif row.kind == "wmi.consumer_changed":
            entries.put("wmi", "", persistence_wmi.consumer(row), row)


def _into_logged(entries: _Entries, told: Iterable[Logged]) -> None:
    """Rows that a log alone has: with what a queue, hive or file holds of that name, else as entries of their own."""
    stored: dict[tuple[str, str], _Key] = {}
    for key in sorted(entries):
        for row in entries[key].rows:
            stored.setdefault((key[0], row.get("entry_name").casefold()), key)
    for item in told:
        name = item.name.casefold()
        if there := stored.get((item.mechanism, name)):
            entries[there].rows.append(item.row)
            continue
        entry = entries.put(item.mechanism, "", f"logged\\{name}", item.row)
        entry.name, entry.remark = item.name, entry.remark or item.remark


def _task_name(row: Row) -> str:
    return "\\" + row.first("task_name", "entry_name").replace("/", "\\").strip("\\").casefold()


def _place_and_name(row: Row) -> str:
    """The key below its hive, without the root that artifacts spell differently, and the value's name."""
    location = row.first("location", "key_path").casefold().replace("/", "\\")
    tail = location[location.find("\\microsoft\\") :] if "\\microsoft\\" in location else location
    wow = "wow6432node" if "wow6432node" in location else ""
    return f"{wow}{tail}\\{row.first('entry_name', 'value_name').casefold()}"


def _set_value(entries: _Entries, row: Row, people: People) -> None:
    """Sysmon 13 on a Run key: with the entry that it made, or as the entry that is gone since."""
    path = row.get("key_path")
    if (service := _SERVICE_KEY.search(path)) and row.get("value_name").casefold() == "imagepath":
        made = entries.put("service", "", service.group(1).casefold(), row)
        made.name = made.name or made.first("service_name", "entry_name") or service.group(1)
        return
    if not _AUTORUN_VALUE.search(path):
        _set_elsewhere(entries, row, people)
        return
    sid = _hive_owner(row, people)
    name = _place_and_name(row)
    keys = entries.named("run_key", name)
    fitting = [key for key in keys if not sid or not key[1] or key[1] == sid.casefold()]
    if fitting:
        entries[fitting[0]].rows.append(row)
    else:
        entries.put("run_key", sid.casefold(), name, row)


def _hive_owner(row: Row, people: People) -> str:
    """The SID of the user whose hive a logged key path is in; "" for the machine's."""
    upper = row.get("key_path").upper()
    user_hive = re.search(r"\\(S-1-(?:5-21|12-1)-[\d-]+)", upper)
    if user_hive:
        return user_hive.group(1)
    return people.of(row)[1] or "" if upper.startswith(("HKU", "HKCU")) else ""


def _set_elsewhere(entries: _Entries, row: Row, people: People) -> None:
    """A logged write to another autostart place: with the entries of that value that it names, else one gone since."""
    mechanism = autoruns.mechanism_of(row.get("key_path"), row.get("value_name"))
    if mechanism is None:
        return
    sid, data = _hive_owner(row, people).casefold(), row.get("value_data").casefold()
    there = [
        entries[key]
        for key in entries.of_value(mechanism, row)
        if key in entries and key[1] in ("", sid) and bool(key[1]) == bool(sid)
        if any(_same_value(item, row) for item in entries[key].rows[:1])
    ]
    # Lists are logged as "Binary Data": which of their items was written is then not told.
    for entry in there if data == "binary data" else ():
        entry.add_item(row)
    if data in UNTOLD or data.startswith(("dword (", "qword (")):
        return
    if not there:
        entries.put(mechanism, sid, _place_and_name(row), row)
        return
    named = [entry for entry in there if entry.first("command_line").casefold() in data]
    for entry in named:
        entry.add_item(row)
    _other_items(named or there[:1], row, {entry.first("command_line").casefold() for entry in there})


def _other_items(entries: list[Entry], row: Row, there: set[str]) -> None:
    """What a logged value held besides what stands there now: a version of the entry which has it."""
    text = row.get("value_data")
    items = [text] if len(entries) == 1 and text.casefold() in there else re.split(r"[,\x00]", text)
    others = [item for part in items if (item := part.strip()) and item.casefold() not in there]
    if others:
        entries[0].add_item(row)
        entries[0].versions += [(item, row) for item in others]


def _same_value(defined: Row, logged: Row) -> bool:
    """Whether a row of a hive is of the value that a log names, whatever the control set."""
    key = _CONTROL_SET.sub(r"\\currentcontrolset\\", "\\" + defined.get("key_path").casefold())
    path = _CONTROL_SET.sub(r"\\currentcontrolset\\", logged.get("key_path").casefold())
    return path.endswith(key) and defined.get("value_name").casefold() == logged.get("value_name").casefold()


def _set_by_place(entries: _Entries, row: Row, places: Mapping[tuple[str, str, bool], list[_Key]]) -> None:
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
        made = entries.put(*key, row)
        made.remark, made.name = meant.remark, meant.name_of(path)


def _deleted_value(
    entries: _Entries, row: Row, people: People, places: Mapping[tuple[str, str, bool], list[_Key]]
) -> None:
    """A logged deletion of a value: with its entry; one that only this tells of where the record has what it held."""
    if row.get("action") != "DeleteValue":
        return
    key, _, name = row.get("key_path").rpartition("\\")
    told = {"key_path": key, "value_name": name, "value_data": row.get("old_value_data")}
    there = len(entries)
    shaped = replace(row, fields={**row.fields, **told})
    known = entries.of_value(autoruns.mechanism_of(key, name) or "", shaped)
    _set_value(entries, shaped, people)
    _set_by_place(entries, shaped, places)
    for entry in (entries[item] for item in known):
        if row.id not in {item.id for item in entry.rows} and any(_same_value(item, shaped) for item in entry.rows):
            entry.rows.append(shaped)
    if not told["value_data"]:
        entries.drop_after(there)  # Windows itself takes values away all the time


def _registered(entries: _Entries, row: Row) -> None:
    """The CLI's own word that it registered its Run value: it supports the entry of that profile."""
    profile = row.get("profile_user").casefold()
    for entry in (entries[key] for key in sorted(entries)):
        if entry.mechanism == "run_key" and "internal-run" in entry.first("command_line", "value_data").casefold():
            owners = {item.get("profile_user").casefold() for item in entry.rows} - {""}
            if not profile or not owners or profile in owners:
                entry.rows.append(row)
                return
