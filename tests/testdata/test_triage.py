"""A host as a triage folder without a volume: its table and journal as other readers have them, and as a volume's."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from dissect.hypervisor.disk import vhdx as dissect_vhdx
from dissect.ntfs import NTFS
from dissect.ntfs.usnjrnl import UsnJrnl
from mft import PyMftParser

from forensics.formats import FormatError
from forensics.formats.mft import TableReader
from forensics.formats.ntfspaths import Folders
from forensics.times import from_filetime
from testdata import image
from testdata.host import SCENARIOS, scenario
from testdata.render import inner_path, log_path, removed, removed_folders, render
from testdata.triage import taken
from testdata.writers import mft
from testdata.writers.ntfs import missing_tools

SANDBOXES = sorted(path.parent.name for path in SCENARIOS.glob("sandbox-*/host.yml"))


def entries_of(data: bytes) -> dict[str, tuple[object, ...]]:
    """By path: birth, whether in use, size and resident content; by our own reader, which has its own tests."""
    table, folders = TableReader(io.BytesIO(data)), Folders()
    for ref, parent, name in table.folders():
        folders.add_now(ref, parent, name)
    found = {}
    for entry in table:
        assert not isinstance(entry, FormatError)
        for name in entry.names:
            path = folders.place(name.parent).of(name.name).replace("\\", "/").lstrip("/")
            times = entry.times and (entry.times, name.times)
            found[path] = (times, entry.in_use, entry.folder, entry.size, entry.data)
    return found


@pytest.mark.parametrize("name", SANDBOXES)
def test_another_reader_finds_every_file_of_the_table(name):
    host = scenario(name)
    files, gone = render(host), removed(host)
    volume = NTFS(mft=io.BytesIO(taken(host)["$MFT"].data))
    _, references = mft.build(image.describe(host, files)[0])
    records = {path: volume.mft.get(reference & 0xFFFFFFFF) for path, reference in references.items()}
    for path, file in (files | gone).items():
        record = records[path]
        if path.rpartition("/")[0] in removed_folders(host):  # the folder's reference is stale: that reader stops there
            assert record.filename == path.rpartition("/")[2]
        else:
            assert record.full_path().replace("\\", "/") == path
        info = record.attributes.STANDARD_INFORMATION[0].attr
        assert from_filetime(info.CreationTime) == file.times.birth, path
        assert from_filetime(info.LastAccessTime) == file.times.atime, path
        assert bool(record.header.Flags & 1) == (path in files), path
        data = record.attributes.DATA[0]
        assert record.size() == len(file.data), path
        assert data.resident or len(file.data) > 550, path
        assert not data.resident or len(file.data) < 760, path
        assert not data.resident or data.data() == file.data, path
    for path in removed_folders(host):
        assert not records[path].header.Flags & 1


@pytest.mark.parametrize("name", SANDBOXES)
def test_a_third_reader_has_the_same_records(name):
    host = scenario(name)
    data = taken(host)["$MFT"].data
    items = [item for item in PyMftParser(io.BytesIO(data)).entries() if not isinstance(item, Exception)]
    theirs = {item.full_path.replace("\\", "/") for item in items if item.full_path and item.entry_id >= 24}
    assert theirs == set(users(entries_of(data)))


def test_the_shipped_host_has_the_table_that_its_volume_has(testdata):
    host = scenario("ws-tanaka")
    made, _ = mft.build(image.describe(host, render(host))[0])
    assert_alike(made, (testdata / "evidence/ws-tanaka/kape/WS-TANAKA/C/$MFT").read_bytes())


def assert_alike(made: bytes, of_a_volume: bytes) -> None:
    """The same files with the same times, state and size, and the same content where both have it in the record.

    Which of two contents near the limit of about 700 bytes still fits depends on how the driver made the record.
    """
    ours, theirs = users(entries_of(made)), users(entries_of(of_a_volume))
    assert set(ours) == set(theirs)
    assert len(ours) > 20
    for path, entry in ours.items():
        assert entry[:4] == theirs[path][:4], path
        assert None in (entry[4], theirs[path][4]) or entry[4] == theirs[path][4], path
    assert sum((ours[path][4] is None) != (theirs[path][4] is None) for path in ours) <= 3


def users(entries: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    """Without the file system's own files."""
    return {path: entry for path, entry in entries.items() if path and not path.startswith(("$", "."))}


