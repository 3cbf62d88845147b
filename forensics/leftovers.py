"""Scratch folders of runs that were killed without a chance to clear up: they hold copies of evidence."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

_NAME = "mirrortrace-"
# A run in another container has a number that is nobody's here, but it writes to its folder all the time.
_STILL = 24 * 3600


def prefix() -> str:
    """What the name of a scratch folder of this run begins with."""
    return f"{_NAME}{os.getpid()}-"


def left_behind() -> list[Path]:
    """The scratch folders of runs that have ended and left nothing but these for a day.

    They are only named: what they hold may be wanted.
    """
    import psutil  # only a run that begins looks for them

    found = []
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{_NAME}*-*")):
        number = folder.name.removeprefix(_NAME).partition("-")[0]
        ended = number.isdecimal() and not psutil.pid_exists(int(number))
        if ended and folder.is_dir() and not folder.is_symlink() and _is_still(folder):
            found.append(folder)
    return found


def _is_still(folder: Path) -> bool:
    """Whether nothing was written to the folder for long; one that may not be looked into is not called so."""
    try:
        written = [folder.stat().st_mtime, *(item.lstat().st_mtime for item in folder.iterdir())]
    except OSError:
        return False
    return time.time() - max(written) > _STILL


__all__ = ["left_behind", "prefix"]
