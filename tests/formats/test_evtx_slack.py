"""Records that a log no longer counts: found, read only with their own templates, graded, each given once."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from collections import Counter
from typing import ClassVar
from xml.etree import ElementTree

import pytest
from Evtx.Evtx import ChunkHeader
from Evtx.Evtx import Record as EvtxRecord

from forensics.formats import FormatError, evtx_slack
from forensics.formats.evtx import LogReader, Record
from forensics.formats.evtx_slack import STRONG, WEAK, Recovered
from forensics.times import from_filetime
from tests.conftest import ROOT
from tests.formats.crafted_logs import CHUNK, CHUNK_HEAD, FILE_HEAD, behind, chunk_offsets, log, moment, overlaid, rows
from tests.formats.crafted_logs import seal as sealed

NEVER = 2**64 - 1


def seal(data):
    return bytes(sealed(bytearray(data)))


@pytest.fixture(scope="module")
def old():
    return bytes(log(120, first_record=812))


@pytest.fixture(scope="module")
def rewritten(old):
    """Thirty new records over the 120 of a log that was cleared or rolled over."""
    return seal(overlaid(log(30, first_record=5001), old))


def recover(data, wanted=None, part=(0, 1), window=64):
    """(live records, recovered ones, errors, what is left of the others)."""
    reader = LogReader(io.BytesIO(bytes(data)), wanted, window, part, slack=True)
    live = [item for item in reader if isinstance(item, Record)]
    items = list(reader.recovered())
    found = [item for item in items if isinstance(item, Recovered)]
    errors = [item for item in items if isinstance(item, FormatError)]
    assert len(found) + len(errors) == len(items)
    return live, found, errors, reader.leftover


def records(data):
    return {item.record_id: item for item in LogReader(io.BytesIO(bytes(data))) if isinstance(item, Record)}


def identity(record):
    return record.event_record_id, record.time


def said_by_python_evtx(data, offset, known=None):
    """The XML of the record at `offset`, by another decoder; `known` keeps the chunks whose templates it has read."""
    chunk = offset - (offset - FILE_HEAD) % CHUNK
    known = {} if known is None else known
    if chunk not in known:
        known[chunk] = ChunkHeader(data, chunk)
    return EvtxRecord(data, offset, known[chunk]).xml()


def test_what_was_overwritten_only_in_part_is_read(old, rewritten):
    live, found, errors, left = recover(rewritten)
    assert [record.record_id for record in live] == list(range(5001, 5031))
    places = behind(rewritten)
    assert len(places) > 80
    assert [(item.record.offset, item.record.record_id) for item in found] == [(at, number) for at, _, number in places]
    assert {(item.grade, item.inside) for item in found} == {(STRONG, None)}
    before = records(old)
    assert all(item.record == before[item.record.record_id] for item in found)
    assert (errors, left.events, left.skipped) == ([], {}, 0)


def test_another_decoder_reads_the_same_there(rewritten):
    chunks = {}
    for item in recover(rewritten)[1]:
        text = said_by_python_evtx(rewritten, item.record.offset, chunks)
        assert f"<EventRecordID>{item.record.event_record_id}</EventRecordID>" in text
        theirs = {node.get("Name"): node.text or "" for node in ElementTree.fromstring(text).iter() if node.get("Name")}
        told = ("CommandLine", "NewProcessName") if item.record.event_id == 4688 else ("TargetUserName", "LogonType")
        assert all(theirs[name] == item.record.data[name] != "" for name in told)


def test_live_records_are_not_touched_by_it(rewritten):
    live, _, _, _ = recover(rewritten)
    reader = LogReader(io.BytesIO(rewritten), slack=True)
    plain = LogReader(io.BytesIO(rewritten))
    assert [item for item in reader if isinstance(item, Record)] == list(plain) == live
    assert reader.tally == plain.tally
    assert (plain.tally.claimed, plain.tally.parsed, plain.tally.jumps) == (30, 30, [])
    assert list(plain.recovered()) == []


@pytest.mark.parametrize("wanted", [{4688}, {4634}, {1102}, set()])
def test_only_what_is_wanted(rewritten, wanted):
    every = [item for item in recover(rewritten)[1] if item.record.event_id in wanted]
    _, found, _, left = recover(rewritten, frozenset(wanted))
    assert found == every
    assert left.events == {}


def test_remains_of_live_records_are_not_given_again():
    """A buffer that is not cleared: behind the records of the last chunk lie those of the chunk before."""
    data = log(700)
    before, last = chunk_offsets(data)[-2:]
    end = struct.unpack_from("<I", data, last + 0x30)[0]
    data[last + end : last + CHUNK] = data[before + end : before + CHUNK]
    assert len(behind(data)) > 10
    for part in ((0, 1), (0, 3), (2, 3)):
        _, found, errors, left = recover(seal(data), part=part)
        assert (found, errors, left.events) == ([], [], {})


@pytest.mark.parametrize("parts", [1, 2, 3, 4])
@pytest.mark.parametrize("window", [1, 3, 64])
def test_the_same_remains_in_many_chunks_are_given_once(rewritten, parts, window):
    data = rewritten + rewritten[FILE_HEAD:] * 3
    assert len(chunk_offsets(data)) == 4
    runs = [recover(data, part=(index, parts), window=window) for index in range(parts)]
    found = [item.record for run in runs for item in run[1]]
    assert [record.record_id for record in found] == [number for _, _, number in behind(rewritten)]
    assert all(not run[3].events for run in runs)


def test_remains_that_can_be_read_in_a_later_chunk_only(rewritten):
    """Their templates are gone where they lie first."""
    first = bytearray(rewritten[FILE_HEAD:])
    for at, _, _ in rows(rewritten)[:2]:
        struct.pack_into("<I", first, at - FILE_HEAD + 28 + 14, 0xDEADBEEF)
    data = seal(rewritten[:FILE_HEAD] + bytes(first) + rewritten[FILE_HEAD:])
    for parts in (1, 2):
        found = [item for index in range(parts) for item in recover(data, part=(index, parts))[1]]
        assert {item.record.offset > FILE_HEAD + CHUNK for item in found} == {True}
        assert [item.record.record_id for item in found] == [number for _, _, number in behind(rewritten)]


def test_what_has_another_template_now_is_not_read(old, rewritten):
    """Under the names of another template the values would lie; nothing else in the record tells."""
    data = bytearray(rewritten)
    inline = [at + 28 for at, _, _ in rows(data)[:2]]
    for token in inline:
        struct.pack_into("<I", data, token + 10 + 4, 0xDEADBEEF)  # the GUID in the template's definition
    _, found, errors, left = recover(seal(data))
    assert (found, errors) == ([], [])
    before = records(old)
    gone = [before[number] for _, _, number in behind(data)]
    assert left.events == dict(Counter(record.event_id for record in gone))
    assert from_filetime(left.first) == min(record.written for record in gone)
    assert from_filetime(left.last) == max(record.written for record in gone)


def test_the_template_of_the_data_counts_as_well(old, rewritten):
    """One of the two kinds of events loses its data's template: only the other one can be read."""
    data = bytearray(rewritten)
    at, size, _ = rows(data)[0]
    inner = data.index(b"\x0c\x01", at + 40 + struct.unpack_from("<I", data, at + 58)[0], at + size)
    struct.pack_into("<I", data, inner + 10 + 4, 0xDEADBEEF)
    _, found, _, left = recover(seal(data))
    assert {item.record.event_id for item in found} == {4634}
    assert set(left.events) == {4688}
    assert left.events[4688] + len(found) == len(behind(data))


