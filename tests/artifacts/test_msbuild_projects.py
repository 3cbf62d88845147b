"""Inline tasks of MSBuild projects: found, hashed, and what only looks like one left alone."""

from __future__ import annotations

import hashlib
from xml.etree import ElementTree

import pytest

from forensics.artifacts.msbuild_projects import ARTIFACT
from forensics.evidence.globs import GlobSet
from tests.artifacts.file_inputs import MODIFIED, run, utc

PATH = "C:/ProgramData/hello.xml"
CODE = """
using System;
using Microsoft.Build.Utilities;
public class ClassExample : Task {
  public override bool Execute() { byte[] b = Convert.FromBase64String("QUJD"); return b.Length < 4; }
}
"""
XML = f"""<Project ToolsVersion="4.0" xmlns="http://schemas.microsoft.com/developer/msbuild/2003">
  <Target Name="Hello"><ClassExample /><Exec Command="whoami" /></Target>
  <UsingTask TaskName="ClassExample" TaskFactory="CodeTaskFactory"
    AssemblyFile="C:\\Windows\\Microsoft.Net\\Framework64\\v4.0.30319\\Microsoft.Build.Tasks.v4.0.dll">
    <Task><Code Type="Class" Language="cs"><![CDATA[{CODE}]]></Code></Task>
  </UsingTask>
</Project>
"""


def test_the_code_is_taken_out_and_hashed() -> None:
    (fact,), problems = run(ARTIFACT, PATH, XML, {MODIFIED: utc(2024, 12, 4)})
    assert problems == []
    space = "{http://schemas.microsoft.com/developer/msbuild/2003}"
    independent = ElementTree.fromstring(XML).find(f".//{space}Code")  # our own text
    assert independent is not None
    assert independent.text is not None
    assert fact.fields == {
        "inline_task": "ClassExample",
        "task_factory": "CodeTaskFactory",
        "code_language": "cs",
        "code_type": "Class",
        "code_sha256": hashlib.sha256(independent.text.strip().encode()).hexdigest(),
        "code_size": len(CODE.strip()),
        "code_text": CODE.strip(),
        "code_signs": ("FromBase64String",),
        "exec_commands": ("whoami",),
        "file_path": "C:\\ProgramData\\hello.xml",
        "file_sha256": "0" * 64,
    }
    assert not fact.context
    assert fact.source.locator == "UsingTask 1"


def test_utf_16_other_cases_of_letters_and_the_newer_factory() -> None:
    text = XML.replace("CodeTaskFactory", "RoslynCodeTaskFactory").replace("Language=", "language=")
    (fact,), _ = run(ARTIFACT, PATH, text.encode("utf-16"))
    assert (fact.fields["task_factory"], fact.fields["code_language"]) == ("RoslynCodeTaskFactory", "cs")


def test_code_in_another_file_and_several_tasks() -> None:
    task = '<UsingTask TaskName="t{}" TaskFactory="CodeTaskFactory"><Task><Code Source="a.cs"/></Task></UsingTask>'
    text = "<Project>" + "".join(task.format(number) for number in range(70)) + "</Project>"
    facts, problems = run(ARTIFACT, PATH, text)
    assert len(facts) == 64
    assert [item.fault for item in problems] == ["partial"]
    assert facts[3].fields["code_source"] == "a.cs"
    assert "code_sha256" not in facts[3].fields


@pytest.mark.parametrize(
    "text",
    [
        "",
        '<Project><UsingTask TaskName="a" AssemblyFile="a.dll"/></Project>',
        "<Project><PropertyGroup><UsingTaskFactory>x</UsingTaskFactory></PropertyGroup></Project>",
        "<root>TaskFactory and &lt;UsingTask</root>",
    ],
)
def test_other_files_say_nothing(text: str) -> None:
    assert run(ARTIFACT, PATH, text) == ([], [])


def test_a_developers_harmless_task_is_context() -> None:
    harmless = XML.replace('Convert.FromBase64String("QUJD")', "new byte[1]")
    for path, context in (("C:/Users/a/source/repos/x/a.csproj", True), ("C:/Users/Public/a.csproj", False)):
        (fact,), _ = run(ARTIFACT, path, harmless)
        assert fact.context is context
    (fact,), _ = run(ARTIFACT, "C:/Users/a/source/repos/x/a.csproj", XML)
    assert not fact.context


