"""Open and Save dialogs (ComDlg32): files that a user chose in them, and the program and folder of the choice.

Whoever writes a `.wsb` in Notepad and saves it leaves it under `OpenSavePidlMRU\\wsb` and `\\*`, with the size, the
times and the MFT record that the file had, also after the file is gone; LastVisitedPidlMRU names the program and the
folder, CIDSizeMRU programs that opened a dialog at all. A file chosen in a dialog was edited, saved or loaded by that
program: nothing here says that a sandbox ran. Only the newest entry of each key has a time of its own; a watched file
gives a second row with the file's own times, which are dates of 2 seconds in UTC from the moment of the choice. A file
that did not exist yet has none.

The values are shell items (forensics/formats/shellitems.py), in LastVisitedPidlMRU behind the program's name.
https://github.com/libyal/winreg-kb/blob/main/docs/sources/explorer-keys/Most-recently-used.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from forensics.artifacts import _mru
from forensics.artifacts._registry import file_name, lost, place, resolved
from forensics.artifacts._shellpath import shell_path
from forensics.artifacts.base import FieldType, FileInput, Kind, Output, RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.hive import Hive, Key, RegValue
from forensics.formats.shellitems import FILE, ItemList, ShellItem, item_list
from forensics.model import Fact, Problem, Value, make_fact
from forensics.rules.watch import is_watched
from forensics.times import Moment, iso

_NAME = "open_save_mru"
_DIALOGS = "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\ComDlg32\\"
Reader = Callable[[FileInput, Key, RegValue, int | None], Iterator[Fact | Problem]]
_ITEM: dict[str, FieldType] = {
    "file_path": str,
    "file_name": str,
    "short_name": str,
    "file_size": int,
    "file_reference": str,
    "item_creation_time": str,
    "item_modification_time": str,
    "item_access_time": str,
    "item_notes": tuple[str, ...],
    "item_hex": str,
}


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every entry of the keys; two for a watched file whose times are known."""
    for key in hive.glob(f"{_DIALOGS}OpenSavePidlMRU\\*"):
        yield from _entries(given, key, _chosen)
    for name in ("LastVisitedPidlMRU", "LastVisitedPidlMRULegacy"):
        yield from _entries(given, hive.key(_DIALOGS + name), _visited)
    yield from _entries(given, hive.key(f"{_DIALOGS}CIDSizeMRU"), _sized)
    for key in hive.unplaced():
        if key.name.casefold() == "wsb":  # the subkey of the extension: nothing else of Explorer has that name
            yield from _entries(given, key, _chosen)


def _entries(given: FileInput, key: Key | None, reader: Reader) -> Iterator[Fact | Problem]:
    if key is None:
        return
    places = _mru.numbers(key.value("MRUListEx"))
    for value in key.values():
        if not value.name.isdecimal():
            continue
        if value.raw:
            yield from reader(given, key, value, places.get(int(value.name[:9])))
        else:
            yield lost(_NAME, place(given, key, value.name), FormatError(value.lost or "an empty entry"))


def _chosen(given: FileInput, key: Key, value: RegValue, position: int | None) -> Iterator[Fact | Problem]:
    found = item_list(value.raw)
    yield from _faults(given, key, value, found)
    path = shell_path(found.items)
    if not path:
        return
    watched = is_watched(path)
    yield _fact(given, key, value, position, ("dialog.file_chosen", _described(found, path)), watched=watched)
    last = found.items[-1]
    if watched and any(isinstance(moment, datetime) for moment in _times(last).values()):
        fields = {**_described(found, path), **_mru.about(given, key, value.name, position)}
        yield make_fact("dialog.file_seen", place(given, key, value.name), _times(last), fields)


def _visited(given: FileInput, key: Key, value: RegValue, position: int | None) -> Iterator[Fact | Problem]:
    program, end = _program(value.raw)
    found = item_list(value.raw, end) if end < len(value.raw) else ItemList((), (), end)
    yield from _faults(given, key, value, found)
    folder = shell_path(found.items)
    fields: dict[str, Value | None] = {**_named(program), "folder_path": folder, **_notes(found)}
    what = ("dialog.folder_used", fields)
    yield _fact(given, key, value, position, what, watched=is_watched(program, folder))


