"""The XML of a scheduled task, as the Task Scheduler writes it below System32\\Tasks and into event 4698."""

from __future__ import annotations

from xml.sax.saxutils import escape

from testdata.host import Host, Task
from testdata.local import local_text

_PATTERN = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Date>{date}</Date>
    <Author>{author}</Author>
    <URI>{uri}</URI>
  </RegistrationInfo>
  <Triggers>
{triggers}
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId>
      <RunLevel>{level}</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>{instances}</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <Hidden>{hidden}</Hidden>
    <Enabled>true</Enabled>
    <ExecutionTimeLimit>PT72H</ExecutionTimeLimit>
    <Priority>7</Priority>
  </Settings>
  <Actions Context="Author">
{action}
  </Actions>
</Task>"""


def task_xml(host: Host, task: Task) -> str:
    """The task's definition as text (the file is this in UTF-16 with a BOM); its date is host-local, without zone."""
    text = _PATTERN.format(
        date=local_text(host, task.created, "%Y-%m-%dT%H:%M:%S.%f"),
        author=escape(task.author or f"{host.name}\\Administrator"),
        uri=escape(task.path),
        triggers=task.triggers.rstrip("\n") or "    <BootTrigger>\n      <Enabled>true</Enabled>\n    </BootTrigger>",
        user=escape(task.run_as),
        level=task.run_level,
        instances=task.instances,
        hidden="true" if task.hidden else "false",
        action=_action(task),
    )
    return text.replace("\n", "\r\n")


def _action(task: Task) -> str:
    if task.class_id:
        return f"    <ComHandler>\n      <ClassId>{task.class_id}</ClassId>\n    </ComHandler>"
    arguments = f"\n      <Arguments>{escape(task.arguments)}</Arguments>" if task.arguments else ""
    return f"    <Exec>\n      <Command>{escape(task.command)}</Command>{arguments}\n    </Exec>"
