"""Each event artifact on a log that was written with the field names and types of the provider."""

from __future__ import annotations

import struct
from datetime import timedelta

import pytest

from forensics.formats.sandboxids import vm_account
from tests.artifacts.event_logs import TIME, one, own

SUBJECT = {
    "SubjectUserSid": "S-1-5-21-1-2-3-1001", "SubjectUserName": "田中", "SubjectDomainName": "WS-TANAKA",
    "SubjectLogonId": 0x5A2C1,
}  # fmt: skip
USER = {"user_sid": "S-1-5-21-1-2-3-1001", "user_name": "田中", "user_domain": "WS-TANAKA", "logon_id": "0x5a2c1"}
TARGET = {
    "TargetUserSid": "S-1-5-18", "TargetUserName": "SYSTEM", "TargetDomainName": "NT AUTHORITY", "TargetLogonId": 0x3E7,
}  # fmt: skip
VM = "6B3C1A52-7F04-4D2E-9C11-0A5D3E8F7B21"
SANDBOX = "C:\\Windows\\System32\\WindowsSandbox.exe"
XML = (
    '<?xml version="1.0" encoding="UTF-16"?>\r\n<Task version="1.2" '
    'xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task"><RegistrationInfo><Author>WS-TANAKA\\田中</Author>'
    "</RegistrationInfo><Triggers><BootTrigger/><TimeTrigger/></Triggers><Principals><Principal id='A'><UserId>S-1-5-18"
    "</UserId></Principal></Principals><Actions><Exec><Command>c:\\windows\\system32\\windowssandbox.exe</Command>"
    "<Arguments>c:\\windows\\system32\\default.wsb</Arguments></Exec></Actions></Task>"
)


class TestProcessAudit:
    def test_a_sandbox_as_another_account(self):
        fact = one("Security", 4688, data={
            **SUBJECT, **TARGET, "NewProcessId": 0x1A2C, "NewProcessName": SANDBOX, "ProcessId": 0x4F8,
            "CommandLine": f'"{SANDBOX}" C:\\x.wsb', "ParentProcessName": "C:\\Windows\\System32\\svchost.exe",
            "MandatoryLabel": "S-1-16-16384",
        })  # fmt: skip
        assert fact.kind == "process.created"
        assert not fact.context
        assert own(fact) == {
            "user_name": "SYSTEM", "user_domain": "NT AUTHORITY", "user_sid": "S-1-5-18", "logon_id": "0x3e7",
            "target_user_name": "SYSTEM", "target_user_domain": "NT AUTHORITY", "target_user_sid": "S-1-5-18",
            "target_logon_id": "0x3e7", "creator_name": "田中", "creator_domain": "WS-TANAKA",
            "creator_sid": "S-1-5-21-1-2-3-1001", "creator_logon_id": "0x5a2c1", "executable": SANDBOX,
            "executable_name": "WindowsSandbox.exe", "command_line": f'"{SANDBOX}" C:\\x.wsb', "pid": "6700",
            "parent_executable": "C:\\Windows\\System32\\svchost.exe", "parent_pid": "1272",
            "integrity_level": "System",
        }  # fmt: skip

    def test_an_ordinary_start_is_context(self):
        fact = one("Security", 4688, data={
            **SUBJECT, "TargetUserSid": "S-1-0-0", "TargetUserName": "-", "TargetDomainName": "-",
            "NewProcessName": "C:\\Windows\\notepad.exe", "NewProcessId": 8,
        })  # fmt: skip
        assert fact.context
        assert {name: fact.fields[name] for name in USER} == USER
        assert "target_user_name" not in fact.fields
        assert "creator_name" not in fact.fields
        assert "command_line" not in fact.fields

    def test_an_end(self):
        fact = one("Security", 4689, data={**SUBJECT, "Status": 1, "ProcessId": 0x1A2C, "ProcessName": SANDBOX})
        assert (fact.kind, fact.context) == ("process.exited", True)
        assert own(fact) == {
            **USER, "executable": SANDBOX, "executable_name": "WindowsSandbox.exe", "pid": "6700", "result_code": "0x1"
        }  # fmt: skip


