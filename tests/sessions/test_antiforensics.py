"""Signs of removed traces, each with its innocent causes."""

from __future__ import annotations

from tests.sessions.factory import DEV, Scene, at


def test_cleared_log_with_the_command_that_did_it() -> None:
    scene = Scene()
    scene.process(0, "wevtutil.exe", "wevtutil cl Security")
    scene.add("log.cleared", 0.4, cleared_channel="Security", user_sid=DEV)
    (sign,) = scene.build().anti_forensics
    assert (sign.kind, sign.time) == ("log_cleared", at(0.4))
    assert sign.detail == "the Security log was cleared by 田中"
    assert set(sign.events) == {event.id for event in scene.events}
    assert sign.innocent_causes


def test_command_alone() -> None:
    scene = Scene()
    scene.process(0, "fsutil.exe", "fsutil usn deletejournal /d c:")
    scene.file("shell.history_line", "C:/Users/田中/h.txt", {}, "line 1", history_line="Clear-EventLog System")
    dated, undated = scene.build().anti_forensics
    assert (dated.kind, undated.kind) == ("clearing_command", "clearing_command")
    assert undated.time is None
    assert "Clear-EventLog System" in undated.detail


def test_what_only_weakens_is_medium() -> None:
    scene = Scene()
    scene.process(0, "powershell.exe", "powershell Add-MpPreference -ExclusionPath D:\\builds")
    scene.process(60, "powershell.exe", "powershell Add-MpPreference -ExclusionPath D:\\x; wevtutil cl System")
    one, two = scene.build().anti_forensics
    assert (one.level, two.level) == ("medium", "strong")
    assert two.detail.startswith("a command that clears an event log and tells Defender to pass something was started")


def test_clock() -> None:
    scene = Scene()
    scene.add("clock.changed", 0, old_time="2024-12-02T03:30:00", new_time="2020-01-01T00:00:00", user_name="田中")
    (sign,) = scene.build().anti_forensics
    assert sign.kind == "time_changed"
    assert "2020-01-01" in sign.detail
    assert any("time service" in cause for cause in sign.innocent_causes)


def test_two_records_of_one_change_are_one_sign() -> None:
    scene = Scene()
    for seconds, new in ((0, "2020-01-01T00:00:00"), (0.2, "2020-01-01T00:00:00"), (900, "2021-01-01T00:00:00")):
        scene.add("clock.changed", seconds, old_time="2024-12-02T03:30:00", new_time=new)
    one, two = scene.build().anti_forensics
    assert (len(one.events), len(two.events)) == (2, 1)


def test_harmless_commands_are_none() -> None:
    scene = Scene()
    scene.process(0, "wevtutil.exe", "wevtutil qe Security")
    assert scene.build().anti_forensics == ()
