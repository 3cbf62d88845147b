from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from forensics.artifacts import powershell_history, task_files, wsb_files
from forensics.evidence.globs import GlobSet
from tests.artifacts.file_inputs import BORN, MODIFIED, run, survives_truncation, utc
from tests.formats.test_taskxml import TASK
from tests.formats.test_wsb import PUBLISHED

TIMES = {BORN: utc(2024, 12, 3, 12), MODIFIED: utc(2024, 12, 3, 12, 0, 1)}
DEFAULT = "C:/Windows/System32/default.wsb"


class TestWsbFiles:
    def test_the_published_template(self) -> None:
        (fact,), problems = run(wsb_files.ARTIFACT, DEFAULT, PUBLISHED, TIMES)
        assert problems == []
        assert (fact.kind, fact.times, fact.source.path, fact.context) == ("sandbox.config", TIMES, DEFAULT, False)
        assert fact.fields == {
            "file_path": "C:\\Windows\\System32\\default.wsb",
            "file_name": "default.wsb",
            "file_size": len(PUBLISHED),
            "file_sha256": "0" * 64,
            "wsb_networking": True,
            "wsb_memory_mb": 1024,
            "wsb_logon_command": "C:\\Users\\WDAGUtilityAccount\\Host\\Public\\AppData\\msiexec.bat",
            "wsb_clipboard": True,
            "wsb_audio_input": True,
            "wsb_video_input": False,
            "wsb_protected_client": False,
            "wsb_printer": False,
            "wsb_mapped_folders": ("C:\\Users -> C:\\Users\\WDAGUtilityAccount\\Host (rw)",),
            "wsb_defaults": (
                "vGPU", "AudioInput", "VideoInput", "ProtectedClient", "PrinterRedirection", "ClipboardRedirection",
            ),
            "wsb_malformed": False,
            "wsb_dtd": False,
            "wsb_xml": PUBLISHED,
        }  # fmt: skip

    def test_what_is_no_configuration_is_a_problem(self) -> None:
        for data in (b"", b"\0" * 100, b"<Weather/>"):
            facts, (problem,) = run(wsb_files.ARTIFACT, DEFAULT, data)
            assert facts == []
            assert (problem.fault, problem.source.path) == ("bad_record", DEFAULT)

    def test_a_huge_file_is_read_in_part_and_said(self) -> None:
        (fact,), (problem,) = run(wsb_files.ARTIFACT, DEFAULT, PUBLISHED.encode() + b"\n" * 2_000_000)
        assert fact.fields["wsb_memory_mb"] == 1024
        assert len(fact.fields["wsb_xml"]) == 8192
        assert problem.fault == "truncated"

    def test_cut_at_every_byte(self) -> None:
        survives_truncation(wsb_files.ARTIFACT, DEFAULT, PUBLISHED.encode())

    def test_the_recycle_bins_twin(self) -> None:
        name = "C:\\Users\\田中\\Documents\\lab.wsb"
        data = b"".join(n.to_bytes(8, "little") for n in (2, 315, 133_777_404_610_000_000))
        data += (len(name) + 1).to_bytes(4, "little") + (name + "\0").encode("utf-16-le")
        path = "C:/$Recycle.Bin/S-1-5-21-1-2-3-1001/$IABCDEF.wsb"
        (fact,), problems = run(wsb_files.ARTIFACT, path, data)
        assert problems == []
        assert (fact.kind, fact.times) == ("file.recycled", {"Content Deletion Time": utc(2024, 12, 3, 23, 1, 1)})
        assert fact.fields == {
            "file_path": name, "file_name": "lab.wsb", "file_size": 315, "recycled_as": "$RABCDEF.wsb",
        }  # fmt: skip
        survives_truncation(wsb_files.ARTIFACT, path, data)

    @pytest.mark.parametrize(
        "path",
        [
            "Users/田中/Documents/lab.wsb", "Windows/System32/default.wsb", "x.wsb", "ProgramData/a/b.WSB",
            "$Recycle.Bin/S-1-5-21-1-2-3-1001/$RABCDEF.wsb", "Windows/Temp/x.wsb", "Windows/SysWOW64/x.wsb",
            "Users/a/AppData/Local/Packages/MicrosoftWindows.WindowsSandbox_cw5n1h2txyewy/LocalState/Recipes/Default.wsb",
        ],
    )  # fmt: skip
    def test_where_it_is_found(self, path: str) -> None:
        assert GlobSet(wsb_files.ARTIFACT.paths).matches(path)

    @pytest.mark.samples
    def test_samples(self, samples: Path) -> None:
        for path in (samples / "wsb").rglob("*"):
            if path.is_file():
                facts, problems = run(wsb_files.ARTIFACT, f"C:/Users/x/{path.name}", path.read_bytes())
                assert (len(facts), problems) == (1, []), path


