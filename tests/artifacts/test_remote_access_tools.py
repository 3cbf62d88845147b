from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.artifacts.remote_access_tools import ARTIFACT, FILES, tool_of_path, tool_of_product, tool_of_service
from forensics.formats.hive import Hive
from forensics.rules import load
from tests.artifacts.file_inputs import BORN
from tests.artifacts.file_inputs import run as run_file
from tests.artifacts.registry_inputs import NTUSER, merged, nested, run
from tests.formats.crafted_hives import Tree, utf16

MADE = {BORN: datetime(2024, 12, 2, 3, 4, 5, tzinfo=UTC)}
UNINSTALL = "Microsoft\\Windows\\CurrentVersion\\Uninstall"


def service(name: str, image: str) -> Tree:
    return nested(f"ControlSet001\\Services\\{name}", {"": [("ImagePath", 2, utf16(image)), ("Start", 4, b"\2\0\0\0")]})


def test_services() -> None:
    system = merged(
        nested("Select", {"": [("Current", 4, b"\1\0\0\0")]}),
        service("AnyDesk", '"C:\\Program Files (x86)\\AnyDesk\\AnyDesk.exe" --service'),
        service("WinHelper", "C:\\ProgramData\\h\\rustdesk.exe --service"),
        service("Dnscache", "%SystemRoot%\\system32\\svchost.exe -k NetworkService"),
    )
    facts, problems = run(ARTIFACT, system, "C:/Windows/System32/config/SYSTEM")
    assert problems == []
    assert [(fact.fields["tool_name"], fact.fields["service_name"]) for fact in facts] == [
        ("AnyDesk", "AnyDesk"), ("RustDesk", "WinHelper"),
    ]  # fmt: skip


def test_installed_for_one_user() -> None:
    values = {"": [("DisplayName", 1, utf16("TeamViewer")), ("DisplayVersion", 1, utf16("15.1"))]}
    content = merged({"Environment": {}}, nested(f"Software\\{UNINSTALL}\\TeamViewer", values),
                     nested(f"Software\\{UNINSTALL}\\Zoom", {"": [("DisplayName", 1, utf16("Zoom"))]}))  # fmt: skip
    (fact,), problems = run(ARTIFACT, content, NTUSER)
    assert problems == []
    assert (fact.fields["tool_name"], fact.fields["product_version"]) == ("TeamViewer", "15.1")
    assert fact.fields["profile_user"] == "田中"


def test_files_that_it_leaves() -> None:
    (fact,), _ = run_file(FILES, "C:/Users/hanako/AppData/Roaming/AnyDesk/ad.trace", b"x", MADE)
    assert (fact.fields["tool_name"], fact.fields["profile_user"]) == ("AnyDesk", "hanako")
    assert fact.times == MADE
    assert tool_of_path("C:/Program Files (x86)/ScreenConnect Client (0123456789abcdef)/system.config")
    assert not tool_of_path("C:/Users/hanako/AppData/Roaming/Vendor/ad.trace")


@pytest.mark.parametrize("item", load("remote_tools")["tools"], ids=lambda item: item["name"])
def test_each_tool_is_known_by_its_program_and_no_other(item: dict[str, list[str]]) -> None:
    for program in item["programs"]:
        assert tool_of_service("Svc", f'"C:\\x y\\{program.upper()}" -s') == item["name"]
    assert not tool_of_service("Spooler", "C:\\Windows\\System32\\spoolsv.exe")
    assert not tool_of_product("Microsoft Edge")


@pytest.mark.samples
def test_a_real_system(samples: Path) -> None:
    opened = Hive.open((samples / "hives" / "SYSTEM_B").read_bytes())
    facts, problems = run(ARTIFACT, opened, "C:/Windows/System32/config/SYSTEM")
    assert problems == []
    assert [fact.fields["service_name"] for fact in facts] == []
