"""What a run was: arguments, versions, limits, hashes of the evidence's own files. All that may differ between runs."""

from __future__ import annotations

import hashlib
import platform
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import forensics
from forensics.evidence.ewf import is_ewf, segments_of

_SECRETS = ("--password", "--key")
_HASH_UP_TO = 4 * 1024 * 1024 * 1024
_LIBRARIES = (
    "dissect.target", "dissect.evidence", "dissect.ntfs", "dissect.fve", "python-registry", "python-evtx", "evtx",
    "libesedb-python", "libscca-python", "libvshadow-python", "pyzipper", "pandas", "pyarrow", "pebble",
)  # fmt: skip


def input_hashes(path: Path) -> dict[str, str]:
    """SHA-256 of the evidence's own files (all segments of an E01), where they are small enough; else their size."""
    if not path.is_file():
        return {}
    parts = segments_of(path) if is_ewf(path) else [path]
    total = sum(part.stat().st_size for part in parts)
    if total > _HASH_UP_TO:
        return {"size": str(total), "sha256": "not computed: use the acquisition's own hash"}
    return {"size": str(total), **{part.name: _sha256(part) for part in parts}}


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1024 * 1024):
            digest.update(block)
    return digest.hexdigest()


def run_info(evidence: Iterable[str | Path], options: dict[str, Any], began: float) -> dict[str, Any]:
    """What `run.json` says; `began` is the monotonic time of the start."""
    return {
        "tool": {"name": "mirrortrace", "version": forensics.__version__},
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "arguments": without_secrets(sys.argv),
        "evidence": [str(path) for path in evidence],
        "options": options,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - began, 2),
    }


def without_secrets(arguments: Sequence[str]) -> list[str]:
    """The command line without passwords and keys."""
    shown: list[str] = []
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if name in _SECRETS and equals:
            shown.append(f"{name}=***")
        else:
            shown.append("***" if shown and shown[-1] in _SECRETS else argument)
    return shown


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