class TestTaskFiles:
    PATH = "C:/Windows/System32/Tasks/Updater"

    def test_a_task_with_two_actions(self) -> None:
        facts, problems = run(task_files.ARTIFACT, self.PATH, TASK.encode("utf-16"), TIMES)
        assert problems == []
        first, second = (fact.fields for fact in facts)
        assert [fact.source.locator for fact in facts] == ["action 1", "action 2"]
        assert facts[0].times == {**TIMES, "Registration Time": utc(2024, 12, 3, 12, 0, 0, 123_456)}
        expected = {
            "task_name": "\\Updater",
            "task_author": "WS-TANAKA\\田中",
            "task_run_as": "S-1-5-18",
            "task_run_level": "LeastPrivilege",
            "task_hidden": True,
            "enabled": False,
            "command_line": "c:\\windows\\system32\\windowssandbox.exe c:\\windows\\system32\\default.wsb",
            "executable": "c:\\windows\\system32\\windowssandbox.exe",
            "working_directory": "C:\\Temp",
        }
        assert {name: first[name] for name in expected} == expected
        assert "task_uri" not in first
        assert (second["action_kind"], second["class_id"]) == ("com", "{C463A0FC-794F-4FDF-9201-01938CEACAFA}")
        assert not facts[0].context

    def test_another_uri_than_the_path_is_told(self) -> None:
        facts, _ = run(task_files.ARTIFACT, "C:/Windows/System32/Tasks/Microsoft/Windows/Ras/MobilityManager", TASK)
        assert facts[0].fields["task_uri"] == "\\Updater"
        assert facts[0].fields["task_name"] == "\\Microsoft\\Windows\\Ras\\MobilityManager"

    def test_windows_own_tasks_are_context_unless_watched(self) -> None:
        path = "C:/Windows/System32/Tasks/Microsoft/Windows/Ras/MobilityManager"
        plain = TASK.replace("windowssandbox.exe", "defrag.exe").replace("default.wsb", "x.txt")
        assert run(task_files.ARTIFACT, path, plain)[0][0].context
        assert not run(task_files.ARTIFACT, path, TASK)[0][0].context
        assert not run(task_files.ARTIFACT, self.PATH, plain)[0][0].context

    @pytest.mark.parametrize(
        "command",
        [
            r"C:\ProgramData\odd.exe", r"C:\Users\bob\odd.exe", "powershell", r"\\192.0.2.1\a\odd.exe", "rundll32.exe",
            r"C:\Windows\System32\..\..\Users\Public\odd.exe",
        ],
    )  # fmt: skip
    def test_another_program_among_windows_own_tasks_is_an_entry(self, command: str) -> None:
        path = "C:/Windows/System32/Tasks/Microsoft/Windows/Ras/MobilityManager"
        odd = TASK.replace(r"c:\windows\system32\windowssandbox.exe", command).replace("default.wsb", "x.txt")
        assert odd != TASK
        assert not run(task_files.ARTIFACT, path, odd)[0][0].context

    def test_a_folder_that_windows_does_not_have_is_no_excuse(self) -> None:
        plain = TASK.replace("windowssandbox.exe", "defrag.exe").replace("default.wsb", "x.txt")
        path = "C:/Windows/System32/Tasks/Microsoft/Windows/Updates/Daily"
        assert not run(task_files.ARTIFACT, path, plain)[0][0].context

    def test_a_document_type_is_a_problem_of_its_own(self) -> None:
        head, _, body = TASK.partition("?>")
        facts, problems = run(task_files.ARTIFACT, self.PATH, f"{head}?><!DOCTYPE Task []>{body}")
        assert facts[0].fields["task_dtd"] is True
        assert [problem.fault for problem in problems] == ["dtd_present"]

    def test_the_registration_date_without_the_hosts_zone(self) -> None:
        facts, _ = run(task_files.ARTIFACT, self.PATH, TASK, TIMES, zone=None)
        assert facts[0].times == TIMES
        assert facts[0].no_times["Registration Time"].startswith("no zone known")
        facts, _ = run(task_files.ARTIFACT, self.PATH, TASK.replace(".1234567<", "Z<"), zone=None)
        assert facts[0].times == {"Registration Time": utc(2024, 12, 3, 21)}

    def test_cut_at_many_bytes(self) -> None:
        survives_truncation(task_files.ARTIFACT, self.PATH, TASK.encode("utf-16"), step=17)

    @pytest.mark.samples
    def test_samples(self, samples: Path) -> None:
        found = {}
        for path in sorted((samples / "tasks").iterdir()):
            facts, problems = run(task_files.ARTIFACT, f"C:/Windows/System32/Tasks/{path.name}", path.read_bytes())
            found[path.name] = (len(facts), [problem.detail for problem in problems])
        assert found == {
            "At1.job": (0, ["not a task: no <Task> element"]),
            "MobilityManager": (1, []),
            "SoftLandingCreativeManagementTask": (1, []),
            "VSIX Auto Update": (1, []),
        }