class TestLogons:
    def test_a_machine_account(self):
        account = vm_account(VM)
        fact = one("Security", 4624, data={
            **SUBJECT, "TargetUserSid": account, "TargetUserName": VM,
            "TargetDomainName": "NT VIRTUAL MACHINE", "TargetLogonId": 0x77, "LogonType": 5, "IpAddress": "-",
            "WorkstationName": "-", "ProcessName": "C:\\Windows\\System32\\vmms.exe", "ProcessId": 0x10,
        })  # fmt: skip
        assert (fact.kind, fact.context) == ("logon.succeeded", False)
        reason = fact.fields["reason"]
        assert "from memory" in reason
        assert own(fact) == {
            **USER, "target_user_sid": account, "target_user_name": VM, "vm_id": VM, "reason": reason,
            "target_user_domain": "NT VIRTUAL MACHINE", "target_logon_id": "0x77", "logon_type": 5,
            "executable": "C:\\Windows\\System32\\vmms.exe", "executable_name": "vmms.exe", "pid": "16",
        }  # fmt: skip

    def test_anybody_else_is_context(self):
        fact = one("Security", 4624, data={**SUBJECT, **TARGET, "LogonType": 5})
        assert (fact.kind, fact.context) == ("logon.succeeded", True)
        assert not {"vm_id", "reason"} & fact.fields.keys()

    @pytest.mark.parametrize("number", [4634, 4647])
    def test_ends(self, number):
        fact = one("Security", number, data=TARGET)
        assert fact.kind == "logon.ended"
        assert fact.fields["user_name"] == fact.fields["target_user_name"] == "SYSTEM"
        assert fact.fields["logon_id"] == "0x3e7"

    def test_explicit(self):
        fact = one("Security", 4648, data={
            **SUBJECT, "TargetUserName": "admin", "TargetDomainName": "CORP", "TargetServerName": "DC1",
            "IpAddress": "10.0.0.5", "IpPort": "445",
        })  # fmt: skip
        assert fact.kind == "logon.explicit"
        assert own(fact) | USER == own(fact)
        assert (fact.fields["target_user_name"], fact.fields["destination_host"]) == ("admin", "DC1")
        assert (fact.fields["source_ip"], fact.fields["source_port"]) == ("10.0.0.5", "445")


def test_log_cleared():
    fact = one("Security", 1102, data=SUBJECT)
    assert (fact.kind, fact.context) == ("log.cleared", False)
    assert own(fact) == {**USER, "cleared_channel": "Security"}
    fact = one("System", 104, user_sid="S-1-5-21-1-2-3-1001", data={
        "SubjectUserName": "田中", "SubjectDomainName": "WS-TANAKA", "Channel": "Setup", "BackupPath": "D:\\b.evtx"
    })  # fmt: skip
    assert own(fact) == {
        "user_name": "田中", "user_domain": "WS-TANAKA", "user_sid": "S-1-5-21-1-2-3-1001", "cleared_channel": "Setup",
        "saved_path": "D:\\b.evtx",
    }  # fmt: skip


@pytest.mark.parametrize(("moved", "context"), [(timedelta(milliseconds=12), True), (timedelta(hours=-9), False)])
def test_clock(moved, context):
    fact = one("Security", 4616, data={
        **SUBJECT, "PreviousTime": TIME, "NewTime": TIME + moved, "ProcessId": 0x440,
        "ProcessName": "C:\\Windows\\System32\\svchost.exe",
    })  # fmt: skip
    assert (fact.kind, fact.context) == ("clock.changed", context)
    assert fact.fields["old_time"] == "2024-12-04T10:02:11.123456+00:00"
    assert fact.fields["new_time"] == (TIME + moved).isoformat(timespec="microseconds")
    assert fact.fields["pid"] == "1088"


