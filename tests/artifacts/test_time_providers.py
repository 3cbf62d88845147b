from __future__ import annotations

from forensics.artifacts.time_providers import ARTIFACT
from tests.artifacts.autorun_inputs import SYSTEM, found, key, quiet, survives, system

PLACE = "Services\\W32Time\\TimeProviders"
STOCK = (
    key(f"{PLACE}\\NtpClient", DllName="%systemroot%\\system32\\w32time.dll", Enabled=1, InputProvider=1),
    key(f"{PLACE}\\NtpServer", DllName="C:\\WINDOWS\\SYSTEM32\\W32TIME.DLL", Enabled=0),
)


def test_stock_entries_score_nothing() -> None:
    quiet(ARTIFACT, system(*STOCK), SYSTEM, 2)


def test_planted_entries() -> None:
    content = system(
        *STOCK,
        key(f"{PLACE}\\Gatekeeper", DllName="C:\\Windows\\System32\\gate.dll", Enabled=1),
        key(f"{PLACE}\\Off", DllName="gate2.dll", Enabled=0),
        key(f"{PLACE}\\NtpClient2", DllName="C:\\Windows\\Temp\\w32time.dll"),
    )
    rows = found(ARTIFACT, content, SYSTEM)
    assert {name for (_, name), entry in rows.items() if entry.score > 40} == {"Gatekeeper", "NtpClient2"}
    assert 0 < rows["Off", "Off"].score <= 20
    assert rows["Gatekeeper", "Gatekeeper"].attack == ("T1547.003",)
    survives(ARTIFACT, content, SYSTEM)
