"""What was deleted from a hive, as a hive: the same look-ups, over recovered keys and values alone.

A parser that finds its keys by path in a live hive finds the deleted ones by the same path here, and nothing else: live
keys appear only as the way to something deleted and have no values of their own. Several deleted keys may have had one
path; they must not be mixed into one that never was, so each gets a layer of its own, with what hung below it.
`Key.mark` says of each key and value how far its place is shown and where its record stands.

A hive whose logs were replayed is carved twice, since the replay overwrites free cells and frees others. What the
stored hive has in free cells and the replayed one in cells in use was never deleted: the stored pages were older.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count

from forensics.formats import FormatError
from forensics.formats.hive import Hive, Key, RegValue
from forensics.formats.hive_carve import (
    FRAGMENT,
    ORPHAN,
    REACHABLE,
    UNKNOWN_PATH,
    Carved,
    DeletedKey,
    DeletedValue,
    carve,
)
from forensics.formats.hive_cells import Reports
from forensics.formats.hive_replay import DIRTY, REPLAYED
from forensics.times import UNIX_EPOCH, Moment, NoTime

BEFORE, AFTER, BOTH = "before_replay", "after_replay", "both"
MOST_LAYERS = 32  # versions of one path; what is beyond is given without its place
_WORTH = {REACHABLE: 0, ORPHAN: 1, FRAGMENT: 2}
_LIVE = NoTime("the key itself is not deleted", "")
_MARK = " (deleted, "

Find = DeletedKey | DeletedValue


@dataclass(slots=True)
class Recovery:
    """What the free cells of a hive hold.

    `refused`, `cut` and `broken` as in `Carved`, of both carvings together; `alive` counts what only the stored hive
    has in free cells while the replayed one uses it.
    """

    keys: list[DeletedKey]
    loose: list[DeletedValue]
    refused: int = 0
    cut: bool = False
    broken: int = 0
    alive: int = 0

    @property
    def value_count(self) -> int:
        """All values, those of deleted keys included."""
        return len(self.loose) + sum(len(key.values) for key in self.keys)


def recover(hive: Hive, stored: bytes) -> Recovery:
    """Carve an open hive and, where logs were replayed, its `stored` bytes as well."""
    found = carve(hive)
    if hive.state != REPLAYED:
        return _only(found, BEFORE if hive.state == DIRTY else "")
    try:
        old = Hive.open(stored)
    except FormatError:  # without its root key the stored hive has no tree; the replayed one is all there is
        return _only(found, AFTER)
    return _Merger(hive, old).merged(found, carve(old))


def _only(found: Carved, phase: str) -> Recovery:
    keys = [_phased(key, phase) for key in found.keys]
    loose = [replace(value, phase=phase) for value in found.loose]
    return Recovery(keys, loose, found.refused, found.cut, found.broken)


def _phased(key: DeletedKey, phase: str) -> DeletedKey:
    return replace(key, phase=phase, values=tuple(replace(value, phase=phase) for value in key.values))


class _Merger:
    """Puts together what was carved from the replayed hive and from the stored one."""

    def __init__(self, hive: Hive, old: Hive) -> None:
        self._now, self._was = hive.cells.buf, old.cells.buf
        self._used = frozenset(cell.start for cell, free in hive.cells.every() if not free)

    def merged(self, after: Carved, before: Carved) -> Recovery:
        keys, loose, alive = self._keys(after, before)
        values = [*(replace(value, phase=AFTER) for value in after.loose), *loose]
        values += [replace(value, phase=BEFORE) for value in before.loose]
        told = {_identity(value) for key in keys for value in key.values}
        kept: dict[object, DeletedValue] = {}
        for value in values:
            identity = _identity(value)
            other = kept.get(identity)
            if value.phase == BEFORE and other is None and self._lives(value.offset, 0x14, 2):
                alive += 1
            elif identity not in told:
                kept[identity] = _better(other, value) if other else value
        cut, broken = after.cut or before.cut, after.broken + before.broken
        return Recovery(keys, list(kept.values()), after.refused + before.refused, cut, broken, alive)

    def _keys(self, after: Carved, before: Carved) -> tuple[list[DeletedKey], list[DeletedValue], int]:
        """The keys of both, values of keys that live again, and how many keys do."""
        kept = {(key.offset, key.name, key.last_write): _phased(key, AFTER) for key in after.keys}
        loose: list[DeletedValue] = []
        alive = 0
        for key in before.keys:
            identity = (key.offset, key.name, key.last_write)
            if identity in kept:
                best = min(kept[identity], key, key=lambda item: (_WORTH[item.grade], -len(item.values)))
                kept[identity] = _phased(best, BOTH)
            elif self._lives(key.offset, 0x4C, 0x48):
                alive += 1
                loose += [replace(value, phase=BEFORE) for value in key.values]
            else:
                kept[identity] = _phased(key, BEFORE)
        return list(kept.values()), loose, alive

    def _lives(self, offset: int, head: int, length_at: int) -> bool:
        """Whether the replayed hive uses the same record of the same name in the same cell."""
        end = offset + head + int.from_bytes(self._was[offset + length_at : offset + length_at + 2], "little")
        same = [buf[offset : offset + 2] + buf[offset + head : end] for buf in (self._now, self._was)]
        sizes = [buf[offset + length_at : offset + length_at + 2] for buf in (self._now, self._was)]
        return offset in self._used and same[0] == same[1] and sizes[0] == sizes[1]


def _identity(value: DeletedValue) -> tuple[object, ...]:
    return value.offset, value.value.name, value.value.type, value.value.raw


def _better(one: DeletedValue, other: DeletedValue) -> DeletedValue:
    """The better placed of two finds of the same value, with the phases of both."""
    best = min(one, other, key=lambda item: _WORTH[item.grade])
    return best if one.phase == other.phase else replace(best, phase=BOTH)


# -- as a hive -------------------------------------------------------------------------------------------------------


class DeletedKeyView(Key):
    """A deleted key, or a live one as the way to something deleted (`find` is None)."""

    __slots__ = ("_below", "_held", "_moment", "find")
    _hive: DeletedHive

    def __init__(self, hive: DeletedHive, name: str, parent: DeletedKeyView | None, path: str | None = None) -> None:
        super().__init__(hive, None, hive.number(), name, parent)
        if path is not None:
            self.path = path
        self.find: DeletedKey | None = None
        self._below: dict[str, DeletedKeyView] = {}
        self._held: dict[str, DeletedValue] = {}
        self._moment: Moment = _LIVE

    def fill(self, find: DeletedKey) -> None:
        """Make this the view of a deleted key."""
        self.find, self._moment = find, find.last_write
        for value in find.values:
            self._held.setdefault(value.value.name.lower(), value)

    def hold(self, value: DeletedValue) -> None:
        """Take in a value that was removed from a live key; the key's last write is the removal, or later."""
        self._held[value.value.name.lower()] = value
        self._moment = value.written

    def has_room(self, value: DeletedValue | None = None) -> bool:
        """Whether a deleted key can stand here or, where a value is given, that value of a live key."""
        if value is None:
            return self.find is None and not self._held
        return self.find is None and value.value.name.lower() not in self._held

    def child(self, name: str, *, make: bool) -> DeletedKeyView | None:
        """The key of this name below, made when asked for."""
        folded = name.lower()
        if make and folded not in self._below:
            self._below[folded] = DeletedKeyView(self._hive, name, self)
        return self._below.get(folded)

    @property
    def last_write(self) -> Moment:
        """The deleted key's own; of a live key that lost values its present one."""
        return self._moment

    @property
    def lost_values(self) -> bool:
        """Whether this is no deleted key but a live one without some of its values."""
        return self.find is None and bool(self._held)

    def subkeys(self) -> Iterator[Key]:
        """The keys below that are, or lead to, something deleted."""
        yield from self._below.values()

    def subkey(self, name: str) -> Key | None:
        """The key of this name below, case ignored."""
        return self._below.get(name.lower())

    def values(self) -> Iterator[RegValue]:
        """The deleted values."""
        for found in self._held.values():
            yield found.value

    def value(self, name: str) -> RegValue | None:
        """The deleted value of this name, case ignored."""
        found = self._held.get(name.lower())
        return found.value if found else None

    def mark(self, value_name: str | None = None) -> str:
        """How far the place of the key or value is shown, and where its record stands."""
        named = None if value_name is None else self._held.get(value_name.lower())
        find = named or self.find or next(iter(self._held.values()), None)
        return self._hive.mark_of(find) if find else ""


