"""The files that autostart entries start: their paths, whether they are there, and their hashes."""

from __future__ import annotations

import hashlib
import io
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from forensics import targets
from forensics.artifacts._filesystem import add_table
from forensics.case import Case
from forensics.formats.authenticode import Signature, digests
from forensics.formats.mft import TableReader
from forensics.formats.ntfspaths import Folders
from forensics.locales.japanese import japanese
from forensics.sessions.persistence_targets import target_of
from forensics.targetplaces import Looked, Place, Table, _sought
from forensics.targetwords import Seen
from forensics.workers import Limits, Workers
from testdata.writers import mft, usn
from testdata.writers.authenticode import catalogue, identity, program, signed
from testdata.writers.evtx import LogWriter
from testdata.writers.hive import REG_SZ, HiveWriter
from testdata.writers.ntfs import Description, Times
from testdata.writers.providers import event
from tests.artifacts.autorun_inputs import at, system
from tests.formats.crafted_hives import hive
from tests.running import Run, timeline, tool

HOME = "C:\\Users\\x"


@pytest.mark.parametrize(
    ("command", "library", "wanted"),
    [
        ('"C:\\Program Files\\A\\a.exe" -x', "", "C:\\Program Files\\A\\a.exe"),
        ("C:\\Program Files\\A\\a.exe -x", "", "C:\\Program Files\\A\\a.exe"),
        ("C:\\x\\a.dll", "{0A1B2C3D-0000-4000-8000-0000000000C1}", "C:\\x\\a.dll"),
        ("%SystemRoot%\\System32\\np.dll", "NPPSpy", "C:\\Windows\\System32\\np.dll"),
        ("%windir%\\system32\\a.exe", "", "C:\\Windows\\system32\\a.exe"),
        ("%LocalAppData%\\a.exe /b", "", "C:\\Users\\x\\AppData\\Local\\a.exe"),
        ("\\??\\C:\\ProgramData\\d.sys", "", "C:\\ProgramData\\d.sys"),
        ("\\SystemRoot\\System32\\drivers\\d.sys", "", "C:\\Windows\\System32\\drivers\\d.sys"),
        ("system32\\drivers\\d.sys", "", "C:\\Windows\\system32\\drivers\\d.sys"),
        ("svchost.exe -k netsvcs", "%SystemRoot%\\System32\\s.dll", "C:\\Windows\\System32\\s.dll"),
        ("mimilib.dll", "", "C:\\Windows\\System32\\mimilib.dll"),
        ("rundll32.exe C:\\Users\\Public\\a.dll,Run", "", "C:\\Users\\Public\\a.dll"),
        ('wscript.exe //B "C:\\Users\\Public\\a b.vbs" x', "", "C:\\Users\\Public\\a b.vbs"),
        ("powershell -enc AAAA", "", None),
        ("%unknown%\\a.exe", "", None),
        ("", "", None),
    ],
)
def test_paths(command: str, library: str, wanted: str | None) -> None:
    assert target_of(command, library, HOME) == wanted


def planted(top: Path) -> Path:
    run = "Microsoft\\Windows\\CurrentVersion\\Run"
    values: dict[str, str | int | tuple[str, ...] | bytes] = {
        "There": "C:\\Users\\Public\\Evil.exe -x", "Gone": "C:\\Users\\Public\\gone.exe",
        "None": "powershell -enc AAAA", "Odd": "C:\\Users\\Public\\[a].exe",
        "Braces": "C:\\Users\\Public\\{0A1B2C3D-0000-4000-8000-0000000000C1}\\b!.exe",
        "Pattern": "C:\\Users\\Public\\e*l.exe", "Share": "\\\\192.0.2.7\\share\\a.exe",
    }  # fmt: skip
    files = {
        "Windows/System32/config/SOFTWARE": hive(at(run, values)),
        "Users/Public/evil.exe": b"MZ" + bytes(100),
        "Users/Public/[a].exe": b"MZ" + bytes(200),
        "Users/Public/{0A1B2C3D-0000-4000-8000-0000000000C1}/b!.exe": b"MZ" + bytes(300),
    }
    for name, data in files.items():
        path = top / "C" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return top


