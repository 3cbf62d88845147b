"""The shipped ws-tanaka evidence is what its scenario says, in all three layouts, for readers that are not ours."""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest
from dissect.ntfs import NTFS
from dissect.ntfs.exceptions import FileNotFoundError as NtfsFileNotFoundError
from dissect.ntfs.usnjrnl import UsnJrnl
from dissect.target import container, volume
from evtx import PyEvtxParser
from Evtx.Evtx import Evtx
from Registry import Registry

from forensics.formats.usn import JournalReader
from forensics.rules.watch import is_watched
from forensics.times import microseconds
from testdata import build as builder
from testdata.happenings import all_events, connection_token, process_guid
from testdata.host import scenario
from testdata.journal import FIRST_USN
from testdata.noise import noise_events
from testdata.render import folders, inner_path, log_path, removed, render, whole
from testdata.writers.ntfs import missing_tools

NAME = "ws-tanaka"
LIMIT = 8 << 20


@pytest.fixture(scope="module")
def host():
    return scenario(NAME)


@pytest.fixture(scope="module")
def files(host):
    return render(host)


@pytest.fixture(scope="module")
def evidence(testdata) -> Path:
    return testdata / "evidence" / NAME


@pytest.fixture(scope="module")
def kape(evidence) -> Path:
    return evidence / "kape" / "WS-TANAKA"