class TestServices:
    def test_installed(self):
        expected = {
            "service_name": "Updater", "command_line": "C:\\p\\svc.exe -k", "service_account": "LocalSystem",
            "start_type": "auto start",
        }  # fmt: skip
        fact = one("System", 7045, user_sid="S-1-5-18", data={
            "ServiceName": "Updater", "ImagePath": "C:\\p\\svc.exe -k", "ServiceType": "user mode service",
            "StartType": "auto start", "AccountName": "LocalSystem",
        })  # fmt: skip
        assert (fact.kind, fact.context) == ("service.installed", False)
        assert own(fact) == {**expected, "service_type": "user mode service", "user_sid": "S-1-5-18"}
        fact = one("Security", 4697, data={
            **SUBJECT, "ServiceName": "Updater", "ServiceFileName": "C:\\p\\svc.exe -k", "ServiceType": 0x10,
            "ServiceStartType": 2, "ServiceAccount": "LocalSystem",
        })  # fmt: skip
        assert own(fact) == {**expected, **USER, "service_type": "0x10"}

    @pytest.mark.parametrize(
        ("shown", "binary", "name", "state", "context"),
        [
            ("コンテナー マネージャー サービス", "CmService/4\0", "CmService", "running", False),
            ("Hyper-V-Hostcomputedienst", "vmcompute/1\0", "vmcompute", "stopped", False),
            ("Windows Modules Installer", "TrustedInstaller/1\0", "TrustedInstaller", "stopped", True),
            ("Container Manager Service", "", "Container Manager Service", "実行中", False),
        ],
    )
    def test_state(self, shown, binary, name, state, context):
        fact = one("System", 7036, data={
            "param1": shown, "param2": "実行中" if not binary else "x", "Binary": binary.encode("utf-16-le")
        })  # fmt: skip
        assert (fact.kind, fact.context) == ("service.state_changed", context)
        assert own(fact) == {"service_name": name, "service_display_name": shown, "state": state}

    @pytest.mark.parametrize(("name", "context"), [("CmService", False), ("vmcompute", False), ("WdNisDrv", True)])
    def test_start_type(self, name, context):
        fact = one("System", 7040, user_sid="S-1-5-18", data={
            "param1": "表示名", "param2": "disabled", "param3": "auto start", "param4": name
        })  # fmt: skip
        assert (fact.kind, fact.context) == ("service.start_type_changed", context)
        assert own(fact) == {
            "service_name": name, "service_display_name": "表示名", "start_type_before": "disabled",
            "start_type": "auto start", "user_sid": "S-1-5-18",
        }  # fmt: skip


class TestTasks:
    SCHEDULER = "Microsoft-Windows-TaskScheduler/Operational"

    @pytest.mark.parametrize(
        ("number", "who", "trigger"), [(110, "UserContext", "a user's demand"), (119, "UserName", "a logon")]
    )
    def test_set_off(self, number, who, trigger):
        fact = one(self.SCHEDULER, number, data={
            "TaskName": "\\wsb.exe", who: "WS-TANAKA\\田中", "InstanceId": "FFBEDBA1-9858-4250-BEB7-F545AE86A0F5"
        })  # fmt: skip
        assert (fact.kind, fact.context) == ("task.triggered", False)
        assert own(fact) == {
            "task_name": "\\wsb.exe", "user_name": "田中", "user_domain": "WS-TANAKA", "trigger": trigger,
            "task_instance_id": "FFBEDBA1-9858-4250-BEB7-F545AE86A0F5",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("number", "kind"),
        [(4698, "task.registered"), (4699, "task.deleted"), (4700, "task.enabled"), (4701, "task.disabled"),
         (4702, "task.updated")],
    )  # fmt: skip
    def test_audited(self, number, kind):
        content = "TaskContentNew" if number == 4702 else "TaskContent"
        fact = one("Security", number, data={
            **SUBJECT, "TaskName": "\\Microsoft\\Windows\\X", content: XML, "ClientProcessId": 4711
        })  # fmt: skip
        assert (fact.kind, fact.context) == (kind, False)
        assert own(fact) == {
            **USER, "task_name": "\\Microsoft\\Windows\\X", "task_author": "WS-TANAKA\\田中",
            "task_run_as": "S-1-5-18", "task_trigger": "BootTrigger, TimeTrigger", "task_content": XML, "pid": "4711",
            "command_line": "c:\\windows\\system32\\windowssandbox.exe c:\\windows\\system32\\default.wsb",
        }  # fmt: skip

    def test_windows_changing_its_own_is_context(self):
        data = {**SUBJECT, "TaskName": "\\Microsoft\\Windows\\UpdateOrchestrator\\Schedule Scan"}
        assert one("Security", 4702, data={**data, "TaskContentNew": "<Task/>"}).context
        assert not one("Security", 4702, data={**SUBJECT, "TaskName": "\\Mine", "TaskContentNew": "<Task/>"}).context

    @pytest.mark.parametrize(
        "xml", ["", "<Task", "<!DOCTYPE a [<!ENTITY b 'c'>]><Task>&b;</Task>", "\x00", "<a>" * 9000]
    )
    def test_damaged_definitions(self, xml):
        fact = one("Security", 4698, data={**SUBJECT, "TaskName": "\\T", "TaskContent": xml})
        assert fact.fields["task_name"] == "\\T"

    CHANNEL = "Microsoft-Windows-TaskScheduler/Operational"
    INSTANCE = "{FFBEDBA1-9858-4250-BEB7-F545AE86A0F5}"

    @pytest.mark.parametrize(
        ("number", "data", "kind", "expected", "context"),
        [
            (106, {"TaskName": "\\T", "UserContext": "CORP\\u"}, "task.registered",
             {"task_name": "\\T", "user_name": "u", "user_domain": "CORP"}, False),
            (140, {"TaskName": "\\T", "UserName": "CORP\\u"}, "task.updated",
             {"task_name": "\\T", "user_name": "u", "user_domain": "CORP"}, True),
            (141, {"TaskName": "\\T", "UserName": "S-1-5-18"}, "task.deleted",
             {"task_name": "\\T", "user_sid": "S-1-5-18"}, False),
            (100, {"TaskName": "\\T", "UserContext": "System", "InstanceId": INSTANCE}, "task.started",
             {"task_name": "\\T", "user_name": "System", "task_instance_id": INSTANCE.strip("{}")}, True),
            (102, {"TaskName": "\\T", "UserContext": "System", "InstanceId": INSTANCE}, "task.completed",
             {"task_name": "\\T", "user_name": "System", "task_instance_id": INSTANCE.strip("{}")}, True),
            (129, {"TaskName": "\\T", "Path": SANDBOX, "ProcessID": 6700}, "task.process_created",
             {"task_name": "\\T", "executable": SANDBOX, "pid": "6700"}, False),
            (200, {"TaskName": "\\T", "ActionName": "x.exe", "TaskInstanceId": INSTANCE, "EnginePID": 8},
             "task.action_started",
             {"task_name": "\\T", "executable": "x.exe", "pid": "8", "task_instance_id": INSTANCE.strip("{}")}, True),
            (201, {"TaskName": "\\T", "ActionName": SANDBOX, "TaskInstanceId": INSTANCE, "EnginePID": 8,
                   "ResultCode": 1},
             "task.action_completed",
             {"task_name": "\\T", "executable": SANDBOX, "pid": "8", "task_instance_id": INSTANCE.strip("{}"),
              "result_code": "1"}, False),
        ],
    )  # fmt: skip
    def test_scheduler(self, number, data, kind, expected, context):
        fact = one(self.CHANNEL, number, data=data)
        assert (fact.kind, own(fact), fact.context) == (kind, expected, context)


