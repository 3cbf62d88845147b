from __future__ import annotations

import pytest

from testdata.expected import differences

ACTUAL = {
    "sandbox_sessions": [{"vm_id": "6c1d", "start": "2024-12-02T03:30:02.310442+00:00", "networked": None}],
    "persistence": [
        {"name": "OneDrive", "command": "x"},
        {"name": "Hello", "command": "C:/Windows/MSBuild.exe hello.xml"},
    ],
}


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"sandbox_sessions": [{"vm_id": "6C1D", "networked": None}]},
        {"sandbox_sessions": [{"start_between": ["2024-12-02T03:30:02.310442+00:00", "2024-12-02T03:31:00+00:00"]}]},
        {"persistence": [{"name": "Hello", "command_contains": "C:\\Windows\\msbuild.exe"}]},
        {"persistence": [{"name_one_of": ["Hello", "Other"]}]},
        {"absent": {"persistence.name": ["SecurityHealth"]}},
    ],
)
def test_what_holds_gives_nothing(expected):
    assert differences(expected, ACTUAL) == []


@pytest.mark.parametrize(
    "expected",
    [
        {"sandbox_sessions": []},
        {"sandbox_sessions": [{"vm_id": "other"}]},
        {"sandbox_sessions": [{"networked": False}]},
        {"sandbox_sessions": [{"start_between": ["2024-12-02T03:30:03", "2024-12-02T03:31:00"]}]},
        {"sandbox_sessions": [{"end_between": ["2024-12-02T03:30:03", "2024-12-02T03:31:00"]}]},
        {"persistence": [{"name": "Hello", "command_contains": "cmd.exe"}]},
        {"persistence": [{"name": "OneDrive", "command": "C:/Windows/MSBuild.exe hello.xml"}]},
        {"persistence": [{"name_one_of": ["A", "B"]}]},
        {"tunnel_sessions": [{"profile_user": "x"}]},
        {"absent": {"persistence.name": ["ONEDRIVE"]}},
        {"missing": 1},
    ],
)
def test_what_does_not_hold_is_said(expected):
    assert len(differences(expected, ACTUAL)) == 1


def test_contained_lists_report_the_nearest_miss():
    (text,) = differences({"persistence": [{"name": "Hello", "command": "y"}]}, ACTUAL)
    assert "MSBuild" in text
    assert "persistence[0].command" in text
