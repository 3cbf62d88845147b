"""A differencing VHDX through its parents, all of them inside the evidence: what is read is what the disk had."""

from __future__ import annotations

import io
import random
import shutil
import struct
import subprocess
import tracemalloc
from array import array
from functools import cache
from pathlib import Path
from uuid import UUID

import pytest
from dissect.hypervisor.disk.vhdx import VHDX
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics.evidence.vhdx_chain import ChainError, MissingParentError, Opener, candidates, open_chain
from testdata.writers import vhdx
from testdata.writers.vhdx import BLOCK
from testdata.writers.vhdx_head import sealed

CHILD, PARENT, TOP = "C:/c/sandbox.vhdx", "C:/base/Parent.vhdx", "C:/c/top.vhdx"
LOCATOR = {"absolute_win32_path": "c:\\base\\Parent.vhdx"}
WRITE = UUID(int=77)
RANDOM = random.Random(4)
BASE = RANDOM.randbytes(3 * BLOCK + 1024)


def _changed(data: bytes, *sectors: int) -> bytes:
    out = bytearray(data)
    for sector in sectors:
        out[sector * 512 : sector * 512 + 512] = RANDOM.randbytes(512)
    return bytes(out)


MINE = _changed(BASE, 0, 1, 2047, 2048, 2052, 4095, 6145)


@cache
def _held() -> dict[str, bytes]:
    held = {PARENT: vhdx.build(BASE, data_write=WRITE), CHILD: vhdx.build(MINE, LOCATOR, BASE)}
    return {path.casefold(): data for path, data in held.items()}


def _files() -> tuple[dict[str, bytes], Opener]:
    """The files of an evidence, by their folded path, and what opens them."""
    folded = dict(_held())

    def open_file(path: str) -> io.BytesIO:
        if path.casefold() not in folded:
            raise FileNotFoundError(path)
        return io.BytesIO(folded[path.casefold()])

    return folded, open_file


def test_the_disk_reads_as_it_was() -> None:
    _, open_file = _files()
    chain = open_chain(CHILD, open_file)
    assert (chain.paths, chain.faults, chain.stream.size) == ([CHILD, "C:/base/Parent.vhdx"], [], len(MINE))
    assert chain.stream.read() == MINE
    assert chain.stream.own == (3, 4)
    for _ in range(200):
        at, length = RANDOM.randrange(len(MINE)), RANDOM.choice([1, 300, 512, 5000, BLOCK + 7])
        chain.stream.seek(at)
        assert chain.stream.read(length) == MINE[at : at + length]


def test_three_disks_on_each_other() -> None:
    third = _changed(MINE, 5, 2047, 6144)
    locator = {"relative_path": ".\\sandbox.vhdx"}
    folded, open_file = _files()
    folded[TOP.casefold()] = vhdx.build(third, locator, MINE)
    chain = open_chain(TOP, open_file)
    assert chain.stream.read() == third
    assert chain.paths == [TOP, CHILD, PARENT]


def test_the_parent_is_what_other_readers_take_it_for(tmp_path: Path) -> None:
    whole = vhdx.build(BASE)
    assert (
        VHDX(io.BytesIO(whole)).read(len(BASE)) == BASE == open_chain("C:/x", lambda _: io.BytesIO(whole)).stream.read()
    )
    if shutil.which("qemu-img") is None:
        pytest.skip("needs qemu-img")
    raw, made = tmp_path / "made.raw", tmp_path / "made.vhdx"
    raw.write_bytes(MINE)
    command = ["qemu-img", "convert", "-f", "raw", "-O", "vhdx", "-o", "subformat=dynamic,block_size=1M"]
    subprocess.run([*command, raw, made], check=True)
    chain = open_chain("C:/x", lambda _: io.BytesIO(made.read_bytes()))
    assert chain.stream.read(len(MINE)) == MINE


def test_a_missing_parent_is_named_and_nothing_is_read() -> None:
    folded, open_file = _files()
    del folded[PARENT.casefold()]
    with pytest.raises(MissingParentError, match=r"c:\\base\\Parent\.vhdx.*3 of its 4 blocks are its own"):
        open_chain(CHILD, open_file)


def test_a_loop_and_too_many_disks_end() -> None:
    folded, open_file = _files()
    folded[PARENT.casefold()] = vhdx.build(MINE, {"absolute_win32_path": "C:\\c\\SANDBOX.vhdx"}, BASE)
    with pytest.raises(ChainError, match="its own parent"):
        open_chain(CHILD, open_file)
    for number in range(12):
        folded[f"c:/{number}.vhdx"] = vhdx.build(MINE, {"absolute_win32_path": f"C:\\{number + 1}.vhdx"}, BASE)
    with pytest.raises(ChainError, match="more than 8 disks"):
        open_chain("C:/0.vhdx", open_file)


