"""A built WMI repository is read alike by two readers that know nothing of each other: dissect.cim and flare-wmi's."""

from __future__ import annotations

import io
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.formats.cimrepository import read
from testdata.writers.cim import Repository

MADE = datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)
SUB = "root\\subscription"
CLASSES = {
    "__EventFilter": (["CreatorSID", "EventNamespace", "Name", "Query", "QueryLanguage"], ["Name"]),
    "CommandLineEventConsumer": (["CommandLineTemplate", "ExecutablePath", "Name", "WorkingDirectory"], ["Name"]),
    "ActiveScriptEventConsumer": (["Name", "ScriptFilename", "ScriptingEngine", "ScriptText"], ["Name"]),
    "__FilterToConsumerBinding": (["Consumer", "Filter"], ["Consumer", "Filter"]),
}
INSTANCES: list[tuple[str, dict[str, str]]] = [
    ("__EventFilter", {"Name": "Tick", "Query": "SELECT * FROM x WITHIN 60", "EventNamespace": "root\\cimv2"}),
    ("__EventFilter", {"Name": "Lone", "Query": "SELECT * FROM y", "QueryLanguage": "WQL"}),
    ("CommandLineEventConsumer", {"Name": "Updater", "CommandLineTemplate": "cmd.exe /c C:\\ProgramData\\u.cmd"}),
    ("ActiveScriptEventConsumer", {"Name": "Sc", "ScriptingEngine": "VBScript", "ScriptText": "x = 1\ny = 2"}),
    ("__FilterToConsumerBinding", {"Consumer": 'CommandLineEventConsumer.Name="Updater"', "Filter": "__EventFilter"}),
    ("__FilterToConsumerBinding", {"Consumer": 'ActiveScriptEventConsumer.Name="Sc"', "Filter": "__EventFilter"}),
]


def _files() -> dict[str, bytes]:
    made = Repository(MADE)
    made.define("__SystemClass", "__namespace", ["Name"])
    made.add("root", "__namespace", {"Name": "subscription"}, of="__SystemClass")
    for name, (properties, keys) in CLASSES.items():
        made.define(SUB, name, properties, keys)
    for name, values in INSTANCES:
        made.add(SUB, name, values)
    return made.build()


def _sorted(items: list[tuple[str, dict[str, str]]]) -> list[tuple[str, list[tuple[str, str]]]]:
    return sorted((name, sorted(values.items())) for name, values in items)


def test_ours_upon_dissect_reads_what_was_put_in() -> None:
    objects, index, mapping = (io.BytesIO(_files()[name]) for name in ("OBJECTS.DATA", "INDEX.BTR", "MAPPING1.MAP"))
    found = [
        (item.class_name, dict(item.values)) for item in read(objects, index, [mapping]) if hasattr(item, "values")
    ]
    assert _sorted(found) == _sorted(INSTANCES)


def test_flare_wmis_reader_reads_the_same(tmp_path: Path) -> None:
    """Classes with their keys, namespaces and instances; texts in UTF-16 are beyond it, so there are none here."""
    cim = pytest.importorskip("cim", reason="python-cim is not installed")
    objects = pytest.importorskip("cim.objects")
    logging.getLogger("cim").setLevel(logging.CRITICAL)
    for name, data in _files().items():
        (tmp_path / name).write_bytes(data)
    found: list[tuple[str, dict[str, str]]] = []
    with objects.Namespace(cim.CIM(cim.CIM_TYPE_WIN7, str(tmp_path)), SUB) as namespace:
        for name, (properties, keys) in CLASSES.items():
            definition = namespace.class_(name)
            assert (sorted(definition.properties), sorted(definition.keys)) == (sorted(properties), sorted(keys))
            for instance in definition.instances:
                held = instance.properties.values()
                found.append((name, {item.name: str(item.value) for item in held if item.is_initialized}))
    assert _sorted(found) == _sorted(INSTANCES)
