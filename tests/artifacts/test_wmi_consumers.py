from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import BinaryIO

import pytest

from forensics.artifacts.wmi_consumers import ARTIFACT
from forensics.formats.cimrepository import carve, read
from forensics.model import Fact, Problem
from testdata.writers.cim import PAGE, Repository
from tests.artifacts.autostarts import entries, listed, scores
from tests.artifacts.file_inputs import given
from tests.artifacts.registry_inputs import sorted_out

MADE = datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)
FOLDER = "Windows/System32/wbem/Repository"
SYSTEM, SUB = "__SystemClass", "root\\subscription"
QUERY = "SELECT * FROM __InstanceModificationEvent WITHIN 60 WHERE TargetInstance ISA 'Win32_LocalTime'"
COMMAND = "powershell.exe -NoP -W Hidden -File C:\\ProgramData\\更新.ps1"
SCRIPT = 'Set s = CreateObject("WScript.Shell")\ns.Run "calc.exe", 0'


def repository() -> Repository:
    made = Repository(MADE)
    made.define(SYSTEM, "__namespace", ["Name"])
    made.add("root", "__namespace", {"Name": "subscription"}, of=SYSTEM)
    made.define(SUB, "__EventFilter", ["CreatorSID", "EventNamespace", "Name", "Query", "QueryLanguage"])
    made.define(SUB, "CommandLineEventConsumer", ["CommandLineTemplate", "ExecutablePath", "Name", "WorkingDirectory"])
    made.define(SUB, "ActiveScriptEventConsumer", ["Name", "ScriptFilename", "ScriptingEngine", "ScriptText"])
    made.define(SUB, "NTEventLogEventConsumer", ["Name", "SourceName"])
    made.define(SUB, "__FilterToConsumerBinding", ["Consumer", "Filter"], ["Consumer", "Filter"])
    for name, query in (
        ("Tick", QUERY),
        ("SCM Event Log Filter", "select * from MSFT_SCMEventLogEvent"),
        ("Lone", QUERY),
    ):
        values = {"Name": name, "Query": query, "QueryLanguage": "WQL", "EventNamespace": "root\\cimv2"}
        made.add(SUB, "__EventFilter", values)
    made.add(SUB, "CommandLineEventConsumer", {"Name": "Updater", "CommandLineTemplate": COMMAND})
    made.add(SUB, "ActiveScriptEventConsumer", {"Name": "Sc", "ScriptingEngine": "VBScript", "ScriptText": SCRIPT})
    made.add(
        SUB, "NTEventLogEventConsumer", {"Name": "SCM Event Log Consumer", "SourceName": "Service Control Manager"}
    )
    for kind, name, by in (
        ("CommandLineEventConsumer", "Updater", "Tick"), ("ActiveScriptEventConsumer", "Sc", "Tick"),
        ("NTEventLogEventConsumer", "SCM Event Log Consumer", "SCM Event Log Filter"),
    ):  # fmt: skip
        values = {"Consumer": f'{kind}.Name="{name}"', "Filter": f'__EventFilter.Name="{by}"'}
        made.add(SUB, "__FilterToConsumerBinding", values)
    return made


FILES = repository().build()


def run(objects: bytes, index: bytes | None = FILES["INDEX.BTR"]) -> tuple[list[Fact], list[Problem]]:
    beside: dict[str, BinaryIO] = {f"{FOLDER}/MAPPING1.MAP": io.BytesIO(FILES["MAPPING1.MAP"])}
    if index is not None:
        beside[f"{FOLDER}/INDEX.BTR"] = io.BytesIO(index)
    file = replace(given(f"C:/{FOLDER}/OBJECTS.DATA", objects), companions=beside)
    return sorted_out(ARTIFACT, list(ARTIFACT.parse(file)))


def test_consumers_with_what_is_bound_to_them() -> None:
    facts, problems = run(FILES["OBJECTS.DATA"])
    assert problems == []
    by_name = {str(fact.fields["entry_name"]): fact for fact in facts}
    assert set(by_name) == {"Updater", "Sc", "SCM Event Log Consumer", "Lone"}
    updater = by_name["Updater"]
    assert updater.fields["command_line"] == COMMAND
    assert updater.fields["event_query"] == QUERY
    assert updater.fields["location"] == SUB
    assert updater.fields["reason"] == "CommandLineEventConsumer; bound to Tick"
    assert updater.times == {"Content Modification Time": MADE}
    assert by_name["Sc"].fields["command_line"] == SCRIPT
    assert "command_line" not in by_name["Lone"].fields


def test_planted_ones_score_and_stock_does_not() -> None:
    facts, _ = run(FILES["OBJECTS.DATA"])
    found = scores(facts)
    assert found["Updater"] > 40
    assert found["Sc"] > 40
    assert found["SCM Event Log Consumer"] == found["Lone"] == 0
    assert entries(facts)["Updater"].trigger == QUERY
    assert "T1546.003" in entries(facts)["Updater"].attack


@pytest.mark.parametrize("index", [None, b"", bytes(PAGE * 2), FILES["INDEX.BTR"][:PAGE]])
def test_without_an_index_the_form_tells(index: bytes | None) -> None:
    facts, problems = run(FILES["OBJECTS.DATA"], index)
    assert problems
    by_name = {str(fact.fields["entry_name"]): fact for fact in facts}
    assert by_name["Updater"].fields["command_line"] == COMMAND
    assert by_name["Sc"].fields["command_line"] == SCRIPT
    assert "carved" in str(by_name["Updater"].fields["reason"])
    assert str(by_name["Updater"].source.locator).startswith("offset 0x")


