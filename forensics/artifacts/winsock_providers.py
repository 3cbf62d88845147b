"""Winsock providers: libraries that every program with a network connection loads.

A layered service provider stands in the protocol catalogue and sees and changes all traffic of all programs; a name
space provider answers name lookups. The catalogue's `PackedCatalogItem` is a structure whose first 260 bytes are the
path of the library (the rest is WSAPROTOCOL_INFOW). Several entries share one library: it is told once for a
catalogue. `AutodialDLL` is loaded by programs that open their first connection.
https://learn.microsoft.com/windows/win32/winsock/categorizing-layered-service-providers-and-applications
https://learn.microsoft.com/sysinternals/downloads/autoruns (page Winsock Providers)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from forensics.artifacts._autorun import Base, Entry, autorun
from forensics.artifacts._registry import file_name
from forensics.formats.hive import Key
from forensics.formats.hostinfo import number_of

_CATALOGUE = "Services\\WinSock2\\Parameters\\*\\Catalog_Entries*\\*"
_PATH = 260


def providers(base: Base) -> Iterator[Entry]:
    """The libraries of both catalogues, each once in a catalogue."""
    found: dict[tuple[str, str, bool | None], list[Entry]] = {}
    for key in base.keys(_CATALOGUE):
        for entry in _entry(key):
            where = key.path.rpartition("\\")[0]
            found.setdefault((where, entry.command.casefold(), entry.enabled), []).append(entry)
    for entries in found.values():
        more = f"and {len(entries) - 1} more entries of its catalogue" if len(entries) > 1 else ""
        yield replace(entries[0], reason=entries[0].reason or more)


def _entry(key: Key) -> Iterator[Entry]:
    for name in ("PackedCatalogItem", "LibraryPath"):
        value = key.value(name)
        if value is not None:
            packed = value.raw[:_PATH].partition(b"\x00")[0].decode("latin-1")
            path = packed if name == "PackedCatalogItem" else value.text()
            enabled = number_of(key, "Enabled")
            on = None if enabled is None else bool(enabled)
            yield Entry("winsock", key, name, file_name(path) or key.name, path, enabled=on, reason=value.lost)


ARTIFACT = autorun("winsock_providers", providers, hives=frozenset({"SYSTEM"}))
