r"""Shell extensions: libraries that Explorer loads at logon, or when a menu or folder is opened.

Icon overlays are loaded with the desktop, handlers of menus and property sheets at the first right click, all of
them into a process that every user has. Each is named by a class id, or by its key's name when that is one, and the
class by its library; the library is looked up in the same hive and then in the machine's. All are told; a class of the
machine with a library of Windows scores nothing, one in a user's hive or in a folder of users does. Removed classes
leave a handler without a library. The time is the key's last write. Mechanism: `shell_extension`. Places:
rules/shell_extensions.yml. https://learn.microsoft.com/windows/win32/shell/reg-shell-exts
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._autostart import EMITS, class_root, hive_root, key_entry, writable
from forensics.artifacts._com import SOFTWARE, Registered, default
from forensics.artifacts._registry import looks_stock
from forensics.artifacts.base import FileInput, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.model import Fact
from forensics.rules import load

_CLASS_ID = re.compile(r"\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}", re.IGNORECASE)


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for each handler, icon overlay and the like."""
    known = Registered(hive, given)
    prefix, root = class_root(hive)
    label = root if prefix else "HKCU\\Software\\Classes"
    places = load("shell_extensions")
    for twin in ("", "Wow6432Node\\"):
        for kind in places["classes"]:
            for handlers in places["handlers"]:
                for listing in hive.glob(f"{prefix}{twin}{kind}\\shellex\\{handlers}"):
                    for key in listing.subkeys():
                        yield from _handler(given, key, label, known)
    if hive.live.kind == "USRCLASS":
        return
    before, root = hive_root(hive)
    for twin in ("", "Wow6432Node\\"):
        for place in places["keys"]:
            overlays = hive.key(f"{before}{twin}{place}")
            for key in overlays.subkeys() if overlays else ():
                yield from _handler(given, key, root, known)


def _handler(given: FileInput, key: Key, root: str, known: Registered) -> Iterator[Fact]:
    text = default(key)
    found = _CLASS_ID.search(text) or _CLASS_ID.search(key.name)
    if found:
        yield _row(given, key, root, key.name, found.group(), known)


def _row(
    given: FileInput, key: Key, root: str, name: str, class_id: str, known: Registered
) -> Fact:  # fmt: skip
    server = known.server(class_id)
    reasons = [class_id]
    if not server:
        reasons.append("no library of that class at hand")
    elif root.startswith("HKCU") and not known.machine.find(class_id):
        reasons.append("a class of this user alone")
    return key_entry(
        given, key, root, "shell_extension", name, server or None,
        context=bool(server) and looks_stock(server) and not writable(server),
        reason="; ".join(reasons),
    )  # fmt: skip


ARTIFACT = RegistryArtifact(
    name="shell_extensions",
    hives=frozenset({"SOFTWARE", "NTUSER", "USRCLASS"}),
    parse=parse,
    emits=EMITS,
    deleted=True,
    companions=(SOFTWARE,),
)
