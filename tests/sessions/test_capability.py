"""The feature itself: on or off, since when, by whom, and what contradicts that."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from forensics.formats.evtx import LogReader, Record
from forensics.model import SandboxCapability, Verdicts
from forensics.times import iso
from tests.sessions.factory import VM, Scene, at

FEATURE = "Containers-DisposableClientVM"
SETUP = {"update_name": FEATURE, "client_id": "DISM Package Manager Provider"}
SOFTWARE = "C:/Windows/System32/config/SOFTWARE"
CBS = "C:/Windows/Logs/CBS/CBS.log"
EXE = "C:\\Windows\\System32\\WindowsSandbox.exe"
MFT = "C:/$MFT"
PACKAGE = f"{FEATURE}-Package~31bf3856ad364e35~amd64~~10.0.19041.1"
COMMAND = f"Enable-WindowsOptionalFeature -Online -FeatureName {FEATURE} -All -NoRestart"


def judged(scene: Scene) -> SandboxCapability:
    return scene.build().sandbox_capability


def line(found: SandboxCapability, words: str) -> str:
    (match,) = [text for text in found.evidence if words in text]
    return match


def contradictions(found: SandboxCapability) -> list[str]:
    return [text for text in found.evidence if text.startswith("contradiction: ")]


def cbs(scene: Scene, seconds: float, before: str, target: str, **more: str | bool) -> None:
    fields = {"update_name": FEATURE, "state_before": before, "state_target": target, **more}
    scene.file("cbs.feature_changed", CBS, {"Recorded Time": seconds}, f"line {seconds}", **fields)


def program(scene: Scene, seconds: float = 0, *, deleted: bool = False, view: str = "") -> None:
    scene.file(
        "mft.entry", f"C:{view}/$MFT", {"Creation Time": seconds - 9}, "MFT record 7", file_path=EXE,
        file_rule="FS-04", file_deleted=deleted, name_creation_time=iso(at(seconds)),
    )  # fmt: skip


def journal(scene: Scene, kind: str, seconds: float) -> None:
    scene.file(
        f"usn.{kind}", "C:/$Extend/$J", {"Creation Time": seconds}, f"USN {seconds}", file_path=EXE, file_rule="FS-04"
    )


def package(scene: Scene, state: str, installed: float, **more: str) -> None:
    times = {"Installation Time": installed, "Content Modification Time": installed + 1}
    scene.file(
        "feature.package", SOFTWARE, times, f"Packages\\{PACKAGE}", package_name=PACKAGE, package_state=state, **more
    )


def policy(scene: Scene, name: str, seconds: float = 0, **more: str) -> None:
    scene.file(
        "sandbox.policy", SOFTWARE, {"Content Modification Time": seconds}, f"Sandbox\\{name}", policy_name=name,
        policy_forbids=True, policy_known=True, policy_origin="group policy", **more,
    )  # fmt: skip


class TestLogs:
    def test_on_and_off_again(self) -> None:
        scene = Scene()
        scene.add("feature.enabled", 300, **SETUP)
        scene.add("feature.disable_started", 900, **SETUP)
        scene.add("feature.disabled", 950, **SETUP)
        found = judged(scene)
        assert (found.enabled, found.enabled_at) == (False, at(300))
        assert "switched off by DISM Package Manager Provider" in line(found, "the feature was switched off")
        assert contradictions(found) == []

    def test_on_again(self) -> None:
        scene = Scene()
        for kind, seconds in (("feature.enabled", 300), ("feature.disabled", 950), ("feature.enabled", 2000)):
            scene.add(kind, seconds, **SETUP)
        found = judged(scene)
        assert (found.enabled, found.enabled_at) == (True, at(2000))

    def test_cbs_alone(self) -> None:
        scene = Scene()
        cbs(scene, 100, "Staged", "Installed", client_id="DISM Package Manager Provider", restart_needed=False)
        found = judged(scene)
        assert (found.enabled, found.enabled_at) == (True, at(100))
        assert "goes from Staged to Installed by DISM" in line(found, "CBS.log")

    def test_setup_has_the_exact_time(self) -> None:
        scene = Scene()
        cbs(scene, 100, "Staged", "Installed")
        scene.add("feature.enabled", 105, **SETUP)
        assert judged(scene).enabled_at == at(105)

    @pytest.mark.parametrize("more", [{"error_code": "0x800f0922"}, {"restart_needed": True}])
    def test_what_has_not_come_about_decides_nothing(self, more: dict[str, str | bool]) -> None:
        scene = Scene()
        cbs(scene, 100, "Staged", "Installed", **more)
        found = judged(scene)
        assert (found.enabled, len(found.evidence)) == (None, 1)

    def test_a_change_that_is_none(self) -> None:
        scene = Scene()
        scene.add("feature.disabled", 50, **SETUP)
        cbs(scene, 100, "Installed", "Installed")
        assert judged(scene).enabled is False

    def test_a_session_after_the_switch_off(self) -> None:
        scene = Scene()
        scene.add("feature.enabled", -900, **SETUP)
        scene.add("feature.disabled", -600, **SETUP)
        scene.vm(0, 600)
        scene.process(-1, "WindowsSandbox.exe")
        found = judged(scene)
        assert (found.enabled, found.enabled_at) == (True, at(-900))
        assert len(contradictions(found)) == 1
        assert "after the feature was switched off" in contradictions(found)[0]

    def test_a_session_before_the_switch_on(self) -> None:
        scene = Scene()
        scene.vm(0, 600)
        scene.process(-1, "WindowsSandbox.exe")
        scene.add("feature.enabled", 5000, **SETUP)
        assert "before the first time" in contradictions(judged(scene))[0]

    def test_the_program_is_still_there(self) -> None:
        scene = Scene()
        scene.add("feature.disabled", 100, **SETUP)
        program(scene)
        package(scene, "installed", -50)
        texts = contradictions(judged(scene))
        assert [text.split(", but ")[0] for text in texts] == ["contradiction: it is judged off"] * 2


class TestState:
    def test_the_program_in_the_file_table(self) -> None:
        scene = Scene()
        program(scene, 40)
        found = judged(scene)
        assert (found.enabled, found.enabled_at) == (True, at(40))
        assert "is an inference" in line(found, "as the time of switching on")

    def test_the_journal_has_the_time(self) -> None:
        scene = Scene()
        program(scene, 40)
        journal(scene, "file_linked", 38)
        assert judged(scene).enabled_at == at(38)

    def test_a_deleted_program(self) -> None:
        scene = Scene()
        program(scene, deleted=True)
        journal(scene, "file_linked", 10)
        journal(scene, "file_deleted", 900)
        found = judged(scene)
        assert (found.enabled, found.enabled_at) == (False, None)

    def test_only_the_journal(self) -> None:
        scene = Scene()
        journal(scene, "file_linked", 10)
        assert judged(scene).enabled is True
        journal(scene, "file_deleted", 900)
        assert judged(scene).enabled is False

    def test_an_old_record_beside_the_program_says_nothing(self) -> None:
        scene = Scene()
        program(scene, 40)
        scene.file(
            "mft.entry", MFT, {"Creation Time": 1}, "MFT record 8", file_path=EXE, file_rule="FS-04", file_deleted=True
        )
        found = judged(scene)
        assert (found.enabled, contradictions(found)) == (True, [])

    def test_a_shadow_copy_shows_what_was(self) -> None:
        scene = Scene()
        program(scene, 40, view="@vss1")
        found = judged(scene)
        assert found.enabled is False
        assert "only in a shadow copy" in found.evidence[0]

    def test_elsewhere_is_not_the_feature(self) -> None:
        scene = Scene()
        for place in ("C:\\Windows.old\\Windows\\System32\\WindowsSandbox.exe", "D:\\x\\WindowsSandbox.exe"):
            scene.file("mft.entry", MFT, {"Creation Time": 1}, place, file_path=place, file_rule="FS-04")
        assert judged(scene).enabled is None

    @pytest.mark.parametrize(("state", "enabled"), [("installed", True), ("staged", False), ("staging", None)])
    def test_the_package(self, state: str, enabled: bool | None) -> None:
        scene = Scene()
        package(scene, state, 5, client_id="DISM", user_sid="S-1-5-21-9")
        found = judged(scene)
        assert found.enabled is enabled
        assert "by DISM for S-1-5-21-9 (names of these values from memory)" in found.evidence[0]
        assert len(found.events) == 2

    def test_a_deleted_package_decides_nothing(self) -> None:
        scene = Scene()
        package(scene, "installed", 5, deleted_grade="reachable")
        found = judged(scene)
        assert found.enabled is None
        assert "only in deleted registry keys" in found.evidence[0]

    def test_classes(self) -> None:
        scene = Scene()
        for name in (".wsb", "Windows.Sandbox"):
            scene.file("sandbox.class", SOFTWARE, {"Content Modification Time": 7}, name, key_path=f"Classes\\{name}")
        found = judged(scene)
        assert (found.enabled, found.enabled_at) == (True, at(7))
        assert "an inference" in found.evidence[0]

    def test_classes_of_a_user_say_nothing_of_the_host(self) -> None:
        scene = Scene()
        scene.file("sandbox.class", "C:/Users/a/UsrClass.dat", {"Content Modification Time": 7}, profile_user="a")
        assert judged(scene).enabled is None

    @pytest.mark.parametrize(
        ("path", "count", "missing", "enabled"),
        [(MFT, 90000, 0, False), (MFT, 900, 0, None), (MFT, 90000, 3, None), ("D:/$MFT", 90000, 0, None)],
    )
    def test_a_whole_table_without_the_program(self, path: str, count: int, missing: int, enabled: bool | None) -> None:
        scene = Scene()
        scene.file("mft.table", path, {}, file_count=count, missing_parts=missing)
        found = judged(scene)
        assert (found.enabled, len(found.events)) == (enabled, int(enabled is False))

    def test_absence_is_not_asked_for_where_something_speaks(self) -> None:
        scene = Scene()
        scene.file("mft.table", MFT, {}, file_count=90000, missing_parts=0)
        scene.add("feature.enabled", 300, **SETUP)
        found = judged(scene)
        assert (found.enabled, len(found.evidence)) == (True, 1)


class TestAbout:
    def test_a_command_in_several_logs_is_told_once(self) -> None:
        scene = Scene()
        scene.process(0, "powershell.exe", f"powershell -c {COMMAND}")
        scene.add("powershell.started", 1, host_application=f"powershell -c {COMMAND}")
        scene.add("powershell.script_block", 2, script_text=COMMAND)
        log = "C:/Windows/Logs/DISM/dism.log"
        asked = {"action": "enable-feature", "update_name": FEATURE, "parent_command_line": "powershell -c x"}
        scene.file("dism.feature_requested", log, {"Recorded Time": 3}, "line 3", **asked)
        scene.add("powershell.script_block", 4000, script_text=COMMAND.replace("Enable", "Disable"))
        found = judged(scene)
        assert "to enable it was given as 田中: powershell -c Enable" in line(found, "to enable it")
        assert "to disable it" in line(found, "to disable it")
        assert len(found.events) == 5
        assert found.enabled is None  # that it was asked for is not that it happened

    def test_looking_at_the_feature_is_no_switch(self) -> None:
        scene = Scene()
        scene.add("powershell.script_block", 2, script_text=f"Get-WindowsOptionalFeature -FeatureName {FEATURE}")
        assert judged(scene).evidence == ()

    def test_undated_history(self) -> None:
        scene = Scene()
        scene.file(
            "shell.history_line", "C:/Users/a/x_history.txt", {}, "line 3", history_line=COMMAND, profile_user="a"
        )
        assert judged(scene).evidence[0].startswith("a command to enable it was given as a: Enable-Windows")

    def test_policies_against_a_networked_session(self) -> None:
        scene = Scene()
        policy(scene, "AllowNetworking", 9000)
        policy(scene, "AllowVGPU", deleted_grade="reachable")
        scene.vm(0, 600, nic=True)
        found = judged(scene)
        assert "a policy forbids AllowNetworking (group policy), key last written" in line(found, "a policy forbids A")
        assert "a removed policy forbade AllowVGPU" in line(found, "removed policy")
        assert "was networked, which a policy forbids" in contradictions(found)[0]

    def test_versions_crashes_and_what_waits(self) -> None:
        scene = Scene()
        for register in ("AppModel\\Repository\\Packages", "AppModel\\Repository\\Families"):
            scene.file(
                "appx.package", "C:/Users/a/UsrClass.dat", {"Installation Time": 60}, register,
                package_version="0.5.3.0", package_register=register, profile_user="a",
            )  # fmt: skip
        report = "C:/ProgramData/Microsoft/Windows/WER/ReportArchive/x/Report.wer"
        scene.file(
            "wer.report", report, {"Creation Time": 70}, executable_name="WindowsSandbox.exe", event_type="BEX64"
        )
        scene.file("wer.report", report, {"Creation Time": 71}, "b", executable_name="notepad.exe", event_type="BEX64")
        scene.file(
            "servicing.pending", SOFTWARE, {"Content Modification Time": 2}, pending_mark="PackagesPending",
            pending_packages=(PACKAGE,),
        )  # fmt: skip
        found = judged(scene)
        assert "0.5.3.0 of a in AppModel\\Repository\\Families, AppModel\\Repository\\Packages" in line(found, "Store")
        assert "WindowsSandbox.exe ended with BEX64" in line(found, "error report")
        assert "waits for a restart" in line(found, "PackagesPending")
        assert len(found.events) == 4

    def test_another_command_for_configurations_is_a_finding(self) -> None:
        scene = Scene()
        for number, other in enumerate((True, False)):
            scene.file(
                "sandbox.class", SOFTWARE, {"Content Modification Time": 7}, f"{number}", command_overridden=other,
                command_line="evil.exe %1", key_path="Classes\\Windows.Sandbox\\shell\\open\\command",
            )  # fmt: skip
        verdicts = scene.build()
        (finding,) = verdicts.findings
        assert (finding.rule, finding.level, len(finding.events)) == ("sandbox.class_overridden", "medium", 1)
        assert "evil.exe %1" in finding.why


@pytest.mark.samples
def test_real_commands_of_a_feature_change(samples: Path) -> None:
    """A host where another feature was switched off by PowerShell; only the feature's name is put in its place."""
    name = "Microsoft-Windows-PowerShell%4Operational.evtx"
    with (samples / "evtx" / "host-server2016" / name).open("rb") as log:
        records = [item for item in LogReader(log, frozenset({4104})) if isinstance(item, Record)]
    texts = [str(item.data["ScriptBlockText"]) for item in records]
    ours = [(item.time, text) for item, text in zip(records, texts, strict=True) if "WindowsOptionalFeature" in text]
    assert len(ours) == 2
    scene = Scene()
    for moment, text in ours:
        assert moment
        seconds = (moment - at(0)).total_seconds()
        scene.add("powershell.script_block", seconds, script_text=text)
    assert judged(scene).evidence == ()
    scene.events.clear()
    for moment, text in ours:
        seconds = (moment - at(0)).total_seconds()
        scene.add("powershell.script_block", seconds, script_text=text.replace("Windows-Defender-Gui", FEATURE))
    found = judged(scene)
    assert (len(found.evidence), len(found.events)) == (1, 2)
    assert "2022-09-01 12:18:26.147 UTC: a command to disable it was given" in found.evidence[0]


def everything() -> Scene:
    scene = Scene()
    for kind, seconds in (("feature.change_started", -5000), ("feature.enabled", -4000), ("feature.disabled", 7000)):
        scene.add(kind, seconds, **SETUP)
    cbs(scene, -4100, "Staged", "Installed")
    program(scene, -4200)
    package(scene, "staged", -4150)
    policy(scene, "AllowNetworking", 9000)
    scene.vm(0, 600, VM, nic=True)
    return scene


def test_the_order_of_the_rows_does_not_matter() -> None:
    first, second = everything(), everything()
    second.events.reverse()
    assert judged(first) == judged(second)
    assert len(contradictions(judged(first))) == 2


def test_every_line_names_what_it_rests_on() -> None:
    scene = everything()
    found = judged(scene)
    known = {event.id for event in scene.events}
    assert set(found.events) <= known
    assert all("[" in text for text in found.evidence if not text.startswith("contradiction: a session"))


def test_nothing_is_known() -> None:
    assert judged(Scene()) == dataclasses.replace(Verdicts().sandbox_capability, host="WS-1")
