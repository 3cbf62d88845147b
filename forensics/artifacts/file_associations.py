r"""File associations: what starts when somebody opens a program, a script, a text or a console.

`Classes\<class>\shell\<verb>\command` is the command behind a double click; `Classes\.exe` says which class a name
belongs to. Whoever changes the command of `exefile` or `txtfile` is started by the user's own work, again and again
(T1546.001); `mscfile` and `ms-settings` in a user's own hive make a program of Windows that runs with rights start the
command without asking (T1548.002). A user's classes go before the machine's and need no right. Told are the classes of
rules/file_associations.yml only: a user's choice of a viewer or editor lies elsewhere and is no entry. What Windows
has there (rules/autoruns_stock.yml, from memory) is context. The time is the key's last write.
Mechanism: `file_association`.
https://attack.mitre.org/techniques/T1546/001/ ; https://learn.microsoft.com/windows/win32/shell/fa-verbs
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._autostart import EMITS, class_root, key_entry
from forensics.artifacts._com import default
from forensics.artifacts.base import FileInput, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.model import Fact
from forensics.rules import load
from forensics.rules.autoruns import stock
from forensics.rules.watch import is_watched

_MECHANISM = "file_association"


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for each verb of the classes that count, and for each name that is sent to another class."""
    prefix, root = class_root(hive)
    table = load("file_associations")
    for name in (*table["programs"], *table["documents"]):
        for key in hive.glob(f"{prefix}{name}\\shell\\*\\command"):
            if command := default(key):
                yield _entry(given, key, root, f"{name} {key.path.split(chr(92))[-2]}", command)
    for ending, usual in table["endings"].items():
        for key in hive.glob(f"{prefix}{ending}"):
            sent = default(key)
            if sent and sent.casefold() != usual.casefold():
                yield from _sent(hive, given, key, root, (prefix, sent))


def _entry(given: FileInput, key: Key, root: str, name: str, command: str, reason: str | None = None) -> Fact:
    usual = stock(_MECHANISM, f"{root}\\{key.path}", name, command) is not None
    return key_entry(
        given, key, root, _MECHANISM, name, command, value_name="", context=usual and not is_watched(command),
        reason=reason or ("a class of the user's own" if root.startswith("HKCU") else None),
    )  # fmt: skip


def _sent(hive: Hive, given: FileInput, key: Key, root: str, to: tuple[str, str]) -> Iterator[Fact]:
    """The row of a name of programs that belongs to another class than Windows has for it."""
    prefix, sent = to
    command = default(hive.live.key(f"{prefix}{sent}\\shell\\open\\command"))
    yield _entry(given, key, root, key.name, command or sent, f"files of this name belong to the class {sent[:200]}")


ARTIFACT = RegistryArtifact(
    name="file_associations",
    hives=frozenset({"SOFTWARE", "NTUSER", "USRCLASS"}),
    parse=parse,
    emits=EMITS,
    deleted=True,
)
