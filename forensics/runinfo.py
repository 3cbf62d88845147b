"""What a run was: arguments, versions, limits, hashes of the evidence's own files. All that may differ between runs."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import forensics
from forensics.evidence.regular import open_regular

_SECRETS = ("--password", "--key")
_MOST_FOLDERS = 20_000
_HASH_UP_TO = 4 * 1024 * 1024 * 1024
_NOT_COMPUTED = "not computed: run `mirrortrace verify`"
_LIBRARIES = (
    "dissect.target", "dissect.cim", "dissect.cobaltstrike", "dissect.evidence", "dissect.ntfs", "dissect.fve",
    "python-registry", "python-evtx", "evtx", "libesedb-python", "libscca-python", "libvshadow-python", "pyzipper",
    "pandas", "pyarrow", "pebble",
)  # fmt: skip


def evidence_files(
    path: Path, parts: Sequence[str], stored: Mapping[str, str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """What the evidence consists of on disk (name, size, SHA-256 or why there is none), and what is to be told of it.

    `parts` are the files that images in it were read from, `stored` the hashes of the media that an image stores: only
    the parts of the media that are needed are read, so those hashes are for `verify`.
    """
    files = [Path(part) for part in dict.fromkeys(parts)] or ([path] if path.is_file() else [])
    sizes = {item: item.stat().st_size for item in files}
    small = sum(sizes.values()) <= _HASH_UP_TO
    told = [
        {"name": _shown(item, path), "size": size, "sha256": _sha256(item) if small else None,
         **({} if small else {"note": _NOT_COMPUTED})}
        for item, size in sizes.items()
    ]  # fmt: skip
    names = " and ".join(name.upper() for name in stored)
    unchecked = f"only what was needed of the media was read, its stored {names} not checked: run `mirrortrace verify`"
    return told, [unchecked] if stored else []


def first_part(path: Path) -> Path:
    """The first of the numbered parts that `path` is one of; itself where it is none."""
    numbered = path.suffix[1:].isascii() and path.suffix[1:].isdecimal() and path.is_file()
    if not numbered:
        return path
    from forensics.evidence.disks import parts_of

    return next(iter(parts_of(path)), path)


def bulk(path: Path) -> int:
    """The bytes of the evidence (of a folder: of as many files as are quickly counted), for how long it may take."""
    if not path.is_dir():
        return path.stat().st_size if path.is_file() else 0
    total = 0
    for count, (folder, _, names) in enumerate(os.walk(path)):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118  # a hundred thousand
            except OSError:
                continue
        if count > _MOST_FOLDERS:
            break
    return total


def _shown(item: Path, path: Path) -> str:
    """A file by its name, or below the folder that is the evidence by its path in it."""
    return item.relative_to(path).as_posix() if item.is_relative_to(path) and item != path else item.name


def hashes_of(files: Sequence[Mapping[str, Any]], stored: Mapping[str, str]) -> dict[str, str]:
    """The same as one table: total size, SHA-256 by file, and the stored hashes of the media, which are not checked."""
    if not files:
        return {}
    total = sum(item["size"] for item in files)
    table = {"size": str(total), **{item["name"]: item["sha256"] or _NOT_COMPUTED for item in files}}
    return {
        **table,
        **{f"stored_{name}": f"{text} (not checked: run `mirrortrace verify`)" for name, text in stored.items()},
    }


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open_regular(path.resolve()) as handle:
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
