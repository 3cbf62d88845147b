"""What `.wsb` files open with for a user: the choice, the programs offered, and classes of the user's own.

An association is not use: Explorer writes `FileExts\\.wsb` with a UserChoice of Windows.Sandbox by itself once the
feature is there, in profiles that never started a sandbox (seen in public hives). So the stock choice is only context.
What is kept: another choice, a program under OpenWithList (somebody opened a `.wsb` with it, such as an editor), and
`.wsb` or `Windows.Sandbox` among the user's own classes, which override the machine's and belong to a tool or to
tampering (one public script does so); the command there is what a double click really starts. The Store package
registers itself under names that begin with AppX, which is context as well (inferred). The hash binds a choice to the
user: one that a program wrote past Explorer has none that fits; it is told, not checked.

UserChoiceLatest is the place of newer Windows 11 builds (from memory, not seen).
https://github.com/libyal/winreg-kb/blob/main/docs/sources/explorer-keys/File-associations.md
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts import _mru
from forensics.artifacts._registry import file_name, place
from forensics.artifacts.base import FieldType, FileInput, Kind, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key, RegValue
from forensics.model import Fact, Value, make_fact
from forensics.times import Moment, NoTime

_NAME = "file_exts"
_EXPLORER = "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\FileExts\\.wsb"
_CLASSES = (".wsb", "Windows.Sandbox")
_STOCK = "windows.sandbox"
_PACKAGE = "appx"
_SEVERAL = "the key's last write is that of whichever value changed last"
_UNNAMED = frozenset({"mrulist", ""})
_PLACE: dict[str, FieldType] = {name: kind for name, kind in _mru.FIELDS.items() if name != "order"}


def parse(hive: Hive, given: FileInput) -> Output:
    """The user's choice and offers for `.wsb` out of NTUSER, overriding classes out of either hive."""
    for name in ("UserChoice", "UserChoiceLatest"):
        yield from _choice(given, hive.key(f"{_EXPLORER}\\{name}"))
    yield from _opened(given, hive.key(f"{_EXPLORER}\\OpenWithList"))
    yield from _offered(given, hive.key(f"{_EXPLORER}\\OpenWithProgids"))
    front = "" if hive.live.kind == "USRCLASS" else "Software\\Classes\\"
    for name in _CLASSES:
        top = hive.key(front + name)
        if top is not None:
            for key in hive.walk(top):
                yield from _overrides(given, key)


def _choice(given: FileInput, key: Key | None) -> Iterator[Fact]:
    """The choice; newer builds keep its class in a subkey of that name."""
    if key is None:
        return
    below = key.subkey("ProgId")
    found = key.value("ProgId") or (below.value("ProgId") if below else None)
    chosen_hash = key.value("Hash")
    if found is None:
        return
    choice = found.text()
    fields: dict[str, Value | None] = {
        "prog_id": choice,
        "choice_hash": chosen_hash.text() if chosen_hash else None,
    }
    stock = choice.casefold() == _STOCK or choice.casefold().startswith(_PACKAGE)
    yield _fact(given, key, "ProgId", ("association.user_choice", fields), key.last_write, context=stock)


def _opened(given: FileInput, key: Key | None) -> Iterator[Fact]:
    if key is None:
        return
    places = _mru.letters(key.value("MRUList"))
    for value in key.values():
        program = value.text()
        if value.name.casefold() in _UNNAMED or not program:
            continue
        position = places.get(value.name)
        fields: dict[str, Value | None] = {
            "executable": program,
            "executable_name": file_name(program),
            "order": position,
        }
        what = ("association.open_with", fields)
        yield _fact(given, key, value.name, what, _mru.moment(key, position), context=False)


def _offered(given: FileInput, key: Key | None) -> Iterator[Fact]:
    if key is None:
        return
    values = [value for value in key.values() if value.name]
    for value in values:
        lowered = value.name.casefold()
        what: tuple[str, dict[str, Value | None]] = ("association.offered", {"prog_id": value.name})
        stock = lowered == _STOCK or lowered.startswith(_PACKAGE)
        yield _fact(given, key, value.name, what, _moment(key, values), context=stock)


def _overrides(given: FileInput, key: Key) -> Iterator[Fact]:
    values = list(key.values())
    for value in values:
        text = value.text()
        command = text if key.name.casefold() == "command" and not value.name else None
        fields: dict[str, Value | None] = {"value_data": text, "command_line": command}
        packaged = (value.name or text).casefold().startswith(_PACKAGE)
        what = ("association.override", fields)
        yield _fact(given, key, value.name, what, _moment(key, values), context=packaged)


def _moment(key: Key, values: list[RegValue]) -> Moment:
    """The key's last write when it can only be this value's; of a recovered key others may be lost."""
    return key.last_write if len(values) == 1 and not key.mark() else NoTime(_SEVERAL, "")


def _fact(
    given: FileInput,
    key: Key,
    value_name: str,
    what: tuple[str, dict[str, Value | None]],
    moment: Moment,
    *,
    context: bool,
) -> Fact:
    kind, fields = what
    about = {**_mru.about(given, key, value_name or "(Default)"), "order": None}
    if not isinstance(moment, NoTime):
        about["key_written"] = None
    source = place(given, key, value_name)
    return make_fact(kind, source, {_mru.WRITTEN: moment}, {**about, **fields}, context=context)


ARTIFACT = RegistryArtifact(
    name=_NAME,
    hives=frozenset({"NTUSER", "USRCLASS"}),
    parse=parse,
    emits={
        "association.user_choice": Kind(
            "Files of type .wsb open with {prog_id}[ for {profile_user}]: an association, not a use",
            {"prog_id": str, "choice_hash": str, **_PLACE},
            context=True,
        ),
        "association.open_with": Kind(
            "A .wsb file was opened with {executable}[, place {order} of the recent ones][ (user {profile_user})]",
            {"executable": str, "executable_name": str, **_mru.FIELDS},
            data_type="windows:registry:mrulist",
        ),
        "association.offered": Kind(
            "{prog_id} is offered for .wsb files[ to {profile_user}]: an association, not a use",
            {"prog_id": str, **_PLACE},
            context=True,
        ),
        "association.override": Kind(
            "Class {key_path} of[ {profile_user}'s] own overrides the machine's: {value_name}[ = {value_data}]",
            {"value_data": str, "command_line": str, **_PLACE},
        ),
    },
    deleted=True,
)
