"""Reading paths, command lines, GUIDs and process ids; the engine room's small pure functions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics.model import User
from forensics.sessions.rows import People, because, of_event, stable_id
from forensics.sessions.sandbox_launch import call_id, verb_of
from forensics.sessions.texts import basename, guid, inside, norm, pid, same_path, split_command, wsb_path
from tests.sessions.factory import DEV, HOST, SYSTEM, VM, Scene, at


@pytest.mark.parametrize(
    "path",
    [
        "C:\\Users\\田中\\a.wsb",
        "c:/users/田中/A.WSB",
        '"C:\\Users\\田中\\a.wsb"',
        "\\??\\C:\\Users\\田中\\a.wsb",
        "\\\\?\\C:\\Users\\田中\\a.wsb",
        "\\Device\\HarddiskVolume3\\Users\\田中\\a.wsb",
        "\\VOLUME{01d9a1b2c3d4e5f6-1a2b3c4d}\\USERS\\田中\\A.WSB",
        "%SystemDrive%\\Users\\田中\\a.wsb",
    ],
)
def test_spellings_of_one_path(path: str) -> None:
    assert norm(path) == "\\users\\田中\\a.wsb"
    assert same_path(path, "C:\\Users\\田中\\a.wsb")


def test_variables() -> None:
    assert norm("%windir%\\System32\\x") == norm("C:\\Windows\\System32\\x")
    assert norm("%public%\\x") == "\\users\\public\\x"


@given(st.text(max_size=60))
def test_norm_is_idempotent_on_its_results(text: str) -> None:
    assert norm(norm(text)) in (norm(text), norm(norm(norm(text))))


@given(st.text(max_size=200))
def test_nothing_raises(text: str) -> None:
    for function in (norm, basename, guid, pid, wsb_path, split_command, verb_of, call_id):
        function(text)  # type: ignore[operator]


def test_inside() -> None:
    assert inside("C:\\Users\\Public\\a.txt", "c:/users")
    assert inside("C:\\Users", "C:\\Users\\")
    assert not inside("C:\\Users2\\a", "C:\\Users")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('"C:\\Windows\\System32\\WindowsSandbox.exe" "C:\\My Files\\x.wsb"', "C:\\My Files\\x.wsb"),
        (
            "c:\\windows\\system32\\windowssandbox.exe c:\\windows\\system32\\default.wsb",
            "c:\\windows\\system32\\default.wsb",
        ),
        ("WindowsSandbox.exe C:\\My Files\\x.wsb", "C:\\My Files\\x.wsb"),
        ("cmd /c start x.wsb", "x.wsb"),
        ("WindowsSandbox.exe %PUBLIC%\\a.wsb", "%PUBLIC%\\a.wsb"),
        ("WindowsSandbox.exe \\\\server\\share\\a.wsb", "\\\\server\\share\\a.wsb"),
        ("explorer.exe x.wsbx", None),
        ("WindowsSandbox.exe", None),
    ],
)
def test_wsb_path(line: str, expected: str | None) -> None:
    assert wsb_path(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('"C:\\a b\\c.exe" /x "y z"', ("C:\\a b\\c.exe", '/x "y z"')),
        ("C:\\Program Files\\a.exe /x", ("C:\\Program Files\\a.exe", "/x")),
        ("wsb start", ("wsb", "start")),
        ("", ("", "")),
    ],
)
def test_split(line: str, expected: tuple[str, str]) -> None:
    assert split_command(line) == expected


def test_ids() -> None:
    assert pid("0x1cec") == pid("7404") == 7404
    assert pid("x") is None
    assert guid(f"vmwp.exe {VM} vmmem") == VM
    assert guid("{00000000-0000-0000-0000-000000000000}") is None


@pytest.mark.parametrize(
    ("line", "verb"),
    [
        ("wsb start --id x", "start"),
        ('"C:\\x\\wsb.exe" StartSandbox', "start"),
        ("wsb.exe --raw list", "list"),
        ("WSB ShareFolder --id x", "share"),
        ("wsb --version", None),
        ("notwsb start", None),
        ("wsb starting", None),
    ],
)
def test_verbs(line: str, verb: str | None) -> None:
    assert verb_of(line) == verb


class TestPeople:
    people = People((*HOST.users, User("S-1-5-21-9-9-9-500", "Administrator", None)))

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"user_sid": SYSTEM, "user_name": "WS-1$"}, ("SYSTEM", SYSTEM)),
            ({"user_name": "NT AUTHORITY\\SYSTEM"}, ("SYSTEM", SYSTEM)),
            ({"user_name": "WS-1\\田中"}, ("田中", DEV)),
            ({"user_sid": DEV}, ("田中", DEV)),
            ({"user_sid": SYSTEM, "target_user_sid": DEV, "target_user_name": "田中"}, ("田中", DEV)),
            ({"user_sid": DEV, "target_user_sid": "S-1-0-0", "target_user_name": "-"}, ("田中", DEV)),
            ({"profile_user": "佐藤"}, ("佐藤", "S-1-5-21-1-2-3-1002")),
            ({"user_name": "nobody"}, ("nobody", None)),
            ({}, (None, None)),
        ],
    )
    def test_who(self, fields: dict[str, str], expected: tuple[str | None, str | None]) -> None:
        row = of_event(Scene().add("process.created", 0, **fields))
        assert self.people.of(row) == expected

    def test_folder(self) -> None:
        assert self.people.folder("田中", None) == "田中"
        assert self.people.folder("Administrator", "S-1-5-21-9-9-9-500") == "Administrator"


def test_reasons_name_their_events() -> None:
    scene = Scene()
    rows = [of_event(scene.add("x.y", second)) for second in range(6)]
    text = because("seen", reversed(rows))
    assert text.startswith(f"seen [{rows[0].id}, {rows[1].id}")
    assert text.endswith("and 2 more]")
    assert because("seen") == "seen"


def test_ids_are_stable_and_separate_their_parts() -> None:
    assert stable_id("a", "x", at(0), None) == stable_id("a", "x", at(0), None)
    assert stable_id("a", "xy", "z") != stable_id("a", "x", "yz")
