"""A prefetch file of version 26 (uncompressed), built from its parts."""

from __future__ import annotations

import struct
from collections.abc import Sequence

TICKS = 133_777_404_610_000_000  # 2024-12-03T23:01:01Z
DEVICE = "\\DEVICE\\HARDDISKVOLUME2"
_INFORMATION, _VOLUME = 224, 104


def prefetch(
    executable: str,
    files: Sequence[str],
    runs: Sequence[int] = (TICKS,),
    *,
    count: int = 1,
    path_hash: int = 0x12345678,
    device: str = DEVICE,
) -> bytes:
    """The bytes of a sound file; `runs` are FILETIMEs, newest first."""
    metrics = 84 + _INFORMATION
    strings = "".join(name + "\0" for name in files).encode("utf-16-le")
    traces = metrics + 32 * len(files)
    names = traces + 12
    volumes = (names + len(strings) + 7) & ~7
    device_text = (device + "\0").encode("utf-16-le")
    volume = struct.pack("<IIQIIIII", _VOLUME, len(device), TICKS, 0xB8BE0C0F, 0, 0, 0, 0).ljust(_VOLUME, b"\0")
    volume += device_text
    body = bytearray(volumes + len(volume))
    struct.pack_into("<I4sII", body, 0, 26, b"SCCA", 0x11, len(body))
    title = executable.encode("utf-16-le")[:58]
    body[16 : 16 + len(title)] = title
    struct.pack_into("<I", body, 76, path_hash)
    sections = (metrics, len(files), traces, 1, names, len(strings), volumes, 1, len(volume))
    struct.pack_into("<9I", body, 84, *sections)
    struct.pack_into(f"<{len(runs)}Q", body, 128, *runs)
    struct.pack_into("<I", body, 208, count)
    place = 0
    for number, name in enumerate(files):
        struct.pack_into("<IIIIII", body, metrics + 32 * number, 0, 1, 1, place, len(name), 1)
        place += 2 * len(name) + 2
    struct.pack_into("<I", body, traces, 0xFFFFFFFF)
    body[names : names + len(strings)] = strings
    body[volumes:] = volume
    return bytes(body)
