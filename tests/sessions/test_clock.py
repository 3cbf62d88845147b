"""The host's clock: which stamps occurred twice, what record numbers tell of them, and what makes no noise."""

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta

import pytest

from forensics.locales.japanese import japanese
from forensics.sessions import clock_notices
from forensics.sessions.clock import Clock
from forensics.sessions.rows import Rows
from forensics.times import iso
from tests.sessions.factory import DEV, SYSTEM, Scene, at
from tests.sessions.wiped import DAY, HOUR, kinds, signs

BACK, FORTH = 4 * HOUR, 3.5 * HOUR  # the clock is set back an hour at BACK, and forth again where it shows FORTH
LOGS = "C:/Windows/System32/winevt/Logs/"


def setting(scene: Scene, old: float, new: float, number: int, *, log: str = "System", **fields) -> None:
    scene.add("clock.changed", new, channel=log, record_number=str(number), old_time=iso(at(old)),
              new_time=iso(at(new)), path=f"{LOGS}{log}.evtx", user_sid=DEV, **fields)  # fmt: skip


def record(scene: Scene, seconds: float, number: int, kind: str = "service.start_type_changed", log: str = "System"):
    return scene.add(kind, seconds, channel=log, record_number=str(number), path=f"{LOGS}{log}.evtx",
                     service_name="SysMain", cleared_channel=log)  # fmt: skip


def log(scene: Scene, name: str, end: float, **fields) -> None:
    scene.file("log.described", f"{LOGS}{name}.evtx", {"Start Time": 0}, log_channel=name, record_count=100,
               first_record_number="7", last_record_time=iso(at(end)), missing_records=0, damaged_parts=0,
               **fields)  # fmt: skip


def hour_back(*, settings: bool = True) -> Scene:
    """The clock an hour back, and forward again half an hour later."""
    scene = Scene()
    if settings:
        setting(scene, BACK, BACK - HOUR, 20)
        setting(scene, FORTH, FORTH + HOUR, 30)
    return scene


def clock_of(scene: Scene) -> Clock:
    return Clock(Rows(scene.events, scene.undated))


def test_the_stamps_between_the_settings_occurred_twice() -> None:
    scene = hour_back()
    record(scene, BACK - HOUR - 60, 10)
    clock = clock_of(scene)
    back, forth = clock.settings
    assert clock.twice(back) == (at(BACK - HOUR), at(FORTH))
    assert clock.twice(forth) is None
    assert clock.skipped(forth) == (at(BACK), at(FORTH + HOUR))
    doubt = clock.doubt(at(BACK - HOUR + 60))
    assert doubt
    assert (doubt.start, doubt.end, doubt.times) == (at(BACK - HOUR), at(FORTH), 2)
    assert (doubt.later, doubt.told, doubt.sure) == (timedelta(hours=1), False, True)
    for moment in (BACK - HOUR - 1, FORTH + 1, BACK + 2 * HOUR):
        assert clock.doubt(at(moment)) is None, "shown once"


@pytest.mark.parametrize(("number", "later"), [(19, 0), (21, 1), (29, 1)])
def test_numbers_of_the_log_that_tells_of_the_setting(number: int, later: int) -> None:
    scene = hour_back()
    event = record(scene, BACK - HOUR + 60, number)
    clock = clock_of(scene)
    doubt = clock.doubt(event.time, Rows(scene.events).named([event.id]))
    assert doubt
    assert (doubt.told, doubt.later) == (True, timedelta(hours=later))
    assert clock.place(event.time, Rows(scene.events).named([event.id])) == event.time + timedelta(hours=later)


def test_numbers_of_another_log_tell_by_what_stands_around() -> None:
    """A log without a record of the setting: what a later number shows of the first stretch was before it as well."""
    scene = hour_back()
    early, open_end = record(scene, FORTH - 60, 5, log="A"), record(scene, FORTH - 60, 9, log="A")
    record(scene, BACK - 60, 8, log="A")
    rows, clock = Rows(scene.events), clock_of(scene)
    told, open_ = (clock.doubt(event.time, rows.named([event.id])) for event in (early, open_end))
    assert told
    assert (told.told, told.later) == (True, timedelta())
    assert open_
    assert not open_.told, "nothing with a higher number says when"


