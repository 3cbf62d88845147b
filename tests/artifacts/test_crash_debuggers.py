from __future__ import annotations

from forensics.artifacts.crash_debuggers import ARTIFACT
from tests.artifacts.autorun_inputs import SOFTWARE, VERSION, at, found, key, quiet, software, survives

ERRORS = "Microsoft\\Windows\\Windows Error Reporting"
HELPERS = f"{ERRORS}\\RuntimeExceptionHelperModules"


def test_stock_entries_score_nothing() -> None:
    content = software(
        key(f"{VERSION}\\AeDebug", Debugger='"C:\\Windows\\system32\\vsjitdebugger.exe" -p %ld -e %ld', Auto="1"),
        key(
            "Microsoft\\.NETFramework", DbgManagedDebugger='"C:\\Windows\\system32\\vsjitdebugger.exe" PID %d APPDOM %d'
        ),
        at(HELPERS, {"C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\mscordacwks.dll": 0}),
    )
    quiet(ARTIFACT, content, SOFTWARE, 3)


def test_planted_entries() -> None:
    content = software(
        key(f"{VERSION}\\AeDebug", Debugger="C:\\Users\\Public\\d.exe", Auto=1),
        key(f"{ERRORS}\\Hangs", Debugger="C:\\ProgramData\\h.exe"),
        at(HELPERS, {"C:\\ProgramData\\w.dll": 0}),
        key("Microsoft\\.NETFramework", DbgManagedDebugger="C:\\Users\\Public\\n.exe", InstallRoot="C:\\x"),
    )
    rows = found(ARTIFACT, content, SOFTWARE)
    assert len(rows) == 4
    assert min(entry.score for entry in rows.values()) > 40
    survives(ARTIFACT, content, SOFTWARE)
