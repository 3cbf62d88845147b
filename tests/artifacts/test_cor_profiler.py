from __future__ import annotations

from forensics.artifacts.cor_profiler import ARTIFACT
from tests.artifacts.autorun_inputs import NTUSER, SYSTEM, at, found, run, survives, system, value

MACHINE = "Control\\Session Manager\\Environment"
CLSID = "{cf0d821e-299b-5307-a3d8-b283c03916db}"
PLANTED = system(
    at(MACHINE, {"COR_ENABLE_PROFILING": "1", "COR_PROFILER": CLSID, "COR_PROFILER_PATH": "C:\\Windows\\p.dll"}),
    at(
        "Services\\Spooler",
        {"Environment": ("PATH=C:\\x", "COR_PROFILER_PATH=C:\\Users\\Public\\s.dll", "no variable"), "ImagePath": "s"},
    ),
)


def test_stock_variables_are_no_entries() -> None:
    content = system(at(MACHINE, {"ComSpec": "%SystemRoot%\\system32\\cmd.exe", "OS": "Windows_NT", "COR_OTHER": "x"}))
    assert run(ARTIFACT, content, SYSTEM) == ([], [])


def test_machine_and_service() -> None:
    rows = found(ARTIFACT, PLANTED, SYSTEM)
    assert {(entry.location.split("\\", 3)[3], entry.name, entry.command) for entry in rows.values()} == {
        (MACHINE, "COR_PROFILER", CLSID), (MACHINE, "COR_PROFILER_PATH", "C:\\Windows\\p.dll"),
        ("Services\\Spooler\\Environment", "COR_PROFILER_PATH", "C:\\Users\\Public\\s.dll"),
    }  # fmt: skip
    assert min(entry.score for entry in rows.values()) > 40


def test_user() -> None:
    content = {"Software": {}, "Environment": {"": [value("COR_PROFILER_PATH", "C:\\u.dll"), value("TEMP", "x")]}}
    (entry,) = found(ARTIFACT, content, NTUSER).values()
    assert (entry.user, entry.location, entry.score > 40) == ("田中", "HKCU\\Environment", True)


def test_broken_hives() -> None:
    survives(ARTIFACT, PLANTED, SYSTEM)
