"""Signs of removed traces: each where it is one, and none where an ordinary host has the same rows."""

from __future__ import annotations

from datetime import timedelta

import pytest

from forensics.model import Host
from forensics.rules import load
from forensics.rules.engine import rules_of
from forensics.rules.watch import is_watched
from forensics.times import iso
from tests.sessions.factory import DEV, Scene, at
from tests.sessions.wiped import DAY, HOUR, kinds, signs

WRITTEN = "Content Modification Time"
LOGS = "C:/Windows/System32/winevt/Logs/"


def log(scene: Scene, name: str, start: float, end: float, **fields) -> None:
    scene.file(
        "log.described", f"{LOGS}{name.replace('/', '%4')}.evtx", {"Start Time": start},
        log_channel=name, last_record_time=iso(at(end)),
        **{"first_record_number": "1", "record_count": 100, "missing_records": 0, "damaged_parts": 0,
           "log_size": 1118208, **fields},
    )  # fmt: skip


def pair(start: float, end: float) -> str:
    return f"{iso(at(start))}/{iso(at(end))}"


class TestServiceStopped:
    def host(self) -> Scene:
        scene = Scene()
        scene.add("system.kernel_started", -10)
        scene.boot(0)
        return scene

    def test_without_a_shutdown(self) -> None:
        scene = self.host()
        scene.add("system.log_stopped", HOUR)
        scene.add("log.service_stopped", HOUR + 1)
        scene.boot(2 * HOUR)
        (sign,) = signs(scene)
        assert (sign.kind, sign.time, len(sign.events)) == ("log_service_stopped", at(HOUR), 3)
        assert "while Windows ran on" in sign.detail

    @pytest.mark.parametrize("witness", ["asked", "stopped", "started", "crashed"])
    def test_with_one(self, witness: str) -> None:
        scene = self.host()
        if witness == "asked":
            scene.add("system.shutdown_requested", HOUR - 30)
        scene.add("system.log_stopped", HOUR)
        if witness == "stopped":
            scene.add("system.kernel_stopped", HOUR + 3)
        if witness == "started":
            scene.add("system.kernel_started", 2 * HOUR - 5)
        scene.boot(2 * HOUR)
        if witness == "crashed":
            scene.add("system.crashed", 2 * HOUR + 1)
        assert kinds(scene) == []

    def test_where_the_kernel_is_never_heard(self) -> None:
        scene = Scene()
        scene.add("system.log_stopped", HOUR)
        scene.boot(2 * HOUR)
        assert kinds(scene) == []


