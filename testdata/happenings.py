"""What a happening leaves in the event logs: a process start, a logon, a virtual machine's life, a task's run.

The field names and values are those of the providers' manifests, in their order. Sources: real 4624, 4688, 4689,
4698 and TaskScheduler records for the Security, Sysmon and task events; published event texts for Hyper-V ("Modify
compute system, settings {json}", "'%VmName%' started successfully"), of which no real Windows Sandbox log is public.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from testdata.crashes import crash_events
from testdata.host import Account, EventRecord, Host, Logon, Machine, Process, Service, Task, TaskRun
from testdata.tasks import task_xml

AUDITING = "Microsoft-Windows-Security-Auditing"
SYSMON = "Microsoft-Windows-Sysmon"
SCHEDULER = "Microsoft-Windows-TaskScheduler"
COMPUTE = "Microsoft-Windows-Hyper-V-Compute"
WORKER = "Microsoft-Windows-Hyper-V-Worker"
SWITCH = "Microsoft-Windows-Hyper-V-VmSwitch"
VHDMP = "Microsoft-Windows-VHDMP"
SYSTEM_SID = "S-1-5-18"
_COMPUTE_LOG = "Microsoft-Windows-Hyper-V-Compute-Operational"
_WORKER_LOG = "Microsoft-Windows-Hyper-V-Worker-Admin"
_SERVICE_TYPES = {0x10: "user mode service", 0x20: "user mode service", 1: "kernel mode driver"}
_START_TYPES = {2: "auto start", 3: "demand start", 4: "disabled", 0: "boot start", 1: "system start"}
_INTEGRITY = {
    "S-1-16-4096": "Low",
    "S-1-16-8192": "Medium",
    "S-1-16-12288": "High",
    "S-1-16-16384": "System",
}


def all_events(host: Host) -> list[EventRecord]:
    """Every record of the host in time order, described ones and those of its happenings; cleared ones are gone."""
    from testdata.noise import noise_events  # noise is made of happenings

    found = list(host.events)
    for noise in host.noise:
        found.extend(noise_events(host, noise))
    for crash in host.crashes:
        found.extend(crash_events(host, crash))
    for service in host.services:
        found.extend(service_events(host, service))
    for process in host.processes:
        found.extend(process_events(host, process))
    for logon in host.logons:
        found.extend(logon_events(host, logon))
    for machine in host.machines:
        found.extend(machine_events(machine))
        found.extend(machine_logon_events(host, machine))
    for task in host.tasks:
        found.extend(registration_events(host, task))
    for run in host.task_runs:
        found.extend(run_events(host, run))
    kept = [event for event in found if event.time >= host.cleared.get(event.channel, event.time)]
    return [_by_the_clock(host, event) for event in sorted(kept, key=lambda event: event.time)]


def _by_the_clock(host: Host, event: EventRecord) -> EventRecord:
    """The record with the time that the host's clock showed."""
    off = next((clock for clock in host.clock if clock.holds(event.time)), None)
    return event if off is None else replace(event, time=off.shown(event.time))


def worker_sid(vm_id: str) -> str:
    """The SID of the account `NT VIRTUAL MACHINE\\<GUID>`: S-1-5-83-1 and the GUID's four 32-bit words."""
    raw = uuid.UUID(vm_id).bytes_le
    words = [int.from_bytes(raw[start : start + 4], "little") for start in (0, 4, 8, 12)]
    return "S-1-5-83-1-" + "-".join(str(word) for word in words)


def connection_token(tunnel_id: str) -> str:
    """The `--connection-token` of a tunnel's server: unpadded base64url of the SHA-256 of the tunnel id."""
    return base64.urlsafe_b64encode(hashlib.sha256(tunnel_id.encode()).digest()).rstrip(b"=").decode()


def process_guid(process: Process) -> str:
    """A Sysmon process GUID: stable, and different for each run (Sysmon builds it from machine, time and pid)."""
    seconds = int(process.start.timestamp())
    return "{" + f"5f3a9c21-{seconds & 0xFFFF:04x}-{seconds >> 16 & 0xFFFF:04x}-{process.pid:04x}-000000000d00" + "}"


def process_events(host: Host, process: Process) -> Iterator[EventRecord]:
    """4688 and 4689, or Sysmon 1 and 5, of one program run."""
    if "Security" in process.logs:
        yield EventRecord(
            channel="Security", provider=AUDITING, id=4688, time=process.start, pid=4, data=_created(host, process)
        )
        if process.end:
            yield EventRecord(
                channel="Security", provider=AUDITING, id=4689, time=process.end, pid=4, data=_exited(host, process)
            )
    if "Sysmon" in process.logs:
        yield sysmon(1, process.start, _sysmon_created(host, process))
        if process.end:
            yield sysmon(5, process.end, _sysmon_exited(host, process))


