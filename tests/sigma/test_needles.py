"""Rules that are passed over by a record's words would not have matched it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics.formats.evtx_record import Record
from forensics.sigma import needles
from forensics.sigma.ruleset import Matcher, Rule, make
from forensics.times import NoTime

_NO = NoTime("not given", "")
_VALUES = st.text("aB.\\ *?1-_\u0130", min_size=1, max_size=6)
_KEYS = st.tuples(
    st.sampled_from(["Image", "CommandLine"]),
    st.sampled_from(
        ["", "|contains", "|startswith", "|endswith", "|contains|all", "|contains|windash", "|cased", "|neq"]
    ),
).map("".join)
_ITEMS = st.dictionaries(_KEYS, st.one_of(_VALUES, st.none(), st.lists(_VALUES, min_size=1, max_size=3)), min_size=1,
                         max_size=2)  # fmt: skip
_DETECTIONS = st.one_of(_ITEMS, st.lists(st.one_of(_ITEMS, _VALUES), min_size=1, max_size=3))
_CONDITIONS = st.sampled_from(["a", "a and b", "a or b", "a and not b", "not a", "1 of them", "all of them"])


def _rule(detection: dict[str, Any]) -> Rule:
    where = {"product": "windows", "category": "process_creation"}
    found = make("f.yml", {"title": "t", "id": "i", "logsource": where, "detection": detection})
    assert isinstance(found, Rule), found
    return found


def _record(image: str, line: str) -> Record:
    data = {"Image": image, "CommandLine": line}
    return Record(1, 1, "P", "Microsoft-Windows-Sysmon/Operational", "PC", _NO, _NO, "", 4, data, 0)


@settings(max_examples=500)
@given(
    _DETECTIONS, _DETECTIONS, _CONDITIONS, st.lists(st.text("aB.\\ 1-_/\u0130", max_size=12), min_size=2, max_size=2)
)
def test_no_match_is_lost(one: Any, two: Any, condition: str, texts: list[str]) -> None:
    rule, record = _rule({"a": one, "b": two, "condition": condition}), _record(*texts)
    indexed = bool(Matcher([rule]).matches(record))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(needles, "needed", lambda *_: None)
        assert indexed == bool(Matcher([rule]).matches(record))


@pytest.mark.parametrize(
    ("detection", "words"),
    [
        ({"Image|endswith": ["\\powershell.exe", "\\pwsh.exe"]}, {"powershell", "pwsh"}),
        ({"CommandLine|contains": "whoami"}, None),
        ({"CommandLine|contains": " whoami "}, {"whoami"}),
        ({"Image|endswith": "\\reg.exe", "CommandLine|contains": "query"}, {"reg"}),
        ([{"Image|endswith": "\\reg.exe"}, {"OriginalFileName": "reg.exe"}], {"reg"}),
        ([{"Image|endswith": "\\reg.exe"}, {"CommandLine|contains": "reg"}], None),
        ({"CommandLine|re": "whoami"}, None),
        ({"Image": None}, None),
    ],
)
def test_the_words_of_a_rule(detection: Any, words: set[str] | None) -> None:
    found = needles.needed(needles.Name("a"), {"a": detection})
    assert found == (None if words is None else frozenset(words))
