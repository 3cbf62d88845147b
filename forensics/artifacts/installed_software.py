r"""Uninstall keys: which programs were installed, for the machine or for one user, in which version and from where.

They tell a host where VS Code, Visual Studio or `Dev Tunnels` was put by its installer (winget writes one too, from
memory) from one where a lone `code.exe` ran: the tunnel's command-line program has no installer and no entry (from
memory). An entry also says who installed, by the hive it is in, and that a program was there which is gone: removed
entries are recovered from free cells. Programs of rules/software.yml are kept, the rest is context.

The time is the key's last write, moved by any later change. `install_date` is the installer's own word: a day of local
time without an hour, so no time is made of it.
https://learn.microsoft.com/windows/win32/msi/uninstall-registry-key
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from forensics.artifacts._registry import owner, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.formats.hostinfo import text_of
from forensics.model import Fact, Value, make_fact
from forensics.rules import load
from forensics.rules.watch import is_watched
from forensics.times import Moment

_UNINSTALL = "Microsoft\\Windows\\CurrentVersion\\Uninstall"
_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_TEXT_LIMIT = 1024


@cache
def _names() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(text) for text in load("software")["names"])


@cache
def _keys() -> dict[str, str]:
    return {name.casefold(): meaning for name, meaning in load("software")["keys"].items()}


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every entry of the machine or the user, and for recovered keys that look like one."""
    of_user = hive.live.key("Software") is not None
    who = owner(given) if of_user else (None, None)
    for prefix in ("Software\\", "Software\\Wow6432Node\\") if of_user else ("", "Wow6432Node\\"):
        listing = hive.key(f"{prefix}{_UNINSTALL}")
        scope = "user" if of_user else "machine"
        for key in listing.subkeys() if listing else ():
            yield from _row(given, key, f"{scope}, 32-bit view" if "Wow" in prefix else scope, who)
    for key in hive.unplaced():
        if text_of(key, "DisplayName") and text_of(key, "UninstallString"):
            yield from _row(given, key, None, who)


def _row(given: FileInput, key: Key, scope: str | None, who: tuple[str | None, str | None]) -> Iterator[Fact]:
    name = text_of(key, "DisplayName")
    meaning = _keys().get(key.name.casefold())
    if not name and not meaning:
        return  # an update's entry, or what a removed program left of its own
    user, sid = who
    stated = text_of(key, "InstallDate")
    fields: dict[str, Value | None] = {
        "product_name": name,
        "product_version": text_of(key, "DisplayVersion"),
        "publisher": text_of(key, "Publisher"),
        "install_date": _day(stated),
        "install_folder": text_of(key, "InstallLocation"),
        "installed_from": text_of(key, "InstallSource"),
        "uninstall_command": text_of(key, "UninstallString"),
        "uninstall_key": key.name,
        "software_scope": scope,
        "software_meaning": meaning,
        "user_name": user,
        "user_sid": sid,
        "key_path": key.path,
    }
    kept = bool(meaning) or _matters(name or "", str(fields["install_folder"] or ""))
    times: dict[str, Moment | None] = {"Content Modification Time": key.last_write}
    yield make_fact("software.installed", place(given, key), times, fields, context=not kept)


def _day(text: str | None) -> str | None:
    """`20241204` as 2024-12-04; what installers write otherwise is left as it is."""
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if text and _DATE.fullmatch(text) else text


def _matters(name: str, folder: str) -> bool:
    lowered = name[:_TEXT_LIMIT].casefold()
    return any(pattern.search(lowered) for pattern in _names()) or is_watched(name, folder)


ARTIFACT = RegistryArtifact(
    name="installed_software",
    hives=frozenset({"SOFTWARE", "NTUSER"}),
    parse=parse,
    emits={
        "software.installed": Kind(
            "Installed program {uninstall_key}[: {product_name}][ {product_version}][ of {publisher}]"
            "[ ({software_meaning})][ for {user_name}][, installed on {install_date} local date]",
            {
                "product_name": str,
                "product_version": str,
                "publisher": str,
                "install_date": str,
                "install_folder": str,
                "installed_from": str,
                "uninstall_command": str,
                "uninstall_key": str,
                "software_scope": str,
                "software_meaning": str,
                "user_name": str,
                "user_sid": str,
                "key_path": str,
            },
            context=True,
            data_type="windows:registry:uninstall",
        )
    },
    deleted=True,
)
