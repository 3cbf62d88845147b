r"""The singleton lock of the VS Code CLI (`tunnel-stable.lock`): who hosted last, and under which pipe.

Source of the format: `cli/src/singleton.rs` of microsoft/vscode. A few zero bytes that are locked while the process
lives (1 on Windows, from memory: any number is skipped), then a MessagePack array `[pipe name, pid]`. The file is not
truncated before it is written, so the rest of an older, longer entry may follow; it is reported, not an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgpack

from forensics.formats import FormatError

SIZE_LIMIT = 64 * 1024
_PIPE = re.compile(rb"\\\\\.\\pipe\\[\w-]{1,64}?-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PID_LIMIT = 1 << 32


@dataclass(frozen=True, slots=True)
class Lock:
    """The last hosting process. `pid` is None when only the pipe name could be carved (`carved`).

    `offset` is where the entry begins, `leftover` how many bytes follow it.
    """

    pipe_name: str
    pid: int | None
    offset: int
    leftover: int
    carved: bool


def _carve(data: bytes, why: str) -> Lock:
    found = _PIPE.search(data)
    if not found:
        raise FormatError(why, 0)
    return Lock(found.group().decode("ascii", "replace"), None, found.start(), len(data) - found.end(), carved=True)


def read(data: bytes) -> Lock:
    """Read a lock file's bytes (at most 64 KiB are looked at).

    When the array cannot be decoded the pipe name is carved; FormatError when there is none either.
    """
    data = data[:SIZE_LIMIT]
    body = data.lstrip(b"\x00")
    start = len(data) - len(body)
    if not body:
        raise FormatError("empty" if not data else "nothing but zeros: released, or never written")
    unpacker = msgpack.Unpacker(
        max_buffer_size=SIZE_LIMIT,
        max_str_len=4096,
        max_bin_len=0,
        max_array_len=16,
        max_map_len=0,
        max_ext_len=0,
    )
    try:
        unpacker.feed(body)
        value = unpacker.unpack()
    except (msgpack.exceptions.UnpackException, ValueError) as error:
        return _carve(data, f"not a MessagePack array ({type(error).__name__})")
    if not isinstance(value, list) or len(value) < 2:
        return _carve(data, "not an array of pipe name and pid")
    pipe, pid = value[0], value[1]
    if not isinstance(pipe, str) or not isinstance(pid, int) or isinstance(pid, bool) or not 0 < pid < _PID_LIMIT:
        return _carve(data, "not an array of pipe name and pid")
    return Lock(pipe, pid, start, len(body) - unpacker.tell(), carved=False)
