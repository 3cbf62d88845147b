from __future__ import annotations

from forensics.artifacts.pending_policies import ARTIFACT as PENDING
from forensics.artifacts.shim_databases import ARTIFACT
from tests.artifacts.autorun_inputs import NTUSER, SOFTWARE, VERSION, at, found, key, run, software, survives
from tests.artifacts.autorun_inputs import user as of_user

FLAGS = f"{VERSION}\\AppCompatFlags"
ONE, TWO, LOST = (f"{{0000000{number}-aaaa-bbbb-cccc-000000000000}}" for number in range(3))
MACHINE = software(
    key(
        f"{FLAGS}\\InstalledSDB\\{ONE}", DatabasePath="C:\\Windows\\AppPatch\\Custom\\a.sdb", DatabaseDescription="fix"
    ),
    key(f"{FLAGS}\\InstalledSDB\\{TWO}", DatabaseType=0x10000),
    at(f"{FLAGS}\\Custom\\services.exe", {f"{ONE}.sdb": bytes(8), f"{LOST}.sdb": bytes(8), "x": 1}),
    at(f"{FLAGS}\\Custom\\notepad.exe", {f"{ONE.upper()}.sdb": bytes(8)}),
)


def test_installed_databases_with_their_programs() -> None:
    facts, problems = run(ARTIFACT, MACHINE, SOFTWARE)
    assert problems == []
    told = {str(fact.fields["entry_name"]): fact for fact in facts}
    assert set(told) == {ONE, "services.exe"}
    one = told[ONE]
    assert one.fields["reason"] == "a shim database that somebody installed; fix; for notepad.exe, services.exe"
    assert one.fields["command_line"] == "C:\\Windows\\AppPatch\\Custom\\a.sdb"
    assert one.source.locator == f"{FLAGS}\\InstalledSDB\\{ONE}\\DatabasePath"
    assert "is not registered" in str(told["services.exe"].fields["reason"])
    rows = found(ARTIFACT, MACHINE, SOFTWARE)
    assert all(entry.score > 40 for entry in rows.values())
    assert "T1546.011" in rows[ONE, ONE].attack
    survives(ARTIFACT, MACHINE, SOFTWARE)


def test_pending_policies() -> None:
    place = "Microsoft\\IEAK\\GroupPolicy\\PendingGPOs"
    content = of_user(
        key(place, Path1="C:\\ProgramData\\g.inf", Section1="DefaultInstall", Count=1, Path="x", Path2="")
    )
    ((_, entry),) = found(PENDING, content, NTUSER).items()
    assert (entry.mechanism, entry.name, entry.command) == ("pending_gpo", "Path1", "C:\\ProgramData\\g.inf")
    assert entry.score > 40
    (fact,), _ = run(PENDING, content, NTUSER)
    assert str(fact.fields["reason"]).endswith("; section DefaultInstall")
    survives(PENDING, content, NTUSER)