class TestLogs:
    def test_missing_numbers(self) -> None:
        scene = Scene()
        gaps = ("9-12: 2 missing, a to b", f"40-44: 3 missing, {iso(at(300))} to {iso(at(400))}")
        log(scene, "Security", 0, HOUR, missing_records=5, record_gaps=gaps, damaged_parts=1)
        scene.add("process.created", 5, channel="Security", record_number="41", recovered_from="slack", executable="x")
        (sign,) = signs(scene)
        assert (sign.kind, sign.time) == ("record_gap", at(300))
        assert "5 record numbers are missing" in sign.detail
        assert "40-44" in sign.detail
        assert "1 parts of the file are damaged" in sign.detail
        assert "1 of them were recovered from slack" in sign.detail

    def test_a_record_that_another_covers(self) -> None:
        scene = Scene()
        for n in (7, 8):
            scene.add("process.created", n, channel="Security", record_number=str(n), executable="x",
                      recovered_from="inside record 6")  # fmt: skip
        scene.add("process.created", 9, channel="Security", record_number="9", executable="x", recovered_from="slack")
        (sign,) = signs(scene)
        assert (sign.kind, len(sign.events)) == ("record_hidden", 2)
        assert "numbers 7, 8" in sign.detail

    def test_silent_while_another_wrote(self) -> None:
        scene = Scene()
        log(scene, "Security", 0, 4 * DAY, silences=(pair(DAY, 2 * DAY),))
        log(scene, "System", 0, 4 * DAY, silences=(pair(DAY + HOUR, DAY + 8 * HOUR),))
        (sign,) = signs(scene)
        assert (sign.kind, sign.time) == ("log_silent", at(DAY))
        assert "while the System log wrote on" in sign.detail

    def test_switched_off_machines_are_silent(self) -> None:
        scene = Scene()
        nights = tuple(pair(n * DAY, n * DAY + 14 * HOUR) for n in range(1, 4))
        log(scene, "Security", 0, 4 * DAY, silences=nights)
        log(scene, "System", 0, 4 * DAY, silences=nights)
        assert kinds(scene) == []

    def test_silent_though_the_host_was_in_use(self) -> None:
        scene = Scene()
        for name in ("Security", "System"):
            log(scene, name, 0, 4 * DAY, silences=(pair(DAY, 2 * DAY),))
        for n in range(3):
            scene.journal("created", DAY + (n + 1) * HOUR, f"C:\\Users\\x\\a{n}.exe")
        assert kinds(scene) == [], "one kind of witness is not enough"
        scene.remembered("userassist.run", DAY + 5 * HOUR, "C:\\x.exe")
        assert kinds(scene) == ["log_silent"], "the System log may be silent for two days"

    def test_a_quiet_log_is_not_told(self) -> None:
        scene = Scene()
        log(scene, "Security", 0, 30 * DAY, silences=tuple(pair(n * DAY, n * DAY + 13 * HOUR) for n in range(1, 9)))
        log(scene, "System", 0, 30 * DAY)
        assert kinds(scene) == []

    def test_times_that_run_back(self) -> None:
        scene = Scene()
        log(scene, "System", 0, 9 * DAY, clock_steps=(pair(5 * DAY, 4 * DAY),))
        log(scene, "Application", 0, 9 * DAY, clock_steps=(pair(5 * DAY, 4 * DAY),))
        assert kinds(scene) == ["clock_back"]

    def test_the_first_starts_of_an_installation_run_back(self) -> None:
        scene = Scene()
        log(scene, "System", 0, 9 * DAY, clock_steps=(pair(5 * HOUR, -4 * HOUR),))
        assert kinds(scene) == []

    def test_young(self) -> None:
        scene = Scene()
        scene.file("host.described", "C:/Windows/System32/config/SOFTWARE", {"Installation Time": -90 * DAY})
        log(scene, "Security", 0, DAY)
        (sign,) = signs(scene)
        assert sign.kind == "log_young"
        assert "though Windows was installed on 2024-09-03" in sign.detail

    @pytest.mark.parametrize(("size", "told"), [(20971520, ["log_young"]), (1118208, [])])
    def test_a_log_that_has_not_come_round(self, size: int, told: list[str]) -> None:
        scene = Scene()
        log(scene, "Security", 0, DAY, first_record_number="4711")
        scene.file("log.configured", "C:/S", {WRITTEN: 0}, log_channel="Security", maximum_bytes=size)
        assert kinds(scene) == told

    @pytest.mark.parametrize(("used", "told"), [(26 * 1024 * 1024, []), (19 * 1024 * 1024, ["log_young"])])
    def test_a_log_that_was_given_more_room(self, used: int, told: list[str]) -> None:
        """It may have come round at its usual 20 MiB before a policy made it larger."""
        scene = Scene()
        log(scene, "Security", 0, DAY, first_record_number="4711", log_size=used)
        scene.file("log.configured", "C:/S", {WRITTEN: 0}, log_channel="Security", maximum_bytes=1 << 30)
        assert kinds(scene) == told

    def test_a_clearing_explains_it(self) -> None:
        scene = Scene()
        log(scene, "Security", 0, DAY, first_record_number="4711")
        scene.file("log.configured", "C:/S", {WRITTEN: 0}, log_channel="Security", maximum_bytes=20971520)
        scene.add("log.cleared", 0, cleared_channel="Security")
        assert kinds(scene) == ["log_cleared"]

    def test_a_fresh_installation(self) -> None:
        scene = Scene()
        scene.file("host.described", "C:/Windows/System32/config/SOFTWARE", {"Installation Time": -HOUR})
        for name in ("Security", "System", "Application", "Microsoft-Windows-Sysmon/Operational"):
            log(scene, name, 0, DAY)
        assert kinds(scene) == []

    def test_lost_events_once(self) -> None:
        scene = Scene()
        for n in range(40):
            scene.add("log.events_dropped", n)
            scene.add("sysmon.failed", n, reason="x")
        assert kinds(scene) == ["events_lost", "events_lost"]


