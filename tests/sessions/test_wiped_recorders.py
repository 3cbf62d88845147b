"""Signs that a recorder was taken away, its switch turned or a history emptied: each, and none on ordinary rows."""

from __future__ import annotations

import pytest

from forensics.rules import load
from forensics.rules.recording import channel_at, number_in, switch_at
from forensics.times import iso
from tests.sessions.factory import Scene, at, looked
from tests.sessions.wiped import DAY, HOUR, kinds, signs

WRITTEN = "Content Modification Time"
SYSMON = "Microsoft-Windows-Sysmon/Operational"
HKLM = "HKLM\\System\\CurrentControlSet\\Control\\"
CHANNELS = "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\WINEVT\\Channels\\"
SVCHOST = "C:\\Windows\\System32\\svchost.exe"
SIGNS = {name: item for name, item in load("antiforensics").items() if isinstance(item, dict) and "detail" in item}


def log(scene: Scene, name: str, start: float, end: float, **fields) -> None:
    scene.file(
        "log.described", f"C:/Windows/System32/winevt/Logs/{name.replace('/', '%4')}.evtx", {"Start Time": start},
        log_channel=name, last_record_time=iso(at(end)), first_record_number="1", record_count=100, missing_records=0,
        damaged_parts=0, log_size=1118208, **fields,
    )  # fmt: skip


@pytest.mark.parametrize("name", SIGNS)
def test_every_sign_has_level_sources_and_causes(name: str) -> None:
    assert SIGNS[name]["level"] in ("weak", "medium", "strong")
    assert SIGNS[name]["sources"]
    assert SIGNS[name]["innocent_causes"]


class TestSysmon:
    @pytest.mark.parametrize(
        ("service", "state", "told"),
        [("Sysmon64", "complete", []), ("", "complete", ["recorder_missing"]), ("", "not_collected", [])],
    )
    def test_no_service_of_it_is_left(self, service: str, state: str, told: list[str]) -> None:
        scene = Scene()
        log(scene, SYSMON, 0, HOUR)
        if service:
            scene.file("service.configured", "C:/Windows/System32/config/SYSTEM", {WRITTEN: 0}, service_name=service,
                       command_line="C:\\Windows\\Sysmon64.exe")  # fmt: skip
        assert kinds(scene, looked("services", state)) == told

    def test_its_log_ends_before_the_others(self) -> None:
        scene = Scene()
        log(scene, SYSMON, 0, HOUR)
        log(scene, "System", 0, 20 * HOUR, silences=(f"{iso(at(4 * HOUR))}/{iso(at(20 * HOUR - 60))}",))
        (sign,) = signs(scene)
        assert (sign.kind, sign.time) == ("log_silent", at(HOUR))
        assert "while the System log wrote on" in sign.detail

    def test_all_end_with_the_collection(self) -> None:
        scene = Scene()
        log(scene, SYSMON, 0, 4 * DAY)
        log(scene, "System", 0, 4 * DAY + 2 * HOUR)
        assert kinds(scene) == []

    def test_a_command_stopped_it(self) -> None:
        scene = Scene()
        scene.process(0, "net.exe", "net stop Sysmon64")
        scene.add("sysmon.state_changed", 2, state="stopped")
        assert kinds(scene) == ["clearing_command", "recorder_stopped"]
        assert "ordered by a command" in signs(scene)[1].detail

    def test_a_stop_alone_tells_nothing(self) -> None:
        scene = Scene()
        scene.add("sysmon.state_changed", 2, state="stopped")
        assert kinds(scene) == []

    def test_its_driver(self) -> None:
        scene = Scene()
        scene.add("filter.unloaded", 0, filter_name="SysmonDrv")
        (sign,) = signs(scene)
        assert (sign.kind, sign.level) == ("driver_unloaded", "strong")
        scene.add("system.shutdown_requested", 10)
        assert kinds(scene) == []