def test_a_cut_file_and_a_document_type() -> None:
    whole, told = XML.encode(), 0
    for length in range(len(whole)):
        facts, problems = run(ARTIFACT, PATH, whole[:length])
        told += bool(facts)
        assert not facts or problems or length > len(whole) - 2, length
    assert told > 250  # from the closing bracket of UsingTask on
    hostile = '<!DOCTYPE Project [<!ENTITY x "y">]>' + XML
    (fact,), _ = run(ARTIFACT, PATH, hostile)
    assert fact.fields["code_language"] == "cs"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("behind", [0, 3])
def test_a_task_behind_what_is_read_as_a_whole(encoding: str, behind: int) -> None:
    wide = {"utf-8": 1, "utf-16": 2, "utf-16-le": 2}.get(encoding, 4)
    head, tail = XML.split("<UsingTask")
    room = 8 * 1024 * 1024 // wide - len(head) - 7 - (1 if encoding in ("utf-16", "utf-32") else 0) + behind
    text = f"{head}<!--{'x' * (room - 4)}-->{'<UsingTask'}{tail}"
    (fact,), problems = run(ARTIFACT, PATH, text.encode(encoding))
    assert fact.fields["code_text"] == CODE.strip()
    assert fact.source.locator.startswith("offset 0x7ffff" if not behind else "offset 0x")
    assert problems == []


def test_more_tasks_behind_than_are_told() -> None:
    task = '<UsingTask TaskName="t" TaskFactory="CodeTaskFactory"><Task><Code>x</Code></Task></UsingTask>'
    facts, problems = run(ARTIFACT, PATH, f"<Project>{' ' * (8 * 1024 * 1024)}{task * 70}</Project>")
    assert len(facts) == 64
    assert [item.fault for item in problems] == ["partial"]


@pytest.mark.parametrize(
    "tag", ["<UsingTask/>", "<UsingTask ", "<UsingTaskX>", "</UsingTask>", "<UsingTask TaskFactory='a'>"]
)
def test_hostile_large_files_end(tag: str) -> None:
    facts, _ = run(ARTIFACT, PATH, "<root>" + tag * (20 * 1024 * 1024 // len(tag)) + XML)
    assert len(facts) <= 130


def test_large_files_of_others_say_nothing() -> None:
    assert run(ARTIFACT, PATH, "<root>" + "x" * (9 * 1024 * 1024) + "<UsingTaskFactory/></root>") == ([], [])


@pytest.mark.parametrize("around", ["<a>", "<a/>"])
def test_a_text_too_deep_or_too_large_for_the_reader(around: str) -> None:
    closing = "</a>" if around == "<a>" else ""
    text = XML.replace("<UsingTask", around * 120_000 + "<UsingTask").replace(
        "</Project>", closing * 120_000 + "</Project>"
    )
    (fact,), problems = run(ARTIFACT, PATH, text)
    assert fact.fields["code_text"] == CODE.strip()
    assert [item.fault for item in problems] == ["malformed"]
    assert "sought by their tags" in problems[0].detail
    hidden = text.replace("<UsingTask", "<!-- <UsingTask").replace("</UsingTask>", "</UsingTask> -->")
    assert run(ARTIFACT, PATH, hidden)[0] == []


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le", "utf-32-be"])
def test_utf_32(encoding: str) -> None:
    (fact,), problems = run(ARTIFACT, PATH, XML.encode(encoding))
    assert problems == []
    assert fact.fields["code_text"] == CODE.strip()


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("a.xml", True), ("Windows/System32/a.proj", True), ("Program Files/Kit/a.xml", True),
        ("Users/x/a.targets", True),
        ("Windows/System32/Kit/a.xml", False), ("ProgramData/a.txt", False),
    ],
)  # fmt: skip
def test_places(path: str, wanted: bool) -> None:
    assert bool(GlobSet(ARTIFACT.paths).matches(path)) is wanted