def test_a_file_at_hand_is_hashed(tmp_path: Path) -> None:
    run = timeline(planted(tmp_path / "evidence"), tmp_path / "case", "-q")
    told = {entry["name"]: entry for entry in run.document()["persistence"]}
    there, gone = told["There"], told["Gone"]
    assert there["target"] == "C:\\Users\\Public\\Evil.exe"
    assert there["target_exists"] is True
    assert there["target_sha256"] == hashlib.sha256(b"MZ" + bytes(100)).hexdigest()
    # A folder of collected files: what is not in it may have been there.
    assert (gone["target_exists"], gone["target_sha256"], gone["target_note"]) == (None, None, "not collected")
    for name, size in (("Odd", 200), ("Braces", 300)):
        assert told[name]["target_sha256"] == hashlib.sha256(b"MZ" + bytes(size)).hexdigest()
    assert told["Pattern"]["target_exists"] is None
    assert told["Pattern"]["target_note"] == "not looked at: signs in its name that no file can have"
    assert told["Share"]["target"] is None
    assert told["Share"]["target_note"].startswith("it lies on another computer, which is not in this evidence: ")
    assert told["None"]["target"] is None
    text = tool("show", run.case, "persistence").stdout
    assert "target: C:\\Users\\Public\\Evil.exe, there" in text
    assert "target: C:\\Users\\Public\\gone.exe: not collected" in text


def test_budgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "MOST_FILES", 1)
    run = timeline(planted(tmp_path / "evidence"), tmp_path / "case", "-q")
    notes = [entry["target_note"] or "" for entry in run.document()["persistence"] if entry["target"]]
    assert sum("more than 1 files" in note for note in notes) == len(notes) - 1


def test_an_image_tells_that_a_file_is_gone(shipped: Callable[[str], Run]) -> None:
    run = shipped("e01")
    told = {entry["target_exists"] for entry in run.document()["persistence"] if entry["score"] and entry["target"]}
    assert told
    assert None not in told


# -- what is not at hand ----------------------------------------------------------------------------------------------

WHEN = datetime(2024, 12, 3, 9, 0, tzinfo=UTC)
SHA1, SHA256, OLDER = "11" * 20, "22" * 32, "33" * 32
SYSMON = "Microsoft-Windows-Sysmon/Operational"
RUN = "Microsoft\\Windows\\CurrentVersion\\Run"
PLACES = {
    "Listed": "C:\\Users\\Public\\Listed.exe", "Deleted": "C:\\Users\\Public\\deleted.exe",
    "Both": "C:\\Users\\Public\\both.exe", "Missing": "C:\\Users\\Public\\missing.exe",
    "Short": "C:\\Users\\PUBLIC~1\\short.exe", "Junction": "C:\\Users\\Public\\Local Settings\\junction.exe",
    "Elsewhere": "D:\\missing.exe", "Bare": "C:\\Users\\Public\\program",
    "Library": "rundll32.exe C:\\Windows\\System32\\missing.dll,Run",
    "Narrow": "rundll32.exe C:\\Windows\\System32\\narrow.dll,Run",
}  # fmt: skip


def table() -> bytes:
    times = Times(WHEN, WHEN, WHEN, WHEN)
    held = (b"", times)
    files = ("Users/Public/listed.exe", "Users/Public/both.exe", "Windows/SysWOW64/narrow.dll")
    folders = ("Users", "Users/Public", "Windows", "Windows/SysWOW64", "Windows/System32")
    told = Description(
        contents=dict.fromkeys(files, held), folders=dict.fromkeys(folders, times), whole=times, serial=1,
        removed={"Users/Public/deleted.exe": held},
    )  # fmt: skip
    return mft.build(told)[0]


def folder(top: Path, files: dict[str, bytes], places: dict[str, str] = PLACES) -> Path:
    """A collection: a hive with these Run values, and files by their path on C:."""
    files = {"Windows/System32/config/SOFTWARE": hive(at(RUN, dict(places))), **files}
    for name, data in files.items():
        path = top / "C" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return top


def told(run: Any) -> dict[str, Any]:
    return {entry["name"]: entry for entry in run.document()["persistence"]}


