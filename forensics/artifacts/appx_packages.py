r"""Store packages of Windows Sandbox: which version, since when, for which user.

From Windows 11 24H2 on the Sandbox is a Store package (`MicrosoftWindows.WindowsSandbox_<version>_...`). The version
says which layout and which `wsb.exe` a session had, an entry in a user's hive that this user started it at least once,
one under `Deleted` or `EndOfLife` that it was there. `InstallTime` under a family is a FILETIME; the last write of a
key is the latest time at which it was made.

`AppModel\Repository\{Packages,Families}` of UsrClass.dat as in real hives of Windows 10; `AppxAllUserStore` as public
scripts read it. That the Sandbox's package is entered like any other is expected, not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._appx import APPX_PACKAGE, FULL_NAME, is_package
from forensics.artifacts._registry import owner, place, tells
from forensics.artifacts.base import FileInput, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.formats.hostinfo import text_of
from forensics.model import Fact, Value, make_fact
from forensics.times import Moment, from_filetime

_WRITTEN, _INSTALLED = "Content Modification Time", "Installation Time"
_MODEL = "Local Settings\\Software\\Microsoft\\Windows\\CurrentVersion\\AppModel"
_SID = re.compile(r"^S-1-\d+(?:-\d+)+$", re.IGNORECASE)
_STORE = "Microsoft\\Windows\\CurrentVersion\\Appx\\AppxAllUserStore"
_OF_USER = (f"{_MODEL}\\Repository\\Packages\\*", f"{_MODEL}\\Repository\\Families\\*\\*")
_OF_HOST = (
    *(f"{_STORE}\\*\\*", f"{_STORE}\\*\\*\\*"),
    *(f"Classes\\{_MODEL}\\PackageRepository\\Packages\\*", f"Classes\\{_MODEL}\\Repository\\Packages\\*"),
)


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every place that names a version of the package."""
    kind = hive.live.kind
    prefix = "Software\\Classes\\" if kind == "NTUSER" else ""
    patterns = _OF_HOST if kind == "SOFTWARE" else tuple(prefix + pattern for pattern in _OF_USER)
    user, sid = (None, None) if kind == "SOFTWARE" else owner(given)
    seen: set[str] = set()
    found = [key for pattern in patterns for key in hive.glob(pattern)]
    for key in (*found, *hive.unplaced()):
        if is_package(key.name) and key.path not in seen and tells(hive, key):
            seen.add(key.path)
            yield from _row(given, key, user, sid)


def _row(given: FileInput, key: Key, user: str | None, sid: str | None) -> Iterator[Fact]:
    parts = key.path.split("\\")[:-1]
    match = FULL_NAME.match(key.name)
    install = key.value("InstallTime")
    times: dict[str, Moment | None] = {_WRITTEN: key.last_write}
    if install is not None and isinstance(install.data, int):
        times[_INSTALLED] = from_filetime(install.data)
    fields: dict[str, Value | None] = {
        "package_full_name": key.name,
        "package_version": match.group(1) if match else None,
        "package_architecture": match.group(2) if match else None,
        "package_folder": text_of(key, "PackageRootFolder") or text_of(key, "Path"),
        "package_register": _register(parts),
        "profile_user": user,
        "user_sid": sid or next((part for part in parts if _SID.match(part)), None),
        "key_path": key.path,
    }
    yield make_fact("appx.package", place(given, key), times, fields)


def _register(parts: list[str]) -> str:
    """The list that a package is in: the part of its path behind what all of them share."""
    folded = [part.casefold() for part in parts]
    for top in ("appxalluserstore", "appmodel"):
        if top in folded:
            return "\\".join(parts[folded.index(top) :][:3])
    return parts[-1] if parts else ""


ARTIFACT = RegistryArtifact(
    name="appx_packages",
    hives=frozenset({"SOFTWARE", "NTUSER", "USRCLASS"}),
    parse=parse,
    emits={"appx.package": APPX_PACKAGE},
    deleted=True,
)