class TestPowerShellHistory:
    PATH = "C:/Users/hanako/AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine/ConsoleHost_history.txt"

    def test_commands(self) -> None:
        text = (
            "Get-Date\r\n.\\code.exe tunnel user logout\r\nforeach ($x in 1..3) {`\r\n  $x`\r\n}\r\n\r\n"
            "# 田中\r\nwevtutil cl Security"
        )
        facts, problems = run(powershell_history.ARTIFACT, self.PATH, text)
        assert problems == []
        assert [(f.fields["line_number"], f.fields["history_line"], f.context) for f in facts] == [
            (1, "Get-Date", True),
            (2, ".\\code.exe tunnel user logout", False),
            (3, "foreach ($x in 1..3) {\n  $x\n}", True),
            (7, "# 田中", True),
            (8, "wevtutil cl Security", False),
        ]
        assert all(fact.times == {} for fact in facts)
        assert facts[0].no_times == {"Last Time Executed": "PSReadLine keeps no times"}
        assert facts[0].source.locator == "line 1"
        assert facts[0].fields["profile_user"] == "hanako"

    def test_a_history_that_ends_in_a_continuation_is_kept(self) -> None:
        facts, _ = run(powershell_history.ARTIFACT, self.PATH, "a`\nb`\n")
        assert [fact.fields["history_line"] for fact in facts] == ["a\nb"]

    def test_where_it_is_found(self) -> None:
        assert GlobSet(powershell_history.ARTIFACT.paths).matches(self.PATH.partition("/")[2])


# What each public file says: mapped folders (of them writable), whether it has a command, what is not documented in it.
OUTCOMES = {
    "26zl+windows-sandbox-lab/sandbox.wsb.template": (1, 0, True, 2),
    "BanterBoy+Windows-Sandbox/LukeSandboxConfig.wsb": (2, 1, True, 0),
    "BanterBoy+Windows-Sandbox/PowerShellProfile.wsb": (2, 1, True, 0),
    "BanterBoy+Windows-Sandbox/RobSandboxConfig.wsb": (2, 1, True, 0),
    "codez-one+Windows-Sandbox-DevToolkit/sandbox.wsb": (3, 1, True, 0),
    "flexxxxer+WindowsSandbox-ConfigsAndScripts/DevEnv.wsb": (2, 1, True, 0),
    "flexxxxer+WindowsSandbox-ConfigsAndScripts/DevEnvHighContrast.wsb": (2, 1, True, 0),
    "flexxxxer+WindowsSandbox-ConfigsAndScripts/Downloads.wsb": (2, 0, True, 0),
    "flexxxxer+WindowsSandbox-ConfigsAndScripts/DownloadsDark.wsb": (2, 0, True, 0),
    "flexxxxer+WindowsSandbox-ConfigsAndScripts/DownloadsHighContrast.wsb": (2, 0, True, 0),
    "jdhitsolutions+WindowsSandboxTools/WinSandBx.wsb": (3, 2, True, 0),
    "jdhitsolutions+WindowsSandboxTools/basic.wsb": (2, 2, True, 4),
    "jdhitsolutions+WindowsSandboxTools/demo.wsb": (1, 1, True, 4),
    "jdhitsolutions+WindowsSandboxTools/pluralsight.wsb": (3, 2, True, 0),
    "jdhitsolutions+WindowsSandboxTools/presentation.wsb": (3, 3, True, 0),
    "jdhitsolutions+WindowsSandboxTools/sample.wsb": (2, 1, False, 4),
    "jdhitsolutions+WindowsSandboxTools/work.wsb": (1, 1, True, 4),
    "kyhwana+Windows-Sandbox-Configs/ghidra2.wsb": (1, 0, True, 0),
    "kyhwana+Windows-Sandbox-Configs/splunkforwarder.wsb": (1, 0, True, 0),
    "kyhwana+Windows-Sandbox-Configs/sysmon-ps-logging-splunk.wsb": (1, 0, True, 0),
    "l3fuex+windows-sandbox/sandbox.wsb": (1, 0, True, 0),
    "mikejamesgreco+windows-sandbox-configs/sandbox.wsb": (2, 2, True, 0),
    "tomassebestik+windows-sandbox-configs/sandbox-tor.wsb": (1, 0, True, 0),
}


@pytest.mark.samples
def test_each_public_configuration_gives_its_row(samples: Path) -> None:
    """Every file with its outcome; folders and commands are counted by the standard library's reader as well."""
    files = {
        str(path.relative_to(samples / "wsb").as_posix()): path
        for path in (samples / "wsb").rglob("*")
        if path.is_file()
    }
    assert set(files) == set(OUTCOMES), "a new sample gets a line"
    for name, path in files.items():
        data = path.read_bytes()
        facts, problems = run(wsb_files.ARTIFACT, f"C:/Users/someone/{name}", data)
        assert ([fact.kind for fact in facts], problems) == (["sandbox.config"], []), name
        fields = facts[0].fields
        maps, unknown = fields["wsb_mapped_folders"], fields.get("wsb_unknown", ())
        assert isinstance(maps, tuple)
        assert isinstance(unknown, tuple)
        writable = sum(text.endswith("(rw)") for text in maps)
        assert (len(maps), writable, "wsb_logon_command" in fields, len(unknown)) == OUTCOMES[name], name
        root = ElementTree.fromstring(data.decode("utf-8-sig"))
        told = [folder.findtext("ReadOnly", "").casefold() for folder in root.iter("MappedFolder")]
        assert (len(maps), writable) == (len(told), sum(text != "true" for text in told)), name
