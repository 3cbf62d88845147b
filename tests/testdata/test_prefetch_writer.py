"""Built prefetch files are read by libscca, by dissect and by a plain second reading, and lie as real ones do."""

from __future__ import annotations

import io
import struct
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import pyscca
import pytest
from dissect.target.plugins.os.windows.prefetch import Prefetch
from dissect.util.compression import lzxpress_huffman
from hypothesis import given, settings
from hypothesis import strategies as st

from forensics.formats import prefetch as reader
from forensics.times import to_filetime
from testdata.writers.lzxpress import compress
from testdata.writers.prefetch import Volume, build, envelope, path_hash

DEVICE = "\\Device\\HarddiskVolume3\\Windows\\System32\\WindowsSandbox.exe"
RUNS = [datetime(2024, 12, 4, 1, 2, 3, 456789, tzinfo=UTC) - timedelta(hours=number) for number in range(8)]
FILES = [
    "C:\\Windows\\System32\\ntdll.dll",
    "C:\\Users\\田中\\Documents\\lab.wsb",
    "\\Device\\HarddiskVolume3\\ProgramData\\Microsoft\\Windows\\Containers\\sandbox.vhdx",
]
VOLUME = Volume(datetime(2023, 5, 9, 2, 14, 7, tzinfo=UTC), 0x5CB0A3E1)
NAMED = [
    "\\VOLUME{01d9821bef05c180-5cb0a3e1}\\WINDOWS\\SYSTEM32\\NTDLL.DLL",
    "\\VOLUME{01d9821bef05c180-5cb0a3e1}\\WINDOWS\\SYSTEM32\\WINDOWSSANDBOX.EXE",
    "\\VOLUME{01d9821bef05c180-5cb0a3e1}\\USERS\\田中\\DOCUMENTS\\LAB.WSB",
    "\\VOLUME{01d9821bef05c180-5cb0a3e1}\\PROGRAMDATA\\MICROSOFT\\WINDOWS\\CONTAINERS\\SANDBOX.VHDX",
]
every_kind = pytest.mark.parametrize(("version", "variant"), [(30, 1), (30, 2), (31, 2)])
# Small files of ordinary programs; hosting programs (svchost, rundll32, dllhost) hash more than their path.
REAL = [
    "win10/AM_DELTA_PATCH_1.377.757.0.EX-0C03AAF4.pf",
    "win10/CMD.EXE-4A81B364.pf",
    "win10/COMPATTELRUNNER.EXE-DB97728F.pf",
    "win11/WLRMDR.EXE-8CD26CA2.pf",
    "mixed/AM_DELTA_PATCH_1.443.990.0.EX-7037CF86.pf",
]


def built(version: int, variant: int, runs: int = 3) -> bytes:
    return build(DEVICE, RUNS[:runs], 17, FILES, version, variant, VOLUME)[1]


def unpacked(data: bytes) -> bytes:
    """The SCCA part, by dissect: it may stop a symbol early or go on behind the end."""
    size = struct.unpack_from("<I", data, 4)[0]
    return lzxpress_huffman.decompress(data[8:])[:size].ljust(size, b"\x00")


@every_kind
def test_libscca_reads_what_was_written(version: int, variant: int) -> None:
    file = pyscca.file()
    file.open_file_object(io.BytesIO(built(version, variant)))
    assert (file.format_version, file.executable_filename, file.run_count) == (version, "WINDOWSSANDBOX.EXE", 17)
    assert file.prefetch_hash == path_hash(DEVICE)
    assert [file.get_last_run_time_as_integer(n) for n in range(8)] == [*map(to_filetime, RUNS[:3]), 0, 0, 0, 0, 0]
    assert [file.get_filename(number) for number in range(file.number_of_filenames)] == NAMED
    assert [file.get_file_metrics_entry(number).filename for number in range(4)] == NAMED
    volume = file.get_volume_information(0)
    assert file.number_of_volumes == 1
    assert volume.device_path == "\\VOLUME{01d9821bef05c180-5cb0a3e1}"
    assert (volume.serial_number, volume.get_creation_time_as_integer()) == (0x5CB0A3E1, to_filetime(VOLUME.created))


