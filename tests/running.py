"""Run the tool as a person does, in a process of its own."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.folding import unfolded

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
        """The objects of a JSON-lines file of the case, those of the timeline with every field by its name."""
        text = (self.case / name).read_text(encoding="utf-8")
        rows = [json.loads(line) for line in text.split("\n") if line]
        return [unfolded(row) for row in rows] if name == "timeline.jsonl" else rows


def tool(
    *arguments: object, env: dict[str, str] | None = None, before: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Call `mirrortrace` with these arguments, with `env` added to the environment; `before` runs in the process."""
    command = [sys.executable, "-m", "forensics", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", cwd=ROOT, check=False, timeout=170,
        env={**os.environ, **(env or {})}, preexec_fn=before,
    )  # fmt: skip


def obedient() -> Callable[[], None] | None:
    """What makes a new process obey file permissions: nothing for a user, for the superuser giving up the right not to.

    Another user would not do: where the interpreter lies in a private folder, only its owner can start it.
    """
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    if not sys.platform.startswith("linux"):
        pytest.skip("the superuser may read everything")
    library = ctypes.CDLL(None, use_errno=True)

    def give_up() -> None:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            if library.prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
                os._exit(97)

    return give_up


def timeline(
    evidence: object, case: Path, *more: object, env: dict[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Run:  # fmt: skip
    """Run the main job; with one worker process unless told otherwise, since tests themselves run side by side."""
    if "--jobs" not in more:
        more = (*more, "--jobs", 1)
    done = tool("timeline", evidence, "-o", case, *more, env=env, before=before)
    return Run(done.returncode, done.stdout, done.stderr, case)


def fingerprint(top: Path) -> dict[str, str]:
    """Name, size and hash of every file below a path."""
    files = [top] if top.is_file() else sorted(path for path in top.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
