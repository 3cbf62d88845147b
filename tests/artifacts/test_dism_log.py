from __future__ import annotations

from forensics.artifacts.dism_log import ARTIFACT
from tests.artifacts.file_inputs import run, survives_truncation, utc

PATH = "C:/Windows/Logs/DISM/dism.log"
HEAD = "Info                  DISM   "


def line(clock: str, text: str, level: str = "Info") -> str:
    return f"2024-12-02 {clock}, {level}                  DISM   {text}"


COMMAND = "dism  /online /enable-feature /featurename:Containers-DisposableClientVM /all /norestart"
BY_COMMAND = "\r\n".join(
    [
        line("11:41:07", "DISM.EXE: <----- Starting Dism.exe session ----->"),
        line("11:41:07", "DISM.EXE: Dism.exe version: 10.0.19041.844"),
        line("11:41:07", f"DISM.EXE: Executing command line: {COMMAND}"),
        line("11:41:09", "DISM Package Manager: PID=6108 TID=5192 Processing the top level command token(enable-feature). - CPackageManagerCLIHandler::Private_ValidateCmdLine"),  # noqa: E501
        line("11:41:09", 'DISM Package Manager: PID=6108 TID=5192 Encountered the option "featurename" with value "Containers-DisposableClientVM" - CPackageManagerCLIHandler::Private_GetPackagesFromCommandLine'),  # noqa: E501
        line("11:41:10", "DISM Package Manager: PID=6108 TID=5192 Feature Containers-DisposableClientVM with CBS state 4(CbsInstallStateStaged) being mapped to dism state 4(DISM_INSTALL_STATE_STAGED) - CDISMPackageFeature::LogInstallStateMapping"),  # noqa: E501
        line("11:41:10", "DISM Package Manager: PID=6108 TID=5192 Feature HypervisorPlatform with CBS state 7(CbsInstallStateInstalled) being mapped to dism state 7(DISM_INSTALL_STATE_INSTALLED) - x"),  # noqa: E501
        line("11:41:30", "DISM Package Manager: PID=6108 TID=5192 Failed while processing command enable-feature. - CPackageManagerCLIHandler::ExecuteCmdLine(hr:0x800f0922)", "Error"),  # noqa: E501
        line("11:41:31", "DISM.EXE: Image session has been closed. Reboot required=no."),
    ]
)  # fmt: skip


def test_a_command() -> None:
    facts, problems = run(ARTIFACT, PATH, BY_COMMAND)
    assert problems == []
    assert [(fact.kind, fact.context) for fact in facts] == [
        ("dism.command_line", False),
        ("dism.feature_requested", False),
        ("dism.feature_state", False),
        ("dism.feature_state", True),
        ("dism.command_failed", False),
        ("servicing.log", True),
    ]
    assert facts[0].fields["command_line"] == COMMAND
    assert facts[0].times == {"Recorded Time": utc(2024, 12, 2, 2, 41, 7)}
    assert (facts[1].fields["action"], facts[1].fields["pid"]) == ("enable-feature", "6108")
    assert facts[2].fields["feature_state"] == "CbsInstallStateStaged"
    assert facts[4].fields["error_code"] == "0x800f0922"
    assert facts[4].fields["update_name"] == "Containers-DisposableClientVM"


def test_a_caller_of_the_library() -> None:
    shell = '"C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe" -c Enable-WindowsOptionalFeature x - y'
    log = "\r\n".join(
        [
            line("15:20:49", f"API: PID=924 TID=4232 DismApi.dll: Parent process command line: {shell} - DismInitializeInternal"),  # noqa: E501
            line("15:20:49", "API: PID=924 TID=4232 Input parameters: Session: 2, FeatureName: Containers-DisposableClientVM, Identifier: (null) - DismEnableFeatureInternal"),  # noqa: E501
            line("15:20:49", "API: PID=925 TID=1 DismApi.dll: Parent process command line: t.exe"),
        ]
    )  # fmt: skip
    facts, _ = run(ARTIFACT, PATH, log)
    assert [(fact.kind, fact.context) for fact in facts] == [
        ("dism.session_started", True),
        ("dism.feature_requested", False),
        ("dism.session_started", True),
        ("servicing.log", True),
    ]
    assert facts[0].fields["command_line"] == shell
    assert facts[1].fields["parent_command_line"] == shell
    assert (facts[1].fields["action"], facts[1].fields["update_name"]) == (
        "enable-feature",
        "Containers-DisposableClientVM",
    )
    assert facts[2].fields["command_line"] == "t.exe"


def test_other_commands_are_context() -> None:
    facts, _ = run(ARTIFACT, PATH, line("10:00:00", "DISM.EXE: Executing command line: dism /online /cleanup-image"))
    assert (facts[0].fields["command_line"], facts[0].context) == ("dism /online /cleanup-image", True)


def test_notes_about_processes_are_bounded() -> None:
    lines = [line("10:00:00", f"API: PID={pid} TID=1 Parent process command line: a.exe") for pid in range(1000)]
    lines.append(line("10:00:01", "API: PID=3 TID=1 FeatureName: Containers-DisposableClientVM - DismEnableFeature"))
    facts, _ = run(ARTIFACT, PATH, "\r\n".join(lines))
    assert "parent_command_line" not in facts[-2].fields  # forgotten, not guessed


def test_cuts() -> None:
    survives_truncation(ARTIFACT, PATH, BY_COMMAND.encode(), step=7)
    survives_truncation(ARTIFACT, PATH, BY_COMMAND.encode("utf-16"), step=31)
