from __future__ import annotations

import io
import random
import struct
import time

from forensics.artifacts.bits_queue import ARTIFACT
from forensics.formats import bitsqueue
from tests.artifacts.file_inputs import run

PATH = "C:/ProgramData/Microsoft/Network/Downloader/qmgr.db"
URL = "https://code.visualstudio.com/sha/download?build=stable&os=cli-win32-x64"
TARGET = "C:\\ProgramData\\Upd\\code.zip"
TEMPORARY = "C:\\ProgramData\\Upd\\BIT1A2B.tmp"


def counted(text: str) -> bytes:
    return struct.pack("<I", len(text) + 1) + text.encode("utf-16-le") + b"\x00\x00"


def queued(url: str = URL, target: str = TARGET, size: int = 9_000_000, done: int = 4096) -> bytes:
    return counted(target) + counted(url) + counted(TEMPORARY) + struct.pack("<QQ", size, done)


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def test_a_download_of_the_cli_in_the_midst_of_pages() -> None:
    data = (
        noise(5000) + queued() + noise(3001) + queued() + queued("http://dl.example/a.cab", "C:\\a.cab", 2**64 - 1, 0)
    )
    facts, problems = run(ARTIFACT, PATH, data)
    assert problems == []
    first, second = facts
    offset = 5000 + len(counted(TARGET)) + 4
    assert first.fields == {
        "url": URL,
        "target_path": TARGET,
        "temporary_path": TEMPORARY,
        "bytes_total": 9_000_000,
        "bytes_transferred": 4096,
        "reason": "carved: known by the form of its texts",
        "file_offset": offset,
    }
    assert first.source.locator == f"offset 0x{offset:x}"
    assert (first.context, second.context) == (False, True)
    assert (second.fields["target_path"], "bytes_total" in second.fields) == ("C:\\a.cab", False)
    assert first.no_times


def test_addresses_that_are_no_jobs() -> None:
    wide = URL.encode("utf-16-le")
    for data in (wide, b"\xff" * 4 + wide + b"\x00\x00", struct.pack("<I", 5) + wide, URL.encode(), b""):
        assert run(ARTIFACT, PATH, data) == ([], [])


def test_a_cut_queue_gives_what_is_whole() -> None:
    data = queued()
    whole = len(counted(TARGET)) + len(counted(URL))
    for length in range(len(data)):
        facts, problems = run(ARTIFACT, PATH, data[:length])
        assert problems == []
        assert len(facts) == (length >= whole), length
    (fact,), _ = run(ARTIFACT, PATH, data[4:])  # the count of the target is lost
    assert "target_path" not in fact.fields


def test_a_job_across_two_blocks() -> None:
    rooms = len(counted(TARGET)), len(counted(TARGET) + counted(URL)), len(queued()) - 8
    for room in rooms:  # cut before the address, before the temporary file, and within the sizes
        data = bytes(bitsqueue._BLOCK - room) + queued() + bytes(300)
        (found,) = bitsqueue.read(io.BytesIO(data))
        assert (found.target, found.temporary, found.transferred) == (TARGET, TEMPORARY, 4096)


def test_texts_without_a_count_before_them_are_passed_over_quickly() -> None:
    """Each took 4,096 tries backwards: a queue of some megabytes took the whole time that a file has."""
    address = struct.pack("<I", 8) + "http://\0".encode("utf-16-le") + b"a\0\0\0"
    begun = time.process_time()
    assert len(list(bitsqueue.read(io.BytesIO(address * 8_000)))) == 1
    assert time.process_time() - begun < 1
