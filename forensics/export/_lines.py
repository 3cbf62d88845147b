"""What the files of JSON lines that a case is read back from share: the encoding, the source of a row, the way back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from forensics.model import Source

encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True).encode


def place(source: Source) -> dict[str, Any]:
    """The members of a row that say where it comes from."""
    return {
        "evidence": source.evidence,
        "source_path": source.path,
        "source_sha256": source.sha256,
        "source_locator": source.locator,
    }


def source_of(plain: dict[str, Any]) -> Source:
    """The inverse of `place`; raises KeyError where a member is missing."""
    return Source(plain["evidence"], plain["source_path"], plain["source_sha256"], plain["source_locator"])


def objects(path: Path) -> Iterator[dict[str, Any]]:
    """The object of each line; raises ValueError where one is no JSON."""
    with path.open(encoding="utf-8", newline="\n") as handle:
        for line in handle:
            yield json.loads(line)
