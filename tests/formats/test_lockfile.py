from __future__ import annotations

import contextlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensics.formats import FormatError
from forensics.formats.lockfile import Lock, read

PIPE = "\\\\.\\pipe\\code-3b9d6f10-52c7-4e0a-9d11-0c6f7a1e2b34"
VECTOR = bytes.fromhex(
    "00 92 d9 32 5c 5c 2e 5c 70 69 70 65 5c 63 6f 64 65 2d 33 62 39 64 36 66 31 30 2d 35 32 63 37 2d 34 65 30 61 2d"
    "39 64 31 31 2d 30 63 36 66 37 61 31 65 32 62 33 34 cd 25 84"
)


def test_the_vector() -> None:
    assert read(VECTOR) == Lock(PIPE, 9604, 1, 0, carved=False)


def test_the_rest_of_a_longer_entry_is_told() -> None:
    assert read(VECTOR + b"34\xcd\x25\x84") == Lock(PIPE, 9604, 1, 5, carved=False)


def test_cut_at_every_byte() -> None:
    for length in range(len(VECTOR)):
        if length < 54:
            with pytest.raises(FormatError):
                read(VECTOR[:length])
        else:
            assert read(VECTOR[:length]) == Lock(PIPE, None, 4, length - 54, carved=True)


@pytest.mark.parametrize(
    "value", [[PIPE], [9604, PIPE], [PIPE, True], [PIPE, -1], [PIPE, 1 << 40], {"p": 1}, 7, [PIPE, "9604"]]
)
def test_other_shapes_are_carved_or_refused(value: object) -> None:
    data = b"\x00" + msgpack.packb(value)
    if PIPE.encode() in data:
        assert read(data).carved
    else:
        with pytest.raises(FormatError):
            read(data)


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 90_000, b"\xc1", b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\x91" * 5000]
)
def test_lying_lengths(data: bytes) -> None:
    with pytest.raises(FormatError):
        read(data)


@given(st.text(max_size=80), st.integers(1, (1 << 32) - 1), st.integers(0, 5), st.binary(max_size=20))
def test_what_is_written_is_read(pipe: str, pid: int, zeros: int, rest: bytes) -> None:
    lock = read(b"\x00" * zeros + msgpack.packb([pipe, pid]) + rest)
    assert (lock.pipe_name, lock.pid, lock.offset, lock.leftover) == (pipe, pid, zeros, len(rest))


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    with contextlib.suppress(FormatError):
        assert isinstance(read(data), Lock)
