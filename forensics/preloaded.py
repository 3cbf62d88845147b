"""What every worker imports: the process that workers are forked from loads it once, on the systems that have one.

Most of the time that a worker takes to start goes into these modules. One that is missing here costs time, no more.
"""

from __future__ import annotations

from importlib import import_module

from forensics import collect
from forensics.artifacts.base import all_artifacts
from forensics.evidence.globs import GlobSet

_MODULES = (
    "cli", "evidence.containers", "evidence.folder", "evidence.guests", "evidence.image", "formats.hostinfo", "jobs",
    "showing", "views",
)  # fmt: skip

for name in _MODULES:
    import_module(f"forensics.{name}")
GlobSet(collect.patterns(all_artifacts()))  # its regular expressions are kept