class TestPower:
    def test_crashes(self):
        fact = one("System", 41, data={"BugcheckCode": 0x9F})
        assert (fact.kind, own(fact), fact.context) == ("system.crashed", {"error_code": "0x9f"}, False)
        assert own(one("System", 41, data={"BugcheckCode": 0})) == {}
        times = struct.pack("<16H", 2024, 12, 3, 4, 19, 2, 11, 0, 2024, 12, 3, 4, 10, 2, 11, 500)
        fact = one("System", 6008, data={"a": "19:02:11", "b": "\u200e2024/\u200e12/\u200e04", "raw": times})
        assert own(fact) == {
            "last_alive_time": "2024-12-04T10:02:11.500000+00:00",
            "reason": "last alive \u200e2024/\u200e12/\u200e04 19:02:11 local",
        }
        assert own(one("System", 6008, data={"a": "", "raw": b"\xff" * 32})) == {}

    def test_boot_and_stop(self):
        assert one("System", 6005).kind == "system.log_started"
        assert one("System", 6006).kind == "system.log_stopped"

    @pytest.mark.parametrize(("number", "name"), [(1, "classic without SMT"), (3, "core"), (4, "root"), (9, "9")])
    def test_hypervisor(self, number, name):
        fact = one("System", 2, data={"SchedulerType": number})
        assert (fact.kind, fact.context) == ("system.hypervisor_started", False)
        assert own(fact) == {"scheduler_type": name}

    def test_request(self):
        fact = one("System", 1074, user_sid="S-1-5-18", data={
            "param1": "C:\\WINDOWS\\system32\\winlogon.exe (WS-TANAKA)", "param2": "WS-TANAKA", "param3": "No title",
            "param4": "0x500ff", "param5": "restart", "param6": "", "param7": "NT AUTHORITY\\SYSTEM",
        })  # fmt: skip
        assert (fact.kind, fact.context) == ("system.shutdown_requested", False)
        assert own(fact) == {
            "user_name": "SYSTEM", "user_domain": "NT AUTHORITY", "user_sid": "S-1-5-18", "reason": "No title",
            "executable": "C:\\WINDOWS\\system32\\winlogon.exe", "executable_name": "winlogon.exe",
            "error_code": "0x500ff", "shutdown_type": "restart",
        }  # fmt: skip
