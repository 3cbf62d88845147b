"""Who made an autostart entry, and that this is another than the account that it runs as; what is gone again."""

from __future__ import annotations

from forensics.export import _sessions
from forensics.model import PersistenceEntry, Value, Verdicts
from tests.sessions.factory import DEV, SYSTEM, Scene, at

SATO = "S-1-5-21-1-2-3-1002"
COMMAND = "C:\\Users\\Public\\a.exe"
SECURITY: dict[str, Value] = {"channel": "Security"}


def only(scene: Scene) -> PersistenceEntry:
    (entry,) = scene.build().persistence
    return entry


def registered(scene: Scene, seconds: float, number: int, **fields: Value) -> None:
    scene.add("task.registered", seconds, task_name="\\Kit", event_identifier=number, **fields)


def defined(scene: Scene, seconds: float = 900) -> None:
    scene.file(
        "task.defined", "C:/Windows/System32/Tasks/Kit", {"Content Modification Time": seconds}, "file",
        task_name="\\Kit", command_line=COMMAND, task_run_as=SYSTEM, task_author="WS-1\\admin",
    )  # fmt: skip


def installed(scene: Scene, seconds: float, **fields: Value) -> None:
    scene.add("service.installed", seconds, service_name="Kit", command_line=COMMAND, **fields)


class TestTasks:
    def test_the_audit_names_the_maker_and_not_the_account_it_runs_as(self) -> None:
        scene = Scene()
        defined(scene)
        registered(scene, 51, 106, user_name="佐藤", record_number=9204, channel="TaskScheduler")
        registered(scene, 52, 4698, user_name="佐藤", user_sid=SATO, record_number=20767, channel="Security")
        entry = only(scene)
        assert (entry.made_by, entry.made_by_sid, entry.user) == ("佐藤", SATO, "SYSTEM")
        assert entry.made_by_source == "Security 4698 #20767; TaskScheduler 106 #9204"
        assert not any("author" in reason for reason in entry.reasons)

    def test_the_author_is_only_what_somebody_wrote(self) -> None:
        scene = Scene()
        defined(scene)
        entry = only(scene)
        assert (entry.made_by, entry.made_by_source) == (None, None)
        assert any("its definition names WS-1\\admin as its author, which is text" in text for text in entry.reasons)

    def test_records_that_differ_are_both_told(self) -> None:
        scene = Scene()
        defined(scene)
        registered(scene, 51, 106, user_name="佐藤", record_number=1, channel="TaskScheduler")
        registered(scene, 52, 4698, user_name="田中", user_sid=DEV, record_number=2, channel="Security")
        entry = only(scene)
        assert (entry.made_by, entry.made_by_source) == ("田中", "Security 4698 #2")
        assert any("another record of its making names 佐藤: TaskScheduler 106 #1" in text for text in entry.reasons)

    def test_who_is_told_before_the_journal_of_the_same_moment(self) -> None:
        scene = Scene()
        defined(scene)
        scene.journal("created", 50, "C:\\Windows\\System32\\Tasks\\Kit")
        registered(scene, 51, 4698, user_name="佐藤", user_sid=SATO, **SECURITY)
        entry = only(scene)
        assert (entry.first_seen, entry.first_seen_source) == (at(51), "Security 4698: the task was registered by 佐藤")

    def test_a_record_of_a_later_moment_does_not_date_it(self) -> None:
        scene = Scene()
        defined(scene)
        scene.journal("created", 50, "C:\\Windows\\System32\\Tasks\\Kit")
        registered(scene, 90, 4698, user_name="佐藤", user_sid=SATO, **SECURITY)
        assert only(scene).first_seen == at(50)