def test_the_order_of_the_change_journal_tells() -> None:
    scene = hour_back()
    path = "C:/$Extend/$J"
    first = scene.add("usn.file_deleted", FORTH - 60, path=path, usn="800", file_path="C:\\a.evtx")
    scene.add("usn.file_deleted", FORTH + 60, path=path, usn="900", file_path="C:\\b.evtx")
    doubt = clock_of(scene).doubt(first.time, Rows(scene.events).named([first.id]))
    assert doubt
    assert (doubt.told, doubt.later) == (True, timedelta())


def test_a_renumbered_copy_is_another_log() -> None:
    scene = hour_back()
    event = scene.add(
        "system.log_stopped", FORTH - 60, channel="System", record_number="3", path="C:/export/System.evtx"
    )
    doubt = clock_of(scene).doubt(event.time, Rows(scene.events).named([event.id]))
    assert doubt
    assert not doubt.told


def test_the_sign_says_after_which_record_it_came_and_stands_there() -> None:
    scene = hour_back()
    cleared = record(scene, BACK - 600, 18, "log.cleared")
    record(scene, BACK - 540, 19)
    found = signs(scene)
    assert [(sign.kind, sign.time) for sign in found] == [
        ("log_cleared", cleared.time), ("time_changed", at(BACK - HOUR)), ("time_changed", at(FORTH + HOUR)),
    ]  # fmt: skip
    assert "(record 20 of the System log, after its clearing in record 18 of" in found[1].detail
    assert f"at {at(BACK):%Y-%m-%d %H:%M:%S}.000 UTC by the clock before" in found[1].detail
    assert "the clock never showed" in found[2].detail


def test_a_setting_that_only_the_order_of_records_shows() -> None:
    scene = Scene()
    step = f"{iso(at(BACK))}/{iso(at(BACK - HOUR))}"
    log(scene, "System", BACK + HOUR, clock_steps=(step,), clock_step_records=("40-41",))
    one, two = record(scene, BACK - HOUR + 60, 30), record(scene, BACK - HOUR + 60, 50)
    clock, rows = clock_of(scene), Rows(scene.events)
    assert [(item.old, item.new, item.rows) for item in clock.settings] == [(at(BACK), at(BACK - HOUR), [])]
    doubts = [clock.doubt(event.time, rows.named([event.id])) for event in (one, two)]
    assert [doubt and (doubt.told, doubt.later) for doubt in doubts] == [
        (True, timedelta()), (True, timedelta(hours=1)),
    ]  # fmt: skip


def test_a_step_that_a_record_explains_is_no_second_setting() -> None:
    scene = hour_back()
    step = f"{iso(at(BACK - 600))}/{iso(at(BACK - HOUR + 5))}"
    log(scene, "System", 9 * HOUR, clock_steps=(step,), clock_step_records=("19-20",))
    assert len(clock_of(scene).settings) == 2


def test_a_clock_that_was_ahead_makes_what_it_showed_ambiguous() -> None:
    """Set two hours ahead, and back half an hour later: only what it showed meanwhile comes again."""
    scene = Scene()
    setting(scene, HOUR, 3 * HOUR, 20)
    setting(scene, 3.5 * HOUR, 1.5 * HOUR, 30)
    record(scene, 9 * HOUR, 99)
    clock = clock_of(scene)
    assert clock.twice(clock.settings[1]) == (at(3 * HOUR), at(3.5 * HOUR))
    assert clock.doubt(at(2 * HOUR)) is None
    assert clock.doubt(at(3.2 * HOUR)) is not None


def test_what_nothing_later_shows_is_only_possible() -> None:
    scene = Scene()
    setting(scene, BACK, BACK - HOUR, 20)
    record(scene, BACK - HOUR + 60, 21)
    record(scene, BACK - HOUR - 60, 10)
    assert "the clock may have shown" in next(sign.detail for sign in signs(scene) if sign.kind == "time_changed")
    record(scene, BACK + 60, 22)
    assert "the clock showed" in next(sign.detail for sign in signs(scene) if sign.kind == "time_changed")


