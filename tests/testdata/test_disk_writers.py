from __future__ import annotations

import hashlib
import io
import random
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from dissect.ntfs import NTFS
from dissect.target import container

from forensics.times import microseconds
from testdata.collections import escape
from testdata.writers import ewf, ntfs

LABELS = ewf.Labels("case", "item", "about", "who", "note", 1_733_447_411)
BORN = datetime(2024, 12, 1, 1, 2, 3, 456_789, tzinfo=UTC)


def disk(chunks: int) -> bytes:
    """Chunks that compress well, not at all, and in part."""
    chance = random.Random(7)
    kinds = (bytes(ewf.CHUNK), chance.randbytes(ewf.CHUNK), b"abc" * 9000 + chance.randbytes(ewf.CHUNK - 27_000))
    return b"".join(kinds[number % 3] for number in range(chunks))


@pytest.mark.parametrize("segment", [1 << 30, 100_000, 40_000])
def test_an_image_reads_back_whole_from_its_segments(tmp_path, segment):
    data = disk(20)
    paths = ewf.write(io.BytesIO(data), tmp_path / "x.E01", LABELS, segment)
    assert len(paths) == {1 << 30: 1}.get(segment, len(list(tmp_path.glob("x.E*"))))
    assert (len(paths) > 1) is (segment < 1 << 30)
    opened = container.open(paths[0])
    assert opened.size == len(data)
    assert opened.read(len(data)) == data
    opened.seek(5 * ewf.CHUNK - 7)
    assert opened.read(20) == data[5 * ewf.CHUNK - 7 : 5 * ewf.CHUNK + 13]


def test_an_image_is_the_same_each_time_and_accepted_by_ewfverify(tmp_path):
    first = ewf.write(io.BytesIO(disk(9)), tmp_path / "a.E01", LABELS, 60_000)
    second = ewf.write(io.BytesIO(disk(9)), tmp_path / "b.E01", LABELS, 60_000)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    if shutil.which("ewfverify"):
        done = subprocess.run(["ewfverify", "-q", str(first[0])], capture_output=True, text=True, check=False)
        assert "ewfverify: SUCCESS" in done.stdout, done.stdout + done.stderr


def test_an_odd_size_is_refused(tmp_path):
    with pytest.raises(ValueError, match="multiple"):
        ewf.write(io.BytesIO(bytes(ewf.CHUNK + 512)), tmp_path / "x.E01", LABELS)


def test_components_are_escaped_as_the_collector_does():
    assert escape("C:") == "C%3A"
    assert escape(".vscode") == "%2Evscode"
    assert escape("a.b c") == "a.b c"
    assert escape("Microsoft-Windows-X%4Operational.evtx") == "Microsoft-Windows-X%254Operational.evtx"
    assert escape("田中") == "田中"


@pytest.mark.rebuild
def test_a_volume_with_a_large_folder_has_the_described_times_and_is_the_same_each_time(tmp_path):
    if missing := ntfs.missing_tools():
        pytest.skip(f"needs {', '.join(missing)}")
    contents = {f"Users/田中/{n:03}.txt": (b"x" * n * 37, times(n)) for n in range(120)}
    folders = {"Users": times(1), "Users/田中": times(2)}
    hashes = set()
    for name in ("a", "b"):
        image = tmp_path / name
        try:
            ntfs.build(image, 24 << 20, ntfs.Description(contents, folders, times(-400), 0x1122334455667788))
        except OSError as error:
            pytest.skip(f"this machine may not mount: {error}")
        hashes.add(hashlib.sha256(image.read_bytes()).hexdigest())
    assert len(hashes) == 1
    with image.open("rb") as handle:
        volume = NTFS(handle)
        assert volume.serial == 0x1122334455667788
        for path, (data, told) in contents.items():
            record = volume.mft.get(path)
            assert record.open().read() == data
            (info,) = record.attributes.STANDARD_INFORMATION
            assert (info.creation_time_ns, info.last_change_time_ns) == (
                microseconds(told.birth) * 1000,
                microseconds(told.mft) * 1000,
            )
        listed = {entry.attribute.file_name: entry for entry in volume.mft.get("Users/田中").iterdir()}
        assert len(listed) == len(contents)
        assert listed["007.txt"].attribute.last_modification_time_ns == microseconds(times(7).mtime) * 1000


def times(number: int) -> ntfs.Times:
    born = BORN + timedelta(days=number)
    return ntfs.Times(born, born + timedelta(hours=1), born + timedelta(hours=2), born + timedelta(hours=3))
