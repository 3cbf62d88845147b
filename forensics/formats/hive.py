"""Registry hives out of hostile hands: keys, values, transaction logs, and what could not be read.

python-registry decodes the records (it is the fastest pure-Python reader and replays logs correctly); the walk is our
own, since both common readers loop for ever on crafted hives: cells are bounded (`hive_cells`), no key is entered
through itself, paths are built walking down and parent pointers are only compared. Looking a key up reads only the
subkey lists on its way. `problems` grows while the hive is read: look at it afterwards.

Format: https://github.com/msuhanov/regf/blob/master/Windows%20registry%20file%20format%20specification.md
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from Registry.RegistryParse import NKRecord, RegistryException, VKRecord

from forensics.formats import FormatError, hive_values
from forensics.formats.hive_cells import BINS, Cells, Reports
from forensics.formats.hive_replay import DIRTY, REPLAYED, Replay, replay
from forensics.times import Moment, from_filetime

MAX_DEPTH = 512  # Windows itself allows no deeper key
_NK_MINIMUM, _NK_NAME = 0x4C, 0x4C
_VK_MINIMUM, _VK_NAME = 0x14, 0x14
_INLINE = 0x80000000
_ROOT = 0x20  # where the root key stands in every hive that Windows makes
_ROOT_FLAG = 0x4
_AMCACHE = ("InventoryApplicationFile", "File", "Programs")
_CONTROL_SET = re.compile(r"ControlSet\d{3}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RegValue:
    """One value. `lost` says why `raw` is empty although the hive claims data."""

    name: str
    type: int
    raw: bytes
    lost: str = ""

    @property
    def type_name(self) -> str:
        """`REG_SZ` and its relatives."""
        return hive_values.type_name(self.type)

    @property
    def data(self) -> hive_values.Decoded:
        """The decoded data; bytes where the type does not say more."""
        return hive_values.decode(self.type, self.raw)

    def text(self) -> str:
        """The data as one text: numbers in decimal, lists one text a line, bytes in hex."""
        return hive_values.as_text(self.data)


class Key:
    """One key, reached from the root by the names in `path` (relative to the root, backslashes; "" is the root)."""

    __slots__ = ("_hive", "_nk", "_parent", "cell", "depth", "name", "path")

    def __init__(self, hive: Hive, nk: NKRecord, cell: int, name: str, parent: Key | None) -> None:
        self._hive = hive
        self._nk = nk
        self._parent = parent
        self.cell = cell
        self.name = name
        self.depth: int = parent.depth + 1 if parent else 0
        self.path: str = f"{parent.path}\\{name}" if parent and parent.path else name if parent else ""

    @property
    def last_write(self) -> Moment:
        """When the key, a value of it or its list of subkeys last changed."""
        return from_filetime(self._nk.unpack_qword(4))

    @property
    def lost_values(self) -> bool:
        """Whether this is a live key seen only by values removed from it: its last write is then the removal."""
        return False

    def subkeys(self) -> Iterator[Key]:
        """The subkeys in stored order; those that cannot be read are reported."""
        for cell, nk in self._hive.child_records(self._nk, self.cell):
            child = self._hive.enter(self, cell, nk)
            if child is not None:
                yield child

    def subkey(self, name: str) -> Key | None:
        """The subkey of this name, case ignored."""
        wanted = name.lower()
        for cell, nk in self._hive.child_records(self._nk, self.cell):
            if self._hive.key_name(nk, cell).lower() == wanted:
                return self._hive.enter(self, cell, nk)
        return None

    def values(self) -> Iterator[RegValue]:
        """The values in stored order; together they cannot hold more bytes than the hive has."""
        budget = len(self._hive.cells.buf)
        for name, vk, cell in self._hive.value_records(self._nk, self.cell):
            value = self._hive.read_value(name, vk, cell, budget)
            budget -= len(value.raw)
            yield value

    def value(self, name: str) -> RegValue | None:
        """The value of this name, case ignored; "" is the default value."""
        wanted = name.lower()
        for found, vk, cell in self._hive.value_records(self._nk, self.cell):
            if found.lower() == wanted:
                return self._hive.read_value(found, vk, cell, len(self._hive.cells.buf))
        return None

    def mark(self, value_name: str | None = None) -> str:
        """What is added to the place of this key or a value of it: nothing, unless it was recovered."""
        del value_name
        return ""

    def ancestors(self) -> Iterator[Key]:
        """This key and those above it, up to the root."""
        key: Key | None = self
        while key is not None:
            yield key
            key = key._parent


class Hive:
    """An open hive. Build it with `Hive.open`.

    `state`: `clean` | `replayed` (its logs were applied) | `dirty_not_replayed` (recent changes may be missing).
    `kind`: SYSTEM | SOFTWARE | NTUSER | USRCLASS | SAM | SECURITY | AMCACHE | UNKNOWN, by content, not by file name.
    `root_name`: the stored name of the root key, which is no part of any path.
    `deleted`: whether this is the view of what was recovered from free cells (`hive_deleted`).
    """

    deleted = False

    def __init__(self, data: bytes, state: str, reports: Reports) -> None:
        self.state = state
        self._reports = reports
        self.cells = Cells(data, reports)
        cell, record = self._find_root()
        self.root = Key(self, record, cell, "", None)
        self.root_name = self.key_name(record, cell)
        self.kind = self._find_kind()

    @classmethod
    def open(cls, data: bytes, logs: Sequence[bytes] = ()) -> Hive:
        """Read a hive with the contents of its LOG1 and LOG2 (in any order). Raises FormatError."""
        outcome = replay(data, logs)
        if outcome.state == REPLAYED:
            try:
                return cls._with_problems(outcome)
            except FormatError as error:
                outcome = Replay(data, DIRTY, [*outcome.problems, FormatError(f"replay gave no hive: {error}")])
        return cls._with_problems(outcome)

    @classmethod
    def _with_problems(cls, outcome: Replay) -> Hive:
        reports = Reports()
        for problem in outcome.problems:
            reports.add(str(problem))
        return cls(outcome.data, outcome.state, reports)

    @property
    def problems(self) -> list[FormatError]:
        """What was found wrong so far, each place once."""
        return self._reports.listing()

    @property
    def live(self) -> Hive:
        """The hive as it is; itself, unless this is the view of what was recovered."""
        return self

    def unplaced(self) -> Iterator[Key]:
        """Recovered keys whose place is not known; none in a live hive."""
        yield from ()

    # -- looking up -------------------------------------------------------------------------------------------------

    def key(self, path: str) -> Key | None:
        """The key at `path` (relative to the root key, backslashes, case ignored); None when it is not there."""
        key: Key | None = self.root
        for name in filter(None, path.split("\\")):
            key = key.subkey(name) if key else None
        return key

    def glob(self, pattern: str) -> Iterator[Key]:
        """The keys whose path matches; a component may hold `*`, `?` and `[...]`, none crosses a backslash."""
        level = [self.root]
        for component in filter(None, pattern.split("\\")):
            level = list(_unique(_matching(level, component)))
        yield from level

    def walk(self, start: Key | None = None) -> Iterator[Key]:
        """Every key below `start` (the root when absent) and itself, parents first, each cell once."""
        seen: set[int] = set()
        stack = [start or self.root]
        while stack:
            key = stack.pop()
            if key.cell in seen:
                self._reports.add("a key hangs under two keys: walked once", BINS + key.cell)
                continue
            seen.add(key.cell)
            yield key
            stack.extend(reversed(list(key.subkeys())))

    def control_sets(self) -> list[str]:
        """`ControlSet001` and its relatives that are there, the current one (Select\\Current) first."""
        names = sorted(key.name for key in self.root.subkeys() if _CONTROL_SET.fullmatch(key.name))
        select = self.key("Select")
        current = select.value("Current") if select else None
        wanted = f"controlset{current.data:03d}" if current and isinstance(current.data, int) else ""
        return sorted(names, key=lambda name: (name.lower() != wanted, name.lower()))

    # -- records ----------------------------------------------------------------------------------------------------

    def child_records(self, nk: NKRecord, cell: int) -> Iterator[tuple[int, NKRecord]]:
        """The subkey records that a key lists; the lost ones are reported."""
        for child in self.cells.children(nk.unpack_dword(0x1C), nk.subkey_number()):
            try:
                record = self._key_record(child)
            except FormatError as error:
                self._reports.add(f"subkey lost: {error}")
                continue
            if record.unpack_dword(0x10) != cell:
                self._reports.add("a key names another parent than the one that lists it", BINS + child)
            yield child, record

    def enter(self, parent: Key, cell: int, nk: NKRecord) -> Key | None:
        """The key in `cell` as a child of `parent`; None, reported, when that would go round or too deep."""
        if parent.depth >= MAX_DEPTH:
            self._reports.add(f"keys are nested deeper than {MAX_DEPTH}: not followed", BINS + cell)
            return None
        if any(above.cell == cell for above in parent.ancestors()):
            self._reports.add("a key lists itself or a key above it (cycle)", BINS + cell)
            return None
        return Key(self, nk, cell, self.key_name(nk, cell), parent)

    def key_name(self, nk: NKRecord, cell: int) -> str:
        """The name of a key; odd code units stay as they are, the text is cleaned where it leaves the program."""
        length = nk.unpack_word(0x48)
        return self._name(cell, _NK_NAME, length, latin=nk.has_ascii_name())

    def value_records(self, nk: NKRecord, cell: int) -> Iterator[tuple[str, VKRecord, int]]:
        """Name, record and cell offset of each value that a key lists; the lost ones are reported."""
        count = nk.values_number()
        if not count:
            return
        try:
            listing = self.cells.cell(nk.unpack_dword(0x28))
        except FormatError as error:
            self._reports.add(f"{count} values lost: {error}", BINS + cell)
            return
        for relative in self.cells.offsets(listing, 0, count, 4):
            if not self.cells.spend():
                return
            try:
                record = self._value_record(relative)
            except FormatError as error:
                self._reports.add(f"value lost: {error}")
                continue
            name = self._name(relative, _VK_NAME, record.unpack_word(2), latin=record.has_ascii_name())
            yield name, record, relative

    def read_value(self, name: str, vk: VKRecord, cell: int, budget: int) -> RegValue:
        """The value behind a record, with at most `budget` bytes of data."""
        size, kind = vk.raw_data_length(), vk.unpack_dword(0x0C)
        if size & _INLINE:
            length = size ^ _INLINE
            if length > 4:
                self._reports.add(f"value claims {length} bytes inside its record", BINS + cell)
            return RegValue(name, kind, vk.unpack_binary(8, min(length, 4)))
        try:
            return RegValue(name, kind, self.cells.value_data(size, vk.unpack_dword(8), budget))
        except FormatError as error:
            self._reports.add(f"value data lost: {error}")
            return RegValue(name, kind, b"", str(error))

    def _key_record(self, relative: int) -> NKRecord:
        cell = self.cells.cell(relative)
        if cell.length < _NK_MINIMUM:
            raise FormatError("key cell is too small", cell.start)
        try:
            return NKRecord(self.cells.buf, cell.start, None)
        except RegistryException as error:
            raise FormatError("not a key cell", cell.start) from error

    def _value_record(self, relative: int) -> VKRecord:
        cell = self.cells.cell(relative)
        if cell.length < _VK_MINIMUM:
            raise FormatError("value cell is too small", cell.start)
        try:
            return VKRecord(self.cells.buf, cell.start, None)
        except RegistryException as error:
            raise FormatError("not a value cell", cell.start) from error

    def _name(self, relative: int, skip: int, length: int, *, latin: bool) -> str:
        cell = self.cells.cell(relative)
        if length > cell.length - skip:
            self._reports.add(f"a name of {length} bytes leaves its cell: cut", cell.start)
            length = cell.length - skip
        raw = self.cells.buf[cell.start + skip : cell.start + skip + length]
        if latin:
            return raw.decode("latin-1")
        return raw[: len(raw) & ~1].decode("utf-16-le", "surrogatepass")

    def _find_root(self) -> tuple[int, NKRecord]:
        """The root key where the header says, else where Windows always puts it. Raises FormatError."""
        declared = self.cells.dword(0x24)
        try:
            return declared, self._key_record(declared)
        except FormatError as error:
            if declared == _ROOT:
                raise FormatError(f"no root key: {error}") from error
            self._reports.add(f"no root key where the header says: {error}")
        record = self._key_record(_ROOT)
        if not record.unpack_word(2) & _ROOT_FLAG:
            raise FormatError("no root key", BINS + _ROOT)
        return _ROOT, record

    def _find_kind(self) -> str:
        """What the hive is, by the subkeys of its root key (SYSTEM first: it has a Software key as well)."""
        names = {key.name.lower() for key in self.root.subkeys()}
        if "select" in names and any(name.startswith("controlset") for name in names):
            return "SYSTEM"
        if "microsoft" in names and names & {"classes", "clients", "policies"}:
            return "SOFTWARE"
        if "software" in names and not any(name.startswith("controlset") for name in names):
            return "NTUSER"
        if "local settings" in names or self.root_name.lower().endswith("_classes"):
            return "USRCLASS"
        if "policy" in names and names & {"cache", "rxact", "recovery", "sam"}:
            return "SECURITY"
        if "sam" in names:
            return "SAM"
        inventory = self.key("Root")
        return "AMCACHE" if inventory and any(map(inventory.subkey, _AMCACHE)) else "UNKNOWN"


def _matching(level: Iterable[Key], component: str) -> Iterator[Key]:
    if not any(sign in component for sign in "*?["):
        yield from filter(None, (key.subkey(component) for key in level))
        return
    matches = re.compile(fnmatch.translate(component.lower())).match
    for key in level:
        yield from (child for child in key.subkeys() if matches(child.name.lower()))


def _unique(keys: Iterable[Key]) -> Iterator[Key]:
    """Each cell once: lists that share their keys would multiply with every component."""
    seen: set[int] = set()
    for key in keys:
        if key.cell not in seen:
            seen.add(key.cell)
            yield key