def test_lost_names_of_the_data_are_put_back_by_the_form(old, rewritten):
    data = bytearray(rewritten)
    for name in ("EventData", "Data"):
        plain = struct.pack("<H", len(name)) + name.encode("utf-16-le") + b"\0\0"
        assert plain in data[: FILE_HEAD + 0x2000]
        data = data.replace(plain, struct.pack("<H", len(name)) + b"\x05\x4e" * len(name) + b"\0\0")
    _, found, _, _ = recover(seal(data))
    before = records(old)
    assert len(found) == len(behind(data))
    for item in found:
        assert item.record.data == before[item.record.record_id].data
        assert item.grade == WEAK


@pytest.mark.parametrize("name", ["Name", "System", "Channel", "EventRecordID"])
def test_other_lost_names_make_a_record_unreadable(rewritten, name):
    plain = struct.pack("<H", len(name)) + name.encode("utf-16-le") + b"\0\0"
    assert plain in rewritten
    data = rewritten.replace(plain, struct.pack("<H", len(name)) + b"\x05\x4e" * len(name) + b"\0\0")
    _, found, _, left = recover(seal(data))
    assert found == []
    assert sum(left.events.values()) == len(behind(data))


def renumbered(data, first=1):
    """The log with the headers of its records numbered anew, as an export has them."""
    data = bytearray(data)
    for number, (at, _, _) in enumerate(rows(data), first):
        struct.pack_into("<Q", data, at + 8, number)
    for chunk in chunk_offsets(data):
        low, high = struct.unpack_from("<QQ", data, chunk + 0x18)
        shift = struct.unpack_from("<Q", data, chunk + CHUNK_HEAD + 8)[0] - low
        struct.pack_into("<QQ", data, chunk + 0x18, low + shift, high + shift)
    return data


