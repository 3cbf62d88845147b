from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.artifacts.prefetch import ARTIFACT
from forensics.model import Fact, Problem
from tests.artifacts.registry_inputs import given, sorted_out
from tests.formats.crafted_prefetch import DEVICE, TICKS
from tests.formats.crafted_prefetch import prefetch as build

WHEN = datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)
SANDBOX = f"{DEVICE}\\WINDOWS\\SYSTEM32\\WINDOWSSANDBOX.EXE"


def parse(data: bytes, name: str = "X.EXE-12345678.pf") -> tuple[list[Fact], list[Problem]]:
    return sorted_out(ARTIFACT, list(ARTIFACT.parse(given(f"C:/Windows/Prefetch/{name}", data))))


def test_one_row_for_every_run() -> None:
    facts, problems = parse(build("WINDOWSSANDBOX.EXE", [SANDBOX], [TICKS, TICKS - 36_000_000_000], count=2))
    assert problems == []
    assert [fact.times for fact in facts] == [
        {"Last Time Executed": WHEN},
        {"Previous Last Time Executed": datetime(2024, 12, 3, 22, 1, 1, tzinfo=UTC)},
    ]
    assert facts[0].fields == {
        "executable_name": "WINDOWSSANDBOX.EXE",
        "executable": SANDBOX,
        "run_count": 2,
        "file_names": (SANDBOX,),
        "volume_paths": (DEVICE,),
        "prefetch_hash": "12345678",
        "prefetch_version": 26,
    }
    assert not facts[0].context


def test_a_file_without_a_run_time_is_one_undated_row() -> None:
    (fact,), problems = parse(build("A.EXE", [f"{DEVICE}\\A.EXE"], []))
    assert (problems, fact.times, fact.context) == ([], {}, True)
    assert fact.no_times == {"Last Time Executed": "no run time in the file"}


def test_a_watched_file_at_the_end_of_a_long_list_comes_first() -> None:
    names = [f"{DEVICE}\\D\\{number:04}.DLL" for number in range(900)]
    wsb = f"{DEVICE}\\USERS\\田中\\DOCUMENTS\\LAB.WSB"
    (fact,), _ = parse(build("EXPLORER.EXE", [*names, wsb]))
    assert fact.fields["file_names"] == (wsb, *names[:299])
    assert not fact.context
    (other,), _ = parse(build("EXPLORER.EXE", names))
    assert other.fields["file_names"] == tuple(names[:300])
    assert other.context


@pytest.mark.parametrize("data", [b"", b"MAM\x04\xff\xff\xff\xff", build("A.EXE", [f"{DEVICE}\\A.EXE"])[:300]])
def test_what_cannot_be_read_is_a_problem(data: bytes) -> None:
    facts, (problem,) = parse(data)
    assert facts == []
    assert (problem.fault, problem.source.path) == ("unreadable", "C:/Windows/Prefetch/X.EXE-12345678.pf")


def test_a_giant_is_not_read() -> None:
    facts, (problem,) = parse(bytes(8 * 1024 * 1024 + 1))
    assert (facts, problem.fault) == ([], "too_large")


@pytest.mark.samples
def test_real_files(samples: Path) -> None:
    for path in sorted((samples / "prefetch" / "mixed").iterdir()):
        facts, problems = parse(path.read_bytes(), path.name)
        assert problems == []
        assert all(fact.times and fact.fields["file_names"] for fact in facts)
    for path in sorted((samples / "prefetch" / "bad").iterdir()):
        assert parse(path.read_bytes(), path.name)[0] == []


SERVER = f"{DEVICE}\\USERS\\H\\.VSCODE\\CLI\\SERVERS\\STABLE-F1A4FB101478CE6EC82FE9627C43EFBF9E98C813\\SERVER"
DESKTOP = f"{DEVICE}\\USERS\\H\\APPDATA\\LOCAL\\PROGRAMS\\MICROSOFT VS CODE"


@pytest.mark.parametrize(
    ("name", "files", "role", "context"),
    [
        ("CODE.EXE", [f"{DESKTOP}\\CODE.EXE", f"{DESKTOP}\\FFMPEG.DLL"], "desktop", True),
        ("CODE.EXE", [f"{DEVICE}\\TOOLS\\CODE.EXE"], "tunnel CLI", False),
        ("CODE.EXE", [f"{DEVICE}\\USERS\\X\\PROGRAMS\\MICROSOFT VS CODE\\CODE.EXE"], "desktop", True),
        ("CODE-TUNNEL.EXE", [f"{DESKTOP}\\BIN\\CODE-TUNNEL.EXE"], "tunnel CLI", False),
        ("CODE-INSIDERS.EXE", [f"{DEVICE}\\TOOLS\\CODE-INSIDERS.EXE"], "tunnel CLI", False),
        ("CODE - INSIDERS.EXE", [f"{DEVICE}\\X\\CODE - INSIDERS.EXE", f"{DEVICE}\\X\\ICUDTL.DAT"], "desktop", True),
        ("DEVTUNNEL.EXE", [f"{DEVICE}\\T\\DEVTUNNEL.EXE"], "devtunnel", False),
        ("DT.EXE", [f"{DEVICE}\\USERS\\H\\APPDATA\\LOCAL\\DEVTUNNELS\\DEVTUNNELS-TOKENS-GITHUB"], "devtunnel", False),
        ("SVCHOSTS.EXE", [f"{DEVICE}\\D\\CODE_TUNNEL.JSON"], "tunnel CLI", False),
        ("SVCHOSTS.EXE", [f"{DEVICE}\\D\\TUNNEL-STABLE.LOCK"], "tunnel CLI", False),
        ("NODE.EXE", [f"{SERVER}\\NODE.EXE"], "node of a server of VS Code", False),
        ("NODE.EXE", [f"{DEVICE}\\U\\.VSCODE-SERVER\\BIN\\NODE.EXE"], "node of a server of VS Code", False),
        ("NODE.EXE", [f"{DEVICE}\\PROGRAM FILES\\NODEJS\\NODE.EXE"], "node", True),
        ("CMD.EXE", [f"{DEVICE}\\S\\CODE-SERVER.CMD"], "start of a server of VS Code", False),
        ("POWERSHELL.EXE", [f"{SERVER}\\OUT\\SHELLINTEGRATION.PS1"], "terminal of a server of VS Code", False),
        ("MSMPENG.EXE", [f"{DEVICE}\\X\\LICENSE_CONSENT.JSON"], None, True),
        ("POWERSHELL.EXE", [f"{DEVICE}\\X\\A.PS1"], None, True),
    ],
)
def test_programs_of_vs_code_are_told_apart(name: str, files: list[str], role: str | None, context: bool) -> None:
    system = f"{DEVICE}\\WINDOWS\\SYSTEM32\\NTDLL.DLL"
    (fact,), problems = parse(build(name, [system, *files]))
    assert problems == []
    assert (fact.fields.get("program_role"), fact.context) == (role, context)
    assert ("reason" in fact.fields) == (role is not None)
