from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.artifacts.browser_policies import ARTIFACT, FILES
from forensics.formats.hive import Hive
from tests.artifacts.autostarts import entries, scores
from tests.artifacts.file_inputs import MODIFIED, survives_truncation
from tests.artifacts.file_inputs import run as run_file
from tests.artifacts.registry_inputs import NTUSER, merged, nested, run
from tests.formats.crafted_hives import Tree, utf16

MADE = {MODIFIED: datetime(2024, 12, 2, 3, 4, 5, tzinfo=UTC)}
STORE = "https://clients2.google.com/service/update2/crx"
ONE, TWO, THREE, FOUR = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)
SETTINGS = json.dumps({
    THREE: {"installation_mode": "force_installed", "update_url": "http://192.0.2.7/u.xml"},
    "*": {"installation_mode": "blocked"},
})  # fmt: skip
MACHINE: Tree = merged(
    {"Microsoft": {}, "Classes": {}},
    nested("Policies\\Google\\Chrome\\ExtensionInstallForcelist", {"": [
        ("1", 1, utf16(f"{ONE};{STORE}")), ("2", 1, utf16(f"{TWO};http://192.0.2.7/u.xml")),
    ]}),
    nested("Policies\\Microsoft\\Edge", {"": [("ExtensionSettings", 1, utf16(SETTINGS))]}),
    nested(f"Google\\Chrome\\Extensions\\{FOUR}", {"": [("path", 1, utf16("C:\\ProgramData\\x.crx"))]}),
    nested("Mozilla\\NativeMessagingHosts\\org.keepassxc", {"": [("", 1, utf16("C:\\Program Files\\K\\k.json"))]}),
)  # fmt: skip


def test_extensions_and_hosts() -> None:
    facts, problems = run(ARTIFACT, MACHINE, "C:/Windows/System32/config/SOFTWARE")
    assert problems == []
    found = scores(facts)
    assert set(found) == {ONE, TWO, THREE, FOUR, "org.keepassxc"}
    assert {name for name, score in found.items() if score > 40} == {TWO, THREE, FOUR}
    assert 0 < found[ONE] <= 20
    assert found["org.keepassxc"] == 0
    told = {str(fact.fields["entry_name"]): fact for fact in facts}
    assert told["org.keepassxc"].context
    assert told[TWO].fields["value_name"] == "2"
    assert "T1176" in entries(facts)[TWO].attack


def test_a_users_policy() -> None:
    tree = merged({"Environment": {}}, nested(
        f"Software\\Policies\\BraveSoftware\\Brave\\ExtensionSettings\\{ONE}",
        {"": [("installation_mode", 1, utf16("force_installed")), ("update_url", 1, utf16("https://192.0.2.7/"))]},
    ))  # fmt: skip
    (fact,), _ = run(ARTIFACT, tree, NTUSER)
    assert fact.fields["profile_user"] == "田中"
    assert scores([fact])[ONE] > 40


POLICIES = json.dumps({"policies": {
    "Extensions": {"Install": ["http://192.0.2.7/a.xpi", "https://addons.mozilla.org/firefox/downloads/ublock.xpi"]},
    "ExtensionSettings": {"x@y": {"installation_mode": "force_installed", "install_url": "file:///C:/x.xpi"}},
}})  # fmt: skip
PATH = "C:/Program Files/Mozilla Firefox/distribution/policies.json"


def test_the_policies_of_firefox() -> None:
    facts, problems = run_file(FILES, PATH, POLICIES, MADE)
    assert problems == []
    found = scores(facts)
    assert {name for name, score in found.items() if score > 40} == {"a.xpi", "x@y"}
    assert found["ublock.xpi"] == 10


def test_damaged_files() -> None:
    survives_truncation(FILES, PATH, POLICIES.encode(), step=5)
    for text in ("[]", '{"policies": 1}', '{"policies": {"Extensions": {"Install": 3}, "ExtensionSettings": []}}'):
        run_file(FILES, PATH, text, MADE)


@pytest.mark.samples
@pytest.mark.parametrize("name", ["NTUSER_with_winscp.DAT", "NTUSER-WSL.DAT"])
def test_real_users_are_quiet(samples: Path, name: str) -> None:
    facts, problems = run(ARTIFACT, Hive.open((samples / "hives" / name).read_bytes()), "C:/Users/tony/NTUSER.DAT")
    assert problems == []
    assert max(scores(facts).values(), default=0) <= 20, scores(facts)
