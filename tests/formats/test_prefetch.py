from __future__ import annotations

import random
import struct
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.formats import FormatError, prefetch
from tests.formats.crafted_prefetch import DEVICE, TICKS
from tests.formats.crafted_prefetch import prefetch as build

FILES = (
    f"{DEVICE}\\WINDOWS\\SYSTEM32\\NTDLL.DLL",
    f"{DEVICE}\\WINDOWS\\SYSTEM32\\WINDOWSSANDBOX.EXE",
    f"{DEVICE}\\USERS\\田中\\DOCUMENTS\\LAB.WSB",
)
WHEN = datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)


def test_everything_of_a_file() -> None:
    found = prefetch.read(build("WINDOWSSANDBOX.EXE", FILES, (TICKS, TICKS - 10_000_000), count=2))
    assert found.version == 26
    assert found.executable == "WINDOWSSANDBOX.EXE"
    assert found.path_hash == "12345678"
    assert found.run_count == 2
    assert found.last_runs == (WHEN, datetime(2024, 12, 3, 23, 1, 0, tzinfo=UTC))
    assert found.files == FILES
    assert found.executable_path == FILES[1]
    assert [(volume.device_path, volume.serial, volume.created) for volume in found.volumes] == [
        (DEVICE, "B8BE0C0F", WHEN)
    ]
    assert found.problems == ()


def test_unused_slots_are_no_runs() -> None:
    assert prefetch.read(build("A.EXE", FILES, (), count=0)).last_runs == ()


def test_a_path_is_never_guessed() -> None:
    two = (f"{DEVICE}\\A\\CODE.EXE", f"{DEVICE}\\B\\CODE.EXE")
    assert prefetch.read(build("CODE.EXE", two)).executable_path is None
    assert prefetch.read(build("CODE.EXE", FILES)).executable_path is None


@pytest.mark.parametrize("volume", [DEVICE, "\\VOLUME{01d0f9a19c586134-d49d126f}"])
def test_the_hash_decides_between_two_paths(volume: str) -> None:
    """The hash is of the device path also where the files are traced by volume id (Windows 10)."""
    value = 314159
    for byte in f"{DEVICE}\\B\\CODE.EXE".encode("utf-16-le"):
        value = (value * 37 + byte) & 0xFFFFFFFF
    two = (f"{volume}\\A\\CODE.EXE", f"{volume}\\B\\CODE.EXE")
    assert prefetch.read(build("CODE.EXE", two, path_hash=value)).executable_path == two[1]


def test_a_name_cut_to_29_characters_still_finds_its_file() -> None:
    path = f"{DEVICE}\\A\\WINDOWSSANDBOXREMOTESESSION.EXE"
    found = prefetch.read(build("WINDOWSSANDBOXREMOTESESSION.E", (path, f"{path}.MUI")))
    assert found.executable_path == path


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "84 bytes"),
        (b"MAM\x04", "cut off"),
        (b"MAM\x04" + struct.pack("<I", 0xFFFFFFFF), "refused"),  # claims 4 GiB over nothing
        (b"MAM\x04" + struct.pack("<I", 0xFFFFFFFF) + b"junk" * 500, "refused"),
        (b"MAM\x04" + struct.pack("<I", 8 * 1024 * 1024 + 1) + bytes(2000), "refused"),
        (b"MAM\x04" + struct.pack("<I", 1_000_000), "cannot be decoded"),
        (b"MAM\x04" + struct.pack("<I", 1_000_000) + bytes(2000), "cannot be decoded"),
        (b"MAM\x04" + struct.pack("<I", 1_000_000) + b"\x11" * 300_000, "cannot be decoded"),
        (b"MAM\x04" + struct.pack("<I", 4000) + b"\x88" * 256 + b"\xff" * 100_000, "cannot be decoded"),
        (bytes(200), "no SCCA"),
        (struct.pack("<I4s", 99, b"SCCA") + bytes(100), "unknown prefetch version 99"),
        (struct.pack("<I4sII", 26, b"SCCA", 0, 5000) + bytes(100), "truncated"),
    ],
)
def test_lies_are_refused_at_once(data: bytes, said: str) -> None:
    started = time.monotonic()
    with pytest.raises(FormatError, match=said):
        prefetch.read(data)
    assert time.monotonic() - started < 2


