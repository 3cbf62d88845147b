"""Which machine this is, from its SYSTEM and SOFTWARE hives: name, Windows version, time zone, profiles.

Everything else leans on it: local log times need the zone, findings need the user behind a profile folder. What a
missing hive leaves unknown stays null, with the reason in `Host.unknown`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from forensics.formats.hive import Hive, Key
from forensics.model import Host, User
from forensics.times import named_zone, same_zone, windows_zone

PROFILE_LIST = "Microsoft\\Windows NT\\CurrentVersion\\ProfileList"
CURRENT_VERSION = "Microsoft\\Windows NT\\CurrentVersion"
STATED = "stated by the examiner (--evidence-tz)"
_FIRST_WINDOWS_11 = 22000
_SID = re.compile(r"S-1-\d+(?:-\d+)+", re.IGNORECASE)
_WELL_KNOWN = {"S-1-5-18": "SYSTEM", "S-1-5-19": "LOCAL SERVICE", "S-1-5-20": "NETWORK SERVICE"}
_NOT_COLLECTED = "{} hive not collected or not readable"


def read_host(system: Hive | None, software: Hive | None) -> Host:
    """The host as far as the hives at hand tell. A hive that is clearly of another kind counts as missing."""
    unknown: dict[str, str] = {}
    name = timezone = None
    bias: int | None = None
    if system is not None and system.kind in ("SYSTEM", "UNKNOWN"):
        name = computer_name(system)
        timezone, bias = time_zone(system)
        _note(unknown, "not in the SYSTEM hive", name=name, timezone=timezone, bias_minutes=bias)
    else:
        unknown |= dict.fromkeys(("name", "timezone", "bias_minutes"), _NOT_COLLECTED.format("SYSTEM"))
    os = build = machine = None
    users: tuple[User, ...] = ()
    if software is not None and software.kind in ("SOFTWARE", "UNKNOWN"):
        os, build = windows_version(software)
        users = profiles(software)
        machine = machine_id(software)
        _note(unknown, "not in the SOFTWARE hive", os=os, build=build, users=users or None)
    else:
        unknown |= dict.fromkeys(("os", "build", "users"), _NOT_COLLECTED.format("SOFTWARE"))
    return Host(name, os, build, timezone, bias, users, unknown, machine)


def with_stated_zone(host: Host, name: str) -> tuple[Host, str]:
    """The host with the zone that the examiner states, where no hive tells one; else what contradicts it, in words.

    The hive is evidence and keeps the last word. "" where nothing has to be said.
    """
    if host.timezone is None and host.bias_minutes is None:
        why = host.unknown.get("timezone", "")
        unknown = {**host.unknown, "timezone": f"{STATED}{'; ' + why if why else ''}"}
        return replace(host, timezone=name, unknown=unknown), ""
    told, how = windows_zone(host.timezone or "", host.bias_minutes)
    if told is not None and same_zone(told, named_zone(name)):
        return host, ""
    return host, f"--evidence-tz states {name}, the SYSTEM hive tells {host.timezone or how}: the hive's is used"


def zone_is_stated(host: Host) -> bool:
    """Whether the host's zone is the examiner's word."""
    return host.unknown.get("timezone", "").startswith(STATED)


def computer_name(system: Hive) -> str | None:
    """The NetBIOS name that takes effect at the next start (the active one is kept in memory only)."""
    for control_set in system.control_sets():
        for path, value in (
            ("Control\\ComputerName\\ComputerName", "ComputerName"),
            ("Services\\Tcpip\\Parameters", "Hostname"),
        ):
            if found := text_of(system.key(f"{control_set}\\{path}"), value):
                return found
    return None


def machine_id(software: Hive) -> str | None:
    """The identifier that the customer experience client gave this machine, braces and all; many hosts have one."""
    return text_of(software.key("Microsoft\\SQMClient"), "MachineId")


def time_zone(system: Hive) -> tuple[str | None, int | None]:
    """The zone's Windows key name and its standard bias: UTC = local time + bias minutes."""
    for control_set in system.control_sets():
        key = system.key(f"{control_set}\\Control\\TimeZoneInformation")
        name = text_of(key, "TimeZoneKeyName") or text_of(key, "StandardName")
        bias = number_of(key, "Bias")
        if bias is not None and bias >= 0x80000000:
            bias -= 0x100000000  # stored as an unsigned number, east of Greenwich is negative
        if name or bias is not None:
            return name, bias
    return None, None


def windows_version(software: Hive) -> tuple[str | None, str | None]:
    """Product with its release, and `build.revision`.

    ProductName still says Windows 10 on Windows 11; the build number decides, and the text says that it did.
    """
    key = software.key(CURRENT_VERSION)
    product = text_of(key, "ProductName")
    build = text_of(key, "CurrentBuild") or text_of(key, "CurrentBuildNumber")
    revision = number_of(key, "UBR")
    release = text_of(key, "DisplayVersion") or text_of(key, "ReleaseId")
    if product and release:
        product = f"{product} {release}"
    if product and build and build.isdecimal() and int(build) >= _FIRST_WINDOWS_11 and "Windows 10" in product:
        product = f"{product.replace('Windows 10', 'Windows 11')} (by its build; ProductName says Windows 10)"
    return product, f"{build}.{revision}" if build and revision is not None else build


def profiles(software: Hive) -> tuple[User, ...]:
    """The profiles of ProfileList, service profiles included.

    The account name is in the SAM, not here: for service accounts it is well known, for others it is the name of the
    profile folder, which Windows makes from the account name and does not rename with it.
    """
    users: list[User] = []
    seen: set[str] = set()
    for sid, key in profile_keys(software):
        if sid in seen:
            continue  # `<SID>.bak` beside the live entry
        seen.add(sid)
        path = text_of(key, "ProfileImagePath")
        users.append(User(sid, _WELL_KNOWN.get(sid) or folder_name(path), path))
    return tuple(users)


def profile_keys(software: Hive) -> Iterator[tuple[str, Key]]:
    """SID and key of every entry of ProfileList, `.bak` entries after the live ones."""
    listing = software.key(PROFILE_LIST)
    keys = [key for key in listing.subkeys() if _SID.match(key.name)] if listing else []
    for key in sorted(keys, key=lambda item: item.name.lower().endswith(".bak")):
        match = _SID.match(key.name)
        if match:
            yield match.group().upper(), key


def folder_name(path: str | None) -> str | None:
    """The last component of a Windows path."""
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1] or None if path else None


def text_of(key: Key | None, name: str) -> str | None:
    """A string value's text, None when it is absent, empty or no string."""
    value = key.value(name) if key else None
    data = value.data if value else None
    return data.strip() or None if isinstance(data, str) else None


def number_of(key: Key | None, name: str) -> int | None:
    """A numeric value, None when it is absent or no number."""
    value = key.value(name) if key else None
    return value.data if value and isinstance(value.data, int) else None


def _note(unknown: dict[str, str], reason: str, **found: object) -> None:
    unknown |= {name: reason for name, value in found.items() if value is None}
