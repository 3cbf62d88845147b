"""What the artifacts of XML files share: how a file that is not well-formed is reported."""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts.base import FileInput
from forensics.model import Problem

_LINE = re.compile(r"line (\d+)")


def malformed(artifact: str, given: FileInput, notes: tuple[str, ...]) -> Iterator[Problem]:
    """The problem of a file that was read by the tolerant reader: what is there is kept, what is missing is unknown."""
    why = "; ".join(notes) or "not well-formed XML"
    line = _LINE.search(why)
    locator = f"line {line.group(1)}" if line else "offset 0x0"
    yield Problem("malformed", artifact, given.source(locator), f"read tolerantly, part of it may be lost: {why}")