def test_the_table_of_the_volume_tells_of_what_is_not_at_hand(tmp_path: Path) -> None:
    found = told(timeline(folder(tmp_path / "e", {"$MFT": table()}), tmp_path / "case", "-q"))
    exists = {name: entry["target_exists"] for name, entry in found.items()}
    assert exists == {
        "Listed": True, "Deleted": False, "Both": True, "Missing": False, "Short": None, "Junction": None,
        "Elsewhere": None, "Bare": None, "Library": False, "Narrow": None,
    }  # fmt: skip
    note = {name: entry["target_note"] for name, entry in found.items()}
    assert note["Listed"].startswith("not at hand; the $MFT (C:/$MFT) lists it in record ")
    assert note["Listed"].endswith("created 2024-12-03 09:00:00.000 UTC")
    assert note["Deleted"].startswith("deleted: its record ")
    assert note["Missing"] == "no such name in the $MFT (C:/$MFT)"
    assert "short name" in note["Short"]
    assert "over a junction" in note["Junction"]
    assert "no extension" in note["Bare"]
    assert "SysWOW64" in note["Narrow"]
    assert note["Elsewhere"] == "not collected", "the table is of another volume"
    assert {entry["target_signature"] for entry in found.values()} == {None}


def redirected(*folders: str) -> dict[str, bytes]:
    """A hive of the system whose KnownDLLs lie in another folder, and a user's whose `windir` does."""
    system_hive = hive(system(at("Control\\Session Manager\\KnownDLLs", {"DllDirectory": folders[0]})))
    own = {"Environment": at("", {"windir": folders[1]})[""], "Software": {}}
    return {"Windows/System32/config/SYSTEM": system_hive, "Users/x/NTUSER.DAT": hive(own)}


def test_a_folder_is_looked_up_as_one(tmp_path: Path) -> None:
    """$MFT of the volume: a folder counts for it, a file of its name does not."""
    files = {"$MFT": table(), **redirected("C:\\Users\\Public", "C:\\Users\\Public\\listed.exe")}
    found = told(timeline(folder(tmp_path / "e", files), tmp_path / "case", "-q"))
    assert found["DllDirectory"]["target_exists"] is True
    assert found["DllDirectory"]["target_note"].startswith("a folder; the $MFT (C:/$MFT) lists it in record ")
    assert found["windir"]["target_exists"] is False
    assert found["windir"]["target_note"] == "no such folder in the $MFT (C:/$MFT)"


def test_a_folder_is_there_where_files_lie_in_it(tmp_path: Path) -> None:
    files = {
        **redirected("C:\\Kit\\", "C:\\Users\\Public\\windows"), "Users/Public/windows/System32/x.exe": b"x",
        "Other/Kit/x.dll": b"x",
    }  # fmt: skip
    found = told(timeline(folder(tmp_path / "e", files), tmp_path / "case", "-q"))
    assert (found["windir"]["target_exists"], found["windir"]["target_sha256"]) == (True, None)
    assert found["windir"]["target_note"] == "files of this folder are in the evidence"
    assert (found["DllDirectory"]["target_exists"], found["DllDirectory"]["target_note"]) == (None, "not collected")


@pytest.mark.parametrize("left", [1, 3, 24])
def test_a_cut_table_proves_no_absence(tmp_path: Path, left: int) -> None:
    found = told(timeline(folder(tmp_path / "e", {"$MFT": table()[: left * 1024]}), tmp_path / "case", "-q"))
    assert found["Missing"]["target_exists"] is None
    assert "the $MFT is cut" in found["Missing"]["target_note"]


def test_a_table_that_is_cut_or_broken_anywhere_never_proves_absence() -> None:
    data, wanted = table(), frozenset({"\\users\\public\\missing.exe", "\\users\\public\\listed.exe"})

    def asked(broken: bytes) -> Table:
        reader, folders = TableReader(io.BytesIO(broken)), Folders()
        add_table(folders, reader)
        return _sought(reader, folders, wanted, len(broken))

    assert (asked(data).gaps, set(asked(data).found)) == ("", {"\\users\\public\\listed.exe"})
    for length in range(1024, len(data), 173):
        assert asked(data[:length]).gaps, length
    assert asked(bytes(1024) + data[1024:]).gaps
    dice = random.Random(3)
    for _ in range(300):
        broken = bytearray(data)
        broken[dice.randrange(1024, len(data))] ^= dice.randrange(1, 256)
        assert set(asked(bytes(broken)).found) <= wanted


def test_a_damaged_table_proves_no_absence(tmp_path: Path) -> None:
    data = bytearray(table())
    data[27 * 1024 + 510] ^= 0xFF  # the guard of a record's first sector
    found = told(timeline(folder(tmp_path / "e", {"$MFT": bytes(data)}), tmp_path / "case", "-q"))
    assert found["Missing"]["target_exists"] is None
    assert "the $MFT is damaged" in found["Missing"]["target_note"]