class TestSwitches:
    @pytest.mark.parametrize("switch", load("recording")["switches"], ids=str)
    def test_a_change_of_each(self, switch) -> None:
        value = switch.get("value", "")
        for path in (HKLM + switch["key"], f"\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet001\\{switch['key']}"):
            scene = Scene()
            if value:
                data = f"DWORD (0x{switch['stops_at'][0]:08x})"
                scene.add("registry.value_set", 0, key_path=path, value_name=value, value_data=data, executable="r.exe")
                scene.add("registry.value_set", 1, key_path=path, value_name=value, value_data="DWORD (0x00000007)")
            else:
                scene.add("registry.key_changed", 0, key_path=path, action="CreateKey")
                scene.add("registry.key_changed", 1, key_path=path, action="DeleteKey")
            (sign,) = signs(scene)
            assert sign.kind == switch["sign"]
            assert switch["what"] in sign.detail

    def test_a_channel(self) -> None:
        scene = Scene()
        path = f"{CHANNELS}Microsoft-Windows-Bits-Client/Operational"
        scene.add("registry.value_set", 0, key_path=path, value_name="Enabled", value_data="DWORD (0x00000000)")
        scene.add("registry.value_set", 1, key_path=path, value_name="Enabled", value_data="DWORD (0x00000001)")
        (sign,) = signs(scene)
        assert sign.detail == "the event log Microsoft-Windows-Bits-Client/Operational is switched off"

    def test_what_is_off_in_the_hive(self) -> None:
        scene = Scene()
        for key in ("Policies\\Microsoft\\Windows\\PowerShell\\ScriptBlockLogging", "X"):
            scene.file("recording.configured", "C:/Windows/System32/config/SOFTWARE", {WRITTEN: 0}, key, key_path=key,
                       value_name="EnableScriptBlockLogging", value_data="0", is_switched_off=True)  # fmt: skip
        (sign,) = signs(scene)
        assert sign.detail.endswith(", event 4104 (EnableScriptBlockLogging is 0)")

    def test_paths(self) -> None:
        assert switch_at("HKLM\\Software\\Other\\Start") is None
        assert switch_at(HKLM + "MiniNt\\x") is not None
        assert channel_at(f"{CHANNELS}Vendor-Debug/Trace\\Enabled") == ""
        assert [number_in(text) for text in ("DWORD (0x0000000a)", "3", "", "Binary Data")] == [10, 3, None, None]


class TestService:
    def pipes(self, opener: str, gap: float) -> Scene:
        scene = Scene()
        scene.add("pipe.opened", 0, pipe_name="\\eventlog", pid=opener, executable="System")
        scene.add("pipe.created", gap, pipe_name="\\eventlog", pid="99", executable=SVCHOST)
        return scene

    def test_it_ended_after_a_call_from_elsewhere(self) -> None:
        (sign,) = signs(self.pipes("4", 29))
        assert (sign.kind, len(sign.events)) == ("log_service_crashed", 2)
        assert "29 seconds after" in sign.detail

    @pytest.mark.parametrize(("opener", "gap"), [("812", 29), ("4", HOUR), ("4", -5)])
    def test_else_nothing_is_said(self, opener: str, gap: float) -> None:
        assert kinds(self.pipes(opener, gap)) == []

    @pytest.mark.parametrize(
        ("path", "told"),
        [
            ("%SystemRoot%\\System32\\Winevt\\Logs\\Security.evtx", []),
            ("C:\\Windows\\Temp\\Security.evtx", ["log_moved"]),
        ],
    )
    def test_a_log_that_is_written_elsewhere(self, path: str, told: list[str]) -> None:
        scene = Scene()
        scene.file("log.configured", "C:/S", {WRITTEN: 0}, log_channel="Security", log_path=path)
        assert kinds(scene) == told


