"""The hives of a described host: SYSTEM, SOFTWARE, and NTUSER.DAT and UsrClass.dat of each profile.

What every Windows has (computer name, time zone, version, profile list, services, task cache) comes from the host
itself, everything else from the scenario's `registry` sections. Values there are `[type, data]` or `{build: ...}`;
`{deleted: [type, data]}` was removed and is left in free cells.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from forensics.times import windows_zone
from testdata.host import Host, RegistryKey, ScenarioError, Service, Task
from testdata.writers import registry_blobs as blobs
from testdata.writers.hive import REG_BINARY, HiveWriter

_TYPES = {"REG_NONE": 0, "REG_SZ": 1, "REG_EXPAND_SZ": 2, "REG_BINARY": 3, "REG_DWORD": 4, "REG_MULTI_SZ": 7}
_ZONES = {"Asia/Tokyo": ("Tokyo Standard Time", -540, "@tzres.dll,-632", "@tzres.dll,-631")}
_TASK_CACHE = "Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache"
_VERSION = "Microsoft\\Windows NT\\CurrentVersion"
_ACCOUNT_PROFILES = (
    ("S-1-5-18", "%systemroot%\\system32\\config\\systemprofile"),
    ("S-1-5-19", "%systemroot%\\ServiceProfiles\\LocalService"),
    ("S-1-5-20", "%systemroot%\\ServiceProfiles\\NetworkService"),
)


def hive_files(host: Host) -> dict[str, bytes]:
    """Path of each hive file (forward slashes, without the drive) and its content."""
    config = "Windows/System32/config"
    writers = {
        f"{config}/SYSTEM": ("SYSTEM", _system(host)),
        f"{config}/SOFTWARE": ("SOFTWARE", _software(host)),
    }
    for account in host.accounts.values():
        if account.profile:
            home = account.profile[3:].replace("\\", "/")
            ntuser = HiveWriter("ROOT", host.installed, f"\\??\\{account.profile}\\ntuser.dat")
            classes = f"{home}/AppData/Local/Microsoft/Windows/UsrClass.dat"
            usrclass = HiveWriter(f"{account.sid}_Classes", host.installed, f"\\??\\C:\\{classes}".replace("/", "\\"))
            writers[f"{home}/NTUSER.DAT"] = (f"NTUSER:{account.key}", ntuser)
            writers[classes] = (f"USRCLASS:{account.key}", usrclass)
    _check_hives(host, {name for name, _ in writers.values()})
    for name, writer in writers.values():
        for key in host.registry:
            if key.hive == name:
                _put_key(writer, key)
    return {path: writer.build() for path, (_, writer) in writers.items()}


def _check_hives(host: Host, known: set[str]) -> None:
    if unknown := {key.hive for key in host.registry} - known:
        raise ScenarioError(f"no such hive: {sorted(unknown)}; known are {sorted(known)}")


def _put_key(writer: HiveWriter, key: RegistryKey) -> None:
    writer.key(key.key, key.written)
    for name, value in key.values.items():
        if "build" in value:
            built = dict(value)
            name, data = _BUILDERS[built.pop("build")](name, built)
            writer.value(key.key, name, REG_BINARY, data)
        else:
            deleted = isinstance(value, dict)
            kind, data = value["deleted"] if deleted else value
            number = _TYPES[kind]
            writer.value(key.key, name, number, bytes.fromhex(data) if number in (0, 3) else data, deleted=deleted)


def _user_assist(name: str, entry: dict[str, Any]) -> tuple[str, bytes]:
    focus = entry.get("focus_seconds", 0) * 1000
    data = blobs.userassist(entry.get("last"), entry["count"], entry.get("focus_count", 0), focus)
    return blobs.userassist_name(name), data


_BUILDERS: dict[str, Callable[[str, dict[str, Any]], tuple[str, bytes]]] = {
    "user_assist": _user_assist,
    "bam": lambda name, entry: (name, blobs.bam(entry["time"])),
    "recent_document": lambda name, entry: (name, blobs.recent_document(entry["name"])),
    "mru_list": lambda name, entry: (name, blobs.mru_list_ex(entry["order"])),
}


def _values(writer: HiveWriter, key: str, written: datetime, values: blobs.Values) -> None:
    writer.key(key, written)
    for name, kind, data in values:
        writer.value(key, name, kind, data)


def _texts(writer: HiveWriter, key: str, written: datetime, **texts: str | int) -> None:
    _values(writer, key, written, [(name, 1 if isinstance(text, str) else 4, text) for name, text in texts.items()])


def _system(host: Host) -> HiveWriter:
    writer = HiveWriter("ROOT", host.installed, "\\SystemRoot\\System32\\Config\\SYSTEM")
    control = "ControlSet001\\Control"
    _texts(writer, "Select", host.installed, Current=1, Default=1, Failed=0, LastKnownGood=1)
    _texts(writer, f"{control}\\ComputerName\\ComputerName", host.installed, ComputerName=host.name)
    if host.zone not in _ZONES:
        raise ScenarioError(f"no registry values known for the zone {host.zone}")
    name, bias, standard, daylight = _ZONES[host.zone]
    if windows_zone(name)[0] is None:
        raise ScenarioError(f"{name} is not a Windows zone")
    zone = blobs.time_zone_values(name, bias, standard, daylight)
    _values(writer, f"{control}\\TimeZoneInformation", host.installed, zone)
    _texts(writer, f"{control}\\Keyboard Layout\\DosKeybCodes", host.installed, **{"00000411": "jp"})
    for service in host.services:
        _put_service(writer, host, service)
    return writer


def _put_service(writer: HiveWriter, host: Host, service: Service) -> None:
    key, written = f"ControlSet001\\Services\\{service.name}", service.written or host.installed
    rows: blobs.Values = [("Type", 4, service.type), ("Start", 4, service.start), ("ErrorControl", 4, 1)]
    rows += [("ImagePath", 2, service.image), ("ObjectName", 1, service.account)]
    if service.display:
        rows.append(("DisplayName", 1, service.display))
    _values(writer, key, written, rows)
    if service.parameters:
        parameters: blobs.Values = [(name, 2, text) for name, text in service.parameters.items()]
        _values(writer, f"{key}\\Parameters", written, parameters)


def _software(host: Host) -> HiveWriter:
    writer = HiveWriter("ROOT", host.installed, "emRoot\\System32\\Config\\SOFTWARE")
    installed = int(host.installed.timestamp())
    _texts(
        writer, _VERSION, host.installed, ProductName=host.product, EditionID=host.edition,
        DisplayVersion=host.release, CurrentBuild=str(host.build), CurrentBuildNumber=str(host.build),
        CurrentVersion="6.3", CurrentMajorVersionNumber=10, CurrentMinorVersionNumber=0,
        InstallationType=host.installation, UBR=5131, SystemRoot="C:\\Windows", InstallDate=installed,
        RegisteredOwner="田中",
    )  # fmt: skip
    profiles: list[tuple[str, str, datetime | None]] = [(sid, path, None) for sid, path in _ACCOUNT_PROFILES]
    profiles += [(a.sid, a.profile, a.profile_written) for a in host.accounts.values() if a.profile]
    for sid, path, written in profiles:
        values = blobs.profile_values(sid, path, loaded=written)
        _values(writer, f"{_VERSION}\\ProfileList\\{sid}", written or host.installed, values)
    for task in host.tasks:
        _put_task(writer, task)
    return writer


def _put_task(writer: HiveWriter, task: Task) -> None:
    tree = f"{_TASK_CACHE}\\Tree{task.path}"
    # A security descriptor that says no more than "there is one": a task without SD would be a hidden one.
    values: blobs.Values = [("Id", 1, task.guid), ("Index", 4, 3), ("SD", 3, b"\x01\x00\x04\x80" + bytes(16))]
    _values(writer, tree, task.created, values)
    principal = "LocalSystem" if task.run_as == "S-1-5-18" else "Author"
    cached: blobs.Values = [
        ("Path", 1, task.path),
        ("URI", 1, task.path),
        ("Author", 1, task.author),
        ("Date", 1, task.created.isoformat(timespec="seconds").replace("+00:00", "")),
        ("Schema", 4, 0x10002),
        ("Actions", 3, _task_actions(task, principal)),
        ("DynamicInfo", 3, blobs.task_dynamic_info(task.created, task.last_run, task.last_end)),
    ]
    written = (task.last_run or task.created) + timedelta(milliseconds=40)
    _values(writer, f"{_TASK_CACHE}\\Tasks\\{task.guid}", written, cached)


def _task_actions(task: Task, principal: str) -> bytes:
    if task.class_id:
        return blobs.task_com_action(task.class_id, context=principal)
    return blobs.task_actions(task.command, task.arguments, context=principal)
