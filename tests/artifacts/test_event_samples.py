"""Exact facts out of real logs: what the records of real hosts must become."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.artifacts.event_logs import facts_of, own

pytestmark = pytest.mark.samples

ATTACK = "attack-samples"
LAB_USER = {"user_sid": "S-1-5-21-128822557-2730879828-3162054034-1000", "user_name": "yolo", "user_domain": "RE-DEV",
            "logon_id": "0x30e6e"}  # fmt: skip
# (log, kind, which one of the kind): (time, some of the fields)
EXPECTED = {
    (f"{ATTACK}/Defense Evasion/DE_1102_security_log_cleared.evtx", "log.cleared", 0): (
        "2019-03-19T23:35:07.524202+00:00",
        {"cleared_channel": "Security", "user_name": "user01", "user_domain": "EXAMPLE", "logon_id": "0x17dad",
         "user_sid": "S-1-5-21-1587066498-1489273250-1035260531-1106"},
    ),
    (f"{ATTACK}/Defense Evasion/DE_104_system_log_cleared.evtx", "log.cleared", 0): (
        "2019-03-19T23:34:25.894341+00:00",
        {"cleared_channel": "System", "user_name": "user01", "user_domain": "EXAMPLE",
         "user_sid": "S-1-5-21-1587066498-1489273250-1035260531-1106", "channel": "System"},
    ),
    (f"{ATTACK}/Lateral Movement/LM_Remote_Service02_7045.evtx", "service.installed", 0): (
        "2019-03-03T09:20:28.621489+00:00",
        {"service_name": "spoolfool", "command_line": "cmd.exe", "service_account": "LocalSystem",
         "start_type": "auto start", "service_type": "user mode service", "record_number": "4480",
         "user_sid": "S-1-5-21-1587066498-1489273250-1035260531-1108"},
    ),
    ("task-pair/TaskScheduler.evtx", "task.registered", 0): (
        "2021-01-27T11:40:14.727967+00:00",
        {"task_name": "\\T1053_005_OnLogon", "user_name": "yolo", "user_domain": "RE-DEV", "record_number": "2599"},
    ),
    ("task-pair/TaskScheduler.evtx", "task.process_created", 0): (
        "2021-01-27T11:41:33.455849+00:00",
        {"task_name": "\\T1053_005_OnLogon", "executable": "cmd.exe", "pid": "6292"},
    ),
    ("task-pair/TaskScheduler.evtx", "task.action_completed", 0): (
        "2021-01-27T11:41:33.713134+00:00",
        {"executable": "cmd.exe", "result_code": "2147942401", "pid": "6292",
         "task_instance_id": "FFBEDBA1-9858-4250-BEB7-F545AE86A0F5"},
    ),
    ("task-pair/SecurityTasks.evtx", "task.updated", 0): (
        "2021-01-27T11:41:30.951241+00:00",
        {**LAB_USER, "task_name": "\\T1053_005_OnLogon", "command_line": "cmd.exe /c ping -n 10",
         "task_author": "RE-DEV\\yolo", "task_run_as": "RE-DEV\\yolo", "task_trigger": "LogonTrigger"},
    ),
    ("task-pair/SecurityTasks.evtx", "task.disabled", 0): (
        "2021-01-27T11:42:26.215591+00:00",
        {**LAB_USER, "task_name": "\\T1053_005_OnStartup", "command_line": "cmd.exe /c calc.exe",
         "task_run_as": "S-1-5-18", "task_trigger": "BootTrigger"},
    ),
    ("task-pair/SecurityTasks.evtx", "task.deleted", -1): (
        "2021-01-27T11:42:29.969568+00:00", {**LAB_USER, "task_name": "\\T1053_005_OnStartup"},
    ),
    ("host-server2016/Security.evtx", "process.exited", 0): (
        "2022-09-01T12:18:20.053735+00:00",
        {"executable": "C:\\Windows\\System32\\wevtutil.exe", "pid": "2272", "result_code": "0x0",
         "user_name": "Administrator", "logon_id": "0xe7a0c", "record_number": "2841703"},
    ),
    ("odd/system.evtx", "system.shutdown_requested", 0): (
        "2012-03-15T07:07:35+00:00",
        {"executable": "C:\\Windows\\system32\\svchost.exe", "reason": "Operating System: Recovery (Planned)",
         "error_code": "0x80020002", "shutdown_type": "restart", "user_name": "SYSTEM", "user_sid": "S-1-5-18"},
    ),
    ("odd/system.evtx", "system.crashed", 0): (
        "2012-04-06T14:07:44+00:00",
        {"last_alive_time": "2012-04-06T13:59:13.029000+00:00",
         "reason": "last alive \u200e4/\u200e6/\u200e2012 9:59:13 AM local", "provider": "EventLog"},
    ),
    ("odd/system.evtx", "service.state_changed", 0): (
        "2012-03-14T04:17:38.276340+00:00",
        {"service_name": "TrustedInstaller", "service_display_name": "Windows Modules Installer", "state": "stopped"},
    ),
    (f"{ATTACK}/Command and Control/DE_sysmon-3-rdp-tun.evtx", "process.exited", 0): (
        "2019-02-16T10:01:50.699524+00:00",
        {"executable": "C:\\Users\\IEUser\\Desktop\\plink.exe", "pid": "3520",
         "process_guid": "365ABB72-DD79-5C67-0000-00109C931000"},
    ),
    (f"{ATTACK}/Credential Access/CA_Mimikatz_Memssp_Default_Logs_Sysmon_11.evtx", "file.created", 0): (
        "2020-09-11T12:10:22.398726+00:00",
        {"file_path": "C:\\Windows\\System32\\mimilsa.log", "file_name": "mimilsa.log", "pid": "640"},
    ),
    (f"{ATTACK}/Defense Evasion/DE_UAC_Disabled_Sysmon_12_13.evtx", "registry.value_set", 0): (
        "2019-05-16T14:17:15.763712+00:00",
        {"key_path": "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\policies\\system", "value_name": "EnableLUA",
         "value_data": "DWORD (0x00000000)", "executable_name": "reg.exe", "pid": "3788"},
    ),
    (f"{ATTACK}/Command and Control/DE_RDP_Tunnel_5156.evtx", "logon.succeeded", 0): (
        "2019-02-13T18:02:04.426662+00:00",
        {"target_user_name": "user01", "target_logon_id": "0x1414c8", "logon_type": 11, "source_ip": "127.0.0.1",
         "user_name": "PC01$", "executable_name": "winlogon.exe", "pid": "1796"},
    ),
    ("host-server2016/Microsoft-Windows-PowerShell%4Operational.evtx", "powershell.command", 0): (
        "2022-09-01T12:18:21.253107+00:00",
        {"cmdlet": "Add-Type", "script_path": "C:\\Users\\Administrator\\capattack\\modules\\start.ps1",
         "user_name": "Administrator", "pid": "3212", "engine_version": "5.1.14393.5127"},
    ),
    (f"{ATTACK}/emotet/exec_emotet_ps_800_new-object.evtx", "powershell.command", 0): (
        "2020-08-26T05:09:29.115150+00:00",
        {"user_name": "Clippy", "user_domain": "DESKTOP-RIPCLIP", "engine_version": "5.1.19041.1"},
    ),
    (f"{ATTACK}/AutomatedTestingTools/WinDefender_Events_1117_1116_AtomicRedTeam.evtx", "antivirus.detected", 0): (
        "2019-07-18T20:40:00.730676+00:00",
        {"threat_name": "Trojan:PowerShell/Powersploit.M", "user_name": "IEUser", "user_domain": "MSEDGEWIN10",
         "detected_path": "C:\\AtomicRedTeam\\atomic-red-team-master\\atomics\\T1056\\Get-Keystrokes.ps1",
         "executable_name": "powershell.exe", "action": "no action",
         "detection_id": "511224D4-1EB4-47B9-BC4A-37E21F923FED"},
    ),
}  # fmt: skip
# Every fact of the 281 samples, by kind and event id.
COUNTS = {
    ("filter.unloaded", 1): 4, ("shadow_copy.lost", 33): 2, ("wmi.operation_failed", 5858): 1,
    ("clock.changed", 1): 66, ("log.events_dropped", 1101): 6, ("log.service_stopped", 1100): 77,
    ("sysmon.configured", 16): 3, ("sysmon.state_changed", 4): 1, ("system.kernel_started", 12): 15,
    ("system.kernel_stopped", 13): 12,
    ("antivirus.acted", 1117): 5, ("antivirus.detected", 1116): 6, ("antivirus.setting_changed", 5007): 25,
    ("bits.job", 3): 257, ("bits.job", 4): 126, ("bits.job", 5): 84, ("bits.transfer", 59): 165,
    ("bits.transfer", 60): 132, ("bits.transfer", 61): 492,
    ("clock.changed", 4616): 61, ("file.created", 11): 664,
    ("file.deleted", 23): 438, ("file.stream_created", 15): 3, ("log.cleared", 104): 2, ("log.cleared", 1102): 14,
    ("logon.ended", 4634): 39, ("logon.ended", 4647): 74, ("logon.explicit", 4648): 188,
    ("logon.succeeded", 4624): 1355, ("network.connected", 3): 109, ("pipe.created", 17): 20,
    ("pipe.opened", 18): 29, ("powershell.command", 800): 4, ("powershell.command", 4103): 1,
    ("powershell.script_block", 4104): 10, ("powershell.console_started", 40961): 1,
    ("process.created", 1): 965, ("process.created", 4688): 84, ("process.exited", 5): 53,
    ("process.exited", 4689): 43, ("driver.loaded", 6): 6, ("image.loaded", 7): 114,
    ("rdp.client_reached", 1149): 16, ("registry.key_changed", 12): 221, ("registry.value_set", 13): 497,
    ("service.installed", 7045): 38, ("service.start_type_changed", 7040): 169,
    ("service.state_changed", 7036): 1288, ("system.crashed", 41): 2,
    ("system.crashed", 6008): 2, ("system.log_started", 6005): 15, ("system.log_stopped", 6006): 11,
    ("system.shutdown_requested", 1074): 12, ("task.action_completed", 201): 2, ("task.action_started", 200): 2,
    ("task.completed", 102): 2, ("task.deleted", 141): 3, ("task.deleted", 4699): 5, ("task.disabled", 4701): 1,
    ("task.process_created", 129): 2, ("task.registered", 106): 3, ("task.registered", 4698): 5,
    ("task.started", 100): 2, ("task.triggered", 110): 2, ("task.updated", 140): 1, ("task.updated", 4702): 1,
    ("wmi.binding_changed", 21): 2,
    ("wmi.consumer_changed", 20): 2,
    ("wmi.filter_changed", 19): 2,
    ("account.changed", 4720): 8, ("account.changed", 4724): 4, ("account.changed", 4738): 28,
    ("account.changed", 4742): 1, ("account.changed", 4765): 1, ("account.changed", 4781): 42,
    ("account.group_joined", 4728): 6, ("account.group_joined", 4732): 16, ("connection.allowed", 5156): 94,
    ("file.time_changed", 2): 3,
    ("thread.started_elsewhere", 8): 100, ("process.opened", 10): 354,
    ("process.exit_monitored", 3001): 2, ("share.accessed", 5145): 946,
    ("share.configured", 5142): 1, ("winsock.provider_added", 1): 2,
}  # fmt: skip


@pytest.mark.parametrize(("log", "kind", "which"), EXPECTED)
def test_expected_facts(samples, log, kind, which):
    time, fields = EXPECTED[log, kind, which]
    found = [fact for fact in facts_of((samples / "evtx" / log).read_bytes()) if fact.kind == kind]
    fact = found[which]
    assert fact.times["Creation Time"].isoformat() == time
    assert {name: fact.fields.get(name) for name in fields} == fields
    assert own(fact)


def test_every_sample(samples):
    """Nothing is missed, every value has its declared type, and each fact has its time."""
    counts = Counter()
    for path in sorted((samples / "evtx").rglob("*.evtx")):
        for fact in facts_of(path.read_bytes(), tolerant=True):
            counts[fact.kind, fact.fields["event_identifier"]] += 1
            assert fact.times, path.name
            assert "-" not in fact.fields.values()
    assert counts == COUNTS
