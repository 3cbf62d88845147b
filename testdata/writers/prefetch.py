"""Writes prefetch files of Windows 10 and 11 (SCCA 30 in both variants, SCCA 31, in a `MAM` envelope).

The layout follows "Windows Prefetch File (PF) format" (libscca documentation); what it leaves open was read off real
files: every file has its run of trace chain entries (the metrics entry names first index and count), volumes are named
`\\VOLUME{<creation time>-<serial>}`, and the file information of the newer variant points to the executable's device
path behind the file names. That path is also what the hash in the file name is taken over.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from forensics.times import to_filetime
from testdata.writers.lzxpress import compress

_INFO_AT = 84
_NAME_CHARACTERS = 29
_BLOCKS_PER_FILE = 4
_METRICS_ENTRY, _TRACE_ENTRY, _VOLUME_ENTRY = 32, 8, 96
_METRICS_AT = {1: 0x130, 2: 0x128}  # by variant: the newer one is 8 bytes shorter


@dataclass(frozen=True)
class Volume:
    """The volume that the traced files are on."""

    created: datetime = datetime(2023, 5, 9, 2, 14, 7, tzinfo=UTC)
    serial: int = 0x5CB0A3E1

    @property
    def device_path(self) -> str:
        """The name that current Windows versions give it in prefetch files."""
        return f"\\VOLUME{{{to_filetime(self.created):016x}-{self.serial:08x}}}"


def path_hash(device_path: str, arguments: str = "") -> int:
    """The hash of Windows Vista and later over the upper-case device path, byte by byte of its UTF-16 form.

    Confirmed on real Windows 10 and 11 files. Hosting processes (svchost, rundll32, dllhost, ...) mix something of
    their command line in; how exactly is not known here, so `arguments` is only appended: it gives such a program
    several files, as on a real system, not the numbers Windows would give them.
    """
    total = 314159
    for byte in (device_path.upper() + arguments.upper()).encode("utf-16-le"):
        total = (total * 37 + byte) & 0xFFFFFFFF
    return total


def build(
    executable_path_device: str,
    run_times: Sequence[datetime],
    run_count: int,
    files: Sequence[str],
    version: int = 30,
    variant: int = 2,
    volume: Volume | None = None,
    arguments: str = "",
) -> tuple[str, bytes]:
    """File name and content of the prefetch file of `\\Device\\HarddiskVolumeN\\...\\program.exe`.

    `run_times` newest first (Windows keeps eight), `files` as the program referenced them: drive paths (`C:\\...`) and
    device paths (`\\Device\\HarddiskVolumeN\\...`) are rewritten to the volume's name; the program itself is added
    when missing. `variant` 1 is version 30 as first released, 2 what Windows writes since 2017 (31 only knows that).
    """
    if version not in (30, 31) or variant not in _METRICS_AT or (version, variant) == (31, 1):
        raise ValueError(f"no such prefetch version: {version} variant {variant}")
    volume = volume or Volume()
    device = executable_path_device.upper()
    name = device.rpartition("\\")[2][:_NAME_CHARACTERS]
    hashed = path_hash(device, arguments)
    names = _with_executable([_on_volume(path, volume) for path in files], _on_volume(device, volume))
    content = _Body(variant, device, names, volume).content(list(run_times)[:8], run_count)
    size = _INFO_AT + len(content)
    head = struct.pack("<I4sII60sII", version, b"SCCA", 0x11, size, _utf16(name), hashed, 0)
    return f"{name}-{hashed:08X}.pf", envelope(head + content)


def envelope(scca: bytes) -> bytes:
    """The compressed form: `MAM` with algorithm 4 (LZXPRESS Huffman), no checksum, the original size, the stream."""
    return b"MAM\x04" + struct.pack("<I", len(scca)) + compress(scca)


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-le")


def _characters(text: str) -> int:
    return len(_utf16(text)) // 2


def _on_volume(path: str, volume: Volume) -> str:
    """An upper-case path below the volume's own name, which keeps its lower-case digits."""
    path = path.upper()
    if path[1:3] == ":\\":
        return volume.device_path + path[2:]
    if path.startswith("\\DEVICE\\HARDDISKVOLUME"):
        return volume.device_path + "\\" + path.split("\\", 3)[3]
    return path


