"""A described host as a disk image: NTFS volume in an MBR-partitioned disk, written as split E01."""

from __future__ import annotations

import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from dissect.ntfs import NTFS

from testdata.host import Host
from testdata.journal import journal
from testdata.render import (
    Files,
    Rendered,
    after_wiping,
    folders,
    marks,
    overwritten,
    removed,
    removed_folders,
    stamped,
    whole,
)
from testdata.writers import ewf, ntfs, vss

SECTOR = 512
VOLUME_START = 1 << 20
DISK_SIGNATURE = 0x5F3A9C21
SEGMENT = 256 * 1024


@contextmanager
def volume(host: Host, files: Files, place: Path) -> Iterator[Path]:
    """The host's Windows volume, as a file that is gone afterwards; `place` is a folder with room for it."""
    described, size = describe(host, files)
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        path = Path(scratch) / "volume.raw"
        ntfs.build(path, size, described)
        yield path


@contextmanager
def wiped(host: Host, files: Files, place: Path, made: datetime) -> Iterator[Path]:
    """The volume after the intruder wiped, with a shadow copy of what was before."""
    described, size = describe(host, files)
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        then, live = Path(scratch) / "then.raw", Path(scratch) / "live.raw"
        known = ntfs.build(then, size, described)
        shutil.copyfile(then, live)
        ntfs.change(live, described, known, after_wiping(host))
        vss.add_snapshot(live, then, made)
        yield live


def describe(host: Host, files: Files) -> tuple[ntfs.Description, int]:
    """What is on the host's volume, and how large it must be."""
    times, gone, stamps = whole(host), removed(host), stamped(host)
    every = {**files, **gone}
    dirs = folders(every, times)
    described = ntfs.Description(
        {path: (file.data, stamps.get(path, file.times)) for path, file in files.items()}, dirs, times,
        host.volume_serial << 32 | 0x1C9A_77E0, {path: (file.data, file.times) for path, file in gone.items()},
        (lambda references: journal(host, every, dirs, references)) if host.journal_start else None,
        frozenset(removed_folders(host)), overwritten(host), marks(host),
    )  # fmt: skip
    return described, volume_size(every)


def volume_size(files: Files) -> int:
    """Room for all files, a master file table and NTFS's own files, in whole MiB."""
    stored = sum(len(file.data) + 8192 for file in files.values())
    return max(48 << 20, (stored * 5 // 4 >> 20) + 24 << 20)


def witnesses(host: Host, made: Path) -> Files:
    """What a collector takes of the file system itself: the master file table and the change journal."""
    times = whole(host)
    found = {"$MFT": Rendered(ntfs.table_of(made), times)}
    if host.journal_start:
        with made.open("rb") as handle:
            data = NTFS(handle).mft.get(ntfs.JOURNAL).open("$J").read()
        found["$Extend/$J"] = Rendered(data, times)
    return found


def raw_disk(made: Path, target: Path) -> Path:
    """Write the whole disk to `target`: partition table, and the Windows volume at 1 MiB."""
    size = made.stat().st_size
    with target.open("wb") as disk, made.open("rb") as source:
        disk.write(partition_table(size))
        disk.seek(VOLUME_START)
        while block := source.read(1 << 20):
            if block.count(0) == len(block):
                disk.seek(len(block), 1)  # stays a hole
            else:
                disk.write(block)
        disk.truncate(VOLUME_START + size)
    return target


def partition_table(volume_bytes: int) -> bytes:
    """A master boot record with one active NTFS partition, as Windows Setup aligns it."""
    entry = struct.pack("<B3sB3sII", 0x80, b"\x20\x21\x00", 7, b"\xfe\xff\xff", VOLUME_START // SECTOR,
                        volume_bytes // SECTOR)  # fmt: skip
    head = bytes(440) + struct.pack("<I2x", DISK_SIGNATURE)
    return head + entry + bytes(48) + b"\x55\xaa"


def e01(host: Host, made: Path, target: Path, segment_size: int = SEGMENT) -> list[Path]:
    """Write the disk with the volume `made` as `target` (`x.E01`) and its further segments."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        raw = raw_disk(made, Path(scratch) / "disk.raw")
        labels = ewf.Labels(
            case="mirrortrace test data", evidence=host.name, description=f"{host.name}, built from a scenario",
            examiner="testdata.build", notes="made, not acquired", acquired=int(host.collected.timestamp()),
        )  # fmt: skip
        with raw.open("rb") as source:
            return ewf.write(source, target, labels, segment_size)
