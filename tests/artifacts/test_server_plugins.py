from __future__ import annotations

from forensics.artifacts.server_plugins import ARTIFACT
from tests.artifacts.autorun_inputs import SOFTWARE, SYSTEM, found, key, klass, quiet, software, survives, system

CLSID = "{2781761E-28E0-4109-99FE-B9D127C57AFE}"
DEFENDER = "C:\\ProgramData\\Microsoft\\Windows Defender\\Platform\\4.18.24090.11-0\\MpOav.dll"


def test_stock_entries_score_nothing() -> None:
    content = software(key(f"Microsoft\\AMSI\\Providers\\{CLSID}"), klass(CLSID, f'"{DEFENDER}"'))
    quiet(ARTIFACT, content, SOFTWARE, 1)


def test_planted_entries() -> None:
    content = system(
        key("Services\\DNS\\Parameters", ServerLevelPluginDll="\\\\10.0.0.1\\share\\dns.dll"),
        key("Services\\DHCPServer\\Parameters", CalloutDlls=("C:\\Windows\\c.dll",), CalloutEnabled=1),
    )
    rows = found(ARTIFACT, content, SYSTEM)
    assert {name: entry.score > 40 for (_, name), entry in rows.items()} == {
        "ServerLevelPluginDll": True, "C:\\Windows\\c.dll": True,
    }  # fmt: skip
    survives(ARTIFACT, content, SYSTEM)
    amsi = software(key(f"Microsoft\\AMSI\\Providers\\{CLSID}"), klass(CLSID, "C:\\Users\\Public\\a.dll"))
    (entry,) = found(ARTIFACT, amsi, SOFTWARE).values()
    assert entry.score > 40