class DeletedHive(Hive):
    """One layer of what was deleted from `live`. Build the layers with `layers`."""

    deleted = True

    def __init__(self, live: Hive) -> None:
        self._live = live
        self._numbers = count(1)
        self._reports = Reports()
        self._finds: dict[str, Find] = {}
        self._unplaced: list[DeletedKeyView] = []
        self.cells, self.state, self.kind, self.root_name = live.cells, live.state, live.kind, live.root_name
        self.top = self.root = DeletedKeyView(self, "", None)

    @property
    def live(self) -> Hive:
        """The hive as it is."""
        return self._live

    def number(self) -> int:
        """A number that stands for the cell of a key: the views of a layer are told apart by it."""
        return next(self._numbers)

    def control_sets(self) -> list[str]:
        """The control sets with something deleted, in the order of the live hive."""
        order = [name.lower() for name in self._live.control_sets()]
        names = super().control_sets()
        return sorted(names, key=lambda name: order.index(name.lower()) if name.lower() in order else len(order))

    def unplaced(self) -> Iterator[Key]:
        """Deleted keys whose path begins in the unknown, and values of unknown keys, each as a key of its own."""
        yield from self._unplaced

    def mark_of(self, find: Find) -> str:
        """What stands behind the place of a row; `find_of` leads back from it."""
        when = " after replay" if find.phase == AFTER else ""
        mark = f"{_MARK}{find.grade}, offset 0x{find.offset:x}{when})"
        self._finds[mark] = find
        return mark

    def find_of(self, locator: str) -> Find | None:
        """The find that a locator with a mark is about."""
        return self._finds.get(locator[at:]) if (at := locator.rfind(_MARK)) >= 0 else None

    def at(self, path: str, *, make: bool) -> DeletedKeyView | None:
        """The view at a path, made with all above it when asked for."""
        node = self.top
        for name in filter(None, path.split("\\")):
            below = node.child(name, make=make)
            if below is None:
                return None
            node = below
        return node

    def add_unplaced(self, find: Find) -> None:
        """Take in a key whose path is not known, or a value whose key is not."""
        path = find.path if isinstance(find, DeletedKey) else find.key_path
        name = path.rpartition("\\")[2]
        view = DeletedKeyView(self, "" if name == UNKNOWN_PATH else name, None, path)
        if isinstance(find, DeletedKey):
            view.fill(find)
        else:
            view.hold(find)
        self._unplaced.append(view)