def test_the_change_journal_tells_when(tmp_path: Path) -> None:
    users, public = usn.reference(40), usn.reference(41)
    when = WHEN + timedelta(days=2)
    journal = usn.build([
        usn.Change(WHEN, users, usn.reference(5, 5), "Users", usn.CREATE | usn.CLOSE, usn.FOLDER),
        usn.Change(WHEN, public, users, "Public", usn.CREATE | usn.CLOSE, usn.FOLDER),
        usn.Change(when, usn.reference(99), public, "missing.exe", usn.DELETE | usn.CLOSE),
    ])  # fmt: skip
    files = {"$MFT": table(), "$Extend/$J": journal}
    run = timeline(folder(tmp_path / "e", files), tmp_path / "case", "-q")
    entry = told(run)["Missing"]
    assert entry["target_exists"] is False
    assert entry["target_note"].endswith("the change journal has its deletion at 2024-12-05 09:00:00.000 UTC")
    rows = {row["event_uid"]: row["kind"] for row in run.lines("timeline.jsonl")}
    assert "usn.file_deleted" in {rows[uid] for uid in entry["events"]}


def amcache(path: str, **more: str | int) -> bytes:
    writer = HiveWriter("{11517B7C-E79D-4e20-961B-75A811715ADD}", WHEN, "Amcache.hve")
    key = "Root\\InventoryApplicationFile\\x|1"
    writer.key(key, WHEN)
    values = {"FileId": "0000" + SHA1, "LowerCaseLongPath": path.lower(), "Publisher": "example corp", **more}
    for name, data in values.items():
        writer.value(key, name, REG_SZ, str(data))
    return writer.build()


