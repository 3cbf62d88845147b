"""Several hosts, loose files, passwords, keys, sparse uploads: what must be asked for is asked for, and said."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from forensics.evidence import EvidenceError, Opening, SeveralError, open_evidence
from forensics.runinfo import without_secrets
from tests.evidence import layouts
from tests.evidence.layouts import KAPE, PASSWORD, folder, tree, under, zipped
from tests.running import timeline, tool

SMALL = {"C/Windows/System32/config/SYSTEM": b"regf", "C/a.wsb": b"<Configuration/>"}
SYSTEM = ["Windows/System32/config/SYSTEM"]


# -- several hosts -------------------------------------------------------------------------------------------------


def test_each_host_is_a_case_of_its_own(tmp_path: Path) -> None:
    shutil.copytree(KAPE, tmp_path / "in/WS-TANAKA/2024-12-06")
    files = tree()
    few = {name: data for name, data in files.items() if "佐藤" in name or "config" in name}
    folder(tmp_path / "in/WS-SATO/C", few)
    done = timeline(tmp_path / "in", tmp_path / "case")
    assert done.code in (0, 3), done.err
    assert sorted(path.name for path in done.case.iterdir()) == ["WS-SATO", "WS-TANAKA_2024-12-06"]
    documents = {
        path.name: json.loads((path / "sessions.json").read_text(encoding="utf-8")) for path in done.case.iterdir()
    }
    assert len(documents["WS-TANAKA_2024-12-06"]["sandbox_sessions"]) == 2
    assert documents["WS-SATO"]["tunnel_sessions"] == []
    one = timeline(tmp_path / "in", tmp_path / "one", "--host", "WS-TANAKA/2024-12-06")
    assert len(one.document()["sandbox_sessions"]) == 2
    again = timeline(tmp_path / "in", tmp_path / "case")
    assert again.code == 2
    assert "--force" in again.err
    assert timeline(tmp_path / "in", tmp_path / "case", "--force", "-q").code in (0, 3)


def told(top: Path, host: str) -> list[str]:
    """The paths of what was refused when that host of a folder is opened."""
    return sorted(item.path for item in open_evidence(top, Opening(host=host)).refusals)


def test_problems_belong_to_the_host_that_has_them(tmp_path: Path) -> None:
    """What lies in another host's tree, or beside it, is said in that host's case and in no other."""
    folder(tmp_path / "in", {
        **under("A/", SMALL), "A/C/Users/a/backup.zip": b"PK\x03\x04", "A/results/again.zip": b"PK\x03\x04",
        **under("B/2024/", SMALL), "B/2024/C/Users/b/x.vhdx": b"vhdxfile", "B/2024/logs/part.zip": b"PK\x03\x04",
    })  # fmt: skip
    zipped(tmp_path / "in/c.zip", SMALL)
    zipped(tmp_path / "in/d.zip", SMALL)
    assert told(tmp_path / "in", "A") == ["A/results/again.zip"]
    assert told(tmp_path / "in", "B/2024") == ["B/2024/logs/part.zip"]
    for host in ("c.zip", "d.zip"):
        assert told(tmp_path / "in", host) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_refused_in_one_hosts_folder_is_no_problem_of_another(tmp_path: Path) -> None:
    top = folder(tmp_path / "in", {**under("A/", SMALL), **under("B/", SMALL)})
    zipped(top / "c.zip", SMALL)
    for name in ("A/C/pipe", "B/C/pipe", "pipe"):
        os.mkfifo(top / name)
    assert told(top, "A") == ["A/C/pipe"]
    assert told(top, "B") == ["B/C/pipe"]
    assert told(top, "c.zip") == ["pipe"], "it lies beside that one"
    (top / "c.zip").unlink()
    assert told(top, "A") == ["A/C/pipe", "pipe"], "where no host is at home, each says it: nothing is lost"


def test_several_containers_are_named(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        zipped(tmp_path / "in" / name, SMALL)
    with pytest.raises(SeveralError) as caught:
        open_evidence(tmp_path / "in")
    assert caught.value.hosts == ("a.zip", "b.zip")
    chosen = open_evidence(tmp_path / "in", Opening(host="b.zip"))
    assert [item.path for item in chosen.find(SYSTEM)] == ["C:/Windows/System32/config/SYSTEM"]
    with pytest.raises(EvidenceError, match=r"no host 'c\.zip'"):
        open_evidence(tmp_path / "in", Opening(host="c.zip"))


def test_hosts_within_a_container_are_reached_through_it(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "x.zip", {**under("H1/", SMALL), **under("H2/", SMALL)})
    outer = zipped(tmp_path / "outer.zip", {"x.zip": inner.read_bytes()})
    with pytest.raises(SeveralError) as caught:
        open_evidence(outer)
    assert caught.value.hosts == ("x.zip/H1", "x.zip/H2")
    assert "outer.zip/x.zip" in str(caught.value)
    assert open_evidence(outer, Opening(host="x.zip/H2")).find(SYSTEM)


def test_containers_beside_a_tree_are_cases_of_their_own(tmp_path: Path) -> None:
    folder(tmp_path / "in", SMALL | {"Modules/out.zip": b"PK", "C/Users/x/Downloads/old.zip": b"PK"})
    zipped(tmp_path / "in/copy.zip", SMALL | {"C/b.wsb": b"<Configuration/>"})
    with pytest.raises(SeveralError) as caught:
        open_evidence(tmp_path / "in")
    assert caught.value.hosts == (".", "copy.zip"), "not what lies in a drive, nor deeper beside it"
    own = open_evidence(tmp_path / "in", Opening(host="."))
    assert [item.path for item in own.find(["*.wsb"])] == ["C:/a.wsb"]
    assert [(item.path, item.fault) for item in own.refusals] == [("Modules/out.zip", "not_read")]
    other = open_evidence(tmp_path / "in", Opening(host="copy.zip"))
    assert [item.path for item in other.find(["*.wsb"])] == ["C:/a.wsb", "C:/b.wsb"]
    with pytest.raises(EvidenceError, match=r"no host 'x'; it holds \., copy\.zip"):
        open_evidence(tmp_path / "in", Opening(host="x"))


def test_a_tree_in_a_folder_and_containers_in_another(tmp_path: Path) -> None:
    folder(tmp_path / "in/WS-TANAKA", SMALL)
    zipped(tmp_path / "in/others/b.zip", SMALL)
    zipped(tmp_path / "in/WS-TANAKA/C/Users/x/backup.zip", SMALL)
    with pytest.raises(SeveralError) as caught:
        open_evidence(tmp_path / "in")
    assert caught.value.hosts == ("WS-TANAKA", "others/b.zip")


def test_a_user_s_zip_in_a_tree_is_no_case(tmp_path: Path) -> None:
    folder(tmp_path / "in", {name.removeprefix("C/"): data for name, data in SMALL.items()})
    zipped(tmp_path / "in/Users/x/backup.zip", SMALL)
    assert open_evidence(tmp_path / "in").refusals == []


def test_the_parts_of_a_vmdk_are_one_disk(tmp_path: Path) -> None:
    folder(tmp_path / "in", SMALL | {"d.vmdk": b"# Disk DescriptorFile", "d-flat.vmdk": b"x", "s-s001.vmdk": b"x"})
    with pytest.raises(SeveralError) as caught:
        open_evidence(tmp_path / "in")
    assert caught.value.hosts == (".", "d.vmdk", "s-s001.vmdk")


def test_a_raw_image_beside_a_tree_is_a_case_with_all_its_parts(tmp_path: Path) -> None:
    data = bytes(510) + b"\x55\xaa" + bytes(8192)
    small = b"\x55\xaa" + bytes(8192)  # of a size, and no image
    files = SMALL | {"d.001": data, "d.002": bytes(512), "d.003": data, "notes": small, "C/Users/x/old.dd": data}
    for place in (folder(tmp_path / "in", files), zipped(tmp_path / "in.zip", files)):
        with pytest.raises(SeveralError) as caught:
            open_evidence(place)
        assert caught.value.hosts == (".", "d.001")
        assert open_evidence(place, Opening(host=".")).refusals == []
        with pytest.raises(EvidenceError, match=r"Windows.*d\.002 has 512 bytes"):
            open_evidence(place, Opening(host="d.001"))


def test_containers_without_an_end_are_refused(tmp_path: Path) -> None:
    data = b"hello"
    for depth in range(7):
        data = zipped(tmp_path / f"{depth}.zip", {"inner.zip": data} if depth else SMALL).read_bytes()
    with pytest.raises(EvidenceError, match="deep"):
        open_evidence(tmp_path / "6.zip")
    assert open_evidence(tmp_path / "3.zip").find(SYSTEM)


# -- loose files ---------------------------------------------------------------------------------------------------


def test_loose_files_are_known_by_their_content(tmp_path: Path) -> None:
    names = {
        "Windows/System32/winevt/Logs/Security.evtx": "1.bin",
        "Windows/System32/winevt/Logs/Microsoft-Windows-Sysmon%4Operational.evtx": "Microsoft-Windows-X.evtx",
        "Windows/System32/winevt/Logs/Microsoft-Windows-Hyper-V-Compute-Operational.evtx": "h/compute.evtx",
        "Windows/System32/winevt/Logs/Microsoft-Windows-Hyper-V-Worker-Admin.evtx": "h/worker",
        "Windows/System32/config/SYSTEM": "sys.hive",
        "Windows/System32/config/SOFTWARE": "soft",
        "Users/田中/NTUSER.DAT": "user1",
        "Windows/System32/default.wsb": "config.xml",
        "Windows/System32/Tasks/GoogleUpdaterInternalService": "task.xml",
        "$MFT": "table",
        "$Extend/$J": "journal",
        "Users/田中/.vscode/cli/code_tunnel.json": "t.json",
        "Users/田中/.vscode/cli/tunnel-service.log": "tunnel-service.log",
    }
    files = tree()
    top = folder(tmp_path / "in", {new: files[old] for old, new in names.items()})
    folder(top, {"notes.txt": b"hello", "photo.jpg": b"\xff\xd8\xff"})
    done = timeline(top, tmp_path / "case")
    assert done.code in (0, 3), done.err
    document = done.document()
    assert document["evidence"][0]["kind"] == "loose files in folder"
    assert document["evidence"][0]["host"]["name"] == "WS-TANAKA"
    assert {item["vm_id"] for item in document["sandbox_sessions"]} == {
        "6C1D2F0A-7B1E-4C35-9E0C-2B0D8C4F7A11",
        "B2E80D57-0C4A-49D1-8A6F-51F0C9E3D240",
    }
    assert document["tunnel_sessions"][0]["tunnel_name"] == "print-svc-07"
    rows = [*done.lines("timeline.jsonl"), *done.lines("undated.jsonl")]
    sources = {row["source_path"] for row in rows if "source_path" in row}
    assert {"loose:/1.bin", "loose:/sys.hive", "loose:/config.xml", "loose:/journal"} <= sources


def test_real_loose_hives_and_logs(samples: Path) -> None:
    hives = open_evidence(samples / "hives").find(SYSTEM)
    assert "loose:/SYSTEM_B" in {item.path for item in hives}
    logs = open_evidence(samples / "evtx/host-server2016").find(["Windows/System32/winevt/Logs/*.evtx"])
    assert len(logs) == len(list((samples / "evtx/host-server2016").iterdir()))


def test_a_folder_of_strangers_is_no_evidence(tmp_path: Path) -> None:
    folder(tmp_path / "in", {"readme.txt": b"hello", "a/b.json": b"[1]", "x.bin": bytes(5000)})
    with pytest.raises(EvidenceError, match="no file of a known kind"):
        open_evidence(tmp_path / "in")


# -- passwords and keys --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [layouts.velociraptor_encrypted, layouts.kape_zip_password])
def test_a_missing_or_wrong_password_is_said(tmp_path: Path, make) -> None:
    path = make(tmp_path).path
    for given, word in (((), "give its password with --password"), (("--password", "x"), "does not open it")):
        done = timeline(path, tmp_path / "case", *given)
        assert done.code == 4
        assert word in done.err
        assert "Traceback" not in done.err
        assert not done.case.exists()


def test_a_real_encrypted_collection_is_said(samples: Path) -> None:
    with pytest.raises(EvidenceError, match="--password") as caught:
        open_evidence(samples / "collections/velociraptor/encrypted_collector_password.zip")
    assert caught.value.password == "missing"


def test_a_password_that_is_wrapped_for_a_server_is_explained(tmp_path: Path) -> None:
    import pyzipper

    with pyzipper.AESZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("metadata.json", json.dumps([{"Scheme": "X509", "EncryptedPass": "AAAA"}]))
        archive.setencryption(pyzipper.WZ_AES, nbits=256)
        archive.setpassword(b"secret")
        archive.writestr("data.zip", b"x" * 100)
    with pytest.raises(EvidenceError, match="X509"):
        open_evidence(tmp_path / "x.zip")


def test_secrets_stay_out_of_the_case(tmp_path: Path) -> None:
    made = layouts.velociraptor_encrypted(tmp_path)
    done = timeline(made.path, tmp_path / "case", *made.options, "--log-file", tmp_path / "log.jsonl")
    assert done.code == 0, done.err
    for path in [*done.case.iterdir(), tmp_path / "log.jsonl"]:
        assert PASSWORD.encode() not in path.read_bytes(), path.name
        assert json.dumps(PASSWORD)[1:-1].encode() not in path.read_bytes(), path.name
    assert PASSWORD not in repr(Opening(password=PASSWORD, keys=(PASSWORD,)))
    assert without_secrets(["x", "--key", "a", "--password=b", "c"]) == ["x", "--key", "***", "--password=***", "c"]


# -- archives that are not read --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("magic", "word"), [(b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07\x01\x00", "rar")])
def test_archives_that_are_not_read_are_named(tmp_path: Path, magic: bytes, word: str) -> None:
    (tmp_path / "c.bin").write_bytes(magic + bytes(600))
    with pytest.raises(EvidenceError, match=f"{word} archive"):
        open_evidence(tmp_path / "c.bin")


def test_inspect_takes_the_same_options(tmp_path: Path) -> None:
    made = layouts.kape_zip_password(tmp_path)
    done = tool("inspect", made.path, *made.options, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kind"] == "zip"
