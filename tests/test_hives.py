"""Deleted keys and values through the artifacts: each is a row of its own, marked, and never one of what is there."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.artifacts.base import FileInput, RegistryArtifact, all_artifacts
from forensics.formats import hive_carve
from forensics.formats.hive import Hive
from forensics.hives import read_hive
from forensics.intake import Count, HiveNote, Intake, JobResult
from forensics.model import Fact
from forensics.timeline import events_of, undated_of
from testdata.writers import registry_blobs as blobs
from testdata.writers.hive import REG_BINARY, REG_DWORD, REG_EXPAND_SZ, REG_SZ, HiveWriter
from tests.artifacts.registry_inputs import HOST, NTUSER, SID
from tests.formats.freed_hives import BINS, Freed
from tests.running import timeline

MADE = datetime(2024, 12, 1, 8, 0, tzinfo=UTC)
RAN = datetime(2024, 12, 4, 1, 2, 11, tzinfo=UTC)
GONE = datetime(2024, 12, 5, 20, 30, tzinfo=UTC)
SYSTEM = "C:/Windows/System32/config/SYSTEM"
SOFTWARE = "C:/Windows/System32/config/SOFTWARE"
CURRENT = "Microsoft\\Windows\\CurrentVersion"
RUN = f"Software\\{CURRENT}\\Run"
COUNT = f"Software\\{CURRENT}\\Explorer\\UserAssist\\{blobs.USERASSIST_PROGRAMS}\\Count"
RECENT = f"Software\\{CURRENT}\\Explorer\\RecentDocs"
CACHE = "Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache"
PROFILES = "Microsoft\\Windows NT\\CurrentVersion\\ProfileList"
SERVICES = "ControlSet001\\Services"
BAM = f"{SERVICES}\\bam\\State\\UserSettings"
TASK = "{11111111-2222-3333-4444-555555555555}"
SANDBOX = "{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\WindowsSandbox.exe"
DEVICE = "\\Device\\HarddiskVolume3\\Windows\\System32\\WindowsSandbox.exe"
MSBUILD = "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\MSBuild.exe C:\\ProgramData\\hello.xml"
EVIL = "C:\\ProgramData\\ScnCfg\\ScnCfg32.exe"


class Read:
    """Every row, problem and note that a hive file gives."""

    def __init__(self, data: bytes, path: str, logs: Sequence[bytes] = ()) -> None:
        kind = Hive.open(data).kind
        artifacts = [item for item in all_artifacts() if isinstance(item, RegistryArtifact) and kind in item.hives]
        self.facts: list[Fact] = []
        self.result = JobResult(path)
        self.result.counts = {item.name: Count() for item in artifacts}
        given = FileInput(path, io.BytesIO(data), len(data), "0" * 64, "test", HOST, None)
        with ExitStack() as stack:
            read_hive(given, artifacts, Intake("test", "", self.result, stack, self.facts.append), kind, logs)

    @property
    def note(self) -> HiveNote:
        assert self.result.hive is not None
        return self.result.hive

    @property
    def deleted(self) -> list[Fact]:
        return [fact for fact in self.facts if "deleted" in fact.tags]

    @property
    def live(self) -> list[Fact]:
        return [fact for fact in self.facts if "deleted" not in fact.tags]

    def only(self) -> Fact:
        (fact,) = self.deleted
        return fact


def user() -> HiveWriter:
    writer = HiveWriter("ROOT", MADE)
    writer.key("Environment", MADE)
    for path in (RUN, COUNT, RECENT, f"{RECENT}\\.wsb"):
        writer.key(path, MADE)
    writer.value(RUN, "OneDrive", REG_SZ, "C:\\OneDrive.exe /background")
    writer.value(RUN, "Updater", REG_SZ, MSBUILD)
    writer.value(COUNT, blobs.userassist_name("C:\\Tools\\a.exe"), REG_BINARY, blobs.userassist(MADE, 2))
    writer.value(COUNT, blobs.userassist_name(SANDBOX), REG_BINARY, blobs.userassist(RAN, 3))
    writer.value(f"{RECENT}\\.wsb", "0", REG_BINARY, blobs.recent_document("lab.wsb"))
    writer.value(f"{RECENT}\\.wsb", "MRUListEx", REG_BINARY, blobs.mru_list_ex([0]))
    return writer


def system() -> HiveWriter:
    writer = HiveWriter("ROOT", MADE)
    writer.key("Select", MADE)
    writer.value("Select", "Current", REG_DWORD, 1)
    for name, image in (("EvilSvc", EVIL), ("Kept", "C:\\Program Files\\Kept\\kept.exe")):
        path = f"{SERVICES}\\{name}"
        writer.key(path, MADE)
        writer.value(path, "ImagePath", REG_EXPAND_SZ, image)
        writer.value(path, "Start", REG_DWORD, 2)
        writer.value(path, "Type", REG_DWORD, 16)
        writer.value(path, "ObjectName", REG_SZ, "LocalSystem")
    writer.key(f"{BAM}\\{SID}", MADE)
    writer.value(f"{BAM}\\{SID}", "\\Device\\HarddiskVolume3\\a.exe", REG_BINARY, blobs.bam(MADE))
    writer.value(f"{BAM}\\{SID}", DEVICE, REG_BINARY, blobs.bam(RAN))
    return writer


def software() -> HiveWriter:
    writer = HiveWriter("ROOT", MADE)
    for path in ("Classes", f"{CURRENT}\\Run", PROFILES):
        writer.key(path, MADE)
    writer.key(f"{PROFILES}\\{SID}", MADE)
    writer.value(f"{PROFILES}\\{SID}", "ProfileImagePath", REG_EXPAND_SZ, "C:\\Users\\WDAGUtilityAccount")
    for name, identifier in (("\\Hello", TASK), ("\\Other", TASK.replace("1", "9"))):
        tree, task = f"{CACHE}\\Tree{name}", f"{CACHE}\\Tasks\\{identifier}"
        writer.key(tree, MADE)
        writer.value(tree, "Id", REG_SZ, identifier)
        writer.value(tree, "SD", REG_BINARY, bytes(20))
        writer.key(task, MADE)
        writer.value(task, "Path", REG_SZ, name)
        writer.value(task, "Actions", REG_BINARY, blobs.task_actions(MSBUILD.partition(" ")[0], "C:\\x.xml"))
        writer.value(task, "DynamicInfo", REG_BINARY, blobs.task_dynamic_info(MADE, RAN, RAN))
    return writer


def lose_parent(freed: Freed, cell: int) -> None:
    """Let a deleted key's parent pointer lead to a cell that holds no key (the security descriptor)."""
    freed.put(cell, 0x10, freed.number(0x20, 0x2C))


