"""Whole rules over records, and rule folders that somebody filled with malice."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from forensics.formats.evtx_record import Record
from forensics.rulefolder import described, notice, read_rules
from forensics.sigma.ruleset import EVERY_ID, Matcher, Refused, Rule, make
from forensics.times import NoTime

SYSMON = "Microsoft-Windows-Sysmon/Operational"
_NO = NoTime("not given", "")


def record(event_id: int, channel: str = SYSMON, provider: str = "P", **data: str) -> Record:
    return Record(1, event_id, provider, channel, "PC", _NO, _NO, "", 4, data, 0)


def rule(detection: dict[str, Any], *, condition: object = "sel", **logsource: str) -> dict[str, Any]:
    return {
        "title": "t",
        "id": "i",
        "level": "high",
        "tags": ["attack.t1059.001", "attack.execution"],
        "logsource": logsource or {"product": "windows", "category": "process_creation"},
        "detection": {**detection, "condition": condition},
    }


def made(document: Any) -> Rule:
    found = make("f.yml", document)
    assert isinstance(found, Rule), found
    return found


def matches(detection: Any, event: Record, *, condition: object = "sel", **logsource: str) -> bool:
    return bool(Matcher([made(rule({"sel": detection}, condition=condition, **logsource))]).matches(event))


EVENT = record(1, Image=r"C:\Windows\System32\cmd.exe", CommandLine=r'cmd /c "whoami /all"', ParentImage="",
               User=r"PC\me", ProcessId="4660", Hashes="MD5=AB,IMPHASH=CAFE01")  # fmt: skip


@pytest.mark.parametrize(
    ("detection", "expected"),
    [
        ({"Image|endswith": r"\CMD.exe"}, True),
        ({"Image|endswith": r"\CMD.exe", "CommandLine|contains": "net"}, False),  # all items of a mapping
        ([{"Image": "x"}, {"CommandLine|contains": "WHOAMI"}], True),  # one mapping of a list
        ({"CommandLine|contains|all": ["whoami", "/all"]}, True),
        ({"CommandLine|contains|all": ["whoami", "/x"]}, False),
        ({"CommandLine|contains|cased": "WHOAMI"}, False),
        ({"CommandLine|re": r"whoami\s+/(all|priv)"}, True),
        ({"CommandLine|re": "WHOAMI"}, False),
        ({"CommandLine|re|i": "WHOAMI"}, True),
        ({"CommandLine": "*who?mi*"}, True),
        ({"ParentImage": None}, True),  # empty is as good as absent
        ({"CommandLine": None}, False),
        ({"ParentCommandLine": None}, True),
        ({"ParentCommandLine|exists": False}, True),
        ({"ProcessId": 4660.0}, True),  # YAML makes a number of what has a point
        ({"ProcessId|gte": 4660, "ProcessId|lt|all": [4661, "5000"]}, True),
        ({"CommandLine|re|contains": "who[a-z]mi"}, True),
        ({"CommandLine|exists": True}, True),
        ({"ProcessId": 4660}, True),
        ({"ProcessId|gte": 4660, "ProcessId|lt": 5000}, True),
        ({"ProcessId|gt": 4660}, False),
        ({"Imphash": "cafe01"}, True),  # out of Hashes
        ({"Image|fieldref": "CommandLine"}, False),
        ({"Image|fieldref": "Image"}, True),
        (["whoami"], True),  # words, anywhere
        (["nowhere"], False),
        ({"|all": ["whoami", "cmd.exe"]}, True),
        ({"CommandLine|contains|neq": "net"}, True),
    ],
)
def test_detections(detection: Any, expected: bool) -> None:
    assert matches(detection, EVENT) is expected


def test_networks() -> None:
    source = {"product": "windows", "category": "network_connection"}
    event = record(3, DestinationIp="10.1.2.3")
    assert matches({"DestinationIp|cidr": ["192.168.0.0/16", "10.0.0.0/8"]}, event, **source)
    assert not matches({"DestinationIp|cidr": "172.16.0.0/12"}, event, **source)
    assert not matches({"DestinationIp|cidr": "::/0"}, record(3, DestinationIp="no address"), **source)


def test_an_audited_start_has_its_own_names_and_lacks_what_it_cannot_have() -> None:
    audited = record(4688, "Security", NewProcessName=r"C:\x\cmd.exe", ParentProcessName=r"C:\p.exe", ProcessId="0x1")
    assert matches({"Image|endswith": r"\cmd.exe", "ParentImage|endswith": "p.exe"}, audited)
    assert matches({"ParentProcessId": "0x1"}, audited)
    assert not matches({"OriginalFileName": None, "Image|endswith": r"\cmd.exe"}, audited)
    assert matches({"OriginalFileName": None, "Image|endswith": r"\cmd.exe"}, record(1, Image=r"\cmd.exe"))


def test_an_integrity_level_has_the_names_of_both_logs() -> None:
    audited = record(4688, "Security", NewProcessName=r"C:\x\cmd.exe", MandatoryLabel="S-1-16-12288")
    for level, expected in (("High", True), ("S-1-16-12288", True), ("System", False), ("S-1-16-16384", False)):
        assert matches({"IntegrityLevel": level}, audited) is expected
        assert matches({"IntegrityLevel": [level, "nothing"]}, record(1, IntegrityLevel="High")) is (level == "High")
    assert not matches({"IntegrityLevel": "High"}, record(4688, "Security", NewProcessName="x"))


def test_the_record_must_be_of_the_logsource() -> None:
    assert not matches({"Image|endswith": "cmd.exe"}, record(5, Image="cmd.exe"))
    assert not matches({"Image|endswith": "cmd.exe"}, record(1, "Application", Image="cmd.exe"))
    deleted = {"product": "windows", "category": "registry_delete"}
    assert matches({"TargetObject": "k"}, record(12, TargetObject="k", EventType="DeleteValue"), **deleted)
    assert not matches({"TargetObject": "k"}, record(12, TargetObject="k", EventType="CreateKey"), **deleted)


def test_the_ids_of_a_service_rule_come_from_its_condition() -> None:
    one, two = {"EventID": [4624, 4625], "A": "b"}, {"EventID": 4688}
    source = {"product": "windows", "service": "security"}

    def wanted(condition: str) -> set[int]:
        return Matcher(
            [made(rule({"one": one, "two": two, "not_id": {"A": "c"}}, condition=condition, **source))]
        ).wants["Security"]

    assert wanted("one and not two") == {4624, 4625}
    assert wanted("one or two") == {4624, 4625, 4688}
    assert wanted("not_id and two") == {4688}
    assert wanted("not_id or two") == EVERY_ID


def test_words_of_an_unnamed_element() -> None:
    source = {"product": "windows", "category": "ps_classic_start"}
    event = record(400, "Windows PowerShell", Data1="x", Data3="HostVersion=2.0")
    assert matches({"Data|contains": "hostversion=2"}, event, **source)
    assert matches({"Data": "X"}, event, **source)


def test_names_with_spaces_are_asked_for_without() -> None:
    source = {"product": "windows", "service": "windefend"}
    event = record(5007, "Microsoft-Windows-Windows Defender/Operational", **{"New Value": r"HKLM\x\Exclusions"})
    assert matches({"EventID": 5007, "NewValue|contains": "exclusions"}, event, **source)
    assert not matches({"NewValue": None}, event, **source)


def test_a_match_names_what_the_rule_asked_for() -> None:
    (match,) = Matcher([made(rule({"sel": {"Image|endswith": "cmd.exe", "CommandLine|contains": "who"}}))]).matches(
        EVENT
    )
    assert match.fields == (("CommandLine", EVENT.data["CommandLine"]), ("Image", EVENT.data["Image"]))
    assert (match.rule.level, match.rule.attack) == ("high", ("T1059.001",))


@pytest.mark.parametrize(
    ("change", "group"),
    [
        ({"logsource": {"product": "linux"}}, "another product than Windows"),
        ({"logsource": {"category": "process_creation"}}, "another product than Windows"),
        ({"logsource": {"product": "windows", "category": "file_rename"}}, "unknown logsource"),
        ({"logsource": {"product": "windows", "service": "unheard"}}, "unknown logsource"),
        ({"detection": {"sel": {"NoSuch": "x"}, "condition": "sel"}}, "unknown field"),
        (
            {
                "logsource": {"product": "windows", "service": "sysmon"},
                "detection": {"sel": {"NoSuch": "x"}, "condition": "sel"},
            },
            "unknown field",
        ),
        (
            {
                "logsource": {"product": "windows", "service": "system"},
                "detection": {"sel": {"Level": 2}, "condition": "sel"},
            },
            "unknown field",
        ),
        ({"detection": {"sel": {"Image|expand": "%x%"}, "condition": "sel"}}, "unknown modifier"),
        ({"detection": {"sel": {"Image|re": r"(a)\1"}, "condition": "sel"}}, "regular expression"),
        ({"detection": {"sel": {"Image": "x"}, "condition": "sel | count() by Image > 3"}}, "aggregation"),
        ({"detection": {"sel": {"Image": "x"}, "condition": "sel", "timeframe": "5m"}}, "aggregation"),
        ({"detection": {"sel": {"Image": "x"}}}, "no rule"),
        ({"detection": {"sel": {"Image": [{"a": "b"}]}, "condition": "sel"}}, "detection not understood"),
        ({"detection": {"sel": {"Image|cidr": "no"}, "condition": "sel"}}, "detection not understood"),
        *(
            ({"detection": {"sel": {f"CommandLine|{modifiers}": value}, "condition": "sel"}}, group)
            for modifiers, value, group in [
                ("exists", [True, False], "detection not understood"),
                ("exists", "perhaps", "detection not understood"),
                ("exists|contains", True, "unknown modifier"),
                ("i", "a", "unknown modifier"),
                ("re|endswith", "a", "unknown modifier"),
                ("windash|re", "-a", "unknown modifier"),
                ("gt|contains", 4, "unknown modifier"),
                ("cidr|cased", "10.0.0.0/8", "unknown modifier"),
                ("fieldref", None, "detection not understood"),
                ("base64offset|contains", "x", "value too short"),
            ]
        ),
        ({"correlation": {"type": "event_count"}}, "correlation"),
        ({"action": "global"}, "action"),
    ],
)
def test_what_is_not_evaluated_says_why(change: dict[str, Any], group: str) -> None:
    found = make("f.yml", {**rule({"sel": {"Image": "x"}}), **change})
    assert isinstance(found, Refused)
    assert found.group == group
    assert found.why


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("name", "content", "group"),
    [
        ("laughs.yml", LAUGHS.encode(), "too many parts"),
        (
            "merge.yml",
            b"a: &a {x: 1}\nb: {<<: [" + b"*a, " * 17 + b"]}",
            "too many parts",
        ),
        ("itself.yml", b"a: &a [*a]\n", "too many parts"),
        ("deep.yml", b"[" * 100 + b"]" * 100, "nested too deeply"),
        ("object.yml", b"a: !!python/object/apply:os.system ['true']\n", "not plain data"),
        ("twice.yml", b"title: a\ntitle: b\n", "not valid YAML"),
        ("bytes.yml", b"\xff\xfe\x00", "not valid YAML"),
        ("large.yml", b"a: " + b"x" * 300_000, "too large"),
        ("empty.yml", b"", "no rule"),
        ("list.yml", b"- a\n- b\n", "no rule"),
        ("many.yml", b"---\na: 1\n" * 60, "too many parts"),
        ("same.yml", b"a: 1\n1: a\n0x1: b\n", "not valid YAML"),
        ("text_too.yml", b"1: a\n'1': b\n", "not valid YAML"),
        ("hex.yml", b"a: 0x" + b"f" * 50, "number too large"),
        ("key.yml", b"? 0x" + b"f" * 50 + b"\n: a\n", "number too large"),
        ("endless.yml", b"a: 1.0e+999\n", "number too large"),
        ("told.yml", b"a: !!int " + b"9" * 4000, "number too large"),
        ("digits.yml", b"a: !!int " + b"9" * 9000, "not valid YAML"),
        ("nothing.yml", b"a: !!int ''\n", "not valid YAML"),
        ("truth.yml", b"a: !!bool maybe\n", "not valid YAML"),
        ("time.yml", b"a: !!timestamp never\n", "not plain data"),
        ("binary.yml", b"a: !!binary aGk=\n", "not plain data"),
        ("set.yml", b"a: !!set {x, y}\n", "not plain data"),
    ],
)
def test_hostile_files_cost_only_themselves(tmp_path: Path, name: str, content: bytes, group: str) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "sound.yml").write_text(yaml.safe_dump(rule({"sel": {"Image": "x"}})), encoding="utf-8")
    began = time.monotonic()
    rules = read_rules(tmp_path)
    assert time.monotonic() - began < 5
    assert [item.file for item in rules.rules] == ["sound.yml"]
    assert [(item.file, item.group) for item in rules.refused] == [(name, group)]
    assert described(rules)["reasons"] == {group: 1}
    assert group in notice(rules)


@pytest.mark.parametrize(
    ("value", "group"),
    [
        (f"CommandLine: 0x{'f' * 50_000}", "value too long"),
        (f"CommandLine: {'9' * 100_000}", "value too long"),
        (f"ProcessId|gt: {'0x' + 'f' * 1_000}", "detection not understood"),
        ("ProcessId|gt: .nan", "detection not understood"),
        ("ProcessId|lt: inf", "detection not understood"),
        ("ProcessId|gt: 2024-11-05", "detection not understood"),
        ("true: x", "unknown field"),
    ],
)
def test_values_that_are_no_values_are_refused_with_their_reason(tmp_path: Path, value: str, group: str) -> None:
    head = "logsource: {product: windows, category: process_creation}\ndetection:\n  condition: s\n  s:\n    "
    (tmp_path / "a.yml").write_text(head + value, encoding="utf-8")
    rules = read_rules(tmp_path)
    assert [(item.group, bool(item.why)) for item in rules.refused] == [(group, True)]


@pytest.mark.parametrize("value", ["2024-11-05", "2024-13-45", "1:30", ".nan", "=", "2024-11-05 03:04:05"])
def test_what_yaml_takes_for_more_than_text_is_held_against_the_text_as_written(tmp_path: Path, value: str) -> None:
    head = "date: 2024-13-45\nlogsource: {product: windows, category: process_creation}\ndetection:\n  condition: s\n"
    (tmp_path / "a.yml").write_text(f"{head}  s:\n    CommandLine: {value}", encoding="utf-8")
    rules = read_rules(tmp_path)
    assert rules.refused == ()
    matcher = Matcher(rules.rules)
    assert matcher.matches(record(1, CommandLine=value))
    assert not matcher.matches(record(1, CommandLine=value + "0"))


def test_merged_keys_are_the_rules_own(tmp_path: Path) -> None:
    text = yaml.safe_dump(rule({"sel": {"Image": "x"}})) + "base: &base {CommandLine: a, Image: y}\n"
    text = text.replace("  sel:\n", "  sel:\n    <<: {CommandLine: a, Image: y}\n")
    (tmp_path / "a.yml").write_text(text, encoding="utf-8")
    rules = read_rules(tmp_path)
    assert rules.refused == ()
    assert Matcher(rules.rules).matches(record(1, CommandLine="a", Image="x"))
    assert not Matcher(rules.rules).matches(record(1, CommandLine="b", Image="x"))


def test_documents_of_one_file_and_ids_that_are_taken(tmp_path: Path) -> None:
    two = yaml.safe_dump_all([rule({"sel": {"Image": "x"}}), {**rule({"sel": {"Image": "y"}}), "id": "j"}])
    (tmp_path / "a.yml").write_text(two, encoding="utf-8")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/b.yaml").write_text(yaml.safe_dump(rule({"sel": {"Image": "z"}})), encoding="utf-8")
    (tmp_path / "notes.txt").write_text("no rule", encoding="utf-8")
    rules = read_rules(tmp_path)
    assert [item.file for item in rules.rules] == ["a.yml", "a.yml#2"]
    assert [(item.file, item.group) for item in rules.refused] == [("sub/b.yaml", "id taken")]


def test_a_document_beside_an_action_is_a_part_of_a_whole(tmp_path: Path) -> None:
    parts = [{"action": "global", "detection": {"filter": {"Image": "y"}}}, rule({"sel": {"Image": "x"}})]
    (tmp_path / "a.yml").write_text(yaml.safe_dump_all(parts), encoding="utf-8")
    rules = read_rules(tmp_path)
    assert (rules.rules, [(item.file, item.group) for item in rules.refused]) == (
        (),
        [("a.yml", "action"), ("a.yml#2", "action")],
    )


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shut").mkdir()
    (tmp_path / "sound.yml").write_text(yaml.safe_dump(rule({"sel": {"Image": "x"}})), encoding="utf-8")
    listed = os.scandir

    def refusing(place: Any) -> Any:
        if Path(place).name == "shut":
            raise PermissionError(13, "Permission denied", str(place))
        return listed(place)

    monkeypatch.setattr(os, "scandir", refusing)
    rules = read_rules(tmp_path)
    assert len(rules.rules) == 1
    assert [(item.file, item.group) for item in rules.refused] == [("shut", "unreadable")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_links_and_pipes_are_named_and_not_opened(tmp_path: Path) -> None:
    (tmp_path / "real.yml").write_text(yaml.safe_dump(rule({"sel": {"Image": "x"}})), encoding="utf-8")
    (tmp_path / "link.yml").symlink_to(tmp_path / "real.yml")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.yml")
    rules = read_rules(tmp_path)
    assert len(rules.rules) == 1
    assert {(item.file, item.group) for item in rules.refused} == {
        ("link.yml", "unreadable"), ("loop", "a link"), ("pipe.yml", "unreadable"),
    }  # fmt: skip
