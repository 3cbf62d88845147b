"""Several hosts, machines or pieces of evidence at once: each is said, and none costs another."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from forensics.intake import JobResult
from forensics.model import Fact, Host, Source
from forensics.naming import identify
from tests.evidence.layouts import E01, folder, tree, under, zipped
from tests.running import KAPE_FOLDER, Run, timeline, tool

LOGS = "Windows/System32/winevt/Logs/"
OTHER = "WS-SUZUKI"  # as long as WS-TANAKA, to be put in its place


def few() -> dict[str, bytes]:
    """A host that is read quickly: its hives and one small log."""
    return {name: data for name, data in tree().items() if "config/S" in name or name.endswith("Setup.evtx")}


def logs(computer: str = "WS-TANAKA") -> dict[str, bytes]:
    """The event logs as if another computer had written them."""
    old, new = ("WS-TANAKA".encode("utf-16-le"), computer.encode("utf-16-le"))
    found = {name.removeprefix(LOGS): data for name, data in tree().items() if name.startswith(LOGS)}
    return {name: data.replace(old, new) for name, data in found.items()}


# -- one item that cannot be opened --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of evidence in which not everything is some."""
    top = tmp_path_factory.mktemp("mixed")
    zipped(top / "a-host.zip", under("C/", few()))
    shutil.copyfile(E01, top / "b-host.E01")  # its second segment is not there
    zipped(top / "c-host.zip", under("C/", few()))
    zipped(top / "notes.zip", {"notes.txt": b"seized at noon"})
    return top