def layers(found: Recovery, live: Hive) -> list[DeletedHive]:
    """The recovered keys and values as hives; the first one has what could not be placed."""
    return _Layers(live).build(found)


class _Layers:
    def __init__(self, live: Hive) -> None:
        self._made = [DeletedHive(live)]
        self._where: dict[int, int] = {}
        self._tried: dict[tuple[str, str | None], int] = {}  # the layers below this one are taken

    def build(self, found: Recovery) -> list[DeletedHive]:
        for key in sorted(found.keys, key=_order):
            view = self._room(key.path, self._where.get(key.parent, 0), None, key.offset)
            if view is None:
                self._made[0].add_unplaced(key)
            else:
                view.fill(key)
        for value in found.loose:
            view = self._room(value.key_path, 0, value, value.offset)
            if view is None:
                self._made[0].add_unplaced(value)
            else:
                view.hold(value)
        return self._made

    def _room(self, path: str, first: int, value: DeletedValue | None, offset: int) -> DeletedKeyView | None:
        """The place in the first layer, from the parent's on, where no other version stands; None: nowhere."""
        if path == UNKNOWN_PATH or path.startswith(f"{UNKNOWN_PATH}\\"):
            return None
        what = (path.lower(), value.value.name.lower() if value else None)
        tried = self._tried.get(what, 0)
        for index in range(max(first, tried), MOST_LAYERS):
            if index == len(self._made):
                self._made.append(DeletedHive(self._made[0].live))
            there = self._made[index].at(path, make=False)
            if there is None or there.has_room(value):
                self._where[offset] = index
                self._tried[what] = index + 1 if first <= tried else tried
                return self._made[index].at(path, make=True)
        self._tried[what] = MOST_LAYERS if first <= tried else tried
        return None


def _order(key: DeletedKey) -> tuple[int, float, int]:
    """Parents first, of one path the newest first."""
    written = key.last_write if isinstance(key.last_write, datetime) else UNIX_EPOCH
    return key.path.count("\\"), -written.timestamp(), key.offset
