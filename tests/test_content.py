"""What is exported takes what the tool reads: in the words of each format, by a matcher of its own."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml
from artifacts import reader, registry

from forensics import collect, content
from forensics.artifacts.base import asked_for
from forensics.evidence.globs import GlobSet
from tests.evidence.layouts import tree
from tests.running import tool

# After KapeFiles' TargetGuide.
KAPE_SCHEMA = {
    "type": "object",
    "required": ["Description", "Author", "Version", "Id", "RecreateDirectories", "Targets"],
    "additionalProperties": False,
    "properties": {
        "Description": {"type": "string"},
        "Author": {"type": "string"},
        "Version": {"type": ["string", "number"]},
        "Id": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
        "RecreateDirectories": {"type": "boolean"},
        "Targets": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["Name", "Category", "Path"],
                "additionalProperties": False,
                "properties": {
                    "Name": {"type": "string"},
                    "Category": {"type": "string"},
                    "Path": {"type": "string", "pattern": r"^C:\\(.*\\)?$"},
                    "Recursive": {"type": "boolean"},
                    "FileMask": {"type": "string", "pattern": r"^[^\\/]+$"},
                    "AlwaysAddToQueue": {"type": "boolean"},
                    "SaveAsFileName": {"type": "string"},
                    "MinSize": {"type": "integer"},
                    "MaxSize": {"type": "integer"},
                    "Comment": {"type": "string"},
                },
            },
        },
    },
}
# After Velociraptor's reference of artifact fields.
VELOCIRAPTOR_SCHEMA = {
    "type": "object",
    "required": ["name", "sources"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "pattern": r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$"},
        "author": {"type": "string"},
        "description": {"type": "string"},
        "type": {"enum": ["CLIENT", "CLIENT_EVENT", "SERVER", "SERVER_EVENT", "NOTEBOOK", "INTERNAL"]},
        "precondition": {"type": "string"},
        "reference": {"type": "array", "items": {"type": "string"}},
        "parameters": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
                    "description": {"type": "string"},
                    "type": {"enum": ["string", "int", "bool", "csv", "regex", "choices", "timestamp", "hidden"]},
                    "default": {"type": "string"},
                },
            },
        },
        "sources": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["query"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string"},
                    "precondition": {"type": "string"},
                    "query": {"type": "string"},
                },
            },
        },
    },
}


def samples() -> list[str]:
    """Paths to compare by: every file of the built host, one for each glob, and near misses."""
    found = set(tree())
    for glob in content.every_glob():
        found |= {glob.replace("**/", deep).replace("**", "a/b").replace("*", "x") for deep in ("", "p/", "p/q/r/")}
    misses = {f"{path}.bak" for path in found} | {f"Other/{path}" for path in found}
    odd = {"Users/a/b/servers/log.txt", "Users/x/data/User/History/entries.json", "Windows/System32/Tasks", "x/y.wsb"}
    return sorted(found | misses | odd)


def wanted() -> Callable[[str], bool]:
    globs = GlobSet(content.every_glob())
    return lambda path: bool(globs.matches(path))


def translated(text: str, star: str, deep: str) -> re.Pattern[str]:
    """A pattern of a format as a regular expression: `star` within a folder, `deep` across folders."""
    parts = re.split(r"(\*\*\d*\\|\*\*\d*|\*|\?)", text)
    known = {"*": star, "?": "[^/]"}
    out = [known.get(part) or (deep if part.startswith("**") else re.escape(part.replace("\\", "/"))) for part in parts]
    return re.compile("".join(out), re.IGNORECASE)


def by_kape(entry: dict) -> re.Pattern[str]:
    folder = entry["Path"].removeprefix("C:\\").replace("%user%", "*").replace("\\", "/")
    star = "[^/]*"
    parts = [star.join(map(re.escape, part.split("*"))) for part in folder.split("/")]
    below = "(?:[^/]+/)*" if entry.get("Recursive") else ""
    mask = star.join(map(re.escape, entry["FileMask"].split("*")))
    return re.compile("/".join(parts) + below + mask, re.IGNORECASE)


def test_kape_takes_what_the_tool_reads() -> None:
    document = yaml.safe_load(content.kape_target())
    jsonschema.validate(document, KAPE_SCHEMA)
    patterns = [by_kape(entry) for entry in document["Targets"]]
    reads = wanted()
    for path in samples():
        assert any(pattern.fullmatch(path) for pattern in patterns) == reads(path), path
    journal = [entry for entry in document["Targets"] if entry.get("SaveAsFileName")]
    assert [(entry["Path"], entry["FileMask"], entry["SaveAsFileName"]) for entry in journal] == [
        ("C:\\$Extend\\", "$UsnJrnl:$J", "$J"),
        ("C:\\$Extend\\", "$UsnJrnl:$Max", "$Max"),
    ]
    assert all(entry.get("AlwaysAddToQueue") for entry in document["Targets"] if entry["FileMask"].startswith("$"))


def test_velociraptor_takes_what_the_tool_reads() -> None:
    document = yaml.safe_load(content.velociraptor_artifact())
    jsonschema.validate(document, VELOCIRAPTOR_SCHEMA)
    table = next(item["default"] for item in document["parameters"] if item["name"] == "Globs")
    rows = list(csv.DictReader(io.StringIO(table)))
    patterns = [translated(row["Glob"], "[^/]*", "(?:[^/]+/)*") for row in rows]
    # A trailing `**` is every file below.
    patterns += [
        translated(row["Glob"][:-2] + "**\\*", "[^/]+", "(?:[^/]+/)*") for row in rows if row["Glob"].endswith("**")
    ]
    reads = wanted()
    for path in samples():
        assert any(pattern.fullmatch(path) for pattern in patterns) == reads(path), path
    assert {row["Accessor"] for row in rows if row["Glob"].startswith(("$MFT", "$Extend"))} == {"ntfs"}
    names = [source["name"] for source in document["sources"]]
    assert names == ["All File Metadata", "Uploads"], "the names that the reader of collections knows"


def test_forensic_artifacts_are_valid_and_take_what_the_tool_reads(tmp_path: Path) -> None:
    content.export(tmp_path)
    known = registry.ArtifactDefinitionsRegistry()
    known.ReadFromFile(reader.YamlArtifactsReader(), str(tmp_path / content.DEFINITIONS))
    assert not known.GetUndefinedArtifacts()
    for artifact in asked_for(carve=False):
        definition = known.GetDefinitionByName(content.definition_name(artifact))
        paths = {path for source in definition.sources for path in source.paths}
        plain = {
            path.replace("%%users.userprofile%%", "Users\\*")
            .replace("%%environ_systemroot%%", "Windows")
            .replace("%%environ_systemdrive%%\\", "")
            .replace("**10", "**")
            .replace("\\", "/")
            for path in paths
        }
        assert plain == set(content.globs_of(artifact)), artifact.name
    (group,) = (item for item in known.GetDefinitions() if item.name == "MirrortraceAll")
    assert set(group.sources[0].names) == {content.definition_name(artifact) for artifact in asked_for(carve=False)}


def test_nothing_that_is_read_is_left_out() -> None:
    """A glob that was dropped because another contains it is contained in one."""
    kept = GlobSet(content.every_glob())
    names = {"$Extend/$J", "$J", "$UsnJrnl:$J", "$UsnJrnl%3A$J", "$Extend/$UsnJrnl%3A$J"}  # collectors' names
    names |= {"$Extend/$UsnJrnl_$J", "$Extend/$UsnJrnl$J"}
    names |= {name.replace("$J", "$Max") for name in names}
    for glob in set(collect.patterns(asked_for(carve=False))) - names:
        for deep in ("", "p/", "p/q/"):
            path = glob.replace("**/", deep).replace("**", "a/b").replace("*", "x")
            assert kept.matches(path), glob
    assert kept.matches("Users/x/NTUSER.DAT.LOG1")
    assert kept.matches("Windows/System32/config/SYSTEM.LOG2")


@pytest.mark.parametrize("name", [content.KAPE, content.VELOCIRAPTOR, content.DEFINITIONS])
def test_the_command_writes_them(tmp_path: Path, name: str) -> None:
    done = tool("content", "export", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "new" / name) in done.stdout
    assert (tmp_path / "new" / name).stat().st_size > 1000


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = tool("content", "export", tmp_path / "file" / "below")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