@pytest.fixture(scope="module")
def archive(evidence):
    (path,) = (evidence / "velociraptor").glob("*.zip")
    with zipfile.ZipFile(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def ntfs(evidence):
    disk = container.open(evidence / "e01" / f"{NAME}.E01")
    (partition,) = volume.open(disk).volumes
    return NTFS(partition)


@pytest.fixture(scope="module")
def expected(evidence):
    return json.loads((evidence / "expected" / "sessions.json").read_text(encoding="utf-8"))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def kape_contents(kape: Path) -> dict[str, str]:
    """What the collection took of the described files; `$MFT` and `$Extend` are the volume's own."""
    root = kape / "C"
    every = {p.relative_to(root).as_posix(): p for p in root.rglob("*") if p.is_file()}
    return {path: digest(place.read_bytes()) for path, place in every.items() if not path.startswith("$")}


def ntfs_paths(record, prefix=""):
    for entry in record.iterdir(dereference=True):
        name = entry.filename
        if name.startswith("$") or name == ".":
            continue
        path = f"{prefix}{name}"
        if entry.is_dir():
            yield from ntfs_paths(entry, path + "/")
        else:
            yield path, entry


# -- one content, three layouts ------------------------------------------------------------------------------------


def test_the_collections_hold_what_the_scenario_renders(files, kape, archive):
    wanted = {path: digest(file.data) for path, file in files.items()}
    assert kape_contents(kape) == wanted
    uploads = [name for name in archive.namelist() if name.startswith("uploads/auto/")]
    found = {"/".join(map(unquote, name.split("/")[3:])): digest(archive.read(name)) for name in uploads}
    assert {name.split("/")[2] for name in uploads} == {"C%3A"}
    assert found == wanted


def test_the_image_holds_the_same(kape, ntfs):
    found = {path: digest(entry.open().read()) for path, entry in ntfs_paths(ntfs.mft.get(5))}
    assert found == kape_contents(kape)


def test_the_collections_take_the_volumes_own_table_and_journal(kape, archive, ntfs):
    table, journal = (kape / "C/$MFT").read_bytes(), (kape / "C/$Extend/$J").read_bytes()
    ntfs.mft.fh.seek(0)
    assert ntfs.mft.fh.read(len(table)) == table
    assert ntfs.mft.get("$Extend/$UsnJrnl").open("$J").read() == journal
    top = "uploads/ntfs/%5C%5C.%5CC%3A"
    assert archive.read(f"{top}/$MFT") == table
    assert archive.read(f"{top}/$Extend/$UsnJrnl%3A$J") == journal


def test_what_was_removed_is_not_listed_but_its_record_is_there(host, ntfs):
    gone = {file.path.rpartition("\\")[2]: file for file in host.files if file.deleted}
    records = {record.filename: record for record in ntfs.mft.segments() if record.filename in gone}
    assert set(records) == set(gone) == {"try.wsb", "sandbox.vmgs", "sandbox.vhdx"}
    assert not any(record.header.Flags & 1 for record in records.values())
    assert records["try.wsb"].open().read().decode() == gone["try.wsb"].text.replace("\n", "\r\n")
    with pytest.raises(NtfsFileNotFoundError):
        ntfs.mft.get("Users/Public/AppData/try.wsb")


def test_the_journal_is_read_alike_by_another_reader(ntfs, kape):
    records = list(UsnJrnl(ntfs.mft.get("$Extend/$UsnJrnl").open("$J"), ntfs).records())
    with (kape / "C/$Extend/$J").open("rb") as handle:
        ours = list(JournalReader(handle))
    assert len(ours) > 300
    assert [(r.record.Usn - r.offset, r.filename, int(r.record.Reason)) for r in records] == [
        (FIRST_USN, item.name, item.reason) for item in ours
    ]


def test_ntfs_times_are_the_described_ones(files, host, ntfs):
    told = {path: file.times for path, file in files.items()} | folders(files | removed(host), whole(host))
    for path, times in told.items():
        record = ntfs.mft.get(path)
        (info,) = record.attributes.STANDARD_INFORMATION
        # In nanoseconds: the datetimes of this reader go through a float and may be one microsecond off.
        found = (
            info.creation_time_ns,
            info.last_modification_time_ns,
            info.last_change_time_ns,
            info.last_access_time_ns,
        )
        assert found == tuple(map(nanoseconds, (times.birth, times.mtime, times.mft, times.atime))), path
        assert {name.creation_time_ns for name in record.attributes.FILE_NAME} == {nanoseconds(times.birth)}


def nanoseconds(moment: datetime) -> int:
    return microseconds(moment) * 1000


def test_no_clock_of_the_building_machine_is_left_in_the_volume(ntfs):
    for record in ntfs.mft.segments():
        for info in record.attributes.STANDARD_INFORMATION or ():
            assert info.creation_time < datetime(2024, 12, 7, tzinfo=UTC)
            assert info.last_change_time < datetime(2024, 12, 7, tzinfo=UTC)


def test_the_image_is_split_and_its_stored_hash_is_right(evidence):
    segments = sorted((evidence / "e01").glob(f"{NAME}.E*"))
    assert len(segments) >= 2
    assert [path.suffix for path in segments] == [f".E{number:02d}" for number in range(1, len(segments) + 1)]
    disk, md5 = container.open(segments[0]), hashlib.md5(usedforsecurity=False)
    while block := disk.read(1 << 20):
        md5.update(block)
    last = segments[-1].read_bytes()
    # The hash section (76 byte descriptor, MD5, 16 unknown bytes, checksum) stands before the 76 bytes of `done`.
    assert last[-76 - 36 : -76 - 20] == md5.digest()


def test_the_collections_keep_the_original_times(files, kape, archive):
    (log,) = kape.glob("*_copylog.csv")
    with log.open(encoding="utf-8-sig", newline="") as handle:
        rows = {inner_path(row["SourceFile"]): row for row in csv.DictReader(handle)}
    (results,) = (name for name in archive.namelist() if name.endswith("%2FUploads.json"))
    lines = map(json.loads, archive.read(results).decode().splitlines())
    uploads = {inner_path(row["SourceFile"]): row for row in lines}
    assert set(rows) == set(uploads) == {*files, "$MFT", "$Extend/$J"}
    for path, file in files.items():
        row, upload = rows[path], uploads[path]
        assert datetime.fromisoformat(row["CreatedOnUtc"][:26] + "+00:00") == file.times.birth
        assert datetime.fromisoformat(row["ModifiedOnUtc"][:26] + "+00:00") == file.times.mtime
        assert row["SourceFileSha1"] == hashlib.sha1(file.data, usedforsecurity=False).hexdigest()
        assert datetime.fromisoformat(upload["Created"]) == file.times.birth
        assert datetime.fromisoformat(upload["Changed"]) == file.times.mft
        assert upload["SourceFileSha256"] == digest(file.data)


def test_the_evidence_stays_small(evidence):
    assert sum(path.stat().st_size for path in evidence.rglob("*") if path.is_file()) < LIMIT


# -- logs and hives, read by others --------------------------------------------------------------------------------


def test_every_log_is_read_alike_by_three_parsers(host, kape):
    from dissect.eventlog.evtx import Evtx as DissectEvtx

    by_channel: dict[str, list] = {}
    for event in all_events(host):
        by_channel.setdefault(event.channel, []).append(event)
    assert {log_path(channel) for channel in by_channel} == {
        str(path.relative_to(kape / "C")) for path in (kape / "C/Windows/System32/winevt/Logs").iterdir()
    }
    for channel, events in by_channel.items():
        path = kape / "C" / log_path(channel)
        wanted = [(event.id, event.time) for event in events]
        assert rust_rows(path) == wanted, channel
        with Evtx(str(path)) as log:
            records = list(log.records())
            assert len(records) == len(wanted), channel
            for record, (_, time) in zip(records, wanted, strict=True):  # this parser's times go through a float
                assert abs(record.timestamp().replace(tzinfo=UTC) - time) <= timedelta(milliseconds=1)
            # Rendering takes this parser 20 ms a record: every record of the small logs, each tenth of a large one.
            assert all(record.xml() for record in records[:: 1 + 9 * (len(records) > 100)]), channel
        with path.open("rb") as handle:
            assert [int(row["EventID"]) for row in DissectEvtx(handle)] == [number for number, _ in wanted], channel


def rust_rows(path: Path) -> list[tuple[int, datetime]]:
    rows = []
    for record in PyEvtxParser(str(path)).records_json():
        system = json.loads(record["data"])["Event"]["System"]
        number = system["EventID"]
        rows.append(
            (
                number["#text"] if isinstance(number, dict) else number,
                datetime.fromisoformat(system["TimeCreated"]["#attributes"]["SystemTime"]),
            )
        )
    return rows


def test_the_security_log_begins_with_its_clearing_and_goes_on_counting(kape):
    records = list(PyEvtxParser(str(kape / "C" / log_path("Security"))).records_json())
    assert json.loads(records[0]["data"])["Event"]["System"]["EventID"] == 1102
    first = records[0]["event_record_id"]
    assert first > 100_000
    assert [record["event_record_id"] for record in records] == list(range(first, first + len(records)))


def test_described_fields_arrive_in_the_records(kape):
    text = "".join(r["data"] for r in PyEvtxParser(str(kape / "C" / log_path("Security"))).records())
    assert "c:\\windows\\system32\\windowssandbox.exe c:\\windows\\system32\\default.wsb" in text
    assert "C:\\Users\\田中\\Documents\\lab.wsb" in text
    assert "GoogleUpdaterInternalService" in text
    assert "NT VIRTUAL MACHINE" in text


def hive(kape: Path, path: str) -> Registry.Registry:
    return Registry.Registry(str(kape / "C" / path))


def test_hives_hold_the_described_keys(kape, host):
    by_name = {
        "SYSTEM": "Windows/System32/config/SYSTEM",
        "SOFTWARE": "Windows/System32/config/SOFTWARE",
        "NTUSER:tanaka": "Users/田中/NTUSER.DAT",
        "NTUSER:sato": "Users/佐藤/NTUSER.DAT",
        "USRCLASS:tanaka": "Users/田中/AppData/Local/Microsoft/Windows/UsrClass.dat",
        "USRCLASS:sato": "Users/佐藤/AppData/Local/Microsoft/Windows/UsrClass.dat",
    }
    opened = {name: hive(kape, path) for name, path in by_name.items()}
    for described in host.registry:
        key = opened[described.hive].open(described.key)
        assert key.timestamp().replace(tzinfo=UTC) == described.written
        assert len(key.values()) == len(described.values)
    run = opened["NTUSER:tanaka"].open("Software\\Microsoft\\Windows\\CurrentVersion\\Run")
    assert run.value("Visual Studio Code Tunnel").value().endswith("tunnel-service.log")
    zone = opened["SYSTEM"].open("ControlSet001\\Control\\TimeZoneInformation")
    assert zone.value("TimeZoneKeyName").value() == "Tokyo Standard Time"


# -- the story holds together --------------------------------------------------------------------------------------


def test_the_tunnel_token_belongs_to_the_tunnel_id(files):
    tunnel = json.loads(files["Users/田中/.vscode/cli/code_tunnel.json"].data)
    token = connection_token(tunnel["id"])
    assert f"--connection-token={token}".encode() in files["Users/田中/.vscode/cli/tunnel-service.log"].data
    assert connection_token("q7m2xk4d") == "CgxJd2e9LdDDo-FolIgseX4nCm0Sx16ZhYZVK9xEVPI"


def test_cli_log_times_are_local_and_the_file_time_is_not(files):
    log = files["Users/田中/.vscode/cli/tunnel-service.log"]
    last = log.data.decode().splitlines()[-1]
    assert last.startswith("[2024-12-05 18:30:59] ")
    assert log.times.mtime.isoformat().startswith("2024-12-05T09:30:59")
    assert b"@" not in log.data


def test_prefetch_runs_are_starts_of_described_processes(host):
    starts = {(process.image.casefold(), process.start) for process in host.processes}
    images = {image for image, _ in starts}
    for record in host.prefetch:
        if record.image.casefold() in images and "sandbox" in record.image.casefold():
            assert all((record.image.casefold(), run) in starts for run in record.runs)


def test_expected_agrees_with_the_scenario(host, files, expected):
    machines = {machine.id: machine for machine in host.machines}
    for session in expected["sandbox_sessions"]:
        machine = machines[session["vm_id"]]
        assert inside(machine.created, session["start_between"])
        assert inside(machine.terminated, session["end_between"])
        assert (machine.nic is not None) is session["networked"]
        path = inner_path(session["launch"]["wsb_path"][0].upper() + session["launch"]["wsb_path"][1:])
        assert path.casefold() in {name.casefold() for name in files}
    (tunnel,) = expected["tunnel_sessions"]
    told = json.loads(files["Users/田中/.vscode/cli/code_tunnel.json"].data)
    assert (tunnel["tunnel_name"], tunnel["tunnel_id"], tunnel["cluster"]) == tuple(told.values())
    for period, name in zip(tunnel["hosting"], ("code_host1", "code_host2"), strict=True):
        process = host.process(name)
        assert period["pid"] == process.pid
        assert process.start.isoformat() <= period["start_between"][1]
        assert period["start_between"][0] <= process.start.replace(microsecond=999_999).isoformat()
    saved = {digest(file.data) for path, file in files.items() if "/User/History/" in path}
    assert {item["sha256"] for item in tunnel["files_saved"]} <= saved
    (cleared,) = expected["anti_forensics"]
    assert datetime.fromisoformat(cleared["time"]) == host.cleared["Security"]


def inside(moment: datetime, limits: list[str]) -> bool:
    first, last = map(datetime.fromisoformat, limits)
    return first <= moment <= last


def test_children_start_while_their_parents_run(host):
    for process in host.processes:
        if process.parent:
            parent = host.process(process.parent)
            assert parent.start <= process.start, process.name
            assert parent.end is None or process.start <= parent.end, process.name


def test_sysmon_records_name_processes_that_ran(host):
    guids = {process_guid(process): process for process in host.processes}
    told = [event for event in host.events if "Sysmon" in event.channel]
    assert len(told) >= 6
    for event in told:
        process = guids[event.data["ProcessGuid"]]
        assert (process.pid, process.image) == (event.data["ProcessId"], event.data["Image"])
        assert process.start <= event.time


def test_noise_is_never_watched(host):
    texts = {str(value) for noise in host.noise for event in noise_events(host, noise) for value in event.data.values()}
    assert len(texts) > 400
    assert [text for text in texts if is_watched(text)] == []


# -- rebuilding ----------------------------------------------------------------------------------------------------


def members(root: Path) -> dict[str, str]:
    (path,) = (root / "velociraptor").glob("*.zip")
    with zipfile.ZipFile(path) as opened:
        return {name: digest(opened.read(name)) for name in opened.namelist()}


def tree(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): digest(path.read_bytes()) for path in root.rglob("*") if path.is_file()}