# -- each artifact -----------------------------------------------------------------------------------------------------


def test_nothing_deleted_nothing_told() -> None:
    for writer, path in ((user(), NTUSER), (system(), SYSTEM), (software(), SOFTWARE)):
        read = Read(writer.build(), path)
        assert read.facts
        assert read.deleted == []
        assert read.result.problems == []
        assert (read.note.state, read.note.keys, read.note.values, read.note.refused) == ("clean", 0, 0, 0)
        assert not any("deleted" in name for fact in read.facts for name in fact.fields)


def test_a_removed_run_value_is_a_row_with_grade_and_place() -> None:
    freed = Freed(user().build())
    before = Read(bytes(freed.data), NTUSER)
    record = BINS + freed.delete_value(RUN, "Updater", GONE) + 4
    read = Read(bytes(freed.data), NTUSER)
    fact = read.only()
    assert fact.kind == "autorun.configured"
    assert fact.tags == ("deleted",)
    assert fact.source.locator == f"{RUN}\\Updater (deleted, reachable_parent, offset 0x{record:x})"
    assert fact.fields == {
        "mechanism": "run_key",
        "location": f"HKCU\\{RUN}",
        "entry_name": "Updater",
        "command_line": MSBUILD,
        "key_path": RUN,
        "value_name": "Updater",
        "profile_user": "田中",
        "user_sid": SID,
        "deleted_grade": "reachable_parent",
    }
    assert fact.times == {"Content Modification Time": GONE}
    assert not fact.context
    told = {item.fields.get("entry_name") for item in read.live}
    assert "Updater" not in told
    assert len(read.live) == len(before.live) - 1
    assert read.note == HiveNote("NTUSER", "clean", keys=0, values=1, rows=1)
    assert read.result.problems == []