def _sized(given: FileInput, key: Key, value: RegValue, position: int | None) -> Iterator[Fact | Problem]:
    program, _ = _program(value.raw)
    what = ("dialog.program", _named(program))
    yield _fact(given, key, value, position, what, watched=is_watched(program))


def _fact(
    given: FileInput,
    key: Key,
    value: RegValue,
    position: int | None,
    what: tuple[str, dict[str, Value | None]],
    *,
    watched: bool,
) -> Fact:
    kind, fields = what
    return make_fact(
        kind,
        place(given, key, value.name),
        {_mru.WRITTEN: _mru.moment(key, position)},
        {**fields, **_mru.about(given, key, value.name, position)},
        context=not watched,
    )


def _faults(given: FileInput, key: Key, value: RegValue, found: ItemList) -> Iterator[Problem]:
    for fault in found.faults:
        yield lost(_NAME, place(given, key, value.name), fault)


def _program(raw: bytes) -> tuple[str, int]:
    """The name in front of the items, and where they begin."""
    end = next((at for at in range(0, len(raw) - 1, 2) if not raw[at] and not raw[at + 1]), len(raw) & ~1)
    return raw[:end].decode("utf-16-le", "surrogatepass"), end + 2


def _named(program: str) -> dict[str, Value | None]:
    executable = resolved(program)
    return {"executable": executable, "executable_name": file_name(executable)}


def _described(found: ItemList, path: str) -> dict[str, Value | None]:
    last = found.items[-1]
    record, sequence = last.mft_record, last.mft_sequence
    return {
        "file_path": path,
        "file_name": last.name,
        "short_name": last.short_name if last.short_name != last.name else None,
        "file_size": last.file_size if last.kind == FILE else None,
        "file_reference": f"{record}-{sequence or 0}" if record is not None else None,
        "item_creation_time": _text(last.created),
        "item_modification_time": _text(last.modified),
        "item_access_time": _text(last.accessed),
        **_notes(found),
    }


def _notes(found: ItemList) -> dict[str, Value | None]:
    unknown = [item.raw.hex() for item in found.items if item.raw]
    return {
        "item_notes": tuple(item.note for item in found.items if item.note),
        "item_hex": "\n".join(unknown),
    }


def _times(item: ShellItem) -> dict[str, Moment | None]:
    moments = {
        "Creation Time": item.created,
        "Content Modification Time": item.modified,
        "Last Access Time": item.accessed,
    }
    return {meaning: moment for meaning, moment in moments.items() if moment is not None}


def _text(moment: Moment | None) -> str | None:
    return iso(moment) if isinstance(moment, datetime) else None


ARTIFACT = RegistryArtifact(
    name=_NAME,
    hives=frozenset({"NTUSER"}),
    parse=parse,
    emits={
        "dialog.file_chosen": Kind(
            "{file_path} was chosen in an Open or Save dialog[, place {order} of the recent ones][ (user "
            "{profile_user})]",
            {**_ITEM, **_mru.FIELDS},
            context=True,
            data_type="windows:registry:mrulistex",
        ),
        "dialog.file_seen": Kind(
            "{file_path} as it was when chosen in an Open or Save dialog[, {file_size} bytes][ (user {profile_user})]",
            {**_ITEM, **_mru.FIELDS},
            data_type="windows:shell_item:file_entry",
        ),
        "dialog.folder_used": Kind(
            "{executable} used an Open or Save dialog[ in {folder_path}][, place {order} of the recent ones][ (user "
            "{profile_user})]",
            {
                "executable": str,
                "executable_name": str,
                "folder_path": str,
                "item_notes": tuple[str, ...],
                "item_hex": str,
                **_mru.FIELDS,
            },
            context=True,
            data_type="windows:registry:mrulistex",
        ),
        "dialog.program": Kind(
            "{executable} showed an Open or Save dialog[, place {order} of the recent ones][ (user {profile_user})]",
            {"executable": str, "executable_name": str, **_mru.FIELDS},
            context=True,
            data_type="windows:registry:mrulistex",
        ),
    },
    deleted=True,
)