class TestSettings:
    def test_channels(self) -> None:
        scene = Scene()
        name = "Microsoft-Windows-PowerShell/Operational"
        scene.file("log.configured", "C:/S", {WRITTEN: 0}, "a", log_channel=name, is_switched_off=True)
        scene.file("log.configured", "C:/S", {WRITTEN: 1}, "b", log_channel="Security",
                   is_shrunk=True, maximum_bytes=1052672)  # fmt: skip
        scene.file("log.configured", "C:/S", {WRITTEN: 2}, "c", log_channel="System",
                   maximum_bytes=20971520)  # fmt: skip
        off, small = signs(scene)
        assert (off.kind, small.kind) == ("log_switched_off", "log_shrunk")
        assert small.detail == "the event log Security keeps 1052672 bytes, by default it is 20971520"

    def test_audit_policy_of_one_act(self) -> None:
        scene = Scene()
        for n, name in enumerate(("Process Creation", "Logon")):
            scene.add("audit.policy_changed", n, audit_subcategory=name, audit_changes="success removed",
                      audit_removed=True, user_sid=DEV)  # fmt: skip
        scene.add(
            "audit.policy_changed", 3, audit_subcategory="Logoff", audit_changes="success added", audit_removed=False
        )
        (sign,) = signs(scene)
        assert sign.detail == "auditing was reduced by 田中: Process Creation: success removed; Logon: success removed"

    def test_sysmon(self) -> None:
        scene = TestServiceStopped().host()
        log(scene, "Microsoft-Windows-Sysmon/Operational", 10, DAY)
        scene.add("sysmon.configured", 10, sysmon_configuration="C:\\first.xml")
        scene.add("sysmon.configured", HOUR, sysmon_configuration="C:\\other.xml")
        scene.add("sysmon.state_changed", 2 * HOUR, state="stopped")
        scene.boot(3 * HOUR)
        configured, stopped = signs(scene)
        assert (configured.kind, stopped.kind) == ("recorder_configured", "recorder_stopped")
        assert "other.xml" in configured.detail

    def test_services(self) -> None:
        scene = Scene()
        scene.add("service.start_type_changed", 0, service_name="EventLog", start_type="無効", start_type_before="自動")
        scene.add("service.start_type_changed", 1, service_name="WinDefend", start_type="demand start")
        scene.file("service.configured", "C:/S", {WRITTEN: 2}, service_name="SysMain",
                   start_type="disabled", location="HKLM\\SYSTEM\\x")  # fmt: skip
        assert kinds(scene) == ["service_switched_off", "service_switched_off"]
        assert kinds(scene, host=Host(os="Windows Server 2022 Standard")) == ["service_switched_off"]

    def test_prefetching(self) -> None:
        scene = Scene()
        scene.file("prefetch.configured", "C:/S", {WRITTEN: 0}, prefetch_mode="off",
                   prefetches_programs=False)  # fmt: skip
        assert kinds(scene) == ["prefetch_off"]
        assert kinds(scene, host=Host(os="Windows Server 2022 Standard")) == []

    def test_defender(self) -> None:
        scene = Scene()
        scene.add("antivirus.switched_off", 0, protection="real-time protection")
        scene.add("antivirus.setting_changed", 1, setting="HKLM\\X\\Exclusions\\Paths\\C:\\a = 0x0", is_exclusion=True)
        scene.add("antivirus.setting_changed", 2, setting_before="HKLM\\X\\Exclusions\\Paths\\C:\\a", is_exclusion=True)
        scene.add("antivirus.setting_changed", 3, setting="HKLM\\X\\IsServiceRunning = 0x1", is_exclusion=False)
        scene.add("antivirus.history_removed", 4)
        scene.file("antivirus.exclusion", "C:/S", {WRITTEN: 5}, excluded="C:\\share",
                   exclusion_kind="path", setting_origin="policy")  # fmt: skip
        assert kinds(scene) == [
            "protection_off", "exclusion_set", "exclusion_set", "protection_history_removed", "exclusion_set"
        ]  # fmt: skip
        assert "an exclusion was removed" in signs(scene)[2].detail