def test_the_sentence_says_that_it_is_deleted_and_all_fields_are_declared() -> None:
    freed = Freed(user().build())
    freed.delete_value(RUN, "Updater", GONE)
    (event,) = events_of(Read(bytes(freed.data), NTUSER).only(), "WS-TANAKA")
    assert event.message.startswith("[deleted, reachable_parent] Autostart entry Updater")
    assert event.fields["deleted_grade"] == "reachable_parent"
    assert "extra" not in event.fields
    assert event.tags == ("deleted",)


def test_a_deleted_run_key_and_its_values() -> None:
    freed = Freed(user().build())
    freed.delete_key(RUN, GONE)
    read = Read(bytes(freed.data), NTUSER)
    assert {fact.fields["entry_name"] for fact in read.deleted} == {"OneDrive", "Updater"}
    assert {fact.fields["deleted_grade"] for fact in read.deleted} == {"reachable_parent"}
    assert {fact.times["Content Modification Time"] for fact in read.deleted} == {MADE}


def test_a_run_key_whose_parent_is_lost_is_known_by_its_name() -> None:
    freed = Freed(user().build())
    where = freed.key_cell(RUN)
    freed.delete_key(RUN, GONE)
    lose_parent(freed, where)
    read = Read(bytes(freed.data), NTUSER)
    assert {(fact.fields["entry_name"], fact.fields["location"]) for fact in read.deleted} == {
        ("OneDrive", "...\\Run"),
        ("Updater", "...\\Run"),
    }
    assert {fact.fields["deleted_grade"] for fact in read.deleted} == {"orphan"}
    assert {fact.fields["profile_user"] for fact in read.deleted} == {"田中"}


def test_a_value_of_an_unknown_key_is_told_when_it_names_something_watched() -> None:
    writer = user()
    writer.value(RUN, "Last", REG_SZ, "C:\\last.exe")
    freed = Freed(writer.build())
    freed.delete_value(RUN, "Updater", GONE)
    freed.delete_value(RUN, "OneDrive", GONE)
    fact = Read(bytes(freed.data), NTUSER).only()
    assert fact.kind == "registry.value_recovered"
    assert fact.source.locator.startswith("...\\Updater (deleted, fragment, offset 0x")
    assert fact.fields["value_data"] == MSBUILD
    assert fact.times == {}
    row = undated_of(fact, "WS-TANAKA")
    assert row is not None
    assert row.message == f"[deleted, fragment] Registry value Updater of ...: {MSBUILD}"


@pytest.mark.parametrize("last", [True, False], ids=["last value", "other value"])
def test_a_deleted_sandbox_run_count(last: bool) -> None:
    """UserAssist tells that a person started the sandbox; a cleaner removes exactly that value."""
    writer = user()
    if not last:
        writer.value(COUNT, blobs.userassist_name("C:\\Tools\\z.exe"), REG_BINARY, blobs.userassist(MADE, 1))
    freed = Freed(writer.build())
    freed.delete_value(COUNT, blobs.userassist_name(SANDBOX), GONE)
    fact = Read(bytes(freed.data), NTUSER).only()
    assert fact.kind == "userassist.run"
    assert fact.fields["run_count"] == 3
    assert fact.fields["executable_name"] == "WindowsSandbox.exe"
    assert fact.fields["user_sid"] == SID
    assert fact.fields["deleted_grade"] == ("reachable_parent" if last else "fragment")
    assert fact.times == {"Last Time Executed": RAN}, "the value has a time of its own"
    assert not fact.context


