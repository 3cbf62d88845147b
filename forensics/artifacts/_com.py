r"""What the artifacts of COM share: the servers of a class, and the machine's classes beside a user's hive.

The machine's SOFTWARE hive is opened beside a user's hive as it lies there, without its logs: a class registered in
the last minutes before the copy may be missing in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import BinaryIO

from forensics.artifacts._autostart import class_root
from forensics.artifacts.base import FileInput
from forensics.formats import FormatError
from forensics.formats.hive import Hive, Key

SOFTWARE = "Windows/System32/config/SOFTWARE"
SERVERS = (
    "InprocServer32",
    "LocalServer32",
    "InprocHandler32",
    "TreatAs",
    "ScriptletURL",
    "InprocServer",
    "LocalServer",
)
TWINS = ("CLSID", "Wow6432Node\\CLSID")
_MOST = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Server:
    """What a class is served by: the subkey that says it, its key, and the value."""

    how: str
    key: Key
    value: str


def default(key: Key | None) -> str:
    """The text of a key's default value, "" when there is none."""
    value = key.value("") if key else None
    return value.text().strip("\x00 ") if value and value.raw else ""


def servers(holder: Key) -> Iterator[Server]:
    """The servers that a class's key names; for .NET classes the assembly's file stands for `mscoree.dll`."""
    wanted = {name.casefold(): name for name in SERVERS}
    for key in holder.subkeys():
        how = wanted.get(key.name.casefold())
        if how is None:
            continue
        text = default(key)
        base = key.value("CodeBase") if text.casefold().endswith("mscoree.dll") else None
        text = base.text() if base and base.raw else text
        if text:
            yield Server(how, key, text)


@dataclass
class Classes:
    """The classes of one root (`prefix` in front of `CLSID\\...`), looked up by id."""

    hive: Hive | None
    prefix: str
    _keys: dict[str, dict[str, Key]] = field(default_factory=dict)

    def find(self, class_id: str, twin: str = TWINS[0]) -> Key | None:
        """The key of a class."""
        if twin not in self._keys:
            listing = self.hive.key(self.prefix + twin) if self.hive else None
            self._keys[twin] = {key.name.casefold(): key for key in listing.subkeys()} if listing else {}
        return self._keys[twin].get(class_id.casefold())

    def class_of(self, program_id: str) -> str:
        """The id of the class that has this name (`Vendor.Connect`), "" when there is none."""
        return default(self.hive.key(f"{self.prefix}{program_id}\\CLSID")) if self.hive else ""

    def server(self, class_id: str, twin: str = TWINS[0]) -> str:
        """What the class is served by first, "" when the class or its server is not there."""
        key = self.find(class_id, twin)
        return next((server.value for server in servers(key)), "") if key else ""


@lru_cache(maxsize=1)
def _of_machine(handle: BinaryIO) -> Classes:
    """The machine's classes; kept, since several artifacts and every layer of deleted keys ask for them."""
    handle.seek(0)
    try:
        return Classes(Hive.open(handle.read(_MOST)), "Classes\\")
    except FormatError:
        return Classes(None, "")  # its own job says what is wrong with it


@dataclass
class Registered:
    """The classes of a hive, and of the machine's where the hive is a user's."""

    hive: Hive
    given: FileInput

    @cached_property
    def own(self) -> Classes:
        """Those of the hive itself, live."""
        return Classes(self.hive.live, class_root(self.hive)[0])

    @cached_property
    def machine(self) -> Classes:
        """Those of the machine; none when its hive is not at hand."""
        if self.hive.live.kind == "SOFTWARE":
            return self.own
        handle = self.given.companions.get(SOFTWARE)
        return _of_machine(handle) if handle else Classes(None, "")

    def server(self, class_id: str) -> str:
        """The server that a class of this user gets: the user's own first, then the machine's, 64 bit before 32."""
        for twin in TWINS:
            for classes in (self.own, self.machine):
                if found := classes.server(class_id, twin):
                    return found
        return ""

    def server_of(self, program_id: str) -> str:
        """The server behind the name of a class."""
        class_id = self.own.class_of(program_id) or self.machine.class_of(program_id)
        return self.server(class_id) if class_id else ""
