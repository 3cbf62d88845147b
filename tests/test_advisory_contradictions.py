"""No scenario's checklist says "no" beside something that says otherwise.

Those of tests/test_japanese.py, tests/test_clean_hosts.py and tests/test_advisory_runs.py are held to it there.
"""

from __future__ import annotations

import pytest

from tests.contradictions import contradictions
from tests.stories import Teller, stories, teller
from tests.test_clean_hosts import CLEAN
from tests.test_japanese import _STORIES

REST = sorted(set(stories("*")) - {*_STORIES, *CLEAN, "ws-tanaka"})


@pytest.fixture(scope="module")
def tell(tmp_path_factory: pytest.TempPathFactory) -> Teller:
    return teller(tmp_path_factory)


@pytest.mark.parametrize("name", REST)
def test_no_answer_denies_what_the_case_says(name: str, tell: Teller) -> None:
    told = tell(name)
    assert len(told.document["advisory"]) > 10
    assert contradictions(told.run) == []