def test_deleted_recent_documents() -> None:
    freed = Freed(user().build())
    freed.delete_key(f"{RECENT}\\.wsb", GONE)
    fact = Read(bytes(freed.data), NTUSER).only()
    assert (fact.kind, fact.fields["file_name"], fact.fields["order"]) == ("recent.document", "lab.wsb", 1)
    assert fact.times == {"Content Modification Time": MADE}


def test_a_recent_document_without_its_key_is_known_by_its_shape() -> None:
    freed = Freed(user().build())
    freed.delete_value(f"{RECENT}\\.wsb", "0", GONE)
    fact = Read(bytes(freed.data), NTUSER).only()
    assert (fact.kind, fact.fields["file_name"], fact.fields["deleted_grade"]) == (
        "recent.document",
        "lab.wsb",
        "fragment",
    )


def test_a_deleted_service() -> None:
    freed = Freed(system().build())
    where = BINS + freed.delete_key(f"{SERVICES}\\EvilSvc", GONE) + 4
    fact = Read(bytes(freed.data), SYSTEM).only()
    assert fact.kind == "service.configured"
    assert fact.source.locator == f"{SERVICES}\\EvilSvc (deleted, reachable_parent, offset 0x{where:x})"
    assert fact.fields["command_line"] == EVIL
    assert (fact.fields["start_type"], fact.fields["service_account"]) == ("auto", "LocalSystem")
    assert fact.fields["control_set"] == "ControlSet001"
    assert fact.times == {"Content Modification Time": MADE}


def test_an_orphan_that_has_a_start_type_is_a_service() -> None:
    freed = Freed(system().build())
    where = freed.key_cell(f"{SERVICES}\\EvilSvc")
    freed.delete_key(f"{SERVICES}\\EvilSvc", GONE)
    lose_parent(freed, where)
    fact = Read(bytes(freed.data), SYSTEM).only()
    assert (fact.kind, fact.fields["service_name"], fact.fields["deleted_grade"]) == (
        "service.configured",
        "EvilSvc",
        "orphan",
    )
    assert "control_set" not in fact.fields


def test_a_deleted_control_set_does_not_repeat_the_services_that_are_there() -> None:
    writer = system()
    for name, image in (("Kept", "C:\\Program Files\\Kept\\kept.exe"), ("Former", "C:\\Program Files\\former.exe")):
        path = f"ControlSet002\\Services\\{name}"
        writer.key(path, MADE)
        writer.value(path, "ImagePath", REG_EXPAND_SZ, image)
        writer.value(path, "Start", REG_DWORD, 2)
        writer.value(path, "ObjectName", REG_SZ, "LocalSystem")
    freed = Freed(writer.build())
    freed.delete_key("ControlSet002", GONE)
    assert [fact.fields["service_name"] for fact in Read(bytes(freed.data), SYSTEM).deleted] == ["Former"]


def test_a_dropped_bam_entry() -> None:
    freed = Freed(system().build())
    freed.delete_value(f"{BAM}\\{SID}", DEVICE, GONE)
    fact = Read(bytes(freed.data), SYSTEM).only()
    assert (fact.kind, fact.fields["executable"], fact.fields["user_sid"]) == ("bam.run", DEVICE, SID)
    assert fact.times == {"Last Time Executed": RAN}


def test_a_deleted_user_of_bam_is_known_without_its_parents() -> None:
    freed = Freed(system().build())
    where = freed.key_cell(f"{BAM}\\{SID}")
    freed.delete_key(f"{BAM}\\{SID}", GONE)
    lose_parent(freed, where)
    facts = [fact for fact in Read(bytes(freed.data), SYSTEM).deleted if fact.kind == "bam.run"]
    assert {fact.fields["executable_name"] for fact in facts} == {"a.exe", "WindowsSandbox.exe"}
    assert {fact.fields["user_sid"] for fact in facts} == {SID}
    assert {fact.fields["deleted_grade"] for fact in facts} == {"orphan"}


