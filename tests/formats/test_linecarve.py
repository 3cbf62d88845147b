from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics.evidence.freespace import FreeSpace
from forensics.formats import FormatError
from forensics.formats.linecarve import Carved, carve
from tests.artifacts.file_inputs import TUNNEL_LOG

LINE = b"[2024-12-04 10:15:41] debug [rpc.0] Serving new connection\n"
MIB = 1024 * 1024


def found(data: bytes) -> list[Carved]:
    items = list(carve(io.BytesIO(data)))
    assert not any(isinstance(item, FormatError) for item in items)
    return [item for item in items if isinstance(item, Carved)]


def test_every_line_of_a_lost_log_with_its_place() -> None:
    log = TUNNEL_LOG.encode()
    items = found(b"\x7fnoise\x00" * 300 + log + b"\x00" * 500)
    assert len(items) == 19
    at = len(b"\x7fnoise\x00" * 300)
    assert [item.offset - at for item in items] == [log.index(line) for line in log.splitlines()]
    assert all(item.whole for item in items)


@pytest.mark.parametrize("shift", [*range(-70, 3, 7), -8 * 1024 - 5, -8 * 1024])
def test_a_line_across_blocks_is_found_once(shift: int) -> None:
    data = b"." * (MIB + shift) + LINE + b"." * MIB
    assert [(item.offset, item.whole) for item in found(data)] == [(MIB + shift, True)]


def test_what_is_no_known_line_is_none() -> None:
    other = [b"[2024-12-04 10:15:41] info another program\n", b"[2024-44-04 10:15:41] info Server started\n"]
    assert found(b"".join(other)) == []
    assert found(other[0] + LINE[:-20] + b"\x00") == []
    (cut,) = found(b"[2024-12-04 10:15:41] info Creating tunnel with the name: desk\x00\x01")
    assert (cut.whole, cut.line.meaning.values) == (False, {"tunnel_name": "desk"})


class _Bad(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        if self.tell() == MIB:
            raise OSError("bad sector")
        return super().read(size)


def test_a_block_that_cannot_be_read_costs_itself() -> None:
    items = list(carve(_Bad(LINE + b"." * (2 * MIB) + LINE)))
    assert [type(item).__name__ for item in items] == ["Carved", "FormatError", "Carved"]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 59))
def test_any_bytes(noise: bytes, cut: int) -> None:
    for item in found(noise + LINE[:cut] + noise):
        assert item.line.meaning.known


def test_free_clusters_keep_their_place_and_used_ones_are_zeros() -> None:
    size = 4096
    volume = b"".join(bytes([65 + number % 26]) * size for number in range(64))
    used = bytearray(b"\xff" * 8)
    used[2] &= ~(1 << 3)  # cluster 19
    used[7] &= ~(1 << 7)  # cluster 63, the last
    stream = FreeSpace(io.BytesIO(volume), bytes(used), size)
    data = stream.read()
    assert len(data) == len(volume)
    assert data[19 * size : 20 * size] == volume[19 * size : 20 * size]
    assert data[63 * size :] == volume[63 * size :]
    assert data.count(0) == 62 * size
    short = FreeSpace(io.BytesIO(volume[: 19 * size + 10]), bytes(used), size)
    assert short.read()[19 * size : 19 * size + 12] == b"T" * 10 + b"\0\0"


def test_a_line_ends_where_another_was_laid_over_it() -> None:
    first = b"[2024-12-05 01:00:00] info Downloading Visual Studio Code server -> C:\\" + b"x" * 1200
    second = b"[2024-12-05 01:00:01] info starting as new singleton\n"
    one, two = found(first + second)
    assert (one.whole, two.whole) == (False, True)
    assert one.line.message.endswith("xxx")
