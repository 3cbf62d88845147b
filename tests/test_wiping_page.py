"""The page about signs of wiped traces is what the rules say."""

from __future__ import annotations

from docs.build import WIPING, wiping_page
from forensics.rules import load
from tests.conftest import ROOT


def test_the_page_is_current_and_linked() -> None:
    page = WIPING.read_text(encoding="utf-8")
    assert page == wiping_page(), "run python -m docs.build"
    for name in ("README.md", "README.ja.md"):
        assert "(docs/wiping.md)" in (ROOT / name).read_text(encoding="utf-8"), name
    assert "(wiping.md)" in (ROOT / "docs/method.md").read_text(encoding="utf-8")


def test_each_sign_stands_in_it_with_all_its_causes() -> None:
    page = wiping_page()
    for name, item in load("antiforensics").items():
        if isinstance(item, dict) and "detail" in item:
            assert f"| `{name}` | {item['level']} |" in page
            assert all(cause in page for cause in item["innocent_causes"])