def sysmon(target: Path, *records: tuple[int, dict[str, Any]]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with LogWriter(target, SYSMON) as log:
        for number, (event_id, data) in enumerate(records):
            log.write(event(SYSMON, event_id, WHEN + timedelta(hours=number), computer="PC", data=data))


def test_hashes_of_what_other_artifacts_saw(tmp_path: Path) -> None:
    plain = {"One": "C:\\Apps\\one.exe", "Two": "C:\\Apps\\two.exe", "Big": "C:\\Apps\\big.exe"}
    files = {"Windows/AppCompat/Programs/Amcache.hve": amcache(plain["One"], Size="0x100")}
    top = folder(tmp_path / "e", files, plain)
    started = {"UtcTime": "2024-12-03 09:00:00.000", "ProcessId": 8, "ParentProcessId": 4, "CommandLine": "x",
               "ParentImage": "C:\\p.exe", "ParentCommandLine": "p", "OriginalFileName": "-"}  # fmt: skip
    sysmon(
        top / "C/Windows/System32/winevt/Logs/Microsoft-Windows-Sysmon%4Operational.evtx",
        (1, {**started, "Image": "c:\\apps\\TWO.exe", "Hashes": f"SHA1={SHA1.upper()},SHA256={OLDER}"}),
        (1, {**started, "Image": "C:\\Apps\\two.exe", "Hashes": f"MD5={'0' * 32},SHA256={SHA256.upper()}"}),
        (1, {**started, "Image": "C:\\Apps\\other.exe", "Hashes": f"SHA256={'44' * 32}"}),
        (7, {"ImageLoaded": "C:\\Apps\\big.exe", "Image": "C:\\p.exe", "Hashes": f"SHA1={SHA1},SHA256={SHA256}",
             "Signed": "true", "Signature": "Example", "SignatureStatus": "Valid"}),
    )  # fmt: skip
    run = timeline(top, tmp_path / "case", "-q")
    found = told(run)
    one, two, big = found["One"], found["Two"], found["Big"]
    assert (one["target_sha1"], one["target_sha256"], one["target_publisher"]) == (SHA1, None, "example corp")
    assert one["target_hash_source"] == "Amcache entry written 2024-12-03 09:00:00.000 UTC"
    assert (two["target_sha256"], two["target_sha1"]) == (SHA256, None), "the youngest, and only what fits it"
    assert two["target_hash_source"] == "Sysmon 1 2024-12-03 10:00:00.000 UTC"
    assert "1 older records have another hash" in two["target_note"]
    assert (big["target_sha256"], big["target_sha1"]) == (SHA256, SHA1)
    assert big["target_hash_source"] == "Sysmon 7 2024-12-03 12:00:00.000 UTC"
    assert big["target_note"].endswith("Sysmon 7 2024-12-03 12:00:00.000 UTC called its signature Valid (by Example)")
    rows = {row["event_uid"]: row for row in run.lines("timeline.jsonl")}
    (loaded,) = [row for row in rows.values() if row.get("kind") == "image.loaded"]
    assert loaded["event_uid"] in big["events"], "the row that says so is in the timeline"
    assert (loaded["is_signed"], loaded["signature_name"], loaded["signature_status"]) == (True, "Example", "Valid")
    assert len(rows) == len(run.lines("timeline.jsonl")), "no row stands twice"
    known = {event.id for event in Case.load(run.case).events}
    assert {uid for entry in (one, two, big) for uid in entry["events"]} <= known
    assert "SHA-1 " + SHA1 + " (by Amcache entry" in tool("show", run.case, "persistence").stdout


def test_a_hash_of_a_beginning_is_not_the_files(tmp_path: Path) -> None:
    path = "C:\\Apps\\one.exe"
    files = {"Windows/AppCompat/Programs/Amcache.hve": amcache(path, Size="0x2000001")}
    found = told(timeline(folder(tmp_path / "e", files, {"One": path}), tmp_path / "case", "-q"))
    assert (found["One"]["target_sha1"], found["One"]["target_hash_source"]) == (None, None)


# -- signatures -------------------------------------------------------------------------------------------------------


def test_signatures_of_what_is_at_hand(tmp_path: Path) -> None:
    data = signed(identity("Example Signer", identity("Example Root")), (identity("Example Root"),))
    changed = data[:0x201] + b"\x90" + data[0x202:]
    files = {"Apps/own.exe": data, "Apps/changed.exe": changed, "Apps/plain.exe": program(), "Apps/a.ps1": b"dir"}
    places = {name: f"C:\\Apps\\{name}" for name in ("own.exe", "changed.exe", "plain.exe")}
    places |= {"script": "powershell -File C:\\Apps\\a.ps1", "public": "C:\\Users\\Public\\own.exe"}
    files["Users/Public/own.exe"] = data
    run = timeline(folder(tmp_path / "e", files, places), tmp_path / "case", "-q")
    found = told(run)
    states = {name: entry["target_signature"] for name, entry in found.items()}
    assert states == {
        "own.exe": "untrusted", "changed.exe": "changed", "plain.exe": "none", "script": "not_checked",
        "public": "untrusted",
    }  # fmt: skip
    assert found["changed.exe"]["target_signer"] == "Example Signer"
    assert found["changed.exe"]["score"] == found["plain.exe"]["score"] + 40
    assert "T1554" in found["changed.exe"]["attack"]
    assert any(reason.startswith("TGT-01 (+40): its file was changed") for reason in found["changed.exe"]["reasons"])
    # A signature of one's own is no sin by itself; it weighs where the place speaks against it as well.
    assert found["own.exe"]["score"] == found["plain.exe"]["score"] == 0
    assert any(reason.startswith("TGT-03 (+10)") for reason in found["public"]["reasons"])
    assert any("no signature inside" in reason for reason in found["plain.exe"]["reasons"])
    names = [entry["name"] for entry in run.document()["persistence"]]
    assert names.index("changed.exe") < names.index("plain.exe"), "still by score"
    text = tool("show", run.case, "persistence").stdout
    assert "signature changed by Example Signer" in " ".join(text.split())
    rows = [row for row in run.lines("timeline.jsonl") if row.get("per_name") == "changed.exe"]
    assert {(row["target_exists"], row["target_signature"], row["target_signer"]) for row in rows} == {
        (True, "changed", "Example Signer")
    }
    assert {row["target_sha256"] for row in rows} == {hashlib.sha256(changed).hexdigest()}


def test_a_catalogue_at_hand_is_asked(tmp_path: Path) -> None:
    signer, listed, other = identity("Example Signer"), program(b"\x90\xc3"), program(b"\xcc\xc3")
    files = {
        "Windows/System32/listed.dll": listed, "Windows/System32/other.dll": other,
        "Windows/System32/CatRoot/{F750E6C3-38EE-11D1-85E5-00C04FC295EE}/a.cat": catalogue(signer, [program()]),
        "Windows/System32/CatRoot/{F750E6C3-38EE-11D1-85E5-00C04FC295EE}/b.cat": catalogue(signer, [listed]),
        "Windows/System32/CatRoot/{F750E6C3-38EE-11D1-85E5-00C04FC295EE}/c.cat": b"",
    }  # fmt: skip
    places = {name: f"rundll32.exe C:\\Windows\\System32\\{name}.dll,Run" for name in ("listed", "other")}
    found = told(timeline(folder(tmp_path / "e", files, places), tmp_path / "case", "-q"))
    assert (found["listed"]["target_signature"], found["listed"]["target_signer"]) == ("untrusted", "Example Signer")
    assert "/b.cat; certificate_error" in found["listed"]["target_signature_note"]
    assert found["other"]["target_signature"] == "none"
    assert found["other"]["target_signature_note"] == "none of 3 catalogues at hand lists it"


def with_junk(top: Path, name: str, *extra: str) -> Any:
    """Beside the catalogue that lists a program lie others that merely have its digests in them."""
    listed, store = program(b"\x90\xc3"), "Windows/System32/CatRoot/{F750E6C3-38EE-11D1-85E5-00C04FC295EE}/"
    junk = b"junk" + b"".join(digests(io.BytesIO(listed)))
    files = {"Windows/System32/listed.dll": listed}
    files |= dict.fromkeys((store + other for other in extra), junk)
    files |= {store + name: catalogue(identity("Example Signer"), [listed])} if name else {}
    places = {"listed": "rundll32.exe C:\\Windows\\System32\\listed.dll,Run"}
    return told(timeline(folder(top / "e", files, places), top / "case", "-q"))["listed"]


@pytest.mark.parametrize("junk", [("z.cat",), ("a.cat",), ("a.cat", "b.cat", "y.cat", "z.cat")])
def test_a_file_with_the_digests_in_it_does_not_replace_the_catalogue(tmp_path: Path, junk: tuple[str, ...]) -> None:
    found = with_junk(tmp_path, "m.cat", *junk)
    assert (found["target_signature"], found["target_signer"]) == ("untrusted", "Example Signer")
    assert "/m.cat; certificate_error" in found["target_signature_note"]


def test_catalogues_that_were_not_asked_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "MOST_LISTINGS", 2)
    found = with_junk(tmp_path, "", "a.cat", "b.cat", "c.cat")
    assert found["target_signature"] == "unreadable"
    assert found["target_signature_note"].endswith("; more than 2 catalogues have its digest")
    assert "2 個を超える" in japanese(found["target_signature_note"])