def test_a_deleted_task_is_not_called_hidden() -> None:
    freed = Freed(software().build())
    freed.delete_key(f"{CACHE}\\Tree\\Hello", GONE)
    freed.delete_key(f"{CACHE}\\Tasks\\{TASK}", GONE)
    read = Read(bytes(freed.data), SOFTWARE)
    fact = read.only()
    assert fact.kind == "task.cached"
    assert fact.tags == ("deleted",)
    assert fact.fields["task_name"] == "\\Hello"
    assert str(fact.fields["command_line"]).endswith("MSBuild.exe C:\\x.xml")
    assert "reason" not in fact.fields
    assert (fact.times["Launch Time"], fact.times["Last registered Time"]) == (RAN, MADE)
    assert [item.tags for item in read.live if item.kind == "task.cached"] == [()]


def test_a_deleted_task_whose_tree_entry_is_overwritten_is_not_called_hidden() -> None:
    freed = Freed(software().build())
    freed.reuse(freed.delete_key(f"{CACHE}\\Tree\\Hello", GONE), b"\xee" * 80)
    freed.delete_key(f"{CACHE}\\Tasks\\{TASK}", GONE)
    fact = Read(bytes(freed.data), SOFTWARE).only()
    assert (fact.fields["task_name"], fact.tags) == ("\\Hello", ("deleted",))
    assert "reason" not in fact.fields


def test_a_deleted_task_of_which_only_the_tree_is_left() -> None:
    freed = Freed(software().build())
    freed.delete_key(f"{CACHE}\\Tree\\Hello", GONE)
    freed.reuse(freed.delete_key(f"{CACHE}\\Tasks\\{TASK}", GONE), b"\xee" * 100)
    fact = next(item for item in Read(bytes(freed.data), SOFTWARE).deleted if item.kind == "task.cached")
    assert fact.tags == ("orphan_task", "deleted")
    assert fact.fields["task_name"] == "\\Hello"


def test_an_old_tree_entry_of_a_task_that_is_there_is_no_orphan() -> None:
    freed = Freed(software().build())
    freed.delete_key(f"{CACHE}\\Tree\\Hello", GONE)
    assert Read(bytes(freed.data), SOFTWARE).deleted == []


def test_a_task_without_its_parents_is_known_by_its_guid() -> None:
    freed = Freed(software().build())
    where = freed.key_cell(f"{CACHE}\\Tasks\\{TASK}")
    freed.delete_key(f"{CACHE}\\Tasks\\{TASK}", GONE)
    lose_parent(freed, where)
    fact = Read(bytes(freed.data), SOFTWARE).only()
    assert (fact.kind, fact.fields["task_name"], fact.fields["deleted_grade"]) == ("task.cached", "\\Hello", "orphan")


def test_a_deleted_profile() -> None:
    freed = Freed(software().build())
    freed.delete_key(f"{PROFILES}\\{SID}", GONE)
    fact = Read(bytes(freed.data), SOFTWARE).only()
    assert (fact.kind, fact.fields["sid"], fact.fields["profile_user"]) == ("profile.listed", SID, "WDAGUtilityAccount")


# -- kept apart --------------------------------------------------------------------------------------------------------


def test_an_old_copy_of_what_is_there_is_not_told() -> None:
    """The key was deleted and made again with one value the same and one changed."""
    freed = Freed(user().build())
    old = bytes(freed.data)
    freed.delete_key(RUN, GONE)
    writer = user()
    writer.value(RUN, "Updater", REG_SZ, "C:\\other.exe")
    again = Freed(writer.build())
    again.data += _second_bin(freed, old)
    read = Read(bytes(again.data), NTUSER)
    assert [(fact.fields["entry_name"], fact.fields["command_line"]) for fact in read.deleted] == [("Updater", MSBUILD)]
    assert read.note.repeated == 1
    live = {fact.fields["entry_name"]: fact.fields["command_line"] for fact in read.live if "entry_name" in fact.fields}
    assert live["Updater"] == "C:\\other.exe"


