"""What every artifact must hold to, whoever wrote it."""

from __future__ import annotations

import inspect
import re
from collections import defaultdict

import pytest

from docs.build import TARGET, page
from forensics.artifacts.base import Artifact, EventArtifact, FileArtifact, RegistryArtifact, all_artifacts
from forensics.collect import HIVES
from forensics.timeline import template_fields

ARTIFACTS = all_artifacts()
NAMES = [artifact.name for artifact in ARTIFACTS]


@pytest.mark.parametrize("artifact", ARTIFACTS, ids=NAMES)
class TestEachArtifact:
    def test_names(self, artifact: Artifact) -> None:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", artifact.name)
        for kind in artifact.emits:
            assert re.fullmatch(r"[a-z_]+\.[a-z_]+", kind), kind

    def test_says_something(self, artifact: Artifact) -> None:
        assert artifact.emits
        module = inspect.getmodule(artifact.parse)
        assert module is not None
        about = module.__doc__ or ""
        assert len(about) > 200, "the docstring tells why the artifact matters and where its format is written down"

    def test_fields_and_messages(self, artifact: Artifact) -> None:
        for name, kind in artifact.emits.items():
            for field, declared in kind.fields.items():
                assert re.fullmatch(r"[a-z][a-z0-9_]*", field), field
                assert declared in (str, int, bool, tuple[str, ...]), f"{name}.{field}"
            assert template_fields(kind.message) <= set(kind.fields), name
            assert kind.message[0].isupper() or kind.message[0] in "[{", name

    def test_declares_where_it_looks(self, artifact: Artifact) -> None:
        if isinstance(artifact, FileArtifact):
            assert artifact.paths
            assert all("\\" not in glob and not glob.startswith("/") for glob in artifact.paths)
        elif isinstance(artifact, EventArtifact):
            assert artifact.wants
            assert all(ids for ids in artifact.wants.values())
        elif isinstance(artifact, RegistryArtifact):
            assert artifact.hives <= set(HIVES)


def test_a_field_has_one_type_everywhere() -> None:
    types: dict[str, set[object]] = defaultdict(set)
    for artifact in ARTIFACTS:
        for kind in artifact.emits.values():
            for field, declared in kind.fields.items():
                types[field].add(declared)
    assert {field: found for field, found in types.items() if len(found) > 1} == {}


def test_a_kind_of_two_artifacts_is_declared_equal() -> None:
    seen: dict[str, object] = {}
    for artifact in ARTIFACTS:
        for name, kind in artifact.emits.items():
            assert seen.setdefault(name, kind) == kind, name


def test_the_page_of_artifacts_is_current() -> None:
    assert TARGET.read_text(encoding="utf-8") == page(), "run python -m docs.build"