@pytest.mark.parametrize("name", SANDBOXES)
def test_another_reader_reads_the_journal(name):
    host = scenario(name)
    files = taken(host)
    volume = NTFS(mft=io.BytesIO(files["$MFT"].data))
    records = list(UsnJrnl(io.BytesIO(files["$Extend/$J"].data), volume).records())
    assert [record.timestamp for record in records] == sorted(record.timestamp for record in records)
    deleted = Counter(record.filename for record in records if record.record.Reason & 0x200)
    gone = [*(inner_path(file.path) for file in host.files if file.deleted), *removed_folders(host)]
    assert deleted == Counter(path.rpartition("/")[2] for path in gone)
    created = {record.filename for record in records if record.record.Reason & 0x100}
    assert {path.rpartition("/")[2] for path in gone} <= created


def test_a_mark_of_the_web_is_a_stream_of_its_file():
    host = scenario("tunnel-interactive")
    files = render(host)
    table, references = mft.build(image.describe(host, files)[0])
    volume = NTFS(mft=io.BytesIO(table))
    marks = {inner_path(file.path): file.mark for file in host.files if file.mark}
    assert len(marks) == 2
    for path in files:
        streams = {stream.name: stream for stream in volume.mft.get(references[path] & 0xFFFFFFFF).attributes.DATA}
        assert set(streams) == ({"", "Zone.Identifier"} if path in marks else {""}), path
        if path in marks:
            assert streams["Zone.Identifier"].data().decode() == marks[path].replace("\n", "\r\n")


def test_of_an_overwritten_file_only_the_journal_tells():
    host = scenario("tunnel-unregistered-wiped")
    files = taken(host)
    gone = {inner_path(file.path) for file in host.files if file.overwritten}
    assert len(gone) == 10
    assert not gone & set(users(entries_of(files["$MFT"].data)))
    records = UsnJrnl(io.BytesIO(files["$Extend/$J"].data), NTFS(mft=io.BytesIO(files["$MFT"].data))).records()
    deleted = {record.filename for record in records if record.record.Reason & 0x200}
    assert {path.rpartition("/")[2] for path in gone} <= deleted


def test_what_the_collector_left_is_not_there():
    host = scenario("sandbox-no-auditing")
    assert host.not_taken
    paths = {path.casefold() for path in taken(host)}
    assert not [path for path in paths if path.endswith((".wsb", "ntuser.dat", "usrclass.dat"))]
    assert {"$mft", "$extend/$j"} <= paths


def test_a_cleared_log_is_an_empty_file_of_its_kind():
    host = scenario("sandbox-logs-cleared")
    files = taken(host)
    for channel in host.cleared:
        assert files[log_path(channel)].data.startswith(b"ElfFile\x00"), channel


def test_the_disk_that_survives_names_its_parent(tmp_path):
    host = scenario("sandbox-crash")
    (path,) = [path for path in taken(host) if path.endswith("sandbox.vhdx")]
    place = tmp_path / "sandbox.vhdx"
    place.write_bytes(taken(host)[path].data)
    with place.open("rb") as handle, pytest.raises((ValueError, OSError), match=r"(?i)parent|differencing"):
        dissect_vhdx.VHDX(handle)
    parent = next(file.child_of for file in host.files if file.child_of)
    assert inner_path(parent) in taken(host)
    assert parent.encode("utf-16-le") in place.read_bytes()


@pytest.mark.rebuild
@pytest.mark.skipif(bool(missing_tools()), reason="needs mkntfs and ntfs-3g")
def test_a_volume_of_the_same_host_agrees(tmp_path):
    host = scenario("sandbox-cli-24h2")
    files = render(host)
    with image.volume(host, files, tmp_path) as made:
        assert_alike(taken(host)["$MFT"].data, image.witnesses(host, made)["$MFT"].data)


def test_another_reader_reads_a_rename():
    host = scenario("tunnel-unregistered-wiped")
    files = taken(host)
    volume = NTFS(mft=io.BytesIO(files["$MFT"].data))
    records = list(UsnJrnl(io.BytesIO(files["$Extend/$J"].data), volume).records())
    (rename,) = host.renames
    final = rename.path.rpartition("\\")[2]
    about = [(record.filename, record.record.Reason & 0x3000, record.timestamp) for record in records
             if record.filename in (final, rename.was)]  # fmt: skip
    before, after = [item for item in about if item[2] < rename.at], [item for item in about if item[2] >= rename.at]
    assert {name for name, _, _ in before} == {rename.was}
    assert [item[:2] for item in after[:3]] == [(rename.was, 0x1000), (final, 0x2000), (final, 0x2000)]
    assert {name for name, _, _ in after[3:]} == {final}
