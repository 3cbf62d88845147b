"""Measure the tool beside its peers: `python -m tests.bench [--big] [--work DIR]`.

Every figure is taken of whole processes, each several times, tool and peer in turn in the same run, so that a slow
machine slows both. Nothing here is part of the normal test run. Peers that are not installed are named and left out:
dissect's own `target-query` comes with the dependencies, plaso's `log2timeline` must be on the PATH.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "testdata/evidence/ws-tanaka/e01/ws-tanaka.E01"
BIN = Path(sys.executable).parent
TOOL = [str(BIN / "mirrortrace")]
MIB = 1024 * 1024


@dataclass
class Figures:
    """The measured runs of one command."""

    seconds: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    code: int | None = None

    def __str__(self) -> str:
        return (
            f"{statistics.median(self.seconds):8.2f} s  ({min(self.seconds):.2f} to {max(self.seconds):.2f}, "
            f"{len(self.seconds)} runs)  largest process {max(self.peak):6.0f} MiB  exit {self.code}"
        )


class _Peak:
    """The resident memory of the largest single process of a tree, sampled."""

    def __init__(self, pid: int) -> None:
        self.largest = 0.0
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            try:
                top = psutil.Process(self._pid)
                tree = [top, *top.children(recursive=True)]
            except psutil.Error:
                return
            for process in tree:
                try:
                    self.largest = max(self.largest, process.memory_info().rss / MIB)
                except psutil.Error:
                    continue

    def end(self) -> float:
        self._stop.set()
        self._thread.join()
        return self.largest


def once(command: list[str], figures: Figures) -> None:
    """Run a command to its end and add its figures."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = _Peak(process.pid)
    figures.code = process.wait()
    figures.seconds.append(time.perf_counter() - began)
    figures.peak.append(peak.end())


def measure(commands: dict[str, list[str]], runs: int) -> dict[str, Figures]:
    """Run the commands in turn, `runs` times each."""
    figures = {name: Figures() for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            once(command, figures[name])
    for name, found in figures.items():
        print(f"  {name:34} {found}", flush=True)
    return figures


def timeline(evidence: Path, work: Path) -> list[str]:
    """The main job over `evidence`."""
    return [*TOOL, "timeline", str(evidence), "-o", str(work / "case"), "--force", "-q"]


def shipped(work: Path) -> None:
    """Start-up, and the whole run over the shipped image (target: 0.4 s; 6 s and 500 MB on two cores)."""
    print("start and the shipped image")
    measure({"mirrortrace --help": [*TOOL, "--help"], "python -c pass": [sys.executable, "-c", "pass"]}, 5)
    peer = [str(BIN / "target-query"), "-q", "-f", "evtx", str(SHIPPED), "-j"]
    measure({"mirrortrace timeline": timeline(SHIPPED, work), "target-query evtx alone": peer}, 3)


def opening(work: Path) -> None:
    """What stands before the first parsed byte of the shipped image (target: under 3 s)."""
    print("opening the shipped image")
    measure({"mirrortrace inspect": [*TOOL, "inspect", str(SHIPPED), "--json"]}, 5)
    seconds = [first_job(work) for _ in range(5)]
    low, high = min(seconds), max(seconds)
    print(
        f"  {'timeline until the first job':34} {statistics.median(seconds):8.2f} s  ({low:.2f} to {high:.2f}, 5 runs)"
    )


def first_job(work: Path) -> float:
    """Seconds from the start of the process until a worker begins to parse: until its first spool file is there."""
    began = time.perf_counter()
    spools = work / "spools"
    spools.mkdir(exist_ok=True)
    process = subprocess.Popen(
        timeline(SHIPPED, work), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(spools), "TEMP": str(spools)},
    )  # fmt: skip
    while process.poll() is None and not any(spools.rglob("0*.kept")) and not any(spools.rglob("0*.context")):
        time.sleep(0.005)
    taken = time.perf_counter() - began
    process.wait()
    return taken


def many_events(work: Path) -> None:
    """An image with 150,000 events, beside plaso and dissect (target: a tenth of plaso's time)."""
    from testdata.bench import bench

    image = next(iter(sorted((work / "many").glob("*.E01"))), None) or bench(work / "many")
    print(f"150,000 events, {sum(part.stat().st_size for part in image.parent.glob('*.E*')) / MIB:.0f} MiB of E01")
    commands = {"mirrortrace timeline": timeline(image, work),
                "mirrortrace --all-events": [*timeline(image, work), "--all-events"]}  # fmt: skip
    measure(commands, 3)
    peers = {"target-query evtx alone": [str(BIN / "target-query"), "-q", "-f", "evtx", str(image), "-j"]}
    plaso = shutil.which("log2timeline") or shutil.which("log2timeline.py") or os.environ.get("PLASO")
    if plaso:
        store = work / "many.plaso"
        peers["plaso log2timeline"] = [plaso, "-q", "--unattended", "--status_view", "none", "--partitions", "all",
                                       "--volumes", "none", "--vss_stores", "none", "--logfile", str(work / "p.log.gz"),
                                       "--storage_file", str(store), str(image)]  # fmt: skip
    else:
        print("  plaso is not on the PATH: left out")
    measure(peers, 1)


def big_log(work: Path) -> None:
    """Peak memory over a 500 MB Security.evtx against a 50 MB one (target: within 15 %)."""
    from testdata.bench import big_security

    commands = {}
    for size in (50, 500):
        folder = work / f"big{size}"
        log = folder / "C/Windows/System32/winevt/Logs/Security.evtx"
        log.parent.mkdir(parents=True, exist_ok=True)
        big_security(log, size)
        commands[f"Security.evtx of {size} MB"] = timeline(folder, work)
    print("memory against the size of a log")
    figures = measure(commands, 2)
    small, large = (max(found.peak) for found in figures.values())
    print(f"  ratio of peak memory {large / small:.2f}")


def main() -> None:
    """Run the benchmarks that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="where to build the large evidence (kept); default: a scratch folder")
    parser.add_argument("what", nargs="*", default=["shipped"], choices=["shipped", "opening", "many", "big"])
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = chosen.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        for name in chosen.what:
            {"shipped": shipped, "opening": opening, "many": many_events, "big": big_log}[name](work)


if __name__ == "__main__":
    main()