def _with_executable(names: list[str], executable: str) -> list[str]:
    """Windows lists the first library before the program itself."""
    return names if executable in names else [*names[:1], executable, *names[1:]]


def _directories(names: Sequence[str]) -> list[str]:
    """All folders of the referenced files, parents first, without the volume itself."""
    found: set[str] = set()
    for name in names:
        parts = name.split("\\")[1:-1]
        found.update("\\" + "\\".join(parts[:depth]) for depth in range(2, len(parts) + 1))
    return sorted(found)


class _Body:
    """Everything behind the header: file information, metrics, trace chains, names, volume."""

    def __init__(self, variant: int, device: str, names: list[str], volume: Volume) -> None:
        self._variant = variant
        self._names = names
        self._volume = volume
        self._directories = _directories(names)
        self._texts = b"".join(_utf16(name + "\x00") for name in names)
        # The newer variant stores the path with two characters more: the terminator and one that pads.
        self._path = _utf16(device + "\x00\x00") if variant == 2 else b""

    def content(self, run_times: list[datetime], run_count: int) -> bytes:
        """The sections in the order in which Windows writes them."""
        metrics_at = _METRICS_AT[self._variant]
        traces_at = metrics_at + len(self._names) * _METRICS_ENTRY
        names_at = traces_at + len(self._names) * _BLOCKS_PER_FILE * _TRACE_ENTRY
        path_at = names_at + len(self._texts)
        volumes_at = path_at + len(self._path) + 7 & ~7
        volumes = self._volumes()
        info = struct.pack(
            "<9I", metrics_at, len(self._names), traces_at, len(self._names) * _BLOCKS_PER_FILE, names_at,
            len(self._texts), volumes_at, 1, len(volumes),
        )  # fmt: skip
        info += struct.pack("<II", len(self._directories), 1) + self._runs(run_times)
        if self._variant == 1:
            info += bytes(8) + struct.pack("<II", run_count, 2)
        else:
            info += struct.pack("<IIIII", run_count, 1, 0, path_at, len(self._path))
        info = info.ljust(metrics_at - _INFO_AT, b"\x00")
        head = info + self._metrics() + self._traces() + self._texts + self._path
        return head.ljust(volumes_at - _INFO_AT, b"\x00") + volumes

    def _runs(self, run_times: list[datetime]) -> bytes:
        ticks = [to_filetime(time) for time in run_times]
        return struct.pack("<8QQ", *ticks, *[0] * (8 - len(ticks)), 0)

    def _metrics(self) -> bytes:
        entries, at = b"", 0
        for index, name in enumerate(self._names):
            # First trace chain entry, number of entries (twice), name, flags (0x2: executable image), no MFT reference.
            entries += struct.pack(
                "<6IQ", index * _BLOCKS_PER_FILE, _BLOCKS_PER_FILE, _BLOCKS_PER_FILE, at, _characters(name), 2, 0
            )
            at += 2 * (_characters(name) + 1)
        return entries

    def _traces(self) -> bytes:
        # Block number in the file, and the words that nearly all entries of real files carry.
        entries = (struct.pack("<IBBH", block * 8, 2, 0xF8, 0xFFFF) for block in range(1, _BLOCKS_PER_FILE + 1))
        return b"".join(entries) * len(self._names)

    def _volumes(self) -> bytes:
        """One volume: entry, device path, file references (none known), directory names, and the usual slack."""
        path = self._volume.device_path
        references_at = _VOLUME_ENTRY + len(_utf16(path)) + 2 + 7 & ~7
        known = len(self._names) + len(self._directories)
        references = struct.pack("<IIQ", 3, known, 0) + bytes(8 * known)
        directories_at = references_at + len(references)
        entry = struct.pack(
            "<IIQIIIII", _VOLUME_ENTRY, _characters(path), to_filetime(self._volume.created), self._volume.serial,
            references_at, len(references), directories_at, len(self._directories),
        )  # fmt: skip
        entry = (entry + struct.pack("<I", len(self._names))).ljust(0x40, b"\x00")
        entry = (entry + struct.pack("<I", len(self._directories))).ljust(_VOLUME_ENTRY, b"\x00")
        block = (entry + _utf16(path)).ljust(references_at, b"\x00") + references
        block += b"".join(struct.pack("<H", _characters(text)) + _utf16(text + "\x00") for text in self._directories)
        return block + bytes(-len(block) % 8 + 8)