def sysmon(number: int, time: datetime, data: dict[str, Any]) -> EventRecord:
    """A record of Sysmon, whose own `UtcTime` repeats the time with milliseconds."""
    stamped = {"RuleName": "-", "UtcTime": _milliseconds(time), **data}
    return EventRecord(
        channel=f"{SYSMON}/Operational", provider=SYSMON, id=number, time=time, pid=3136, user_sid=SYSTEM_SID,
        data=stamped,
    )  # fmt: skip


def _milliseconds(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.") + f"{time.microsecond // 1000:03d}"


def _subject(account: Account, logon_id: str = "") -> dict[str, Any]:
    return {
        "SubjectUserSid": account.sid,
        "SubjectUserName": account.name,
        "SubjectDomainName": account.domain,
        "SubjectLogonId": logon_id or account.logon_id,
    }


def _parent(host: Host, process: Process) -> Process | None:
    return host.process(process.parent) if process.parent else None


def _created(host: Host, process: Process) -> dict[str, Any]:
    parent = _parent(host, process)
    return {
        **_subject(host.accounts[process.account], process.logon_id),
        "NewProcessId": hex(process.pid),
        "NewProcessName": process.image,
        "TokenElevationType": process.elevation,
        "ProcessId": hex(parent.pid if parent else 4),
        "CommandLine": process.command or process.image,
        "TargetUserSid": "S-1-0-0",
        "TargetUserName": "-",
        "TargetDomainName": "-",
        "TargetLogonId": "0x0",
        "ParentProcessName": parent.image if parent else "",
        "MandatoryLabel": process.label,
    }


def _exited(host: Host, process: Process) -> dict[str, Any]:
    return {
        **_subject(host.accounts[process.account], process.logon_id),
        "Status": process.status,
        "ProcessId": hex(process.pid),
        "ProcessName": process.image,
    }


def _full_name(account: Account) -> str:
    return "NT AUTHORITY\\SYSTEM" if account.sid == SYSTEM_SID else f"{account.domain}\\{account.name}"


def _sysmon_created(host: Host, process: Process) -> dict[str, Any]:
    account, parent, about = host.accounts[process.account], _parent(host, process), process.description
    return {
        "ProcessGuid": process_guid(process),
        "ProcessId": process.pid,
        "Image": process.image,
        "FileVersion": about.get("FileVersion", "-"),
        "Description": about.get("Description", "-"),
        "Product": about.get("Product", "-"),
        "Company": about.get("Company", "-"),
        "OriginalFileName": about.get("OriginalFileName", "-"),
        "CommandLine": process.command or process.image,
        "CurrentDirectory": process.directory,
        "User": _full_name(account),
        "LogonGuid": "{5f3a9c21-0000-0000-0000-00000000" + f"{int(account.logon_id, 16) & 0xFFFF:04x}" + "}",
        "LogonId": process.logon_id or account.logon_id,
        "TerminalSessionId": 0 if account.sid == SYSTEM_SID else 1,
        "IntegrityLevel": _INTEGRITY[process.label],
        "Hashes": process.hashes or "SHA256=" + hashlib.sha256(process.image.encode()).hexdigest().upper(),
        "ParentProcessGuid": process_guid(parent) if parent else "{00000000-0000-0000-0000-000000000000}",
        "ParentProcessId": parent.pid if parent else 0,
        "ParentImage": parent.image if parent else "-",
        "ParentCommandLine": (parent.command or parent.image) if parent else "-",
        "ParentUser": _full_name(host.accounts[parent.account]) if parent else "-",
    }


def _sysmon_exited(host: Host, process: Process) -> dict[str, Any]:
    return {
        "ProcessGuid": process_guid(process),
        "ProcessId": process.pid,
        "Image": process.image,
        "User": _full_name(host.accounts[process.account]),
    }


def logon_events(host: Host, logon: Logon) -> Iterator[EventRecord]:
    """4624, and 4634 (or 4647) when the logon ended."""
    account = host.accounts[logon.account]
    yield EventRecord(
        channel="Security", provider=AUDITING, id=4624, time=logon.time, pid=668,
        data=_logon_data(host.accounts["system"], account, logon, host.name),
    )  # fmt: skip
    if logon.end:
        target = {
            "TargetUserSid": account.sid,
            "TargetUserName": account.name,
            "TargetDomainName": account.domain,
            "TargetLogonId": logon.logon_id,
        }
        data = target if logon.end_id == 4647 else {**target, "LogonType": logon.type}
        yield EventRecord(channel="Security", provider=AUDITING, id=logon.end_id, time=logon.end, pid=668, data=data)


def _logon_data(subject: Account, account: Account, logon: Logon, workstation: str) -> dict[str, Any]:
    local = logon.source_ip == "-"
    return {
        **_subject(subject),
        "TargetUserSid": account.sid,
        "TargetUserName": account.name,
        "TargetDomainName": account.domain,
        "TargetLogonId": logon.logon_id,
        "LogonType": logon.type,
        "LogonProcessName": "User32 " if logon.type in (2, 7, 10, 11) else "Advapi  ",
        "AuthenticationPackageName": logon.package,
        "WorkstationName": workstation if local else "-",
        "LogonGuid": "{00000000-0000-0000-0000-000000000000}",
        "TransmittedServices": "-",
        "LmPackageName": "-",
        "KeyLength": 0,
        "ProcessId": logon.process or "0x29c",
        "ProcessName": logon.process_name,
        "IpAddress": logon.source_ip,
        "IpPort": "-" if local else "0",
        "ImpersonationLevel": "%%1833",
        "RestrictedAdminMode": "-",
        "TargetOutboundUserName": "-",
        "TargetOutboundDomainName": "-",
        "VirtualAccount": "%%1842" if account.domain == "NT VIRTUAL MACHINE" else "%%1843",
        "TargetLinkedLogonId": "0x0",
        "ElevatedToken": "%%1842",
    }


def machine_events(machine: Machine) -> Iterator[EventRecord]:
    """The Hyper-V records of one virtual machine: compute system, worker, switch port and disks."""
    for number, time in ((2000, machine.created), (2001, machine.started), (2003, machine.terminated)):
        if time:
            result = "0xc0370103" if number == 2000 else "0x00000000"
            yield _compute(machine, number, time, {"SystemId": machine.id, "Result": result})
    for setting in machine.settings:
        data = {"SystemId": machine.id, "Parameter0": setting.json, "Result": "0x00000000"}
        yield _compute(machine, 2007, setting.time, data)
    for number, time in ((18500, machine.running), (18502, machine.turned_off)):
        if time:
            yield EventRecord(
                channel=_WORKER_LOG, provider=WORKER, id=number, time=time, pid=machine.worker_pid,
                user_sid=worker_sid(machine.id), data={"VmName": machine.vm_name, "VmId": machine.id},
            )  # fmt: skip
    yield from _switch_events(machine)
    for disk in machine.disks:
        yield EventRecord(
            channel="Microsoft-Windows-VHDMP-Operational", provider=VHDMP, id=12, time=disk.time,
            pid=machine.worker_pid, user_sid=worker_sid(machine.id), data=_disk_data(machine, disk.path, disk.type),
        )  # fmt: skip


def machine_logon_events(host: Host, machine: Machine) -> Iterator[EventRecord]:
    """4624 type 5 of the virtual machine's own account, under which its worker process runs."""
    if machine.logon is None:
        return
    account = Account(
        key="vm", name=machine.id.upper(), domain="NT VIRTUAL MACHINE", sid=worker_sid(machine.id),
        logon_id=hex(0x400000 + machine.worker_pid),
    )  # fmt: skip
    logon = Logon(account="vm", time=machine.logon, type=5, logon_id=account.logon_id)
    data = _logon_data(host.accounts["system"], account, logon, host.name)
    yield EventRecord(channel="Security", provider=AUDITING, id=4624, time=machine.logon, pid=668, data=data)


def _compute(machine: Machine, number: int, time: datetime, data: dict[str, Any]) -> EventRecord:
    return EventRecord(
        channel=_COMPUTE_LOG, provider=COMPUTE, id=number, time=time, pid=machine.compute_pid,
        user_sid=SYSTEM_SID, data=data,
    )  # fmt: skip


def _disk_data(machine: Machine, path: str, kind: int) -> dict[str, Any]:
    return {
        "Status": "0x00000000",
        "VhdFile": f"\\\\?\\{path}",
        "VmId": "{" + machine.id.lower() + "}",
        "VhdType": kind,
        "Version": 2,
        "Flags": 0,
        "AccessMask": 851968,
        "WriteDepth": 1,
        "GetInfoOnly": "false",
        "ReadOnly": "false",
        "HandleContext": "0xffffa70c5b1d3a30",
        "VirtualDisk": "0xffffa70c59e4c000",
    }


def _switch_events(machine: Machine) -> Iterator[EventRecord]:
    if not machine.nic:
        return
    nic, vm = machine.nic, machine.id.upper()
    name = f"{vm}--{nic.port.upper()}"
    common = {"NicNameLen": len(name), "NicName": name, "NicFNameLen": 0, "NicFName": ""}
    connected = {
        **common,
        "PortNameLen": len(nic.port),
        "PortName": nic.port.upper(),
        "PortFNameLen": len(nic.port),
        "PortFName": nic.port.upper(),
        "SwitchNameLen": len(nic.switch),
        "SwitchName": nic.switch.upper(),
        "SwitchFNameLen": len(nic.switch_name),
        "SwitchFName": nic.switch_name,
    }
    sid = worker_sid(machine.id)
    yield EventRecord(
        channel="System", provider=SWITCH, id=232, time=nic.connected, pid=machine.worker_pid, user_sid=sid,
        data=connected,
    )  # fmt: skip
    if nic.deleted:
        yield EventRecord(
            channel="System", provider=SWITCH, id=233, time=nic.deleted, pid=machine.worker_pid, user_sid=sid,
            data={**common, "Operation": 8},
        )  # fmt: skip


def service_events(host: Host, service: Service) -> Iterator[EventRecord]:
    """System 7045 and Security 4697 of a service's installation, when the scenario says who did it."""
    account = host.accounts.get(service.installed_by)
    if account is None or service.created is None:
        return
    kind, start = _SERVICE_TYPES[service.type], _START_TYPES[service.start]
    data = {
        "ServiceName": service.name,
        "ImagePath": service.image,
        "ServiceType": kind,
        "StartType": start,
        "AccountName": service.account,
    }
    yield EventRecord(
        channel="System", provider="Service Control Manager", id=7045, time=service.created, pid=668,
        user_sid=account.sid, data=data,
    )  # fmt: skip
    audited = {
        **_subject(account),
        "ServiceName": service.name,
        "ServiceFileName": service.image,
        "ServiceType": hex(service.type),
        "ServiceStartType": service.start,
        "ServiceAccount": service.account,
    }
    yield EventRecord(channel="Security", provider=AUDITING, id=4697, time=service.created, pid=668, data=audited)


def registration_events(host: Host, task: Task) -> Iterator[EventRecord]:
    """4698 and TaskScheduler 106 of a task's registration, as far as the scenario says a log saw it."""
    account = host.accounts.get(task.registered_by)
    if account is None:
        return
    if "Security" in task.logs:
        data = {**_subject(account), "TaskName": task.path, "TaskContent": task_xml(host, task)}
        yield EventRecord(channel="Security", provider=AUDITING, id=4698, time=task.created, pid=668, data=data)
    if "TaskScheduler" in task.logs:
        yield _scheduler(106, task.created, {"TaskName": task.path, "UserContext": _full_name(account)})


def run_events(host: Host, run: TaskRun) -> Iterator[EventRecord]:
    """TaskScheduler 129, 100, 200 and, when it ended, 201 and 102 of one task run."""
    process = host.process(run.process)
    user = "NT AUTHORITY\\SYSTEM" if process.account == "system" else _full_name(host.accounts[process.account])
    base = {"TaskName": run.task}
    action = process.command.split(" ", 1)[0] if process.command else process.image
    yield _scheduler(129, run.started, {**base, "Path": action, "ProcessID": process.pid, "Priority": 16384})
    whole = {**base, "UserContext": user, "InstanceId": run.instance}
    yield _scheduler(100, run.started, whole)
    yield _scheduler(
        200, run.started, {**base, "ActionName": action, "TaskInstanceId": run.instance, "EnginePID": process.pid}
    )
    if run.completed:
        ended = {**base, "TaskInstanceId": run.instance, "ActionName": action, "ResultCode": run.result}
        yield _scheduler(201, run.completed, {**ended, "EnginePID": process.pid})
        yield _scheduler(102, run.completed, whole)


def _scheduler(number: int, time: datetime, data: dict[str, Any]) -> EventRecord:
    return EventRecord(
        channel=f"{SCHEDULER}/Operational", provider=SCHEDULER, id=number, time=time, pid=1268,
        user_sid=SYSTEM_SID, data=data,
    )  # fmt: skip