def test_an_export_is_compared_by_the_numbers_inside():
    """Behind the records of an export lie the same ones under the numbers and times that the log gave them."""
    plain = bytes(log(700, first_record=812))
    data = renumbered(plain)
    before, last = chunk_offsets(data)[-2:]
    end = struct.unpack_from("<I", data, last + 0x30)[0]
    data[last + end : last + CHUNK] = plain[before + end : before + CHUNK]
    for at, _, _ in behind(data):
        struct.pack_into("<Q", data, at + 16, struct.unpack_from("<Q", data, at + 16)[0] + 50_000_000)
    assert len(behind(data)) > 10
    for part in ((0, 1), (3, 4)):
        live, found, _, left = recover(seal(data), part=part)
        assert (found, left.events) == ([], {})
    assert all(record.event_record_id == record.record_id + 811 for record in live)


def test_numbers_that_differ_are_weak(old):
    data = seal(overlaid(log(30, first_record=5001), renumbered(old, 3)))
    _, found, _, _ = recover(data)
    assert len(found) == len(behind(data)) > 80
    assert {item.grade for item in found} == {WEAK}
    assert all(item.record.event_record_id == item.record.record_id + 809 for item in found)


@pytest.mark.parametrize("covered", [1, 2])
def test_a_hidden_record_is_told_and_read(old, covered):
    """The published trick: a record's size is made to cover the next ones, and all checksums are set right."""
    data = bytearray(old)
    (at, _, number), *inside = rows(data)[10 : 11 + covered]
    whole = inside[-1][0] + inside[-1][1] - at
    struct.pack_into("<I", data, at + 4, whole)
    struct.pack_into("<I", data, at + whole - 4, whole)
    live, found, errors, left = recover(seal(data))
    assert not {number for _, _, number in inside} & {record.record_id for record in live}
    assert [item.record for item in found] == [records(old)[number] for _, _, number in inside]
    assert {(item.inside, item.grade) for item in found} == {(number, STRONG)}
    assert [(str(error), error.offset) for error in errors] == [
        (f"record {hidden} is hidden inside record {number} at offset 0x{where:x}", where)
        for where, _, hidden in inside
    ]
    assert left.events == {}
    told = recover(seal(data), frozenset({65_535}))[2]
    assert list(map(str, told)) == list(map(str, errors)), "it is told whatever is wanted"