def _killed(order: tuple[Place, str]) -> Signature:
    """Stands in for catalogues of which one kills who decodes it, and one speaks for the program."""
    if order[1] == "bad.cat":
        os._exit(3)
    return Signature("valid" if order[1] == "good.cat" else "none", signer=order[1])


def test_a_catalogue_that_kills_its_worker_does_not_silence_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "catalogued", _killed)
    seen = Seen(looked=Looked())
    with Workers(Limits(jobs=1), _nothing, ()) as pool:
        targets._ask_each(pool, [targets._Asked(seen, Place("a"), ["bad.cat", "junk.cat", "good.cat", "bad.cat"])])
    assert seen.looked
    assert seen.looked.signature == Signature("valid", "by the catalogue good.cat", "good.cat")


def _dies(place: Place) -> Looked:
    """Stands in for a file that kills who decodes it."""
    if place.path.endswith("bad"):
        os._exit(3)
    return Looked(sha256=place.path)


def _nothing() -> None:
    pass


def test_a_file_that_kills_its_worker_costs_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "examine", _dies)
    seen = {name: Seen(place=Place(f"C:/{name}")) for name in ("one", "bad", "two")}
    with Workers(Limits(jobs=1), _nothing, ()) as pool:
        targets._examine(pool, seen)
    looked = {name: found.looked for name, found in seen.items() if found.looked}
    assert (looked["one"].sha256, looked["two"].sha256) == ("C:/one", "C:/two")
    assert looked["bad"].why.startswith("not hashed: the process ended with code 3")


def test_no_more_is_hashed_than_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "examine", _dies)
    monkeypatch.setattr(targets, "MOST_BYTES", 10)
    seen = {name: Seen(place=Place(name, size)) for name, size in {"a": 6, "b": 6, "c": 4}.items()}
    with Workers(Limits(jobs=1), _nothing, ()) as pool:
        targets._examine(pool, seen)
    assert [found.looked and found.looked.why for found in seen.values()] == ["", "not hashed: too large", ""]
