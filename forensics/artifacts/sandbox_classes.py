r"""Classes that Windows Sandbox registers: the extension `.wsb`, its program, and the feature's capabilities.

They exist only where the feature is or was on (ITOCHU's list of host traces, a package listing), and outlive logs. The
last write of a key is an approximate time of switching on: that use is an inference, and any later change moves it. A
user's own copy (`UsrClass.dat`) is a tool's or an intruder's. The command that opens a `.wsb` is known; another one
runs instead of the Sandbox whenever somebody opens a configuration, and is told as `command_overridden`.
On newer Windows the default of `.wsb` may be empty. Removed keys are recovered from free cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from forensics.artifacts._registry import owner, place, tells
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.model import Fact, Value, make_fact
from forensics.rules import load

_WRITTEN = "Content Modification Time"
_COMMAND = "shell\\*\\command"
_CLASSES = {
    ".wsb": "file extension of sandbox configurations",
    "Windows.Sandbox": "class of sandbox configurations",
    "Applications\\WindowsSandbox.exe": "program of Windows Sandbox",
}
_OF_THE_HOST = {
    "Microsoft\\Windows Sandbox\\Capabilities": "capabilities of Windows Sandbox",
    "Microsoft\\Windows Sandbox\\Capabilities\\FileAssociations": "file associations of Windows Sandbox",
}


@cache
def _expected() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in load("features")["commands"])


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every such key, and one for each command below it."""
    of_user = given.path.casefold().endswith("usrclass.dat") or hive.live.kind == "USRCLASS"
    user, sid = owner(given) if of_user else (None, None)
    prefix = "" if of_user else "Classes\\"
    wanted = {f"{prefix}{path}": meaning for path, meaning in _CLASSES.items()}
    wanted |= {} if of_user else _OF_THE_HOST
    for path, meaning in wanted.items():
        key = hive.key(path)
        if key is None:
            continue
        whose: dict[str, Value | None] = {"class_meaning": meaning, "profile_user": user, "user_sid": sid}
        if tells(hive, key):
            yield _row(given, key, whose, None)
        for command in hive.glob(f"{path}\\{_COMMAND}"):
            yield from _command(given, command, whose)


def _row(given: FileInput, key: Key, whose: dict[str, Value | None], command: str | None) -> Fact:
    default = key.value("")
    fields = whose | {
        "key_path": key.path,
        "value_data": default.text() if default and command is None else None,
        "command_line": command,
        "command_overridden": None if command is None else not _is_expected(command),
    }
    return make_fact("sandbox.class", place(given, key), {_WRITTEN: key.last_write}, fields)


def _command(given: FileInput, key: Key, whose: dict[str, Value | None]) -> Iterator[Fact]:
    """The command of a verb; a delegate (`DelegateExecute`) takes its place and is told as the command."""
    default, delegate = key.value(""), key.value("DelegateExecute")
    if delegate and delegate.text():
        yield _row(given, key, whose, f"DelegateExecute {delegate.text()}")
    elif default and default.text():
        yield _row(given, key, whose, default.text())


def _is_expected(command: str) -> bool:
    return any(pattern.match(command.strip()[:1024]) for pattern in _expected())


ARTIFACT = RegistryArtifact(
    name="sandbox_classes",
    hives=frozenset({"SOFTWARE", "USRCLASS"}),
    parse=parse,
    emits={
        "sandbox.class": Kind(
            "Registered: {class_meaning} ({key_path})[, command {command_line}][, not the command of Windows"
            "{command_overridden:flag}][, of user {profile_user}]",
            {
                "class_meaning": str,
                "key_path": str,
                "value_data": str,
                "command_line": str,
                "command_overridden": bool,
                "profile_user": str,
                "user_sid": str,
            },
        )
    },
    deleted=True,
)
