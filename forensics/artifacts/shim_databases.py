r"""Application shims: databases of compatibility fixes that somebody installed, and for which programs.

`sdbinst.exe` registers a `.sdb` file below `AppCompatFlags\InstalledSDB\{id}` (path and description) and for each
program that it fixes below `AppCompatFlags\Custom\<program>`, as a value `{id}.sdb`. A fix can load any library into
the program (`InjectDll`) or send it to another one, at each start, as whoever starts it; FIN7 did it to `services.exe`.
Windows' own fixes are not registered here; companies with old programs and Microsoft's EMET have such databases. What a
database does is not read: its file is named for it. The time is the key's last write. Mechanism: `application_shim`.
https://attack.mitre.org/techniques/T1546/011/
https://learn.microsoft.com/windows/deployment/planning/using-the-sdbinstexe-command-line-tool
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._autostart import EMITS, hive_root, key_entry
from forensics.artifacts.base import FileInput, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.model import Fact

_FLAGS = "Microsoft\\Windows NT\\CurrentVersion\\AppCompatFlags"
_MOST = 20


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for each installed database; one for each program whose database is not registered (any more)."""
    before, root = hive_root(hive)
    for twin in ("", "Wow6432Node\\"):
        programs = _programs(hive, f"{before}{twin}{_FLAGS}")
        for key in hive.glob(f"{before}{twin}{_FLAGS}\\InstalledSDB\\*"):
            yield from _database(given, key, root, programs.pop(key.name.casefold(), []))
        for found in programs.values():
            for holder, name in found:
                yield key_entry(
                    given, holder, root, "application_shim", holder.name, None, value_name=name,
                    reason=f"its database {name} is not registered",
                )  # fmt: skip


def _programs(hive: Hive, flags: str) -> dict[str, list[tuple[Key, str]]]:
    """The keys of the fixed programs, and the value that says so, by the folded id of the database."""
    found: dict[str, list[tuple[Key, str]]] = {}
    for key in hive.glob(f"{flags}\\Custom\\*"):
        for value in key.values():
            if value.name.casefold().endswith(".sdb"):
                found.setdefault(value.name[:-4].casefold(), []).append((key, value.name))
    return found


def _database(given: FileInput, key: Key, root: str, programs: list[tuple[Key, str]]) -> Iterator[Fact]:
    path, about = (_text(key, name) for name in ("DatabasePath", "DatabaseDescription"))
    if not path and not programs:
        return
    names = sorted({holder.name for holder, _ in programs}, key=str.casefold)
    applied = f"for {', '.join(names[:_MOST])}" + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")
    said = ["a shim database that somebody installed", about[:200], applied if names else ""]
    yield key_entry(
        given, key, root, "application_shim", key.name, path or None, value_name="DatabasePath",
        reason="; ".join(part for part in said if part),
    )  # fmt: skip


def _text(key: Key, name: str) -> str:
    value = key.value(name)
    return value.text().strip("\x00 ") if value and value.raw else ""


ARTIFACT = RegistryArtifact(
    name="shim_databases", hives=frozenset({"SOFTWARE", "NTUSER"}), parse=parse, emits=EMITS, deleted=True
)
