from __future__ import annotations

import pytest

from testdata.happenings import worker_sid
from testdata.host import ScenarioError, load

NAME = "ws-tanaka"


def test_worker_sid_follows_the_guid():
    assert worker_sid("00000001-0002-0003-0405-060708090a0b") == "S-1-5-83-1-1-196610-117835012-185207048"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("events:\n  - {channel: X}", "missing"),
        ("processes:\n  - {nme: x}", "has no \\['nme'\\]"),
        ("surprise: []", "unknown sections"),
        ("files:\n  - {path: $(nobody), birth: 2024-01-01T00:00:00Z}", "nobody"),
        ("files:\n  - {path: x, birth: 2024-01-01T00:00:00}", "no zone"),
        ("- a list", "not a mapping"),
    ],
)
def test_a_wrong_scenario_is_refused_with_its_place(tmp_path, testdata, text, says):
    head = (testdata / "scenarios" / NAME / "host.yml").read_text(encoding="utf-8")
    (tmp_path / "host.yml").write_text(head, encoding="utf-8")
    (tmp_path / "story.yml").write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=says):
        load(tmp_path)


COMMON = """
host: {workgroup: WORKGROUP, build: 19045, zone: Asia/Tokyo, name: $(pc), release: 22H2,
       installed: 2023-01-01T00:00:00Z, collected: 2024-01-01T00:00:00Z, volume_serial: 1,
       volume_created: 2023-01-01T00:00:00Z,
       accounts: {system: {name: $(pc)$, domain: WORKGROUP, sid: S-1-5-18, logon_id: "0x3e7"}}}
names: {pc: COMMON-PC, place: C:\\Common}
files: [{path: $(place)\\a.txt, birth: 2024-01-01T00:00:00Z}]
"""


OWN = """
include: [../_common/machine.yml]
host: {build: 26100, accounts: {user: {name: x, domain: $(pc), sid: S-1-5-21-1, logon_id: "0x1"}}}
names: {pc: OWN-PC}
files: [{path: C:\\b.txt, birth: 2024-01-02T00:00:00Z}]
"""


def test_a_scenario_goes_before_what_it_includes(tmp_path):
    (tmp_path / "_common").mkdir()
    (tmp_path / "_common" / "machine.yml").write_text(COMMON, encoding="utf-8")
    own = tmp_path / "own"
    own.mkdir()
    (own / "host.yml").write_text(OWN, encoding="utf-8")
    host = load(own)
    assert (host.name, host.build, host.release) == ("OWN-PC", 26100, "22H2")
    assert {key: account.domain for key, account in host.accounts.items()} == {"system": "WORKGROUP", "user": "OWN-PC"}
    assert [file.path for file in host.files] == ["C:\\Common\\a.txt", "C:\\b.txt"]


def test_what_is_included_must_be_there(tmp_path):
    (tmp_path / "host.yml").write_text("include: [missing.yml]\nhost: {}\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"missing\.yml"):
        load(tmp_path)


def test_only_one_host_is_described(tmp_path):
    (tmp_path / "host.yml").write_text("host: {}\n", encoding="utf-8")
    (tmp_path / "other.yml").write_text("host: {}\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"other\.yml"):
        load(tmp_path)
