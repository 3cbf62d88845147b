r"""Memory of sandbox guests that stayed on the host: crash dumps and saved states below `Containers\Dumps`.

HCS is told to write a dump there when a guest crashes, up to several GB, outside the session's folder: it is still
there when disk and state are long deleted, and what ran in the sandbox is in it. The name is a GUID; that it is the
session's own is inferred. A dump's header has the guest's clock at the crash and how long it had run, so also when the
guest booted; that the dumps have this header (`PAGEDU64`, as Windows' own) is inferred, others are told without it.

Only the head is read and the file is not hashed. Paths: a public dump of the sandbox's HCS settings and a listing of
the folder; header: `_DUMP_HEADER64` of Windows' debugging headers, as public readers of crash dumps have it.
"""

from __future__ import annotations

import struct
from datetime import datetime, timedelta

from forensics.artifacts._containers import CONTAINERS, about
from forensics.artifacts._tunnel import times
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.model import Problem, Value, make_fact
from forensics.times import from_filetime, iso

_NAME = "sandbox_dumps"
_KERNEL, _MINI = b"PAGEDU64", b"MDMP"
_HEADER, _CODE, _TYPE, _CLOCK, _UPTIME = 0x1038, 0x38, 0xF98, 0xFA8, 0x1030
_TICKS = 10_000_000
_MOST_UPTIME = 10 * 365 * 86_400
_NO_HASH = "not hashed: only its head was read"


def parse(given: FileInput) -> Output:
    """A row for the file, one for the guest's crash where the header tells of it."""
    data = given.read(_HEADER)
    known = data[:8] == _KERNEL or data[:4] == _MINI
    fields = about(given) | {"dump_format": _format(data), "reason": _NO_HASH}
    if given.path.casefold().endswith(".dmp") and not known:
        detail = f"no crash dump: it begins with {data[:8].hex() or 'nothing'}"
        yield Problem("bad_record", _NAME, given.source("offset 0x0"), detail)
    yield make_fact("sandbox.memory_survived", given.source(), times(given), fields)
    if data[:8] != _KERNEL:
        return
    if len(data) < _HEADER:
        yield Problem("truncated", _NAME, given.source(), f"the dump is cut in its header, after {len(data)} bytes")
        return
    yield from _crash(given, data, about(given))


def _format(data: bytes) -> str | None:
    if data[:8] == _KERNEL:
        return f"Windows crash dump, 64 bits, type {int.from_bytes(data[_TYPE : _TYPE + 4], 'little')}"
    if data[:4] == _MINI:
        return "user-mode minidump"
    return f"begins with {data[:8].hex()}" if data else None


def _crash(given: FileInput, data: bytes, fields: dict[str, Value | None]) -> Output:
    """When the guest crashed by its own clock, and since when it ran."""
    (code,) = struct.unpack_from("<I", data, _CODE)
    clock, ran = (struct.unpack_from("<Q", data, place)[0] for place in (_CLOCK, _UPTIME))
    moment, seconds = from_filetime(clock), ran // _TICKS
    plausible = 0 < seconds < _MOST_UPTIME
    booted = moment - timedelta(microseconds=ran // 10) if isinstance(moment, datetime) and plausible else None
    fields |= {
        "bugcheck_code": f"0x{code:08X}",
        "uptime_seconds": seconds if plausible else None,
        "guest_booted": iso(booted) if booted else None,
    }
    source = given.source(f"offset 0x{_CLOCK:x}")
    yield make_fact("sandbox.guest_crashed", source, {"Event Time": moment}, fields)


_SHARED: dict[str, type[str] | type[int]] = {
    "file_path": str, "file_name": str, "file_size": int, "container_id": str, "container_folder": str,
}  # fmt: skip

ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(f"{CONTAINERS}/Dumps/*.dmp", f"{CONTAINERS}/Dumps/*.vmrs"),
    parse=parse,
    emits={
        "sandbox.memory_survived": Kind(
            "Memory of a sandbox guest survived: {file_path}, {file_size} bytes[, {dump_format}]",
            {**_SHARED, "dump_format": str, "reason": str},
        ),
        "sandbox.guest_crashed": Kind(
            "By the dump {file_name} the guest crashed, by its own clock[ ({bugcheck_code})]"
            "[, after {uptime_seconds} s][, booted {guest_booted}]",
            {**_SHARED, "bugcheck_code": str, "uptime_seconds": int, "guest_booted": str},
        ),
    },
    head_only=True,
)
