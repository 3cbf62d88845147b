"""What look-alikes, hidden tasks and drivers weigh, and that two collections of a host give one entry."""

from __future__ import annotations

from dataclasses import replace

import pytest

from forensics.model import PersistenceEntry, Value, Verdicts
from forensics.rules.resembling import one_sign_apart
from forensics.sessions import build
from forensics.sessions.persistence_union import entries_once
from tests.sessions.factory import DEV, HOST, Scene

RUN = "Software\\Microsoft\\Windows\\CurrentVersion\\Run"
WRITTEN = "Content Modification Time"


def only(scene: Scene) -> PersistenceEntry:
    (entry,) = scene.build().persistence
    return entry


def run_value(scene: Scene, command: str, path: str = "C:/Users/田中/NTUSER.DAT", **fields: Value) -> None:
    scene.file(
        "autorun.configured", path, {WRITTEN: 900}, f"{RUN}\\A", mechanism="run_key", location=f"HKCU\\{RUN}",
        key_path=RUN, value_name="A", entry_name="A", command_line=command, profile_user="田中", **fields,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("one", "two", "wanted"),
    [
        ("sihostt", "sihost", True), ("svch0st", "svchost", True), ("scvhost", "svchost", True),
        ("lsas", "lsass", True), ("xsvchost", "svchost", True), ("svchost", "svchost", False),
        ("svchostxx", "svchost", False), ("vschost", "svchost", True), ("svhcots", "svchost", False),
        ("", "a", True), ("ab", "ba", True), ("abc", "cba", False),
    ],
)  # fmt: skip
def test_one_sign(one: str, two: str, wanted: bool) -> None:
    assert one_sign_apart(one, two) is wanted
    assert one_sign_apart(two, one) is wanted


@pytest.mark.parametrize(
    ("command", "score"),
    [
        ("C:\\Users\\田中\\AppData\\Roaming\\Kit\\sihostt.exe", 45),
        ("C:\\Users\\田中\\AppData\\Roaming\\Slack\\slack.exe", 5),
        ("C:\\Program Files\\Vendor\\service.exe", 0),
        ("C:\\Windows\\System32\\taskhost.exe", 0),
        ("C:\\Program Files\\Vendor\\svch0st.exe -x", 40),
    ],
)
def test_look_alikes(command: str, score: int) -> None:
    scene = Scene()
    run_value(scene, command, user_sid=DEV)
    assert only(scene).score == score


@pytest.mark.parametrize("hidden", [True, False])
def test_a_task_that_its_definition_hides(hidden: bool) -> None:
    scene = Scene()
    scene.file(
        "task.defined", "C:/Windows/System32/Tasks/A", {WRITTEN: 5}, "file", task_name="\\A",
        command_line="C:\\Program Files\\A\\a.exe", task_hidden=hidden,
    )  # fmt: skip
    assert any(reason.startswith("PER-62") for reason in only(scene).reasons) is hidden


@pytest.mark.parametrize(
    ("driver", "kind", "wanted"),
    [
        ("\\??\\C:\\Users\\Public\\kit.sys", "0x1", {"PER-84"}),
        ("\\??\\C:\\Users\\Public\\kit.sys", "kernel mode driver", {"PER-84"}),
        ("\\??\\C:\\Users\\x\\AppData\\Local\\Kit\\winpmem_x64.sys", "kernel mode driver", {"PER-63"}),
    ],
)
def test_drivers_that_only_a_log_tells_of(driver: str, kind: str, wanted: set[str]) -> None:
    scene = Scene()
    scene.add("service.installed", 5, service_name="Kit", command_line=driver, service_type=kind)
    rules = {reason.partition(" ")[0] for reason in only(scene).reasons}
    assert rules & {"PER-84", "PER-63"} == wanted


def test_two_collections_of_a_host_give_one_entry() -> None:
    """The second has no list of profiles, so the user is known by the folder's name alone."""
    scene = Scene()
    run_value(scene, "C:\\Users\\Public\\a.exe", user_sid=DEV)
    run_value(scene, "C:\\Users\\Public\\a.exe", "D:/Users/田中/NTUSER.DAT")
    entry = only(scene)
    assert (entry.user, len(entry.events)) == ("田中", 2)


def test_two_runs_over_a_host_give_one_entry() -> None:
    """Each collection is judged by itself; what they tell together is one."""
    one, two = Scene(), Scene()
    run_value(one, "C:\\Users\\Public\\a.exe", user_sid=DEV)
    run_value(two, "C:\\Users\\Public\\a.exe", "D:/Users/田中/NTUSER.DAT")
    first, second = one.build(), build(two.events, replace(HOST, users=()), "case", [])
    assert first.persistence[0].id != second.persistence[0].id
    merged = entries_once([first, second])
    (entry,) = merged[0].persistence
    assert set(entry.events) == {event.id for event in (*one.events, *two.events)}
    assert merged[1].persistence == ()


