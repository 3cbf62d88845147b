"""Paths in command lines: what is found, and that a hostile line costs no more than a plain one."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics.sessions.texts import wsb_path
from forensics.sessions.tunnel_call import servers_in

# The same in plain patterns, whose time grows with the square of the text.
QUOTED = re.compile(r'"([^"]*\.wsb)"', re.IGNORECASE)
ROOTED = re.compile(r'(?:[a-z]:[\\/]|\\\\|%\w+%\\)[^":<>|*?\r\n]*?\.wsb(?!\w)', re.IGNORECASE)
PLAIN = re.compile(r'[^\s"\':<>|*?]+\.wsb(?!\w)', re.IGNORECASE)
SERVERS = re.compile(
    r'((?:[a-z]:|\\)[^"<>|*?:]*?)\\servers\\(stable|insiders|exploration)-([0-9a-f]{7,40})', re.IGNORECASE
)
PARTS = st.sampled_from(
    ["\\", "\\\\", "/", "C:", "d:\\", ".wsb", ".WSB", "a", "b c", " ", '"', "'", ":", "<", "\n", "%tmp%\\", "%x%", "1",
     "\\servers\\", "/servers/", "Stable-", "insiders-", "0123456", "stable-abcdef1"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PARTS, max_size=12).map("".join))
def test_the_first_path_is_what_the_plain_patterns_find(text: str) -> None:
    found = next(filter(None, (pattern.search(text) for pattern in (QUOTED, ROOTED, PLAIN))), None)
    assert wsb_path(text) == (found and found[found.re.groups])
    server = SERVERS.search(text.replace("/", "\\"))
    assert servers_in(text) == (server and (server[1], server[2].capitalize(), server[3].casefold()))


@pytest.mark.parametrize(
    "part", ["\\", "\\\\a", "a.", "%a%\\", "C:\\", ".wsbx", "\\servers\\", "\\servers\\stable-abcdef0"]
)
def test_long_lines_cost_little(part: str) -> None:
    text = (part * 32768)[:32768]
    started = time.process_time()
    wsb_path(text)
    servers_in(text)
    assert time.process_time() - started < 0.5