@every_kind
def test_dissect_reads_the_same(version: int, variant: int) -> None:
    second = Prefetch(io.BytesIO(built(version, variant, runs=8)))
    assert second.header.name.decode("utf-16-le").rstrip("\x00") == "WINDOWSSANDBOX.EXE"
    assert (second.version, second.header.hash, second.metrics) == (version, path_hash(DEVICE), NAMED)
    ticks = [second.fn.last_run_time, *second.fn.last_run_remains]
    assert ticks == [*map(to_filetime, RUNS)]
    if variant == 1:  # the other layout is unknown to dissect, which reads the run count 8 bytes too late
        assert second.fn.run_count == 17


@every_kind
def test_the_reader_of_the_tool_reads_it(version: int, variant: int) -> None:
    found = reader.read(built(version, variant))
    assert (found.version, found.run_count, found.last_runs) == (version, 17, tuple(RUNS[:3]))
    assert (found.files, found.executable_path) == (tuple(NAMED), NAMED[1])
    assert not found.problems


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("\\Device\\HarddiskVolume2\\Windows\\System32\\cmd.exe", "CMD.EXE-4A81B364.pf"),
        ("\\Device\\HarddiskVolume2\\Windows\\SysWOW64\\cmd.exe", "CMD.EXE-AC113AA8.pf"),
        ("\\Device\\HarddiskVolume4\\Windows\\System32\\wlrmdr.exe", "WLRMDR.EXE-8CD26CA2.pf"),
        (
            "\\Device\\HarddiskVolume2\\Windows\\SoftwareDistribution\\Download\\Install\\AM_Delta_Patch_1.377.757.0.exe",
            "AM_DELTA_PATCH_1.377.757.0.EX-0C03AAF4.pf",
        ),
    ],
)
def test_names_are_those_that_windows_gave(device: str, name: str) -> None:
    assert build(device, RUNS[:1], 1, [])[0] == name


def test_the_program_is_listed_once() -> None:
    names = reader.read(build(DEVICE, RUNS[:1], 1, ["C:\\Windows\\System32\\windowssandbox.exe"])[1]).files
    assert names == (NAMED[1],)


def test_more_than_eight_runs_are_cut() -> None:
    runs = [RUNS[0] - timedelta(days=number) for number in range(12)]
    assert reader.read(build(DEVICE, runs, 12, FILES)[1]).last_runs == tuple(runs[:8])


def test_unknown_versions_are_refused() -> None:
    for version, variant in ((23, 1), (31, 1), (30, 3)):
        with pytest.raises(ValueError, match="no such prefetch version"):
            build(DEVICE, RUNS, 1, FILES, version, variant)


# --- the layout itself -------------------------------------------------------------------------------------------


def check_layout(scca: bytes, variant: int) -> str:
    """What holds for files of Windows; returns the executable's device path ("" in the first variant)."""
    assert struct.unpack_from("<4sII", scca, 4) == (b"SCCA", 0x11, len(scca))
    metrics, count, traces, blocks, names, names_size, volumes, volume_count, volumes_size, folders = (
        struct.unpack_from("<10I", scca, 84)
    )
    assert metrics == {1: 0x130, 2: 0x128}[variant]
    assert (traces, names) == (metrics + 32 * count, traces + 8 * blocks)
    assert (volumes % 8, volumes + volumes_size) == (0, len(scca))
    listed = scca[names : names + names_size].decode("utf-16-le").split("\x00")
    assert (len(listed), listed[-1]) == (count + 1, "")
    first = at = 0
    for number in range(count):
        begin, length, _, name_at, characters, _ = struct.unpack_from("<6I", scca, metrics + 32 * number)
        assert (begin, name_at, characters) == (first, at, len(listed[number]))
        first, at = first + length, at + 2 * characters + 2
    assert first == blocks
    assert sum(_check_volume(scca[volumes:], number) for number in range(volume_count)) == folders
    path_at, path_size = struct.unpack_from("<II", scca, 0xD4)
    if variant == 1:
        return ""
    assert path_at == names + names_size
    path = scca[path_at : path_at + path_size].decode("utf-16-le", "replace").partition("\x00")[0]
    assert path_size == 2 * len(path) + 4
    assert struct.unpack_from("<I", scca, 0x4C)[0] == path_hash(path)
    return path


