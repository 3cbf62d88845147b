r"""COM hijacks: classes that a user's hive serves in place of the machine's, or whose server users can write.

Programs ask for a class by its id and load the library that the registry names. The user's own classes (`UsrClass.dat`)
win over the machine's, and writing them needs no right, so a class that Explorer or a scheduled task uses all the time
brings foreign code back at every logon. Told are: a user's class that the machine has as well with another server
(needs the machine's SOFTWARE hive beside it); classes of either whose server lies where users can write; `TreatAs`,
which sends one class to another, in a user's hive; scriptlets (`ScriptletURL`, `scrobj.dll`); type libraries that name
a script or lie where users can write. Stock classes are not told. Programs that install themselves for one user
(OneDrive, Teams, Zoom) have such classes, too; the time is the key's last write. Mechanism: `com`.
https://attack.mitre.org/techniques/T1546/015/ ; https://learn.microsoft.com/windows/win32/com/clsid-key-hklm
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from forensics.artifacts._autostart import EMITS, class_root, key_entry, writable
from forensics.artifacts._com import SOFTWARE, TWINS, Registered, Server, default, servers
from forensics.artifacts._registry import RECOVERED, file_name, image_of, recovered_values
from forensics.artifacts.base import FileInput, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.model import Fact

_SCRIPTLET = re.compile(r"(?:^|\\)scrobj\.dll$", re.IGNORECASE)
_LIBRARY = re.compile(r"^win(?:16|32|64)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Scene:
    hive: Hive
    given: FileInput
    root: str
    known: Registered


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for each server that stands out."""
    prefix, root = class_root(hive)
    scene = _Scene(hive, given, root if prefix else "HKCU\\Software\\Classes", Registered(hive, given))
    for twin in TWINS:
        listing = hive.key(prefix + twin)
        for holder in listing.subkeys() if listing else ():
            for server in servers(holder):
                yield from _server(scene, holder, server, twin)
    for twin in ("TypeLib", "Wow6432Node\\TypeLib"):
        yield from _libraries(scene, hive.key(prefix + twin))
    # Of the other hives `run_keys` tells what lies in keys of unknown place.
    for key in hive.unplaced() if hive.live.kind == "USRCLASS" else ():
        yield from recovered_values(given, key)


def _server(scene: _Scene, holder: Key, server: Server, twin: str) -> Iterator[Fact]:
    reason = _reason(scene, holder.name, server, twin)
    if reason is None:
        return
    yield key_entry(
        scene.given, server.key, scene.root, "com", holder.name, server.value, value_name="",
        reason="; ".join(part for part in (server.how, default(holder)[:200], reason) if part),
    )  # fmt: skip


def _reason(scene: _Scene, class_id: str, server: Server, twin: str) -> str | None:
    of_user = scene.root.startswith("HKCU")
    if server.how == "ScriptletURL" or _SCRIPTLET.search(image_of(server.value)):
        # Scriptlets of the machine are Windows' own as long as nobody added an address.
        return "a scriptlet" if of_user or writable(server.value) else None
    if server.how == "TreatAs":
        return "another class is used in its stead" if of_user else None
    machine = scene.known.machine.server(class_id, twin) if of_user else ""
    if machine and not _same(machine, server.value):
        return f"overrides the machine's server {machine}"
    if writable(image_of(server.value)) or writable(server.value):
        return "its server lies where users can write"
    return None


def _same(one: str, other: str) -> bool:
    """Whether two servers are one file: the folder may be written with a variable, so the name decides."""
    plain = (image_of(one), image_of(other))
    return file_name(plain[0]).casefold() == file_name(plain[1]).casefold() and not writable(plain[1])


def _libraries(scene: _Scene, listing: Key | None) -> Iterator[Fact]:
    """`TypeLib\\{id}\\version\\language\\win32`: a path, or a moniker carried out when it is loaded."""
    for library in listing.subkeys() if listing else ():
        for version in library.subkeys():
            for language in version.subkeys():
                for key in language.subkeys():
                    text = default(key) if _LIBRARY.match(key.name) else ""
                    script = re.match(r"(?:script|scriptlet|https?):", text, re.IGNORECASE)
                    if text and (script or writable(text)):
                        reason = "a script as type library" if script else "type library where users can write"
                        yield key_entry(
                            scene.given, key, scene.root, "com", library.name, text, value_name="",
                            reason=f"TypeLib; {reason}",
                        )  # fmt: skip


ARTIFACT = RegistryArtifact(
    name="com_hijacks",
    hives=frozenset({"SOFTWARE", "NTUSER", "USRCLASS"}),
    parse=parse,
    emits={**EMITS, **RECOVERED},
    deleted=True,
    companions=(SOFTWARE,),
)
