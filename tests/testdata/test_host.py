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
