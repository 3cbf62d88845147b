"""What the session manager and the setup start before any service: BootExecute and its relatives.

`BootExecute` names native programs that run before the Win32 subsystem; stock is `autocheck autochk *`. Nothing
stands in `SetupExecute`, `Execute` and `S0InitialCommand` of a running system. `Setup\\CmdLine` runs before the logon
while `SetupType` is not 0. `PendingFileRenameOperations` says which files are moved or deleted at the next start: an
installer's usual way, and one to replace a file in use or to remove a tool without a trace of its deletion; such
pairs are context, unless they name something watched. The target begins with `!` where it may be replaced.
https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-movefileexw
https://learn.microsoft.com/sysinternals/downloads/autoruns (page Boot Execute)
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._autorun import AUTORUN, bases, parser
from forensics.artifacts._registry import place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.model import Fact, make_fact
from forensics.rules.watch import is_watched

_PENDING = ("PendingFileRenameOperations", "PendingFileRenameOperations2")
_entries = parser("boot_execute")


def parse(hive: Hive, given: FileInput) -> Output:
    """The programs, then what is moved or deleted at the next start."""
    yield from _entries(hive, given)
    for base in bases(hive):
        if base.control_set:
            for key in base.keys("Control\\Session Manager"):
                yield from _pending(given, key, base.control_set)


def _pending(given: FileInput, key: Key, control_set: str) -> Iterator[Fact]:
    for name in _PENDING:
        value = key.value(name)
        texts = value.data if value and isinstance(value.data, tuple) else ()
        # Pairs; an empty second text means deletion, and as the last of all it is lost with the list's end.
        for index in range(0, len(texts), 2):
            source, target = texts[index], texts[index + 1] if index + 1 < len(texts) else ""
            if source:
                yield make_fact(
                    "file.pending_rename",
                    place(given, key, name),
                    {"Content Modification Time": key.last_write},
                    {
                        "file_path": source,
                        "target_path": target,
                        "is_deletion": not target,
                        "control_set": control_set,
                        "key_path": key.path,
                        "value_name": name,
                    },
                    context=not is_watched(source, target),
                )


ARTIFACT = RegistryArtifact(
    name="boot_execute",
    hives=frozenset({"SYSTEM"}),
    parse=parse,
    emits={
        **AUTORUN,
        "file.pending_rename": Kind(
            "At the next start {file_path} is[ moved to {target_path}][ deleted{is_deletion:flag}]",
            {
                "file_path": str,
                "target_path": str,
                "is_deletion": bool,
                "control_set": str,
                "key_path": str,
                "value_name": str,
            },
        ),
    },
    deleted=True,
)