@pytest.fixture(scope="module")
def done(mixed: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return timeline(mixed, tmp_path_factory.mktemp("out") / "cases", "--json")


CASES = ["a-host.zip", "b-host.E01", "c-host.zip", "notes.zip"]


def test_one_bad_item_costs_only_itself(done: Run) -> None:
    assert done.code == 3
    assert sorted(path.name for path in done.case.iterdir()) == CASES
    documents = {item["case"]: item for item in json.loads(done.out)}
    assert sorted(documents) == CASES
    for name in ("a-host.zip", "c-host.zip"):
        assert documents[name]["host"]["name"] == "WS-TANAKA"
        assert documents[name]["problems"] == []
    for name, why in (("b-host.E01", "segment 2 is missing"), ("notes.zip", "holds no Windows installation")):
        (problem,) = documents[name]["problems"]
        assert (problem["fault"], why in problem["detail"]) == ("not_opened", True)
        assert {row["state"] for row in documents[name]["coverage"]} == {"unreadable"}
        assert why in done.err
    assert "Traceback" not in done.err


def test_show_tells_all_cases_of_a_folder(done: Run) -> None:
    shown = tool("show", done.case)
    assert shown.returncode == 0
    assert [line for line in shown.stdout.splitlines() if line.startswith("==")] == [f"== {name} ==" for name in CASES]
    plain = tool("show", done.case, "coverage", "--json")
    assert [(item["case"], len(item["coverage"]) > 30) for item in json.loads(plain.stdout)] == [
        (name, True) for name in CASES
    ]
    nothing = tool("show", done.case.parent.parent)
    assert nothing.returncode == 2
    assert "sessions.json" in nothing.stderr


def test_inspect_and_verify_do_all_of_them(mixed: Path) -> None:
    looked = tool("inspect", mixed, "--json")
    assert looked.returncode == 3
    assert [item["host"] for item in json.loads(looked.stdout)] == ["a-host.zip", "c-host.zip"]
    checked = tool("verify", mixed, "--json", "-q")
    assert checked.returncode == 3, checked.stderr
    assert [item["host"] for item in json.loads(checked.stdout)] == ["a-host.zip", "c-host.zip"]
    for said in (looked.stderr, checked.stderr):
        assert "NOT ANALYSED  b-host.E01" in said
        assert "NOT ANALYSED  notes.zip" in said


def test_an_image_beside_others_is_verified_as_an_image(tmp_path: Path) -> None:
    for part in E01.parent.glob("*.E0*"):
        shutil.copyfile(part, tmp_path / part.name)
    zipped(tmp_path / "a.zip", under("C/", few()))
    checked = tool("verify", tmp_path, "--json", "-q")
    found = {item["host"]: item for item in json.loads(checked.stdout)}
    assert found[E01.name]["computed"]["md5"] == found[E01.name]["stored"]["md5"]
    assert checked.returncode == 3, "nothing is stored about the zip"


def test_nothing_is_written_when_nothing_can_be_opened(mixed: Path, tmp_path: Path) -> None:
    top = tmp_path / "in"
    top.mkdir()
    for name in ("b-host.E01", "notes.zip"):
        shutil.copyfile(mixed / name, top / name)
    for given in ((top,), (top, tmp_path / "missing")):
        run = tool("timeline", *given, "-o", tmp_path / "case")
        assert run.returncode == 4
        assert len(run.stderr.strip().splitlines()) == 1
        assert "segment 2 is missing" in run.stderr
        assert not (tmp_path / "case").exists()


def test_one_bad_argument_costs_only_itself(mixed: Path, tmp_path: Path) -> None:
    run = tool("timeline", tmp_path / "missing", mixed, "-o", tmp_path / "case")
    assert run.returncode == 3
    document = json.loads((tmp_path / "case/sessions.json").read_text(encoding="utf-8"))
    kinds = {item["name"].rpartition("/")[2]: item["kind"] for item in document["evidence"]}
    assert {name for name, kind in kinds.items() if kind == "not opened"} == {"b-host.E01", "notes.zip", "missing"}
    assert kinds["a-host.zip"] == "zip in a-host.zip"
    assert {problem["fault"] for problem in document["problems"]} == {"not_opened"}
    assert "NOT ANALYSED  missing" in run.stderr


# -- logs of several machines --------------------------------------------------------------------------------------


def test_loose_logs_of_one_machine_name_it(tmp_path: Path) -> None:
    run = timeline(folder(tmp_path / "flat", logs()), tmp_path / "case")
    host = run.document()["host"]
    assert host["name"] == "WS-TANAKA"
    assert host["unknown"]["name"].startswith("inferred: event records name the computer WS-TANAKA")
    assert {row["hostname"] for row in run.lines("timeline.jsonl")} == {"WS-TANAKA"}
    assert "(inferred: event records name the computer" in run.out
    assert run.code == 0


def test_loose_logs_of_two_machines_are_told_apart(tmp_path: Path) -> None:
    one, two = logs(), logs(OTHER)
    top = folder(tmp_path / "flat", {**under("a_", one), **under("b_", two), "notes.wsb": b"<Configuration/>"})
    run = timeline(top, tmp_path / "case")
    assert run.code == 3
    (problem,) = [item for item in run.lines("problems.jsonl") if item["fault"] == "several_computers"]
    assert f"2 computers ({OTHER}, WS-TANAKA)" in problem["detail"]
    document = run.document()
    assert document["host"]["name"] is None
    assert Counter(item["host"] for item in document["sandbox_sessions"]) == {"WS-TANAKA": 2, OTHER: 2}
    assert {item["host"] for item in document["anti_forensics"]} == {"WS-TANAKA", OTHER}
    named = [item for item in document["persistence"] if item["target"]]
    assert {(item["host"], item["target_note"]) for item in named} == {
        ("WS-TANAKA", "not collected"), (OTHER, "not collected"),
    }  # fmt: skip
    rows = [*run.lines("timeline.jsonl"), *run.lines("undated.jsonl")]
    for row in rows:
        path = row.get("source_path", "")
        if path.endswith(".evtx"):
            assert row["hostname"] == ("WS-TANAKA" if "/a_" in path else OTHER), row
    assert {row["hostname"] for row in rows if row.get("source_path") == "loose:/notes.wsb"} == {""}
    for line in run.out.splitlines():
        if "log_cleared:" in line or line.startswith("  confirmed  2024"):
            assert line.endswith(("  on WS-TANAKA", f"  on {OTHER}")), line


@pytest.mark.parametrize(
    ("computers", "loose", "name", "problems"),
    [
        ({"WS-TANAKA.corp.example": 4}, True, "WS-TANAKA", 0),
        ({"WS-TANAKA.corp.example": 4, "ws-tanaka": 1}, True, "WS-TANAKA", 0),
        ({"WS-TANAKA": 4, "WIN-7Q2": 1}, True, None, 1),
        ({"WS-TANAKA": 4, "WIN-7Q2": 1}, False, None, 1),
        ({"10.0.0.7": 2}, True, "10.0.0.7", 0),
        ({}, True, None, 0),
    ],
)
def test_who_a_host_is(computers: dict[str, int], loose: bool, name: str | None, problems: int) -> None:
    result = JobResult("a.evtx", computers=computers)
    host, naming, said = identify(Host(unknown={"name": "no hive"}), "evidence", [result], loose=loose)
    assert (host.name, len(said), naming.label) == (name, problems, name or ("" if loose else "evidence"))
    assert host.unknown["name"] == "no hive" or not computers or "event records name" in host.unknown["name"]
    fact = Fact("a.b", Source("e", "p", None, "record 1"), {}, {"computer_name": "win-7q2.corp.example"})
    assert naming.of(fact) == ({"WIN-7Q2": "WIN-7Q2"}.get(max(computers, default=""), naming.of(fact)))
    assert naming.of(Fact("a.b", fact.source, {}, {})) == naming.label


def test_the_hive_has_the_last_word() -> None:
    result = JobResult("a.evtx", computers={"WIN-OLD": 9, "WS-TANAKA": 1})
    host, naming, said = identify(Host(name="WS-TANAKA"), "evidence", [result], loose=False)
    assert (host, naming.label, naming.by_record, said) == (Host(name="WS-TANAKA"), "WS-TANAKA", False, [])
    _, naming, said = identify(Host(name="WS-TANAKA"), "evidence", [result], loose=True)
    assert naming.apart
    assert "WIN-OLD, WS-TANAKA" in said[0].detail


# -- a profile folder ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["profile", "users", "zip"])
def test_a_profile_folder_is_taken_for_one(tmp_path: Path, what: str) -> None:
    users = KAPE_FOLDER / "C/Users"
    place = {"profile": users / "田中", "users": users, "zip": tmp_path / "田中.zip"}[what]
    if what == "zip":
        files = {name.removeprefix("Users/田中/"): data for name, data in tree().items() if "Users/田中/" in name}
        zipped(place, files)
    run = timeline(place, tmp_path / "case")
    document = run.document()
    assert [item["profile_user"] for item in document["tunnel_sessions"]] == ["田中"]
    assert document["evidence"][0]["kind"].startswith("profile folder in ")
    assert any(row.get("source_path") == "C:/Users/田中/NTUSER.DAT" for row in run.lines("timeline.jsonl"))


# -- one tunnel on two hosts ---------------------------------------------------------------------------------------


def test_the_same_tunnel_on_two_hosts_is_linked(tmp_path: Path) -> None:
    """Of two machines with one tunnel's file each names the other, whichever is done first."""
    old, new = ("WS-TANAKA".encode("utf-16-le"), OTHER.encode("utf-16-le"))
    kept = {name: data for name, data in tree().items() if "config/S" in name or name.endswith("code_tunnel.json")}
    top = tmp_path / "machines"
    top.mkdir()
    zipped(top / "a.zip", under("C/", kept))
    zipped(top / "b.zip", under("C/", {name: data.replace(old, new) for name, data in kept.items()}))
    run = timeline(top, tmp_path / "cases", "--json")
    links = {}
    for item in json.loads(run.out):
        (session,) = item["tunnel_sessions"]
        links[item["host"]["name"]] = [(link["host"], link["by"]) for link in session["linked_hosts"]]
    assert links == {"WS-TANAKA": [(OTHER, "tunnel_id")], OTHER: [("WS-TANAKA", "tunnel_id")]}
    saved = json.loads((run.case / "a.zip" / "sessions.json").read_text(encoding="utf-8"))
    assert saved["tunnel_sessions"][0]["linked_hosts"][0]["host"] == OTHER
    assert not list(run.case.rglob("*.part"))
