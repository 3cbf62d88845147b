"""Public logs that were recorded while traces were removed: each gives the sign that its name promises."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path

import pytest

from tests.running import Run, timeline

ATTACKS, SIGMA = "evtx/attack-samples/Defense Evasion", "evtx/sigma-regression"
MALWARE = "evtx/attack-samples/Malware"
# File (a folder of a single log: that log) -> kind of sign and a part of its words.
TOLD = {
    f"{ATTACKS}/DE_104_system_log_cleared.evtx": ("log_cleared", "the System log was cleared by user01"),
    f"{ATTACKS}/DE_1102_security_log_cleared.evtx": ("log_cleared", "the Security log was cleared by user01"),
    f"{ATTACKS}/DE_remote_eventlog_svc_crash_byt3bl33d3r_sysmon_17_1_3.evtx": ("log_service_crashed", "28 seconds"),
    f"{MALWARE}/DE_timestomp_and_dll_sideloading_and_RunPersist.evtx": (
        "times_set",
        "NvSmart.exe were set",
    ),
    f"{SIGMA}/proc_creation_win_autologger_session_registry_modification": ("clearing_command", "feeds an event log"),
    f"{SIGMA}/proc_creation_win_sc_stop_service": ("clearing_command", "sc  stop mpssvc"),
    f"{SIGMA}/proc_creation_win_schtasks_disable": ("clearing_command", "switches restore points off"),
    f"{SIGMA}/proc_creation_win_wmic_service_startup_change": ("clearing_command", "stops or disables a service"),
    f"{SIGMA}/registry_set_disable_system_restore": ("history_switched_off", "restore points"),
    f"{SIGMA}/registry_set_powershell_logging_disabled": ("recording_switched_off", "EnableScriptBlockLogging was set"),
    f"{SIGMA}/sysmon_config_modification": ("recorder_configured", "sysmonconfig-trace.xml"),
    f"{SIGMA}/win_wmi_activity_nteventlogfile_cleareventlog": ("clearing_refused", "0x80041003"),
}
# Evasion of other sorts: nothing is wiped in them.
SILENT = (
    f"{ATTACKS}/DE_UAC_Disabled_Sysmon_12_13.evtx",
    f"{ATTACKS}/DE_Fake_ComputerAccount_4720.evtx",
    f"{ATTACKS}/de_hiding_files_via_attrib_cmdlet.evtx",
    f"{ATTACKS}/de_powershell_execpolicy_changed_sysmon_13.evtx",
    f"{ATTACKS}/faxhell_sysmon_7_1_18_3_bindshell_dllhijack.evtx",
)


@pytest.fixture(scope="module")
def run(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """All of these logs side by side, as somebody hands them over."""
    top = tmp_path_factory.mktemp("wiping")
    (top / "logs").mkdir()
    for name in (*TOLD, *SILENT):
        place = samples / name
        found = next(place.rglob("*.evtx")) if place.is_dir() else place
        shutil.copyfile(found, top / "logs" / f"{place.stem}.evtx")
    return timeline(top / "logs", top / "case")


def test_each_gives_its_sign_and_the_others_none(run: Run) -> None:
    rows = {
        row["event_uid"]: Path(row["source_path"]).stem for row in run.lines("timeline.jsonl") if "source_path" in row
    }
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for sign in run.document()["anti_forensics"]:
        for name in {rows[uid] for uid in sign["events"]}:
            found[name].append((sign["kind"], sign["detail"]))
    expected = {Path(name).stem: sign for name, sign in TOLD.items()}
    assert set(found) == set(expected)
    for name, (kind, words) in expected.items():
        assert {item for item, _ in found[name]} == {kind}, name
        assert any(words in detail for _, detail in found[name]), (name, found[name])
