"""MuiCache: programs whose name Explorer looked up for a user, mostly because they were started through it.

The entry holds the path of a program with the name and company that its version resource claimed, and stays when the
program, its Prefetch file and all logs are gone: a renamed `code.exe` still gives itself away by its company, and an
entry for WindowsSandbox.exe says that this user's Explorer handled it. It also comes from merely listing a program
under "Open with", so it is no proof of a start, and it has no time: the key changes with every entry.

`Local Settings\\Software\\Microsoft\\Windows\\Shell\\MuiCache` of UsrClass.dat since Windows Vista, with
`.FriendlyAppName` and `.ApplicationCompany` behind the path (8 and later); `ShellNoRoam\\MUICache` of NTUSER.DAT
before. LangID and the cached texts of resources (`@...`) are no programs and are left out.
https://github.com/libyal/winreg-kb/blob/main/docs/sources/explorer-keys/MUICache.md
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts import _mru
from forensics.artifacts._registry import file_name, lost, place
from forensics.artifacts.base import FieldType, FileInput, Kind, Output, RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.hive import Hive, Key, RegValue
from forensics.model import Fact, Problem, make_fact
from forensics.rules.watch import is_watched
from forensics.times import NoTime

_NAME = "mui_cache"
_SHELL = "Software\\Microsoft\\Windows\\"
_CACHES = {
    "USRCLASS": (f"Local Settings\\{_SHELL}Shell\\MuiCache",),
    "NTUSER": (f"{_SHELL}ShellNoRoam\\MUICache", f"Software\\Classes\\Local Settings\\{_SHELL}Shell\\MuiCache"),
}
_SUFFIXES = {".friendlyappname": "display_name", ".applicationcompany": "company_name"}
_UNTIMED = "the key changes with every entry"
_PLACE: dict[str, FieldType] = {name: kind for name, kind in _mru.FIELDS.items() if name != "order"}


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every program, name and company together."""
    for path in _CACHES.get(hive.live.kind, ()):
        key = hive.key(path)
        if key is not None:
            yield from _programs(given, key)


def _programs(given: FileInput, key: Key) -> Iterator[Fact | Problem]:
    found: dict[str, dict[str, RegValue]] = {}
    for value in key.values():
        path, field = _split(value.name)
        if not path:
            continue
        if value.lost:
            yield lost(_NAME, place(given, key, value.name), FormatError(value.lost))
        found.setdefault(path, {})[field] = value
    for path, values in found.items():
        yield _fact(given, key, path, values)


def _split(name: str) -> tuple[str, str]:
    """Path of the program and what the value says of it; no path when it is no program's."""
    for suffix, field in _SUFFIXES.items():
        if name.casefold().endswith(suffix):
            return name[: -len(suffix)], field
    return (name if "\\" in name and not name.startswith("@") else "", "display_name")


def _fact(given: FileInput, key: Key, path: str, values: dict[str, RegValue]) -> Fact:
    first = next(iter(values.values()))
    texts = {field: value.text() for field, value in values.items()}
    return make_fact(
        "program.named",
        place(given, key, first.name),
        {_mru.WRITTEN: NoTime(_UNTIMED, "")},
        {
            "executable": path,
            "executable_name": file_name(path),
            **texts,
            **_mru.about(given, key, first.name),
            "order": None,
        },
        context=not is_watched(path, *texts.values()),
    )


ARTIFACT = RegistryArtifact(
    name=_NAME,
    hives=frozenset({"NTUSER", "USRCLASS"}),
    parse=parse,
    emits={
        "program.named": Kind(
            "Explorer looked up the name of {executable}[: {display_name}][, {company_name}][ (user {profile_user})]",
            {
                "executable": str,
                "executable_name": str,
                "display_name": str,
                "company_name": str,
                **_PLACE,
            },
            context=True,
        )
    },
    deleted=True,
)
