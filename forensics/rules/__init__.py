"""Detection knowledge as data: YAML beside this file, and the small code that reads it.

The data says what to look for and what it weighs; stateful joins live in `forensics.sessions`. Every loader returns
plain, cached objects, so a worker pays for a file once.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import yaml


@cache
def load(name: str) -> Any:  # noqa: ANN401  # YAML gives what the file holds
    """The parsed content of `forensics/rules/<name>.yml`."""
    text = files("forensics.rules").joinpath(f"{name}.yml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
