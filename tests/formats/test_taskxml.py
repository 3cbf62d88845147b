from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics.formats import FormatError
from forensics.formats.taskxml import Action, Principal, Task, read

TASK = r"""<?xml version="1.0" encoding="UTF-8"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Date>2024-12-03T21:00:00.1234567</Date><Author>WS-TANAKA\田中</Author><URI>\Updater</URI>
  </RegistrationInfo>
  <Principals><Principal id="Author"><UserId>S-1-5-18</UserId>
    <RunLevel>LeastPrivilege</RunLevel></Principal></Principals>
  <Settings><Hidden>true</Hidden><Enabled>false</Enabled></Settings>
  <Triggers>
    <BootTrigger><Enabled>true</Enabled><Delay>PT5M</Delay></BootTrigger>
    <CalendarTrigger><StartBoundary>2024-12-04T08:05:00</StartBoundary>
      <ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay></CalendarTrigger>
  </Triggers>
  <Actions Context="Author">
    <Exec><Command>c:\windows\system32\windowssandbox.exe</Command>
      <Arguments>c:\windows\system32\default.wsb</Arguments><WorkingDirectory>C:\Temp</WorkingDirectory></Exec>
    <ComHandler><ClassId>{C463A0FC-794F-4FDF-9201-01938CEACAFA}</ClassId><Data>x</Data></ComHandler>
  </Actions>
</Task>"""


def check(task: Task) -> None:
    assert task.actions == (
        Action("exec", "c:\\windows\\system32\\windowssandbox.exe", "c:\\windows\\system32\\default.wsb", "C:\\Temp"),
        Action("com", class_id="{C463A0FC-794F-4FDF-9201-01938CEACAFA}", data="x"),
    )
    assert (
        task.actions[0].command_line == "c:\\windows\\system32\\windowssandbox.exe c:\\windows\\system32\\default.wsb"
    )
    assert task.principals == (Principal("Author", "S-1-5-18", run_level="LeastPrivilege"),)
    assert (task.run_as, task.author, task.uri) == ("S-1-5-18", "WS-TANAKA\\田中", "\\Updater")
    assert (task.date, task.hidden, task.enabled) == ("2024-12-03T21:00:00.1234567", True, False)
    assert task.triggers == (
        "BootTrigger Enabled=true Delay=PT5M",
        "CalendarTrigger StartBoundary=2024-12-04T08:05:00 ScheduleByDay DaysInterval=1",
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_bytes_decide_the_encoding(encoding: str) -> None:
    task = read(TASK.encode(encoding))
    check(task)
    assert (task.malformed, task.dtd, task.notes) == (False, False, ())


def test_utf16_without_a_mark_and_an_events_text() -> None:
    check(read(TASK.encode("utf-16-le")))
    check(read(TASK))


def test_a_document_type_is_refused_and_the_task_is_read() -> None:
    head, _, body = TASK.partition("?>")
    task = read(f'{head}?><!DOCTYPE Task [<!ENTITY x SYSTEM "file:///c:/secret">]>{body}')
    check(task)
    assert (task.dtd, task.malformed) == (True, False)


def test_malformed_is_read_tolerantly_and_said() -> None:
    task = read(TASK.replace("C:\\Temp", "C:\\Temp & more"))
    assert task.malformed
    assert task.actions[0].working_directory == "C:\\Temp & more"
    assert task.actions[0].command == "c:\\windows\\system32\\windowssandbox.exe"


@pytest.mark.parametrize("data", [b"", b"\x00" * 100, b"hello", b"<Other/>"])
def test_what_is_no_task(data: bytes) -> None:
    with pytest.raises(FormatError):
        read(data)


def test_cut_at_many_places() -> None:
    for data in (TASK.encode(), TASK.encode("utf-16")):
        for length in range(0, len(data), 3):
            with contextlib.suppress(FormatError):
                task = read(data[:length])
                assert task.malformed
                assert all(action.command in "c:\\windows\\system32\\windowssandbox.exe" for action in task.actions)


def test_depth_and_number_are_bounded() -> None:
    task = read("<Task>" + "<a>" * 20_000 + "</a>" * 20_000 + "</Task>")
    assert any("deeper than" in note for note in task.notes)
    many = read("<Task><Actions>" + "<Exec><Command>x</Command></Exec>" * 5000 + "</Actions></Task>")
    assert len(many.actions) == 64
    assert any("more than the scheduler allows" in note for note in many.notes)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet='<>/TaskExecComnd &;!-[]"= ', max_size=150))
def test_any_text(text: str) -> None:
    with contextlib.suppress(FormatError):
        assert isinstance(read("<Task>" + text), Task)


@pytest.mark.samples
def test_samples(samples: Path) -> None:
    found = {name: read((samples / "tasks" / name).read_bytes()) for name in
             ("MobilityManager", "SoftLandingCreativeManagementTask", "VSIX Auto Update")}  # fmt: skip
    assert not any(task.malformed or task.notes for task in found.values())
    assert [task.run_as for task in found.values()] == [
        "S-1-5-19", "S-1-5-21-476446702-302789185-3387769606-1001", "S-1-5-18",
    ]  # fmt: skip
    assert [task.actions[0].kind for task in found.values()] == ["com", "com", "exec"]
    assert found["VSIX Auto Update"].actions[0].command.endswith("\\VSIXAutoUpdate.exe")
    assert found["VSIX Auto Update"].hidden
    assert found["SoftLandingCreativeManagementTask"].triggers[2] == (
        "TimeTrigger StartBoundary=2026-03-29T13:19:07Z Enabled=true Interval=PT24H"
    )
    assert found["MobilityManager"].triggers[0].startswith("EventTrigger Subscription=<QueryList>")
    with pytest.raises(FormatError):
        read((samples / "tasks" / "At1.job").read_bytes())