class TestServices:
    def test_the_record_of_the_service_manager_bears_the_sid(self) -> None:
        scene = Scene()
        installed(scene, 50, event_identifier=7045, user_sid=SATO, service_account="LocalSystem", record_number=42)
        entry = only(scene)
        assert (entry.made_by, entry.made_by_sid, entry.user) == ("佐藤", SATO, "SYSTEM")
        assert entry.made_by_source == "Log 7045 #42"
        assert entry.last_write_kind == "log"

    def test_a_sid_that_the_host_does_not_list_stands_for_the_name(self) -> None:
        scene = Scene()
        installed(scene, 50, event_identifier=7045, user_sid="S-1-5-21-9-9-9-500")
        assert only(scene).made_by == "S-1-5-21-9-9-9-500"

    def test_the_record_that_has_the_name_dates_it(self) -> None:
        scene = Scene()
        foreign = "S-1-5-21-9-9-9-500"
        installed(scene, 50, event_identifier=7045, user_sid=foreign, record_number=1, channel="System")
        installed(scene, 50.5, event_identifier=4697, user_sid=foreign, user_name="admin", record_number=2, **SECURITY)
        entry = only(scene)
        assert entry.first_seen_source == "Security 4697: the service was installed by admin"
        assert (entry.made_by, entry.made_by_source) == ("admin", "Security 4697 #2; System 7045 #1")

    def test_a_command_is_the_last_word(self) -> None:
        scene = Scene()
        scene.add(
            "process.created", 40, command_line=f"sc create Kit binPath= {COMMAND}", executable="C:\\Windows\\sc.exe",
            user_name="田中", user_sid=DEV, event_identifier=4688,
        )  # fmt: skip
        assert only(scene).made_by_source == "Security 4688 #1, the command that was to make it"
        installed(scene, 50, event_identifier=4697, user_name="佐藤", user_sid=SATO, record_number=6, **SECURITY)
        entry = only(scene)
        assert (entry.made_by, entry.made_by_source) == ("佐藤", "Security 4697 #6")


class TestTimeline:
    def test_the_rows_name_the_maker_and_the_account_apart(self) -> None:
        scene = Scene()
        installed(scene, 50, event_identifier=7045, user_sid=SATO, service_account="LocalSystem")
        (row,) = _sessions.rows(Verdicts(persistence=(only(scene),)))
        assert (row["username"], row["per_run_as"], row["per_made_by_sid"]) == ("佐藤", "SYSTEM", SATO)
        assert "made by 佐藤 (Log 7045 #" in str(row["message"])

    def test_nobody_is_made_up(self) -> None:
        scene = Scene()
        defined(scene)
        (row, *_) = _sessions.rows(Verdicts(persistence=(only(scene),)))
        assert (row.get("username"), row["per_run_as"]) == (None, "SYSTEM")


class TestGone:
    def test_a_task_that_a_log_saw_being_deleted(self) -> None:
        scene = Scene()
        registered(scene, 50, 4698, command_line=COMMAND, **SECURITY)
        scene.add("task.deleted", 60, task_name="\\Kit", event_identifier=4699, channel="Security")
        entry = only(scene)
        assert (entry.deleted, entry.deleted_at) == (True, at(60))

    def test_one_that_was_made_again(self) -> None:
        scene = Scene()
        registered(scene, 50, 4698, command_line=COMMAND, **SECURITY)
        scene.add("task.deleted", 60, task_name="\\Kit", event_identifier=4699, channel="Security")
        registered(scene, 70, 4698, command_line=COMMAND, **SECURITY)
        entry = only(scene)
        assert (entry.deleted, entry.deleted_at) == (False, None)

    def test_one_that_is_there_now(self) -> None:
        scene = Scene()
        defined(scene, 40)
        scene.add("task.deleted", 60, task_name="\\Kit", event_identifier=4699, channel="Security")
        assert not only(scene).deleted

    def test_a_consumer(self) -> None:
        scene = Scene()
        for seconds, action in ((50, "Created"), (60, "Deleted")):
            scene.add(
                "wmi.consumer_changed", seconds, entry_name="Bot", command_line="cmd.exe /c a", action=action,
                event_identifier=20, consumer_type="Command Line", user_name="佐藤", record_number=seconds,
            )  # fmt: skip
        entry = only(scene)
        assert (entry.deleted, entry.deleted_at, entry.made_by) == (True, at(60), "佐藤")
        assert entry.made_by_source == "Log 20 #50"