class TestOthers:
    def test_shadow_copies(self) -> None:
        scene = Scene()
        scene.add("shadow_copy.lost", 0, shadows_lost="all shadow copies", volume_name="C:")
        (sign,) = signs(scene)
        assert (sign.kind, sign.level) == ("shadows_lost", "weak")

    @pytest.mark.parametrize(
        ("call", "told"),
        [
            ('ExecMethod - ROOT : Win32_NTEventlogFile.Name="x"::ClearEventLog', ["clearing_refused"]),
            ('DeleteInstance - Win32_ShadowCopy.ID="x"', ["clearing_refused"]),
            ("ExecQuery - SELECT * FROM Win32_NTEventlogFile", []),
        ],
    )
    def test_a_refused_call(self, call: str, told: list[str]) -> None:
        scene = Scene()
        scene.add("wmi.operation_failed", 0, wmi_operation=call, result_code="0x80041003", user_name="x")
        assert kinds(scene) == told

    def test_histories(self) -> None:
        scene = Scene()
        for n in (0, 3):
            scene.file("history.emptied", "C:/Users/x/NTUSER.DAT", {WRITTEN: 0}, f"RunMRU {n}", key_path="A\\RunMRU",
                       history_of="the commands", profile_user="x", recovered_entries=n)  # fmt: skip
        (sign,) = signs(scene)
        assert sign.detail.startswith("the list of the commands of x is empty")

    def test_wiped_by_name(self) -> None:
        scene = Scene()
        scene.file("usn.file_shredded", "C:/$Extend/$J", {"Content Deletion Time": 0}, old_path="C:\\a.zip",
                   rename_count=26, file_deleted=True)  # fmt: skip
        scene.journal("created", 1, "C:\\EFSTMPWP", file_rule="FS-35")
        scene.journal("deleted", 9, "C:\\EFSTMPWP", file_rule="FS-35")
        found = signs(scene)
        assert [sign.kind for sign in found] == ["file_shredded", "free_space_wiped"]
        assert len(found[1].events) == 2

    def test_times_by_two_sources_and_who_ran(self) -> None:
        scene = Scene()
        scene.process(0, "x.exe")
        scene.process(-HOUR, "y.exe")
        scene.file("usn.file_times_set", "C:/$Extend/$J", {"Metadata Modification Time": 4}, file_path="C:\\a.exe",
                   file_reference="9-1", timestomp_note="n")  # fmt: skip
        scene.file("mft.entry", "C:/$MFT", {"Creation Time": 0}, file_path="C:\\a.exe", file_reference="9-1",
                   timestomp_note="birth before that of its name; whole seconds")  # fmt: skip
        (sign,) = signs(scene)
        assert (sign.kind, sign.level, len(sign.events)) == ("times_changed", "medium", 3)
        assert sign.detail.endswith("near that time ran x.exe")

    def test_sysmon_saw_the_birth_change(self) -> None:
        scene = Scene()
        scene.add("file.time_changed", 0, file_path="C:\\a.exe", executable="C:\\t.exe", old_time="o", new_time="n")
        (sign,) = signs(scene)
        assert (sign.kind, sign.level) == ("times_set", "weak")
        assert "C:\\t.exe set its birth from o to n" in sign.detail

    @pytest.mark.parametrize(
        ("first", "start", "told"),
        [("0", 0, ["journal_recreated"]), ("0", -90 * DAY, []), ("27455488", 0, [])],
    )
    def test_a_journal_from_its_first_page_on(self, first: str, start: float, told: list[str]) -> None:
        scene = Scene()
        scene.file("host.described", "C:/Windows/System32/config/SOFTWARE", {"Installation Time": -90 * DAY})
        scene.file("usn.journal", "C:/$Extend/$J", {"Start Time": start, "End Time": 9}, first_usn=first)
        assert kinds(scene) == told

    @pytest.mark.parametrize(
        ("mechanism", "line", "told"),
        [
            ("powershell_profile", "Set-PSReadLineOption -HistorySaveStyle SaveNothing", ["history_switched_off"]),
            ("powershell_profile", "Import-Module posh-git", []),
            ("run_key", "x.exe SaveNothing", []),
        ],
    )
    def test_a_profile_that_keeps_no_history(self, mechanism: str, line: str, told: list[str]) -> None:
        scene = Scene()
        scene.file("autorun.configured", "C:/Users/x/Documents/profile.ps1", {WRITTEN: 0}, mechanism=mechanism,
                   location="C:\\x\\profile.ps1", entry_name="profile.ps1", command_line=line)  # fmt: skip
        assert kinds(scene) == told

    def test_log_and_hive_of_one_change_are_one_sign(self) -> None:
        scene = Scene()
        scene.add("antivirus.setting_changed", 0, setting="HKLM\\X\\Exclusions\\Paths\\C:\\a = 0x0", is_exclusion=True)
        for n, path in enumerate(("C:\\a", "C:\\ab")):
            scene.file("antivirus.exclusion", "C:/S", {WRITTEN: 1}, f"value {n}", excluded=path, exclusion_kind="path",
                       setting_origin="setting")  # fmt: skip
        scene.add("service.start_type_changed", 2, service_name="SysMain", start_type="disabled")
        for name in ("SysMain", "EventLog"):
            scene.file("service.configured", "C:/S", {WRITTEN: 3}, name, service_name=name, start_type="disabled")
        found = signs(scene)
        assert [(sign.kind, len(sign.events)) for sign in found] == [
            ("exclusion_set", 2), ("exclusion_set", 1), ("service_switched_off", 2), ("service_switched_off", 1),
        ]  # fmt: skip
        assert "C:\\ab" in found[1].detail

    @pytest.mark.parametrize(("size", "told"), [(32 << 20, []), (65536, ["journal_small"])])
    def test_a_journal_that_was_made_small(self, size: int, told: list[str]) -> None:
        scene = Scene()
        scene.file("usn.journal_made", "C:/$Extend/$Max", {"Creation Time": 0}, lowest_usn="0", maximum_bytes=size)
        assert kinds(scene) == told
