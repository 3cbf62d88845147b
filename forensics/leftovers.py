"""Scratch folders of runs that were killed without a chance to clear up: they hold copies of evidence."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_NAME = "mirrortrace-"


def prefix() -> str:
    """What the name of a scratch folder of this run begins with."""
    return f"{_NAME}{os.getpid()}-"


def left_behind() -> list[Path]:
    """The scratch folders of runs of this user that are dead. They are only named: what they hold may be wanted."""
    import psutil  # only a run that begins looks for them

    found = []
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{_NAME}*-*")):
        number = folder.name.removeprefix(_NAME).partition("-")[0]
        if number.isdecimal() and not psutil.pid_exists(int(number)) and folder.is_dir() and not folder.is_symlink():
            found.append(folder)
    return found


__all__ = ["left_behind", "prefix"]
