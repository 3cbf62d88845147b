"""What the recorders say of themselves: audit policy, event log service, kernel, Defender and Sysmon."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.artifacts.event_logs import TIME, one, own, written

DEFENDER = "Microsoft-Windows-Windows Defender/Operational"
SYSMON = "Microsoft-Windows-Sysmon/Operational"
SUBJECT = {"SubjectUserSid": "S-1-5-21-1-2-3-1001", "SubjectUserName": "田中", "SubjectDomainName": "PC"}
WHO = {"user_sid": "S-1-5-21-1-2-3-1001", "user_name": "田中", "user_domain": "PC"}


class TestAuditPolicy:
    def test_process_starts_are_no_longer_recorded(self):
        fact = one("Security", 4719, data={
            **SUBJECT, "CategoryId": "%%8276", "SubcategoryId": "%%13312",
            "SubcategoryGuid": "{0cce922b-69ae-11d9-bed3-505054503030}", "AuditPolicyChanges": "%%8448, %%8450",
        })  # fmt: skip
        assert (fact.kind, fact.context) == ("audit.policy_changed", False)
        assert own(fact) == {
            **WHO, "audit_subcategory": "Process Creation", "audit_changes": "success removed, failure removed",
            "audit_removed": True,
        }  # fmt: skip

    def test_more_auditing_is_context(self):
        fact = one("Security", 4719, data={
            "SubcategoryGuid": "{11111111-69ae-11d9-bed3-505054503030}", "AuditPolicyChanges": "%%8449"
        })  # fmt: skip
        assert fact.context
        assert own(fact) == {
            "audit_subcategory": "11111111-69AE-11D9-BED3-505054503030", "audit_changes": "success added",
            "audit_removed": False,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("number", "kind"), [(1100, "log.service_stopped"), (1101, "log.events_dropped"), (1104, "log.full")]
)
def test_the_service(number, kind):
    fact = one("Security", number)
    assert (fact.kind, own(fact), fact.context) == (kind, {}, False)


def test_a_log_that_was_archived():
    fact = one("Security", 1105, data={"Channel": "Security", "BackupPath": "C:\\Archive-Security.evtx"})
    assert own(fact) == {"cleared_channel": "Security", "saved_path": "C:\\Archive-Security.evtx"}


class TestKernel:
    def test_start_and_stop(self):
        assert one("System", 12).kind == "system.kernel_started"
        assert one("System", 13).kind == "system.kernel_stopped"

    @pytest.mark.parametrize(("minutes", "context"), [(0.01, True), (-600, False)])
    def test_clock(self, minutes, context):
        fact = one("System", 1, data={"OldTime": TIME, "NewTime": TIME + timedelta(minutes=minutes), "Reason": 1})
        assert (fact.kind, fact.context) == ("clock.changed", context)
        assert own(fact)["old_time"] == "2024-12-04T10:02:11.123456+00:00"


class TestDefender:
    @pytest.mark.parametrize("number", [5001, 5010, 5012])
    def test_off(self, number):
        fact = one(DEFENDER, number, data={"Product Name": "Microsoft Defender Antivirus"})
        assert (fact.kind, fact.context) == ("antivirus.switched_off", False)
        assert own(fact)["protection"]

    def test_history(self):
        fact = one(DEFENDER, 1013, data={"User": "田中", "SID": "S-1-5-21-1-2-3-1001"})
        assert (fact.kind, own(fact)["user_name"]) == ("antivirus.history_removed", "田中")

    def test_an_attempt(self):
        fact = one(DEFENDER, 5013, data={"Value": "HKLM\\X\\DisableRealtimeMonitoring = 0x1()"})
        assert (fact.kind, own(fact)) == (
            "antivirus.tampering_stopped", {"setting": "HKLM\\X\\DisableRealtimeMonitoring = 0x1()"}
        )  # fmt: skip

    def test_a_setting_that_weakens(self):
        key = "HKLM\\SOFTWARE\\Microsoft\\Windows Defender\\Real-Time Protection\\"
        fact = one(DEFENDER, 5007, data={"Old Value": "", "New Value": key + "DisableRealtimeMonitoring = 0x1"})
        assert not fact.context
        assert own(fact)["is_weakened"] is True
        fact = one(DEFENDER, 5007, data={"Old Value": "", "New Value": key + "DisableRealtimeMonitoring = 0x0"})
        assert fact.context


class TestSysmon:
    @pytest.mark.parametrize(("state", "context"), [("Stopped", False), ("Started", True)])
    def test_state(self, state, context):
        fact = one(SYSMON, 4, data={"State": state, "Version": "15.0"})
        assert (fact.kind, fact.context) == ("sysmon.state_changed", context)
        assert own(fact) == {"service_name": "Sysmon", "state": state.casefold()}

    def test_configuration(self):
        fact = one(SYSMON, 16, data={"Configuration": "C:\\c.xml", "ConfigurationFileHash": "SHA256=AB"})
        assert (fact.kind, own(fact)) == (
            "sysmon.configured", {"sysmon_configuration": "C:\\c.xml", "hashes": "SHA256=AB"}
        )  # fmt: skip

    def test_error(self):
        fact = one(SYSMON, 255, data={"ID": "DriverCommunication", "Description": "failed"})
        assert own(fact) == {"reason": "DriverCommunication; failed"}


@pytest.mark.parametrize(
    ("name", "shown", "context"), [("EventLog", "Windows Event Log", False), ("BITS", "Transfer", True)]
)
def test_how_a_service_is_to_start(name, shown, context):
    fact = one("System", 7040, data={"param1": shown, "param2": "auto start", "param3": "disabled", "param4": name})
    assert (fact.kind, fact.context) == ("service.start_type_changed", context)


class TestBlinded:
    @pytest.mark.parametrize(("driver", "context"), [("SysmonDrv", False), ("wcifs", True)])
    def test_an_unloaded_driver(self, driver, context):
        fact = one("System", 1, provider="Microsoft-Windows-FilterManager", user_sid="S-1-5-18",
                   data={"DeviceName": driver, "DeviceNameLength": len(driver)})  # fmt: skip
        assert (fact.kind, fact.context) == ("filter.unloaded", context)
        assert own(fact) == {"filter_name": driver, "user_sid": "S-1-5-18"}

    @pytest.mark.parametrize(
        ("number", "what", "context"), [(25, "all shadow copies", False), (33, "the oldest shadow copy", True)]
    )
    def test_lost_shadow_copies(self, number, what, context):
        fact = one("System", number, data={"device": "\\Device\\HarddiskVolumeShadowCopy3", "volume": "C:"})
        assert (fact.kind, fact.context) == ("shadow_copy.lost", context)
        assert own(fact) == {"shadows_lost": what, "volume_name": "C:"}

    def test_a_refused_clearing(self):
        call = (
            "Start IWbemServices::ExecMethod - ROOT\\CIMV2 : \\\\PC\\ROOT\\CIMV2:Win32_NTEventlogFile.Name="
            '"C:\\\\WINDOWS\\\\System32\\\\Winevt\\\\Logs\\\\System.evtx"::cleareventlog'
        )
        fact = one("Microsoft-Windows-WMI-Activity/Operational", 5858, data={
            "User": "PC\\田中", "ClientProcessId": 4711, "Operation": call, "ResultCode": 0x80041003,
        })  # fmt: skip
        assert (fact.kind, fact.context) == ("wmi.operation_failed", False)
        assert own(fact) == {
            "user_name": "田中", "user_domain": "PC", "pid": "4711", "result_code": "0x80041003", "wmi_operation": call,
        }  # fmt: skip

    def test_other_failed_operations_are_not_told(self):
        data = {"Operation": "Start IWbemServices::ExecQuery - root\\cimv2 : SELECT * FROM Win32_Printer"}
        assert written("Microsoft-Windows-WMI-Activity/Operational", 5858, data=data) == []

    @pytest.mark.parametrize(
        ("path", "new", "context"),
        [
            ("C:\\ProgramData\\a.exe", "2019-12-07 09:08:00.000", False),
            ("C:\\ProgramData\\a.txt", "2019-12-07 09:08:00.000", True),
            ("C:\\ProgramData\\a.exe", "2024-12-04 09:08:00.000", True),
            ("C:\\ProgramData\\a.exe", "-", True),
        ],
    )
    def test_a_birth_that_was_set(self, path, new, context):
        fact = one(SYSMON, 2, data={
            "UtcTime": "2024-12-04 10:02:11.123", "Image": "C:\\x.exe", "TargetFilename": path, "ProcessId": 9,
            "CreationUtcTime": new, "PreviousCreationUtcTime": "2024-12-04 10:00:00.000",
        })  # fmt: skip
        assert (fact.kind, fact.context) == ("file.time_changed", context)
        assert fact.fields["executable"] == "C:\\x.exe"
        assert fact.fields["file_path"] == path

    @pytest.mark.parametrize(
        ("target", "context"),
        [
            ("HKLM\\System\\CurrentControlSet\\Control\\WMI\\Autologger\\EventLog-System\\Start", False),
            ("HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\WINEVT\\Channels\\Security\\Enabled", False),
            ("HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\WINEVT\\Channels\\X/Debug\\Enabled", True),
            ("HKLM\\System\\CurrentControlSet\\Control\\WMI\\Autologger\\Other\\Start", True),
        ],
    )
    def test_a_switch_that_was_turned(self, target, context):
        data = {"TargetObject": target, "Details": "DWORD (0x00000000)", "EventType": "SetValue", "Image": "C:\\x.exe"}
        assert one(SYSMON, 13, data=data).context is context

    def test_the_pipe_of_the_event_log(self):
        assert not one(SYSMON, 17, data={"PipeName": "\\eventlog", "Image": "C:\\x.exe"}).context
        assert one(SYSMON, 17, data={"PipeName": "\\srvsvc", "Image": "C:\\x.exe"}).context
