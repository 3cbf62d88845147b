"""Public logs of attacks: each gives the persistence that its name says, or is listed among those that do not yet.

The two tables are of all files whose name tells of persistence, a service or a task.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.running import timeline

# File -> (mechanism, part of name or command, least score).
EXPECTED = {
    "Defense Evasion/apt10_jjs_sideloading_prochollowing_persist_as_service_sysmon_1_7_8_13.evtx": (
        "service", "HxUpdateServiceInfo", 41,
    ),
    "Execution/temp_scheduled_task_4698_4699.evtx": ("scheduled_task", "CYAlyNSS", 40),
    "Lateral Movement/LM_Remote_Service02_7045.evtx": ("service", "remotesvc", 41),
    "Lateral Movement/LM_ScheduledTask_ATSVC_target_host.evtx": ("scheduled_task", "CYAlyNSS", 40),
    "Malware/DE_timestomp_and_dll_sideloading_and_RunPersist.evtx": ("run_key", "Roaming\\svchost.exe", 41),
    "Persistence/evasion_persis_hidden_run_keyvalue_sysmon_13.evtx": ("run_key", "taskhost.exe", 41),
    "Persistence/persistence_pendingGPO_sysmon_13.evtx": ("pending_gpo", "gpo.inf", 41),
    "Persistence/persistence_sysmon_11_13_1_shime_appfix.evtx": ("application_shim", "3ad6ed23", 41),
    "Persistence/sysmon_13_1_persistence_via_winlogon_shell.evtx": ("winlogon", "BRE6BgE2JubB.exe", 41),
    "Persistence/sysmon_20_21_1_CommandLineEventConsumer.evtx": ("wmi", "BotConsumer23", 41),
}  # fmt: skip
# What these tell of is no entry yet, or lies on another host; each with the reason.
MISSED = {
    "Command and Control/DE_RDP_Tunneling_TerminalServices-RemoteConnectionManagerOperational_1149.evtx":
        "no autostart",
    "Defense Evasion/DE_renamed_psexec_service_sysmon_17_18.evtx": "pipes alone, no record of the service",
    "Execution/exec_persist_rundll32_mshta_scheduledtask_sysmon_1_3_11.evtx": "a task in command lines alone",
    "Execution/sysmon_exec_from_vss_persistence.evtx": "no record of what is to start",
    "Lateral Movement/LM_Remote_Service01_5145_svcctl.evtx": "a share's record, the service is not named",
    "Lateral Movement/LM_sysmon_remote_task_src_powershell.evtx": "the source; the task is on another host",
    "Persistence/Persistence_Winsock_Catalog Change EventId_1.evtx": "a channel that is not read",
    "Persistence/persist_bitsadmin_Microsoft-Windows-Bits-Client-Operational.evtx": "its command is not logged",
    "Persistence/persistence_accessibility_features_osk_sysmon1.evtx": "a process start alone",
    "Persistence/persistence_hidden_local_account_sysmon.evtx": "an account, not an autostart",
    "Privilege Escalation/PrivEsc_CVE-2020-1313_Sysmon_13_UScheduler_Cmdline.evtx": "a place that no rule has",
    "Privilege Escalation/sysmon_uacbypass_CDSSync_schtask_hijack_byeintegrity5.evtx": "a hijacked variable",
}  # fmt: skip
_TOLD = re.compile(r"persis|service|sched|task", re.IGNORECASE)


def _folder(samples: Path) -> Path:
    return samples / "evtx" / "attack-samples"


@pytest.mark.samples
def test_the_tables_are_complete(samples: Path) -> None:
    top = _folder(samples)
    named = {
        path.relative_to(top).as_posix()
        for path in top.rglob("*.evtx")
        if path.parent.name == "Persistence" or _TOLD.search(path.name)
    }
    assert named == set(EXPECTED) | set(MISSED)


@pytest.mark.samples
@pytest.mark.parametrize("name", EXPECTED)
def test_the_persistence_is_found(samples: Path, tmp_path: Path, name: str) -> None:
    mechanism, part, least = EXPECTED[name]
    entries = timeline(_folder(samples) / name, tmp_path / "case", "-q").document()["persistence"]
    found = [
        (entry["mechanism"], entry["name"], entry["command"], entry["score"])
        for entry in entries
        if entry["mechanism"] == mechanism and part.casefold() in f"{entry['name']} {entry['command']}".casefold()
    ]
    assert found, entries
    assert max(score for *_, score in found) >= least, found


@pytest.mark.samples
@pytest.mark.parametrize("name", MISSED)
def test_what_is_missed_is_known(samples: Path, tmp_path: Path, name: str) -> None:
    """One that is found some day leaves this table."""
    assert timeline(_folder(samples) / name, tmp_path / "case", "-q").document()["persistence"] == []
