"""Configurations that a command line carries, from every artifact that keeps command lines."""

from __future__ import annotations

import pytest

from forensics.artifacts import task_files
from tests.artifacts.file_inputs import run
from tests.sessions.factory import Scene

XML = (
    "<Configuration><Networking>Disable</Networking><LogonCommand><Command>cmd /c whoami</Command></LogonCommand>"
    "</Configuration>"
)
LINE = f'wsb.exe start --config "{XML}"'
ESCAPED = LINE.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


@pytest.mark.parametrize("line", [LINE, ESCAPED])
@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("process.created", "command_line"), ("powershell.script_block", "script_text"),
        ("shell.history_line", "history_line"), ("task.defined", "command_line"), ("task.cached", "command_line"),
        ("task.registered", "command_line"), ("task.updated", "command_line"), ("autorun.configured", "command_line"),
        ("service.configured", "command_line"), ("typed.command", "command_line"),
    ],
)  # fmt: skip
def test_each_kind_that_keeps_commands(kind: str, field: str, line: str) -> None:
    scene = Scene()
    scene.add(kind, 10, **{field: line})
    (config,) = scene.build().sandbox_configs
    assert config.settings.source.startswith("inline: ")
    assert (config.settings.networking, config.settings.logon_command) == (False, "cmd /c whoami")
    assert len(config.events) == 1


def test_the_same_configuration_in_a_task_and_in_its_run_is_one() -> None:
    scene = Scene()
    scene.file("task.defined", "C:/Windows/System32/Tasks/Updater", {"Creation Time": 0}, command_line=LINE)
    scene.add("task.cached", 1, command_line=LINE)
    scene.process(5, "C:\\x\\wsb.exe", LINE)
    (config,) = scene.build().sandbox_configs
    assert len(config.events) == 3


def test_a_task_file_hands_its_arguments_on_as_they_run() -> None:
    arguments = ESCAPED.removeprefix("wsb.exe ")
    text = (
        '<?xml version="1.0"?><Task xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task"><Actions><Exec>'
        f"<Command>wsb.exe</Command><Arguments>{arguments}</Arguments></Exec></Actions></Task>"
    )
    (fact,), _ = run(task_files.ARTIFACT, "C:/Windows/System32/Tasks/Updater", text)
    assert fact.fields["command_line"] == LINE
    scene = Scene()
    scene.file("task.defined", "C:/Windows/System32/Tasks/Updater", {}, command_line=str(fact.fields["command_line"]))
    scene.add("task.cached", 1, command_line=str(fact.fields["command_line"]))
    (config,) = scene.build().sandbox_configs
    assert config.settings.networking is False