class TestClock:
    def test_two_records_of_one_setting(self) -> None:
        scene = Scene()
        old, new = iso(at(0)), iso(at(-DAY))
        scene.add("clock.changed", 0, old_time=old, new_time=new)
        scene.add("clock.changed", 0.1, old_time=old, new_time=iso(at(-DAY + 0.5)), user_sid=DEV)
        (sign,) = signs(scene)
        assert sign.detail.endswith("by 田中")
        assert len(sign.events) == 2

    def test_a_machine_that_catches_up(self) -> None:
        scene = Scene()
        for n in range(9):
            scene.add("clock.changed", n * DAY, old_time=iso(at(n * DAY - 300 - n)), new_time=iso(at(n * DAY)),
                      user_sid="S-1-5-18")  # fmt: skip
        (sign,) = signs(scene)
        assert sign.detail.startswith("the clock was set forward 9 times by SYSTEM")


class TestCommands:
    def test_what_it_does_is_said_once(self) -> None:
        scene = Scene()
        scene.process(0, "vssadmin.exe", "vssadmin delete shadows /all /quiet")
        scene.add("powershell.started", 1, host_application="powershell vssadmin delete shadows /all")
        (sign,) = signs(scene)
        assert sign.detail.startswith("a command that deletes shadow copies was started by 田中: vssadmin")
        assert len(sign.events) == 2

    @pytest.mark.parametrize("rule", rules_of("antiforensics"), ids=lambda rule: rule.id)
    def test_every_example_is_kept(self, rule) -> None:
        assert is_watched(str(rule.example["command"])), "a row that is only context never reaches the rules"

    @pytest.mark.parametrize(
        "command",
        [
            "function Set-MpPreference { param($ExclusionPath) }", "function Clear-EventLog {",
            "wevtutil.exe im manifest.man", "wevtutil sl X /e:true", "auditpol /get /category:*", "sc query eventlog",
            "fsutil usn readjournal c:", "vssadmin list shadows", "bcdedit /enum", "reg query x /v EnablePrefetcher",
            "Get-MpPreference", "cmd /c del C:\\Temp\\a.txt", "sc config bits start= auto", "net stop spooler",
            "cat (Get-PSReadLineOption).HistorySavePath", "if (a.LastWriteTime == b) {}", "wevtutil.exe um x.man",
        ],
    )  # fmt: skip
    def test_harmless(self, command: str) -> None:
        scene = Scene()
        scene.process(0, "x.exe", command)
        assert kinds(scene) == []


def test_many_of_one_kind_are_counted() -> None:
    scene = Scene()
    for n in range(100):
        scene.add("log.cleared", n * HOUR, cleared_channel="System")
    found = signs(scene)
    most = load("antiforensics")["most_told"]
    assert len(found) == most + 1
    assert found[-1].detail.startswith(f"{100 - most} more of the same kind, ")
    assert found[-1].time == at(0) + timedelta(hours=most)