def test_the_collection_that_knows_the_version_says_what_is_inert() -> None:
    """The other, without the hive of the version, holds every entry for one that starts."""
    verdicts = []
    for drive, build_number in (("C", "26100"), ("D", None)):
        scene = Scene()
        scene.file(
            "autorun.configured", f"{drive}:/Windows/System32/config/SOFTWARE", {WRITTEN: 9}, "Winlogon",
            mechanism="winlogon", location="HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon\\GinaDLL",
            entry_name="GinaDLL", command_line="C:\\Users\\Public\\gina.dll", reason="logon page",
        )  # fmt: skip
        verdicts.append(build(scene.events, replace(HOST, build=build_number), "case", []))
    apart = [item.persistence[0] for item in verdicts]
    assert (apart[0].inert is not None, apart[1].inert) == (True, None)
    assert apart[0].score < apart[1].score
    for both in (verdicts, verdicts[::-1]):
        (entry,) = entries_once(both)[0].persistence
        assert (entry.inert, entry.score) == (apart[0].inert, apart[0].score)
        texts = [reason.partition(" [")[0] for reason in entry.reasons]
        assert len(texts) == len(set(texts))
        assert all(event in entry.reasons[0] for event in (*apart[0].events, *apart[1].events))


def test_of_many_events_four_are_named_and_the_rest_is_counted() -> None:
    scene = Scene()
    run_value(scene, "C:\\Users\\Public\\a.exe", user_sid=DEV)
    (entry,) = scene.build().persistence

    def told(*reasons: str) -> tuple[str, ...]:
        groups = [Verdicts(persistence=(replace(entry, reasons=(reason,)),)) for reason in reasons]
        return entries_once(groups)[0].persistence[0].reasons

    one, two, three = (f"{digit * 16}, {digit * 15}0" for digit in "abc")
    assert told(f"x [{one}]", f"x [{two}]") == (f"x [{one}, {two}]",)
    assert told(f"x [{one}]", f"x [{two}]", f"x [{three}]") == (f"x [{one}, {two} and 2 more]",)
    assert told(f"x [{one} and 3 more]", f"x [{two} and 1 more]") == (f"x [{one}, {two} and 4 more]",)
    assert told(f"x [{one} and 3 more]", f"x [{one}]") == (f"x [{one} and 3 more]",)
    assert told("x", f"y [{one}]") == ("x", f"y [{one}]")


def test_two_entries_of_one_collection_stay_two() -> None:
    scene = Scene()
    run_value(scene, "C:\\Users\\Public\\a.exe", user_sid=DEV)
    (entry,) = scene.build().persistence
    both = Verdicts(persistence=(entry, replace(entry, id="persistence-2")))
    assert [len(item.persistence) for item in entries_once([both, both])] == [2, 0]


def test_a_class_that_one_collection_alone_can_compare() -> None:
    scene = Scene()
    key = "CLSID\\{CF4CC405-E2C5-4DDD-B3CE-5E7582D8C9FA}\\InprocServer32"
    overrides = "InprocServer32; overrides the machine's server C:\\Windows\\System32\\x.dll"
    told: tuple[tuple[str, dict[str, Value]], ...] = (
        (overrides, {"user_sid": DEV}), ("InprocServer32; its server lies where users can write", {}),
    )  # fmt: skip
    for drive, (reason, fields) in zip("CD", told, strict=True):
        scene.file(
            "autorun.configured", f"{drive}:/Users/田中/UsrClass.dat", {WRITTEN: 9}, key, mechanism="com",
            reason=reason,
            location=f"HKCU\\Software\\Classes\\{key}", key_path=key, entry_name="{CF4CC405}", profile_user="田中",
            command_line="C:\\Users\\田中\\AppData\\Roaming\\k.dll", **fields,
        )  # fmt: skip
    assert any(reason.startswith("PER-24") for reason in only(scene).reasons)


def test_a_shim_that_a_log_tells_of_bears_the_name_of_its_key() -> None:
    scene = Scene()
    ident = "{00000001-AAAA-BBBB-CCCC-000000000000}"
    scene.add(
        "registry.value_set", 5, value_name="DatabasePath", value_data=f"C:\\Windows\\AppPatch\\Custom\\{ident}.sdb",
        key_path=f"HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\AppCompatFlags\\InstalledSDB\\{ident}",
    )  # fmt: skip
    entry = only(scene)
    assert (entry.mechanism, entry.name, entry.last_write_kind) == ("application_shim", ident, "log")
