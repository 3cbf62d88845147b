"""Run the tool as a person does, in a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

BUILT = ROOT / "testdata/evidence/ws-tanaka"
KAPE_FOLDER = BUILT / "kape/WS-TANAKA"
LAYOUTS = {
    "e01": BUILT / "e01/ws-tanaka.E01",
    "kape": BUILT / "kape/WS-TANAKA",
    "velociraptor": next(iter(sorted((BUILT / "velociraptor").glob("*.zip"))), BUILT / "velociraptor/missing.zip"),
}


@dataclass(frozen=True)
class Run:
    """The outcome of one call."""

    code: int
    out: str
    err: str
    case: Path

    def document(self) -> Any:
        """The sessions document that was written."""
        return json.loads((self.case / "sessions.json").read_text(encoding="utf-8"))

    def lines(self, name: str) -> list[Any]:
        """The objects of a JSON-lines file of the case."""
        text = (self.case / name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.split("\n") if line]


def tool(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Call `mirrortrace` with these arguments, with `env` added to the environment."""
    command = [sys.executable, "-m", "forensics", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", cwd=ROOT, check=False, timeout=170,
        env={**os.environ, **(env or {})},
    )  # fmt: skip


def timeline(evidence: object, case: Path, *more: object, env: dict[str, str] | None = None) -> Run:
    """Run the main job."""
    done = tool("timeline", evidence, "-o", case, *more, env=env)
    return Run(done.returncode, done.stdout, done.stderr, case)


def fingerprint(top: Path) -> dict[str, str]:
    """Name, size and hash of every file below a path."""
    files = [top] if top.is_file() else sorted(path for path in top.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