def image_content(root: Path) -> dict[str, tuple[str, int, int]]:
    (partition,) = volume.open(container.open(root / "e01" / f"{NAME}.E01")).volumes
    found = {}
    for path, entry in ntfs_paths(NTFS(partition).mft.get(5)):
        (info,) = entry.attributes.STANDARD_INFORMATION
        found[path] = (digest(entry.open().read()), info.creation_time_ns, info.last_change_time_ns)
    return found


@pytest.mark.rebuild
def test_rebuilding_gives_the_shipped_evidence(tmp_path, evidence):
    """Contents, not container bytes: those also depend on the versions of zlib and ntfs-3g."""
    if missing := missing_tools():
        pytest.skip(f"cannot build an image without {', '.join(missing)}")
    try:
        builder.build(NAME, tmp_path)
    except OSError as error:
        pytest.skip(f"this machine may not mount: {error}")
    assert tree(tmp_path / "kape") == tree(evidence / "kape")
    assert members(tmp_path) == members(evidence)
    assert image_content(tmp_path) == image_content(evidence)


def test_the_build_command_names_what_it_does_not_know(capsys):
    with pytest.raises(SystemExit) as stop:
        builder.main(["no-such-host"])
    assert stop.value.code == 2
    assert "no-such-host" in capsys.readouterr().err


def test_the_build_command_writes_one_layout(tmp_path, capsys):
    assert builder.main([NAME, "--only", "velociraptor", "--target", str(tmp_path)]) == 0
    (written,) = capsys.readouterr().out.split()
    assert zipfile.is_zipfile(written)
    assert [path.name for path in (tmp_path / NAME).iterdir()] == ["velociraptor"]