def test_a_log_and_a_changed_parent_are_said() -> None:
    folded, open_file = _files()
    locator = {**LOCATOR, "parent_linkage": f"{{{UUID(int=5)}}}"}
    folded[CHILD.casefold()] = vhdx.build(MINE, locator, BASE, log=UUID(int=9))
    chain = open_chain(CHILD, open_file)
    log, parent = chain.faults
    assert "log was not replayed" in log
    assert "was written to since" in parent
    folded[CHILD.casefold()] = vhdx.build(MINE, {**LOCATOR, "parent_linkage": f"{{{WRITE}}}"}, BASE)
    assert open_chain(CHILD, open_file).faults == []


@pytest.mark.parametrize(
    ("locator", "places"),
    [
        ({"absolute_win32_path": "\\\\?\\d:\\a\\b.vhdx"}, ["D:/a/b.vhdx"]),
        ({"volume_path": "\\\\?\\Volume{7a1f6f80-0000-4000-8000-000000000001}\\a.vhdx"}, ["C:/a.vhdx"]),
        ({"relative_path": "..\\base\\x.vhdx", "absolute_win32_path": "C:\\y.vhdx"}, ["C:/y.vhdx", "C:/base/x.vhdx"]),
        ({"relative_path": "..\\..\\..\\x.vhdx"}, []),
        ({"absolute_win32_path": "\\\\server\\share\\x.vhdx"}, []),
        ({"absolute_win32_path": "/etc/passwd", "relative_path": "\\\\server\\x"}, []),
    ],
)  # fmt: skip
def test_where_a_parent_is_looked_for(locator: dict[str, str], places: list[str]) -> None:
    assert candidates(CHILD, locator) == places


def test_cut_anywhere_it_ends_in_words() -> None:
    folded, open_file = _files()
    whole = folded[CHILD.casefold()]
    for length in (0, 8, 600, 0x10000, 0x30010, BLOCK, BLOCK + 65600, 2 * BLOCK, 2 * BLOCK + 100):
        folded[CHILD.casefold()] = whole[:length]
        with pytest.raises(ChainError):
            open_chain(CHILD, open_file)
    folded[CHILD.casefold()] = whole[: 5 * BLOCK]
    with pytest.raises(EOFError, match="cut"):
        open_chain(CHILD, open_file).stream.read()


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([0x30000, BLOCK, BLOCK + 65536, 2 * BLOCK]),
    st.integers(0, 0x140),
    st.binary(min_size=1, max_size=16),
)
def test_hostile_heads_and_tables_end_in_words(start: int, place: int, data: bytes) -> None:
    folded, open_file = _files()
    broken = bytearray(folded[CHILD.casefold()])
    broken[0x40000:0x50000] = bytes(0x10000)
    broken[start + place : start + place + len(data)] = data
    folded[CHILD.casefold()] = bytes(broken)
    try:
        chain = open_chain(CHILD, open_file)
        chain.stream.seek(0)
        assert len(chain.stream.read(4 * BLOCK)) == min(chain.stream.size, 4 * BLOCK)
    except (ChainError, EOFError):
        pass


def _vast(parent: str, blocks: int) -> bytes:
    """A differencing disk of so many blocks, none of which is the same, with a table that has a place for each."""
    table = -(-blocks // 4096) * 4097
    out = bytearray(vhdx.build(bytes(BLOCK), {"absolute_win32_path": parent}, b"\x01" * BLOCK))
    size = out.find(UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8").bytes_le)
    item = out.rfind(b"metadata", 0, size) + int.from_bytes(out[size + 16 : size + 20], "little")
    struct.pack_into("<Q", out, item, blocks * BLOCK)
    for region in (0x30000, 0x40000):
        place = out.find(UUID("2dc27766-f623-4200-9d64-115e9bfd4a08").bytes_le, region, region + 0x10000)
        if place > 0:
            struct.pack_into("<QI", out, place + 16, len(out), table * 8)
            out[region : region + 0x10000] = sealed(bytes(out[region : region + 0x10000]))
    return bytes(out) + array("Q", range(1 << 50, (1 << 50) + 8 * table, 8)).tobytes()


def test_vast_tables_are_held_cheaply_or_refused() -> None:
    """Every process of a run holds those of all guests: as many numbers of Python they left none of its memory."""
    fits, whole = _vast("C:\\base.vhdx", 60_000), vhdx.build(bytes(BLOCK))
    tracemalloc.start()
    chain = open_chain("C:/x.vhdx", lambda path: io.BytesIO(fits if path == "C:/x.vhdx" else whole))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert chain.stream.own == (0, 60_000)
    assert kept - len(fits) < 1024 * 1024
    broad = _vast("C:\\base.vhdx", 1_000_000)[: 4 * BLOCK]
    with pytest.raises(ChainError, match="no room for 100"):
        open_chain("C:/x.vhdx", lambda _: io.BytesIO(broad))