def _check_volume(block: bytes, number: int) -> int:
    """One volume entry; returns its number of folders."""
    path_at, characters, created, serial, references, size, folders_at, folders = struct.unpack_from(
        "<IIQIIIII", block, 96 * number
    )
    path = block[path_at : path_at + 2 * characters].decode("utf-16-le")
    assert path == f"\\VOLUME{{{created:016x}-{serial:08x}}}"
    assert struct.unpack_from("<I", block, references)[0] == 3
    assert size == 16 + 8 * struct.unpack_from("<I", block, references + 4)[0]
    assert struct.unpack_from("<I", block, 96 * number + 0x40)[0] <= folders  # real files: mostly the same number
    for _ in range(folders):
        length = struct.unpack_from("<H", block, folders_at)[0]
        folder = block[folders_at + 2 : folders_at + 4 + 2 * length].decode("utf-16-le")
        assert folder.startswith(path)
        assert folder.endswith("\x00")
        folders_at += 4 + 2 * length
    return int(folders)


@every_kind
def test_layout_of_built_files(version: int, variant: int) -> None:
    path = check_layout(unpacked(built(version, variant)), variant)
    assert path == ("" if variant == 1 else DEVICE.upper())


@pytest.mark.samples
@pytest.mark.parametrize("name", REAL)
def test_layout_of_real_files(samples: Path, name: str) -> None:
    data = (samples / "prefetch" / name).read_bytes()
    path = check_layout(unpacked(data), 2)
    assert build(path, RUNS, 8, [])[0] == Path(name).name


@pytest.mark.samples
def test_layout_of_a_real_file_of_the_first_variant(samples: Path) -> None:
    check_layout(unpacked((samples / "prefetch/mixed/ONEDRIVE.EXE-7E152375.pf").read_bytes()), 1)


@pytest.mark.samples
@pytest.mark.parametrize("name", REAL[:2])
def test_a_real_file_compressed_again_is_read_the_same(samples: Path, name: str) -> None:
    data = (samples / "prefetch" / name).read_bytes()
    again = envelope(unpacked(data))
    assert reader.read(again) == reader.read(data)
    assert len(again) < 2 * len(data)


# --- compression -------------------------------------------------------------------------------------------------

# dissect stops when the last word is loaded, so up to 15 bits may stay undecoded: they hold part of this tail.
TAIL = bytes(range(200, 232))
pieces = st.one_of(
    st.binary(max_size=300),
    st.tuples(st.binary(min_size=1, max_size=4), st.integers(1, 2000)).map(lambda item: item[0] * item[1]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(pieces, max_size=8).map(b"".join))
def test_any_data_survives(data: bytes) -> None:
    assert lzxpress_huffman.decompress(compress(data + TAIL)).startswith(data)
    if data:
        _check_by_libfwnt(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" * 70_000,
        bytes(range(256)) * 600,
        b"ab" * 40_000 + bytes(range(256)) + b"ab" * 40_000,
        b"".join(bytes([number % 251]) * (2 ** (number % 17)) for number in range(40)),  # skewed: long codes
        bytes(number * number >> 3 & 0xFF for number in range(65_536)),  # exactly one chunk
    ],
    ids=["zeros", "cycle", "chunks", "skewed", "one chunk"],
)
def test_chunks_long_matches_and_long_codes(data: bytes) -> None:
    assert lzxpress_huffman.decompress(compress(data + TAIL)).startswith(data)
    _check_by_libfwnt(data)


def _check_by_libfwnt(data: bytes) -> None:
    """The exact length, by the decoder that libscca uses."""
    if find_spec("pyfwnt"):
        import pyfwnt

        assert pyfwnt.lzxpress_huffman_decompress(compress(data), len(data)) == data