def _second_bin(freed: Freed, old: bytes) -> bytes:
    """One more bin with the deleted Run key of `freed`, its values and data, as a single free cell."""
    where = Freed(old).key_cell(RUN)
    parent = freed.key_cell(RUN.rpartition("\\")[0])
    start = len(old) - BINS
    record = bytearray(old[BINS + where : BINS + where + 0x58])
    count, listing = struct.unpack_from("<II", record, 4 + 0x24)
    cells = [bytearray(record)]
    values = struct.unpack_from(f"<{count}I", old, BINS + listing + 4)
    at = start + 0x20 + len(record)
    offsets = []
    for cell in values:
        size = -struct.unpack_from("<i", old, BINS + cell)[0]
        value = bytearray(old[BINS + cell : BINS + cell + size])
        length, data = struct.unpack_from("<II", value, 8)
        room = -struct.unpack_from("<i", old, BINS + data)[0]
        struct.pack_into("<I", value, 12, at + size)
        offsets.append(at)
        cells += [value, bytearray(old[BINS + data : BINS + data + room])]
        assert length <= room
        at += size + room
    struct.pack_into("<II", cells[0], 4 + 0x24, count, at)
    struct.pack_into("<I", cells[0], 4 + 0x10, parent)
    cells.append(bytearray(struct.pack(f"<i{count}I", 16, *offsets).ljust(16, b"\x00")))
    body = b"".join(bytes(cell) for cell in cells)
    struct.pack_into("<i", block := bytearray(body), 0, 0x1000 - 0x20)
    return (struct.pack("<4sII8xQI", b"hbin", start, 0x1000, 0, 0) + bytes(block)).ljust(0x1000, b"\x00")


def test_the_same_deleted_twice_is_told_once() -> None:
    freed = Freed(user().build())
    old = bytes(freed.data)
    freed.delete_key(RUN, GONE)
    freed.data += _second_bin(freed, old)
    read = Read(bytes(freed.data), NTUSER)
    assert sorted(str(fact.fields["entry_name"]) for fact in read.deleted) == ["OneDrive", "Updater"]
    assert (read.note.keys, read.note.rows, read.note.repeated) == (2, 2, 2)


def test_a_carved_value_that_makes_no_sense_is_counted_and_no_problem() -> None:
    freed = Freed(user().build())
    where = freed.value_cell(COUNT, blobs.userassist_name(SANDBOX))
    freed.delete_key(COUNT, GONE)
    struct.pack_into("<I", freed.data, BINS + where + 8, 10)  # 10 of its 72 bytes
    read = Read(bytes(freed.data), NTUSER)
    runs = [fact.fields["executable_name"] for fact in read.deleted if fact.kind == "userassist.run"]
    assert runs == ["a.exe"]
    assert read.note.unread == 1
    assert read.result.problems == []


def test_free_space_beyond_the_budget_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hive_carve, "MOST", 1)
    freed = Freed(user().build())
    freed.delete_key(RUN, GONE)
    read = Read(bytes(freed.data), NTUSER)
    assert read.note.cut
    assert [(problem.fault, problem.artifact) for problem in read.result.problems] == [("budget", "evidence")]


def test_what_reads_no_deleted_keys_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    freed = Freed(system().build())
    freed.delete_key(f"{SERVICES}\\EvilSvc", GONE)
    read = Read(bytes(freed.data), SYSTEM)
    assert [fact.kind for fact in read.facts].count("host.described") == 1
    by_name = {item.name: item for item in all_artifacts() if isinstance(item, RegistryArtifact)}
    assert {name for name, item in by_name.items() if not item.deleted} == {
        "host",
        "log_channels",
        "prefetch_settings",  # what is in force, which a removed value is not
        "recording_switches",  # likewise
    }