def cleared(data):
    """The same chunks, with headers that say that nothing was written to them yet."""
    data = bytearray(data)
    for chunk in chunk_offsets(data):
        struct.pack_into("<4Q", data, chunk + 8, 1, NEVER, NEVER, NEVER)
        struct.pack_into("<II", data, chunk + 0x2C, 0, CHUNK_HEAD)
    return data


def test_a_log_that_was_cleared(old):
    live, found, errors, _ = recover(seal(cleared(old)))
    assert (live, errors) == ([], [])
    assert [item.record for item in found] == list(records(old).values())
    reader = LogReader(io.BytesIO(seal(cleared(old))))
    assert (list(reader), reader.tally.claimed, reader.tally.parsed) == ([], 0, 0)


def test_records_in_an_empty_chunk_of_a_live_log_are_live(old):
    data = cleared(old)
    struct.pack_into("<I", data, 0x78, 1)
    live, found, _, _ = recover(seal(data))
    assert live == list(records(old).values())
    assert found == []


@pytest.mark.parametrize(
    ("place", "value"), [(0, 0), (4, 24), (4, 0xFFFFFFF8), (8, 0), (12, 0xFFFF0000), (20, 0), (20, 0xFFFFFFFF)]
)
def test_what_has_not_the_form_of_a_record(rewritten, place, value):
    at, _, number = behind(rewritten)[3]
    data = bytearray(rewritten)
    struct.pack_into("<I" if place != 8 else "<Q", data, at + place, value)
    found = recover(seal(data))[1]
    assert number not in {item.record.record_id for item in found}
    assert len(found) >= len(behind(rewritten)) - 2


def test_a_limit(rewritten, monkeypatch):
    monkeypatch.setattr(evtx_slack, "MOST", 5)
    whole = len(behind(rewritten))
    _, found, _, left = recover(rewritten)
    assert (len(found), left.skipped) == (5, whole - 5)


def test_cut_anywhere(rewritten):
    every = recover(rewritten)[1]  # the last two bytes of a record's size are zeros, as is what stands for the rest
    ends = {at: at + size for at, size, _ in behind(rewritten)}
    for cut in [*range(0, FILE_HEAD, 1021), *range(FILE_HEAD, len(rewritten), 2003), len(rewritten) - 1]:
        found = recover(rewritten[:cut])[1]
        assert found == [item for item in every if ends[item.record.offset] - 2 <= cut], cut


_FLIPS = """
import random, sys
sys.path.insert(0, {root!r})
from tests.formats.crafted_logs import FILE_HEAD, log, overlaid, seal
from tests.formats.test_evtx_slack import identity, recover
plain = bytes(overlaid(log(30, first_record=5001), log(120, first_record=812)))
source = random.Random({seed})
for _ in range({rounds}):
    data = bytearray(plain)
    for _ in range(source.choice((1, 4, 40, 400))):
        at = source.randrange(FILE_HEAD, len(data))
        data[at] ^= 1 << source.randrange(8)
    if source.random() < 0.5:
        at = source.randrange(FILE_HEAD, len(data) - 3000)
        data[at : at + 3000] = source.randbytes(3000)
    live, found, _, _ = recover(data)
    keys = [identity(item.record) for item in found]
    assert len(set(keys)) == len(keys)
    assert not {{identity(record) for record in live}} & set(keys)
print("done")
"""


@pytest.mark.parametrize("seed", range(2))
def test_damage(seed):
    """Whatever the bytes: no exception, no row twice. In a process of its own, because a decoder may hang."""
    script = _FLIPS.format(root=str(ROOT), seed=seed, rounds=45)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr[-2000:]


def test_times_of_the_crafted_records(rewritten):
    item = recover(rewritten)[1][-1]
    assert item.record.time == item.record.written == moment(item.record.record_id - 812)