@pytest.mark.parametrize(
    ("records", "showed"),
    [
        ([], False), ([("", BACK - HOUR - 60)], True), ([("", BACK - 1800)], False),
        ([("", BACK - HOUR - 60), ("system.kernel_started", BACK - 60)], False),
        ([("system.kernel_started", BACK - HOUR - 60), ("", BACK - 60)], True), ([("", BACK - 3 * HOUR)], False),
    ],
    ids=["none", "before", "half", "off", "started", "silent"],
)  # fmt: skip
def test_what_the_clock_is_not_known_to_have_run_through_is_only_possible(
    records: list[tuple[str, float]], *, showed: bool
) -> None:
    """A host that is off shows nothing: without records of the time before the setting nothing says it was on."""
    scene = Scene()
    setting(scene, BACK, BACK - HOUR, 20)
    record(scene, BACK + 60, 22)
    for number, (kind, seconds) in enumerate(records, 10):
        record(scene, seconds, number, kind or "service.start_type_changed")
    cleared = record(scene, BACK - 900, 5, "log.cleared", log="A")
    found = {sign.kind: sign for sign in signs(scene)}
    assert ("the clock showed" in found["time_changed"].detail) == showed
    doubt = clock_of(scene).doubt(cleared.time)
    assert doubt
    assert doubt.sure == (showed or records[:1] == [("", BACK - 1800)]), "a stamp after the record was shown"
    assert ("the clock may have shown" in found["log_cleared"].detail) != doubt.sure


def test_a_machine_that_another_system_shares() -> None:
    """Each morning it comes up nine hours ahead and is set right: what it jumped over is no time shown twice."""
    scene = Scene()
    for day in range(3):
        morning, number = day * DAY, day * 100 + 100
        record(scene, morning + 9 * HOUR, number - 2, "system.kernel_started")
        record(scene, morning + 9 * HOUR + 60, number - 1)
        setting(scene, morning + 9 * HOUR + 120, morning + 120, number)
        record(scene, morning + 3 * HOUR, number + 5, "log.cleared", log="Security")
    found = signs(scene)
    assert [sign.kind for sign in found] == ["time_changed", "log_cleared"] * 3, "in their true order"
    assert not any("the clock showed" in sign.detail for sign in found)
    clock, early = clock_of(scene), at(9 * HOUR + 90)
    doubt = clock.doubt(early)
    assert doubt
    assert doubt.sure, "the minutes before it was set right were shown, and came again"


def test_a_battery_that_is_empty_puts_nothing_into_reverse() -> None:
    """The clock falls back to 2015 while the host is off; only that it is set forward again is recorded."""
    scene, old = Scene(), -9 * 365 * DAY
    for day in range(4):
        setting(scene, old + 120, day * DAY, day * 100 + 10)
        record(scene, day * DAY + HOUR, day * 100 + 20, "log.cleared")
    setting(scene, 4 * DAY, 4 * DAY - HOUR, 900)
    found = signs(scene)
    assert [sign.time for sign in found] == sorted(sign.time for sign in found if sign.time)
    assert not any("never showed" in sign.detail for sign in found)
    clock = clock_of(scene)
    gone = [item for item in clock.settings if item.implied]
    assert [(item.old, item.new) for item in gone] == [
        *((at(day * DAY + HOUR), at(old + 120)) for day in range(3)),
    ]  # fmt: skip
    assert len(clock.settings) == 8


def test_a_time_of_which_there_are_records_was_shown() -> None:
    scene = hour_back()
    assert clock_of(scene).skipped(clock_of(scene).settings[1])
    record(scene, BACK + 600, 40, log="A")
    assert clock_of(scene).skipped(clock_of(scene).settings[1]) is None


def test_no_stamp_is_later_by_less_than_nothing() -> None:
    dice, seen = random.Random(9), 0
    for _ in range(60):
        scene = Scene()
        for number in range(dice.randrange(2, 10)):
            old = dice.choice(
                [0, HOUR, 2 * HOUR, dice.uniform(-12 * DAY, 12 * DAY), dice.randrange(-20, 20) * 365 * DAY]
            )
            new = old + dice.choice([-HOUR, HOUR, -1, 1, 0, -3650 * DAY, 3650 * DAY, dice.uniform(-DAY, DAY)])
            setting(scene, old, new, dice.choice([number, 5, 2**63, 0, dice.randrange(100)]),
                    log=dice.choice(["System", "Security", "A"]))  # fmt: skip
        events = [record(scene, dice.uniform(-DAY, DAY), dice.randrange(100)) for _ in range(8)]
        clock, rows = clock_of(scene), Rows(scene.events)
        doubts = [doubt for event in events if (doubt := clock.doubt(event.time, rows.named([event.id])))]
        assert all(doubt.start <= doubt.end and doubt.later >= timedelta() for doubt in doubts)
        seen += len(doubts)
    assert seen > 100


