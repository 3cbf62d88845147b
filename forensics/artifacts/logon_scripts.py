r"""Logon scripts: of a user (`UserInitMprLogonScript`) and of group policy, at start, logon, logoff and shutdown.

The value in a user's environment runs whatever it names at each logon and needs no right. Scripts of group policy run
as SYSTEM at start and shutdown; a domain's policy brings them from SYSVOL, while one of the local policy
(`System32\GroupPolicy`) was put there on this machine. The files `scripts.ini` and `psscripts.ini` say what policy
wants, the registry what was last carried out, also when the files are gone; `DataStore` keeps a
copy of the domain's. A path without folder lies in the policy's
own `Scripts` folder. The time is the key's last write or the file's. Mechanism: `logon_script`.
https://attack.mitre.org/techniques/T1037/ ; the files: [MS-GPSCR] 2.2.2 and 2.2.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._autostart import EMITS, file_entry, hive_root, key_entry
from forensics.artifacts.base import FileArtifact, FileInput, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.formats.textfile import decode
from forensics.model import Fact, Problem

_MECHANISM = "logon_script"
_POLICY = "Microsoft\\Windows\\CurrentVersion\\Group Policy"
_EVENTS = ("Startup", "Shutdown", "Logon", "Logoff")
_SCRIPTS = (f"{_POLICY}\\Scripts", f"{_POLICY}\\State\\*\\Scripts", "Policies\\Microsoft\\Windows\\System\\Scripts")
_LINE = re.compile(r"^\s*(\d{1,5})(CmdLine|Parameters)\s*=\s*(.*?)\s*$", re.IGNORECASE)
_SECTION = re.compile(r"^\s*\[(\w+)\]\s*$")
_LIMIT = 1024 * 1024
_MOST = 1000


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for the user's script and for each script of a policy."""
    before, root = hive_root(hive)
    environment = hive.key("Environment") if hive.live.kind == "NTUSER" else None
    value = environment.value("UserInitMprLogonScript") if environment else None
    if environment and value and value.text().strip():
        yield key_entry(
            given, environment, root, _MECHANISM, value.name, value.text().strip(), value_name=value.name,
            reason="the user's own logon script",
        )  # fmt: skip
    for place in _SCRIPTS:
        for event in _EVENTS:
            for key in hive.glob(f"{before}{place}\\{event}\\*\\*"):
                yield from _script(given, hive, key, root, event)


def _script(given: FileInput, hive: Hive, key: Key, root: str, event: str) -> Iterator[Fact]:
    command = _joined(_text(key, "Script"), _text(key, "Parameters"))
    if not command:
        return
    policy = hive.live.key(key.path.rpartition("\\")[0])
    place = _text(policy, "FileSysPath")
    whose = "of the domain's policy" if place.startswith("\\\\") else "of the local policy" if place else "of a policy"
    name = _text(policy, "DisplayName")
    yield key_entry(
        given, key, root, _MECHANISM, f"{event} {key.path.rpartition(event)[2].strip(chr(92))}", command,
        value_name="Script", reason=f"{event} script {whose}" + (f" {name}" if name else ""),
    )  # fmt: skip


def _text(key: Key | None, name: str) -> str:
    value = key.value(name) if key else None
    return value.text().strip("\x00 ") if value and value.raw else ""


def _joined(script: str, parameters: str) -> str:
    quoted = f'"{script}"' if " " in script and not script.startswith('"') else script
    return f"{quoted} {parameters}".strip() if script else ""


def parse_file(given: FileInput) -> Output:
    """One row for each script that a local policy's file names."""
    data = given.read(_LIMIT)
    if given.size > len(data):
        yield Problem("truncated", "policy_scripts", given.source(), f"only the first {_LIMIT} bytes were read")
    found: dict[tuple[str, int], dict[str, str]] = {}
    lines: dict[tuple[str, int], int] = {}
    section, over = "", 0
    for number, line in enumerate(decode(data).text.splitlines(), 1):
        if match := _SECTION.match(line):
            section = match.group(1).capitalize()
        elif (match := _LINE.match(line)) and section in _EVENTS:
            key = (section, int(match.group(1)))
            if key not in found and len(found) >= _MOST:
                over += match.group(2).casefold() == "cmdline"
                continue
            found.setdefault(key, {})[match.group(2).casefold()] = match.group(3)
            lines.setdefault(key, number)
    if not found and data.strip(b"\x00\r\n \xff\xfe"):
        yield Problem("bad_record", "policy_scripts", given.source(), "no script is named in this file")
    if over:
        detail = f"{over} further scripts behind the first {_MOST} are not told"
        yield Problem("partial", "policy_scripts", given.source(), detail)
    for (event, index), parts in found.items():
        command = _joined(parts.get("cmdline", ""), parts.get("parameters", ""))
        if command:
            whose = "domain's policy" if "/datastore/" in given.path.casefold() else "local policy"
            place, reason = f"line {lines[event, index]}", f"{event} script of the {whose}"
            yield file_entry(given, _MECHANISM, command, name=f"{event} {index}", locator=place, reason=reason)


ARTIFACT = RegistryArtifact(
    name="logon_scripts",
    hives=frozenset({"SOFTWARE", "NTUSER"}),
    parse=parse,
    emits=EMITS,
    deleted=True,
)
FILES = FileArtifact(
    name="policy_scripts",
    paths=tuple(
        f"Windows/System32/{folder}/Scripts/{name}.ini"
        for folder in ("GroupPolicy/Machine", "GroupPolicy/User", "GroupPolicyUsers/*/User", "GroupPolicy/DataStore/**")
        for name in ("scripts", "psscripts")
    ),
    parse=parse_file,
    emits=EMITS,
)