@pytest.mark.samples
class TestSamples:
    # name: strong, weak, left. In all other natural logs what lies in slack is live elsewhere in the log.
    NATURAL: ClassVar = {
        "2-vss_0-Microsoft-Windows-RemoteDesktopServices-RdpCoreTS%4Operational": (41, 0, 114),
        "2-vss_0-Microsoft-Windows-TerminalServices-RemoteConnectionManager%4Operational": (265, 1, 1),
        "2-vss_7-System": (0, 0, 25),
        "Application_no_crc32": (0, 0, 34),
        "E_ShadowCopy6_windows_system32_winevt_logs_Microsoft-Windows-CAPI2%4Operational": (0, 0, 14),
        "MSExchange_Management_wec": (0, 0, 9),
        "Microsoft-Windows-LanguagePackSetup%4Operational": (0, 0, 15),
        "Security_short_selected": (0, 0, 8),
        "issue_38": (0, 0, 38),
        "new-user-security": (0, 0, 3),
        "post-Security": (1, 0, 0),
        "sample_with_a_bad_chunk_magic": (50, 0, 82),
    }

    def test_natural_logs(self, samples):
        for path in sorted((samples / "evtx" / "odd").glob("*.evtx")):
            _, found, errors, left = recover(path.read_bytes())
            grades = Counter(item.grade for item in found)
            facts = (grades[STRONG], grades[WEAK], sum(left.events.values()))
            assert facts == self.NATURAL.get(path.stem, (0, 0, 0)), path.name
            assert len(errors) == (path.stem == "post-Security")

    def test_a_record_that_a_known_tool_hid(self, samples):
        """The ids of all later records were counted down by it, so no id is missing in this log."""
        data = (samples / "evtx" / "odd" / "post-Security.evtx").read_bytes()
        live, (item,), (error,), _ = recover(data)
        assert [record.record_id for record in live] == list(range(1, 127))
        assert str(error) == "record 105 is hidden inside record 104 at offset 0x12230"
        assert (item.record.record_id, item.record.event_id, item.inside, item.grade) == (105, 4616, 104, STRONG)
        assert item.record.data["ProcessName"] == "C:\\Windows\\System32\\oobe\\msoobe.exe"
        assert live[104].record_id == 105
        assert live[104].time != item.record.time

    def test_no_record_twice_in_any_log(self, samples):
        strong = weak = 0
        for path in sorted((samples / "evtx").rglob("*.evtx")):
            live, found, _, _ = recover(path.read_bytes())
            keys = Counter(map(identity, [*live, *(item.record for item in found)]))
            shown = {key: count for key, count in keys.items() if count > 1}
            given = {identity(item.record) for item in found}
            assert not given & shown.keys(), path.name
            strong += sum(item.grade == STRONG for item in found)
            weak += sum(item.grade == WEAK for item in found)
        assert (strong, weak) == (373, 622)

    def test_parts_give_what_the_whole_gives(self, samples):
        for name in ("odd/sample_with_a_bad_chunk_magic", "odd/sample-with-irregular-bool-values", "odd/security"):
            data = (samples / "evtx" / f"{name}.evtx").read_bytes()
            whole = {identity(item.record) for item in recover(data)[1]}
            for parts in (2, 5):
                found = [item.record for index in range(parts) for item in recover(data, part=(index, parts))[1]]
                assert Counter(map(identity, found)) == Counter(whole), (name, parts)

    def test_python_evtx_says_the_same(self, samples):
        """Where it can read a natural record in slack at all."""
        compared = 0
        for path in sorted((samples / "evtx" / "odd").glob("*.evtx")):
            data, chunks = path.read_bytes(), {}
            for item in recover(data)[1]:
                try:
                    text = said_by_python_evtx(data, item.record.offset, chunks)
                except Exception:  # noqa: BLE001  # it raises whatever comes
                    continue
                assert f"<EventRecordID>{item.record.event_record_id}</EventRecordID>" in text
                assert all(name.partition("_")[0] in text for name in item.record.data)
                compared += 1
        assert compared > 300
