"""Which folders count as such that users without rights can write."""

from __future__ import annotations

import pytest

from forensics.artifacts._autostart import writable

WRITABLE = (
    "C:\\ProgramData\\Kit\\a.dll", '"C:/Users/Public/a.dll"', "file:///C:/ProgramData/Kit/addin.vsto", "file:///C:\\Users\\x.dll",
    "file://server/share/a.vsto", "\\\\192.0.2.7\\share\\a.dll", "\\??\\C:\\Users\\a.sys", "http://192.0.2.7/a.sct",
    "script:https://192.0.2.7/a.sct", "%APPDATA%\\a.dll",
)  # fmt: skip
GUARDED = (
    "C:\\Windows\\System32\\a.dll", "file:///C:/Program Files/Vendor/x.vsto", "C:/Program Files/a.dll", "a.dll", "",
    "C:\\ProgramData\\Microsoft\\Windows Defender\\Platform\\4\\a.dll", "\\\\.\\pipe\\a", "file:", "file:///",
)  # fmt: skip


@pytest.mark.parametrize("path", WRITABLE)
def test_users_can_write(path: str) -> None:
    assert writable(path)


@pytest.mark.parametrize("path", GUARDED)
def test_users_cannot_write(path: str) -> None:
    assert not writable(path)
