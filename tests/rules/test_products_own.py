"""A script in Program Files is a program's own where the task bears that program's name."""

from __future__ import annotations

import pytest

from forensics.rules.products import product


@pytest.mark.parametrize(
    ("name", "known"), [("\\Inventory", True), ("\\Corp\\Inventory nightly", True), ("\\OneDrive Update", False)]
)
def test_the_task_bears_the_programs_name(name: str, known: bool) -> None:
    command = 'powershell.exe -NoProfile -WindowStyle Hidden -File "C:\\Program Files\\Inventory\\collect.ps1"'
    assert bool(product({"mechanism": "scheduled_task", "name": name, "command": command})) is known