def test_steps_beyond_any_number_tell_nothing() -> None:
    scene, years = Scene(), 4000 * 365 * DAY
    for number in range(1000):
        setting(scene, years + number * 100, number * 100, number)
    assert clock_of(scene).settings == []


@pytest.mark.parametrize(
    ("old", "new", "sid"),
    [(BACK, BACK - 240, DEV), (BACK, BACK + 8 * HOUR, SYSTEM), (BACK, BACK + 8 * HOUR, DEV)],
    ids=["small", "woken", "forward"],
)
def test_what_makes_no_stamp_ambiguous(old: float, new: float, sid: str) -> None:
    scene = Scene()
    scene.add("clock.changed", new, channel="System", record_number="20", old_time=iso(at(old)),
              new_time=iso(at(new)), user_sid=sid)  # fmt: skip
    clock = clock_of(scene)
    assert clock.settings == []
    assert clock.doubt(at(BACK - 60)) is None
    assert not any("the clock" in sign.detail.removeprefix("the clock was set") for sign in signs(scene))


def test_numbers_that_contradict_tell_nothing() -> None:
    """A record made long before it was written (or renumbered) puts nothing into an order that cannot be."""
    scene = hour_back()
    event = record(scene, BACK - HOUR + 60, 40)
    record(scene, HOUR, 50)
    doubt = clock_of(scene).doubt(event.time, Rows(scene.events).named([event.id]))
    assert doubt
    assert not doubt.told


def test_a_session_and_a_finding_in_it_say_so() -> None:
    scene = hour_back()
    scene.vm(HOUR, FORTH - 300)
    done = scene.build()
    (session,) = done.sandbox_sessions
    assert any("the end " in text and "this may have been 1 h later than it says" in text for text in session.reasons)
    calm = Scene()
    calm.vm(HOUR, FORTH - 300)
    assert not any("the clock" in text for text in calm.build().sandbox_sessions[0].reasons)


def test_every_remark_has_its_japanese() -> None:
    scene = hour_back()
    record(scene, BACK - 600, 18, "log.cleared")
    scene.process(FORTH - 60, "fsutil.exe", "fsutil usn deletejournal /d c:")
    scene.process(FORTH + 60, "vssadmin.exe", "vssadmin delete shadows /all", record_number="7")
    scene.process(FORTH - 30, "cipher.exe", "cipher /w:c", record_number="5")
    scene.vm(HOUR, FORTH - 300)
    done = scene.build()
    remarked = [sign.detail for sign in done.anti_forensics if " UTC" in sign.detail]
    remarked += [text for text in done.sandbox_sessions[0].reasons if "the clock" in text]
    assert len(remarked) >= 5
    for text in [*remarked, *clock_notices(done.anti_forensics)]:
        shown = japanese(text)
        assert "時計" in shown
        assert not re.search(r"the clock|this was|this may|the end|record \d", shown), shown


@pytest.mark.parametrize(("count", "told"), [(1, []), (9, []), (10, ["log_silent"])])
def test_a_log_of_few_records_cannot_fall_silent(count: int, told: list[str]) -> None:
    scene = Scene()
    for name, records, end in (("Security", count, HOUR), ("System", 500, 2 * DAY)):
        scene.file("log.described", f"{LOGS}{name}.evtx", {"Start Time": 0}, log_channel=name, record_count=records,
                   first_record_number="1", last_record_time=iso(at(end)), missing_records=0,
                   damaged_parts=0)  # fmt: skip
    assert kinds(scene) == told


def test_many_settings_and_hostile_times_end() -> None:
    scene = Scene()
    for n in range(3000):
        setting(scene, n * 700 + 600, n * 700, n)
    scene.add(
        "clock.changed", 0, old_time="9999-12-31T23:59:59", new_time="1601-01-01T00:00:00", record_number="9" * 30
    )
    clock = clock_of(scene)
    assert clock.settings == [], "more settings than a clock can have tell nothing"
    assert clock.place(datetime.max.replace(tzinfo=at(0).tzinfo)) is not None