@pytest.mark.samples
@pytest.mark.timeout(120)
def test_the_real_system_hive(samples: Path) -> None:
    folder = samples / "hives"
    data = (folder / "SYSTEM_B").read_bytes()
    logs = [(folder / f"SYSTEM_B.LOG{number}").read_bytes() for number in (1, 2)]
    read = Read(data, SYSTEM, logs)
    assert (read.note.kind, read.note.state, read.note.keys, read.note.values) == ("SYSTEM", "replayed", 1504, 4461)
    bam = [fact for fact in read.deleted if fact.kind == "bam.run"]
    assert [fact.fields["executable_name"] for fact in bam] == ["Taskmgr.exe"]
    assert bam[0].fields["deleted_phase"] == "before_replay"
    assert bam[0].fields["deleted_grade"] == "reachable_parent"
    assert len(read.deleted) == read.note.rows == 1, "no deleted key is a service, and none repeats what is there"
    assert [fact.kind for fact in read.live].count("service.configured") > 590
    assert read.result.problems == []


# -- end to end --------------------------------------------------------------------------------------------------------


def test_a_case_tells_deleted_entries_apart_and_states_every_hive(tmp_path: Path) -> None:
    ntuser, services, tasks = (Freed(writer.build()) for writer in (user(), system(), software()))
    ntuser.delete_value(RUN, "Updater", GONE)
    ntuser.delete_value(COUNT, blobs.userassist_name(SANDBOX), GONE)
    services.delete_key(f"{SERVICES}\\EvilSvc", GONE)
    tasks.delete_key(f"{CACHE}\\Tree\\Hello", GONE)
    tasks.delete_key(f"{CACHE}\\Tasks\\{TASK}", GONE)
    for name, freed in (("Users/tanaka/NTUSER.DAT", ntuser), ("Windows/System32/config/SYSTEM", services),
                        ("Windows/System32/config/SOFTWARE", tasks)):  # fmt: skip
        path = tmp_path / "host" / "C" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(freed.data))
    run = timeline(tmp_path / "host", tmp_path / "case")
    assert run.code == 0, run.err + run.out
    document = run.document()
    entries = {entry["name"]: entry for entry in document["persistence"]}
    assert {name: entry["deleted"] for name, entry in entries.items()} == {
        "OneDrive": False,
        "Updater": True,
        "EvilSvc": True,
        "Kept": False,
        "\\Hello": True,
        "\\Other": False,
    }
    for name in ("Updater", "EvilSvc", "\\Hello"):
        text = "deleted: recovered from free cells (reachable_parent), no longer in effect"
        assert any(reason.startswith(text) for reason in entries[name]["reasons"])
    assert entries["EvilSvc"]["first_seen"] is None
    assert "3 autostart entries beside Windows' own, 3 more recovered from deleted keys" in run.out
    (session,) = document["sandbox_sessions"]
    assert any("only in deleted registry keys or values" in reason for reason in session["reasons"])
    details = {row["artifact"]: row["detail"] for row in document["coverage"]}
    assert "hives: 1 clean; in their free cells 0 deleted keys, 2 values, 0 refused" in details["userassist"]
    assert "hives: 2 clean; in their free cells 2 deleted keys" in details["run_keys"]
    hives = json_of(run.case / "run.json")["hives"]
    assert [(item["path"], item["kind"], item["state"], item["rows"]) for item in hives] == [
        ("C:/Users/tanaka/NTUSER.DAT", "NTUSER", "clean", 2),
        ("C:/Windows/System32/config/SOFTWARE", "SOFTWARE", "clean", 1),
        ("C:/Windows/System32/config/SYSTEM", "SYSTEM", "clean", 1),
    ]
    tagged = [row for row in run.lines("timeline.jsonl") if "deleted" in row.get("tag", [])]
    assert tagged
    assert all(row["message"].startswith("[deleted, reachable_parent] ") for row in tagged)


def json_of(path: Path) -> dict[str, list[dict[str, object]]]:
    import json

    document: dict[str, list[dict[str, object]]] = json.loads(path.read_text(encoding="utf-8"))
    return document
