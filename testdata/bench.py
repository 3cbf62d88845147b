"""Large evidence for measurements, never committed: the ws-tanaka host among 150,000 events, and big Security logs.

`python -m testdata.bench FOLDER [--layout e01|raw|folder] [--events 150000]`
`python -m testdata.bench FOLDER --security MEGABYTES`
"""

from __future__ import annotations

import argparse
import heapq
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path

from testdata import collections, image
from testdata.happenings import all_events
from testdata.host import EventRecord, Host, Noise, scenario
from testdata.noise import noise_events
from testdata.render import Files, Rendered, log_path, render
from testdata.render_logs import spec
from testdata.writers.evtx import CHUNK_SIZE, LogWriter
from testdata.writers.ntfs import Times, missing_tools

LAYOUTS = ("e01", "raw", "folder")
EVENTS = 150_000
_SEGMENT = 8 << 20
# One lot of each sort of happening writes about this many records.
_LOT = {"programs": 8, "background": 14, "service_logons": 9, "service_states": 7, "tasks": 3}


def slices(host: Host, lots: int) -> Iterator[Noise]:
    """The scenario's stretches of ordinary activity, cut into `lots` slices of equal weight, in order of time."""
    share = -(-lots // len(host.noise))
    for stretch in host.noise:
        length = (stretch.end - stretch.start) / share
        for number in range(share):
            start = stretch.start + number * length
            end = start + length - timedelta(microseconds=1)
            yield replace(stretch, seed=stretch.seed * 100_000 + number, start=start, end=end, counts=_LOT)


def many_events(host: Host, total: int) -> Iterator[EventRecord]:
    """`total` records (at least the scenario's own) in order of time, without holding more than a slice of them."""
    told = all_events(replace(host, noise=()))
    wanted = max(total - len(told), 0)
    lots = _lots(host, wanted)
    quiet = (record for noise in slices(host, lots) for record in _ordered(host, noise))
    return heapq.merge(told, islice(quiet, wanted), key=lambda item: item.time)


def _ordered(host: Host, noise: Noise) -> list[EventRecord]:
    """The records of one slice by time; those behind its end are left out, or the log would run backwards."""
    made = [record for record in noise_events(host, noise) if record.time <= noise.end]
    return sorted(made, key=lambda item: item.time)


def _lots(host: Host, wanted: int) -> int:
    """How many slices give `wanted` records: shorter slices give fewer, as ends behind a slice are not written."""
    lots = max(wanted // sum(_LOT.values()), 1)
    for _ in range(3):
        tried = list(islice(slices(host, lots), 0, None, max(lots // 100, 1)))
        each = sum(len(_ordered(host, noise)) for noise in tried) / len(tried)
        lots = int(wanted / each * 1.03) + len(host.noise)
    return lots


def bench_files(host: Host, total: int) -> Files:
    """All files of the host, its logs holding `total` records together."""
    files = dict(render(replace(host, noise=())))
    with tempfile.TemporaryDirectory() as scratch:
        for channel, path in _write_logs(host, many_events(host, total), Path(scratch)).items():
            times = files[log_path(channel)].times if log_path(channel) in files else _default(host)
            files[log_path(channel)] = Rendered(path.read_bytes(), times)
    return dict(sorted(files.items()))


def _default(host: Host) -> Times:
    return Times(host.installed, host.collected, host.collected, host.collected)


def _write_logs(host: Host, events: Iterator[EventRecord], folder: Path) -> dict[str, Path]:
    writers: dict[str, LogWriter] = {}
    paths: dict[str, Path] = {}
    with ExitStack() as stack:
        for record in events:
            channel = record.channel
            if channel not in writers:
                paths[channel] = folder / f"{len(paths)}.evtx"
                first = host.first_record.get(channel, 1)
                writers[channel] = stack.enter_context(LogWriter(paths[channel], channel, first_record=first))
            writers[channel].write(spec(host, record))
    return paths


def bench(target: Path, total: int = EVENTS, layout: str = "e01") -> Path:
    """Write the large host below `target` in one layout and give the path to open."""
    host = scenario("ws-tanaka")
    files = bench_files(host, total)
    target.mkdir(parents=True, exist_ok=True)
    if layout == "folder":
        return collections.kape(host, files, target)
    with image.volume(host, files, target) as made:
        if layout == "raw":
            return image.raw_disk(made, target / "bench.raw")
        return image.e01(host, made, target / "bench.E01", _SEGMENT)[0]


def big_security(path: Path, megabytes: int) -> int:
    """Write a Security log of at least `megabytes` MiB, the scenario's own records first; gives the record count."""
    host = scenario("ws-tanaka")
    wanted, count = megabytes << 20, 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w+b") as handle, LogWriter(handle, "Security", first_record=1) as writer:
        for record in _security_for_ever(host):
            if handle.tell() + CHUNK_SIZE >= wanted:
                return count
            writer.write(spec(host, record))
            count += 1
    return count


def _security_for_ever(host: Host) -> Iterator[EventRecord]:
    yield from (record for record in all_events(replace(host, noise=())) if record.channel == "Security")
    stretch, number = host.noise[-1], 0
    while True:
        begin = host.collected + number * timedelta(minutes=2)
        noise = replace(stretch, seed=number, start=begin, end=begin + timedelta(minutes=2), counts=_LOT)
        yield from (record for record in _ordered(host, noise) if record.channel == "Security")
        number += 1


def main(arguments: list[str] | None = None) -> int:
    """Build what was asked for; 1 when this machine cannot."""
    parser = argparse.ArgumentParser(prog="python -m testdata.bench", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layout", choices=LAYOUTS, default="e01")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--security", type=int, metavar="MEGABYTES", help="only a Security log of this size")
    options = parser.parse_args(arguments)
    if options.security:
        path = options.folder / f"Security-{options.security}MB.evtx"
        print(path, big_security(path, options.security), "records")
        return 0
    if options.layout != "folder" and (missing := missing_tools()):
        print(f"cannot build an image without {', '.join(missing)} (apt install ntfs-3g)", file=sys.stderr)
        return 1
    print(bench(options.folder, options.events, options.layout))
    return 0


if __name__ == "__main__":
    sys.exit(main())
