from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from forensics.artifacts.session_subsystems import ARTIFACT
from forensics.formats.hive import Hive
from tests.artifacts.autorun_inputs import SYSTEM, entries, found, key, quiet, run, survives, system
from tests.formats.crafted_hives import hive

PLACE = "Control\\Session Manager\\SubSystems"
CSRSS = (
    "%SystemRoot%\\system32\\csrss.exe ObjectDirectory=\\Windows SharedSection=1024,20480,768 Windows=On "
    "SubSystemType=Windows ServerDll=basesrv,1 ServerDll=winsrv:UserServerDllInitialization,3 {}ServerDll=sxssrv,4 "
    "ProfileControl=Off MaxRequestThreads=16"
)


def test_stock_entries_score_nothing() -> None:
    stock = key(PLACE, Default="mnmsrvc", Windows=CSRSS.format(""), Kmode="\\SystemRoot\\System32\\win32k.sys")
    quiet(ARTIFACT, system(stock, key(PLACE, Required=("Debug", "Windows"), Optional=("Posix",), Debug="")), SYSTEM, 2)


def test_an_added_library_or_subsystem() -> None:
    content = system(key(PLACE, Windows=CSRSS.format("ServerDll=evil,5 "), Posix="C:\\Windows\\System32\\p.exe"))
    rows = found(ARTIFACT, content, SYSTEM)
    assert {name: entry.score > 40 for (_, name), entry in rows.items()} == {"Windows": True, "Posix": True}
    survives(ARTIFACT, content, SYSTEM)


def test_an_overwritten_command_is_not_known() -> None:
    content = system(key(PLACE, Windows=CSRSS.format(""), Posix="C:\\Windows\\System32\\p.exe"), key("Lost", x="1"))
    data = hive(content)
    at = data.index(CSRSS.format("").encode("utf-16-le"))
    noise = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(12))
    data = data[:at] + noise + data[at + len(noise) :]
    whole = entries(run(ARTIFACT, Hive.open(data), SYSTEM)[0])
    assert whole["SubSystems", "Windows"].score > 40, "in a hive that is whole nothing was lost"
    lost = data.index(b"Lost") - 0x4C
    damaged = Hive.open(data[:lost] + b"\xff\xff" + data[lost + 2 :])
    assert damaged.key("ControlSet001\\Lost") is None
    rows = entries(run(ARTIFACT, damaged, SYSTEM)[0])
    assert 0 < rows["SubSystems", "Windows"].score <= 20
    assert "not known" in rows["SubSystems", "Windows"].reasons[0]
    assert rows["SubSystems", "Posix"].score > 40


@pytest.mark.samples
def test_a_real_machine(samples: Path) -> None:
    facts, _ = run(ARTIFACT, Hive.open((samples / "hives" / "SYSTEM_B").read_bytes()), SYSTEM)
    assert {name: entry.score for (_, name), entry in entries(facts).items()} == {"Windows": 0, "Kmode": 0}