def test_truncation_everywhere_is_an_error() -> None:
    whole = build("WINDOWSSANDBOX.EXE", FILES)
    for length in range(len(whole)):
        with pytest.raises(FormatError):
            prefetch.read(whole[:length])


def test_a_list_of_names_that_does_not_fit_is_reported() -> None:
    data = bytearray(build("A.EXE", FILES))
    place = data.index("NTDLL".encode("utf-16-le"))
    data[place : place + 2] = b"\0\0"
    found = prefetch.read(bytes(data))
    assert "damaged: 4 names for 3 traced files" in str(found.problems[0])
    assert FILES[1] in found.files


def test_damage_anywhere_never_escapes() -> None:
    whole = build("WINDOWSSANDBOX.EXE", FILES, (TICKS,) * 8)
    chance = random.Random(3)
    outcomes: Counter[bool] = Counter()
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            found = prefetch.read(bytes(data))
        except FormatError:
            outcomes[False] += 1
            continue
        outcomes[True] += 1
        assert len(found.last_runs) <= 8
    assert min(outcomes.values()) > 100


# -- real files -----------------------------------------------------------------------------------------------------

# version, run count, run times; what another parser gets wrong is in the comment
REAL = {
    "CMD.EXE-087B4001.pf": (17, 2, 1),  # 0 runs, 1601
    "PING.EXE-B29F6629.pf": (23, 14, 1),  # three times, two of them 1601
    "WUAUCLT.EXE-830BCC14.pf": (23, 25, 1),
    "TASKHOST.EXE-3AE259FC.pf": (26, 4, 4),  # not read at all
    "BYTECODEGENERATOR.EXE-C1E9BCE6.pf": (30, 7, 7),
    "ONEDRIVE.EXE-7E152375.pf": (30, 2, 2),
    "NOTEPAD.EXE-D8414F97.pf": (30, 2, 2),  # 3 runs
    "AM_DELTA_PATCH_1.443.990.0.EX-7037CF86.pf": (31, 1, 1),  # 0 runs
}


@pytest.mark.samples
@pytest.mark.parametrize("name", REAL)
def test_every_version(samples: Path, name: str) -> None:
    found = prefetch.read((samples / "prefetch" / "mixed" / name).read_bytes())
    assert (found.version, found.run_count, len(found.last_runs)) == REAL[name]
    assert f"{found.executable}-{found.path_hash}.pf" == name
    assert all(isinstance(moment, datetime) and moment.year >= 2012 for moment in found.last_runs)


@pytest.mark.samples
@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("folder", "version", "files", "names", "without_path"),
    [("win7", 23, 11, 501, 1), ("win81", 26, 61, 7139, 3), ("win10", 30, 123, 14516, 0), ("win11", 30, 127, 15997, 0)],
)
def test_every_file_of_a_system(
    samples: Path, folder: str, version: int, files: int, names: int, without_path: int
) -> None:
    found = [prefetch.read(path.read_bytes()) for path in sorted((samples / "prefetch" / folder).iterdir())]
    assert len(found) == files
    assert {entry.version for entry in found} == {version}
    assert sum(len(entry.files) for entry in found) == names
    assert sum(entry.executable_path is None for entry in found) == without_path
    assert all(entry.last_runs and entry.run_count and not entry.problems for entry in found)
    assert all(list(entry.last_runs) == sorted(entry.last_runs, reverse=True) for entry in found)


@pytest.mark.samples
@pytest.mark.parametrize("name", ["bad_compression.pf", "malformed.pf"])
def test_bad_files_are_format_errors(samples: Path, name: str) -> None:
    with pytest.raises(FormatError):
        prefetch.read((samples / "prefetch" / "bad" / name).read_bytes())


@pytest.mark.samples
@pytest.mark.timeout(60)
def test_a_real_compressed_file_cut_and_flipped(samples: Path) -> None:
    whole = (samples / "prefetch" / "mixed" / "NOTEPAD.EXE-D8414F97.pf").read_bytes()
    sound = prefetch.read(whole)
    for length in range(0, len(whole), 13):
        try:
            found = prefetch.read(whole[:length])
        except FormatError:
            continue
        assert found == sound or found.problems, length  # the last bytes of a compressed stream may be unneeded
        assert found.last_runs == sound.last_runs
    chance = random.Random(11)
    for _ in range(500):
        data = bytearray(whole)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        try:
            prefetch.read(bytes(data))
        except FormatError:
            continue
