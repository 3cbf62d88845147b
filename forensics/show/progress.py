"""The run while it works: bars on a terminal, and the log file."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from forensics.runinfo import without_secrets
from forensics.show.terminal import console
from forensics.text import mask_secrets, one_line

if TYPE_CHECKING:
    from forensics.case import Case


class Log:
    """The run's log: one JSON object a line, so that no evidence string can forge an entry."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._began = time.monotonic()
        self.write("started", arguments=without_secrets(sys.argv))

    def write(self, what: str, **details: object) -> None:
        """Append one entry; does nothing without a log file."""
        if self._path is None:
            return
        entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                 "elapsed": round(time.monotonic() - self._began, 3), "what": what, **details}  # fmt: skip
        safe = {name: mask_secrets(value) if isinstance(value, str) else value for name, value in entry.items()}
        with self._path.open("a", encoding="utf-8", newline="\n") as handle:
            handle.write(json.dumps(safe, ensure_ascii=True, default=str) + "\n")

    def failed(self, error: BaseException) -> None:
        """Note why the run ended."""
        self.write("failed", error=f"{type(error).__name__}: {error}")

    def finished(self, case: Case) -> None:
        """Note the end with its problems."""
        for problem in case.problems:
            self.write("problem", fault=problem.fault, artifact=problem.artifact, path=problem.source.path,
                       locator=problem.source.locator, detail=problem.detail)  # fmt: skip
        self.write("finished", problems=len(case.problems), events=len(case.events))


class Shower:
    """Progress on stderr: bars on a terminal, nothing in a pipe or with --quiet."""

    def __init__(self, *, quiet: bool, log: Log | None = None) -> None:
        made = console(stderr=True)
        self._log = log or Log(None)
        self._bars = Progress(
            SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(),
            TimeRemainingColumn(), console=made, transient=True, disable=quiet or not made.is_terminal,
        )  # fmt: skip
        self._task: Any = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def stage(self, text: str, total: int = 0) -> None:
        """Begin a stage; without a total its bar only moves."""
        self._log.write("stage", stage=text)
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(one_line(text, 60), total=total or None)

    def advance(self, amount: int, path: str) -> None:
        """Count a finished file."""
        self._log.write("file", path=path, size=amount)
        if self._task is not None:
            self._bars.update(self._task, advance=amount)