def test_a_deleted_one_is_found_beside_the_index() -> None:
    other = repository()
    record = other.add(SUB, "CommandLineEventConsumer", {"Name": "Gone", "CommandLineTemplate": "C:\\old\\x.exe -k"})
    facts, problems = run(FILES["OBJECTS.DATA"] + record.ljust(PAGE, b"\x00"))
    assert problems == []
    gone = [fact for fact in facts if fact.fields["entry_name"] == "Gone"]
    assert [fact.fields["command_line"] for fact in gone] == ["C:\\old\\x.exe -k"]
    assert len(facts) == 5


def test_an_older_version_of_a_live_one_is_told() -> None:
    other = repository()
    old = other.add(SUB, "CommandLineEventConsumer", {"Name": "Updater", "CommandLineTemplate": "C:\\old\\x.exe -k"})
    facts, _ = run(FILES["OBJECTS.DATA"] + old.ljust(PAGE, b"\x00"))
    commands = [fact.fields["command_line"] for fact in facts if fact.fields["entry_name"] == "Updater"]
    assert commands == [COMMAND, "C:\\old\\x.exe -k"]
    told = [entry for entry in listed(facts) if entry.name == "Updater"]
    assert {entry.command for entry in told} == set(commands)
    assert len({entry.id for entry in told}) == 2


def planted(*records: tuple[str, dict[str, str]]) -> list[Fact]:
    made = repository()
    for kind, values in records:
        made.add(SUB, kind, values)
    files = made.build()
    beside: dict[str, BinaryIO] = {
        f"{FOLDER}/{name}": io.BytesIO(files[name]) for name in ("MAPPING1.MAP", "INDEX.BTR")
    }
    file = replace(given(f"C:/{FOLDER}/OBJECTS.DATA", files["OBJECTS.DATA"]), companions=beside)
    facts, problems = sorted_out(ARTIFACT, list(ARTIFACT.parse(file)))
    assert problems == []
    return facts


def test_the_name_of_a_stock_consumer_hides_nothing() -> None:
    values = {"Name": "SCM Event Log Consumer", "CommandLineTemplate": COMMAND}
    facts = planted(("CommandLineEventConsumer", values))
    told = {entry.command: entry.score for entry in listed(facts) if entry.name == "SCM Event Log Consumer"}
    assert told["Service Control Manager"] == 0
    assert told[COMMAND] > 40
    assert len({entry.id for entry in listed(facts)}) == len(listed(facts))


def test_names_are_the_same_in_any_case() -> None:
    facts = planted(
        ("CommandLineEventConsumer", {"Name": "Upper", "CommandLineTemplate": COMMAND}),
        ("__FilterToConsumerBinding",
         {"Consumer": 'CommandLineEventConsumer.Name="UPPER"', "Filter": '__EventFilter.Name="TICK"'}),
    )  # fmt: skip
    upper = next(fact for fact in facts if fact.fields["entry_name"] == "Upper")
    assert upper.fields["reason"] == "CommandLineEventConsumer; bound to TICK"
    assert upper.fields["event_query"] == QUERY


def test_consumers_without_a_name_stand_each_by_itself() -> None:
    facts = planted(
        ("CommandLineEventConsumer", {"CommandLineTemplate": COMMAND}),
        ("CommandLineEventConsumer", {"CommandLineTemplate": "cmd.exe /c C:\\ProgramData\\b.cmd"}),
        ("__EventFilter", {"Query": QUERY, "QueryLanguage": "WQL"}),
    )
    told = [entry for entry in listed(facts) if entry.name == "(unnamed)"]
    assert len(told) == 3
    assert sorted(entry.score > 40 for entry in told) == [False, True, True]


def test_both_readings_agree() -> None:
    objects, index, mapping = (io.BytesIO(FILES[name]) for name in ("OBJECTS.DATA", "INDEX.BTR", "MAPPING1.MAP"))
    live = {(item.class_name, *sorted(item.values.items())) for item in read(objects, index, [mapping])}  # type: ignore[union-attr]
    carved = {(item.class_name, *sorted(item.values.items())) for item in carve(objects)}
    # Of the event log's consumer only the name is guessed.
    assert {item for item in live ^ carved if item[0] != "NTEventLogEventConsumer"} == set()


def test_truncation_and_damage() -> None:
    objects = FILES["OBJECTS.DATA"]
    for length in range(0, len(objects), 3001):
        facts, problems = run(objects[:length])
        assert facts or problems, length
    for name in ("INDEX.BTR", "MAPPING1.MAP"):
        for at in range(0, len(FILES[name]), 611):
            data = bytearray(FILES[name])
            data[at] ^= 0xFF
            run(objects, bytes(data) if name == "INDEX.BTR" else FILES["INDEX.BTR"])


def test_an_index_that_goes_round_ends() -> None:
    index = bytearray(FILES["INDEX.BTR"])
    count = int.from_bytes(index[PAGE + 16 : PAGE + 20], "little")
    for child in range(count + 1):
        at = PAGE + 20 + 4 * count + 4 * child
        index[at : at + 4] = (1).to_bytes(4, "little")
    facts, problems = run(FILES["OBJECTS.DATA"], bytes(index))
    assert problems
    assert {str(fact.fields["entry_name"]) for fact in facts} >= {"Updater", "Sc"}
