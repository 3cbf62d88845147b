from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics.formats import FormatError, taskcache
from forensics.times import NoTime
from tests.formats.crafted_tasks import actions, com_handler, dynamic_info, execute, sid, text, triggers

TICKS = 133_777_404_610_000_000
WHEN = datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_program(version: int) -> None:
    raw = actions(
        execute("c:\\windows\\system32\\windowssandbox.exe", "c:\\x.wsb", "c:\\w", version=version), version=version
    )
    found = taskcache.read_actions(raw)
    assert found.context == ("Author" if version > 1 else "")
    (action,) = found.actions
    assert action.command_line == "c:\\windows\\system32\\windowssandbox.exe c:\\x.wsb"
    assert (action.working_directory, action.other) == ("c:\\w", None)


def test_the_published_bytes_of_windows_8_and_10() -> None:
    """`cmd.exe /c notepad.exe` as both versions are published to store it."""
    old = bytes.fromhex(
        "0100 6666 00000000 0e000000 63006d0064002e00650078006500"
        " 1c000000 2f00630020006e006f00740065007000610064002e00650078006500"
        " 16000000 63003a005c00770069006e0064006f00770073005c00"
    )
    new = bytes.fromhex(
        "0300 0c000000 41007500740068006f007200 6666 00000000 0e000000 63006d0064002e00650078006500"
        " 1c000000 2f00630020006e006f00740065007000610064002e00650078006500 00000000 0000"
    )
    assert taskcache.read_actions(old).actions == (taskcache.Action("cmd.exe", "/c notepad.exe", "c:\\windows\\"),)
    assert taskcache.read_actions(new).actions == (taskcache.Action("cmd.exe", "/c notepad.exe"),)


def test_other_actions_between_programs() -> None:
    mail = b"\x88\x88" + text("") + b"".join(text(part) for part in ("a", "b", "", "", "", "srv", "hi", "body"))
    mail += struct.pack("<I", 1) + text("file.txt") + struct.pack("<I", 1) + text("X-A") + text("1")
    message = b"\x99\x99" + text("") + text("title") + text("text")
    handler = com_handler("{01575CFE-9A55-4003-A5E1-F38D1EBDCBE1}", "data")
    found = taskcache.read_actions(actions(handler, mail, message, execute("a.exe"), context="LocalSystem"))
    assert [action.other for action in found.actions] == [
        "COM handler {01575CFE-9A55-4003-A5E1-F38D1EBDCBE1} data",
        "send mail | a | b | srv | hi | body",
        "show message | title | text",
        None,
    ]
    assert [action.command_line for action in found.actions] == [None, None, None, "a.exe"]


@pytest.mark.parametrize("raw", [b"", b"\x03", b"\x09\0", actions(b"\x11\x11" + text("")), actions(execute("a")[:-4])])
def test_damage_is_a_format_error(raw: bytes) -> None:
    with pytest.raises(FormatError):
        taskcache.read_actions(raw)


def test_runs() -> None:
    found = taskcache.read_runs(dynamic_info(TICKS, 0, 0x41303, TICKS))
    assert (found.registered, found.completed, found.result) == (WHEN, WHEN, 0x41303)
    assert isinstance(found.started, NoTime)
    assert isinstance(taskcache.read_runs(dynamic_info(TICKS, TICKS)).completed, NoTime)
    with pytest.raises(FormatError):
        taskcache.read_runs(bytes(27))


@pytest.mark.parametrize("version", [0x15, 0x16, 0x17])
def test_account(version: int) -> None:
    assert taskcache.read_account(triggers(sid(18), version=version)) == "S-1-5-18"
    user = sid(21, 1111111111, 2222222222, 3333333333, 1001)
    assert taskcache.read_account(triggers(user, version=version)) == "S-1-5-21-1111111111-2222222222-3333333333-1001"


def test_an_account_is_absent_rather_than_guessed() -> None:
    whole = triggers(sid(18))
    assert taskcache.read_account(triggers(sid(18), skip=True)) is None
    assert taskcache.read_account(triggers(b"\x01\x05" + bytes(10))) is None
    for length in range(whole.index(sid(18)) + len(sid(18))):
        assert taskcache.read_account(whole[:length]) is None


@given(st.binary(max_size=200))
def test_no_bytes_escape(raw: bytes) -> None:
    for read in (taskcache.read_actions, taskcache.read_runs):
        try:
            read(raw)
        except FormatError:
            continue
    taskcache.read_account(raw)


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
def test_no_damage_escapes(place: int, patch: bytes) -> None:
    for whole in (
        actions(com_handler("{01575CFE-9A55-4003-A5E1-F38D1EBDCBE1}"), execute("a.exe", "b")),
        triggers(sid(18)),
    ):
        at = place % len(whole)
        raw = whole[:at] + patch + whole[at + len(patch) :]
        taskcache.read_account(raw)
        try:
            taskcache.read_actions(raw)
        except FormatError:
            continue
