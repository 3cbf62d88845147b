from __future__ import annotations

from forensics.artifacts.active_setup import ARTIFACT
from tests.artifacts.autorun_inputs import NTUSER, SOFTWARE, found, key, quiet, run, software, survives, user
from tests.artifacts.registry_inputs import SID

PLACE = "Microsoft\\Active Setup\\Installed Components"
CHROME = (
    '"C:\\Program Files\\Google\\Chrome\\Application\\120.0.1.2\\Installer\\chrmstp.exe" --configure-user-settings '
)
RUNDLL = "C:\\Windows\\System32\\rundll32.exe"
STOCK = software(
    key(f"{PLACE}\\{{89820200}}", StubPath="U", IsInstalled=1),
    key(f"{PLACE}\\{{89B4C1CD}}", StubPath="C:\\Windows\\System32\\ie4uinit.exe -UserConfig"),
    key(f"{PLACE}\\{{2C7339CF}}", StubPath="/UserInstall"),
    key(f"{PLACE}\\{{22d6f312}}", StubPath="%SystemRoot%\\system32\\unregmp2.exe /ShowWMP"),
    key(f"{PLACE}\\{{8A69D345}}", StubPath=CHROME + "--verbose-logging --system-level"),
    key(f"{PLACE}\\{{C9E9A340}}", ComponentID="none"),
    key(f"{PLACE}\\{{44BBA840}}", StubPath='"%ProgramFiles%\\Windows Mail\\WinMail.exe" OCInstallUserConfigOE'),
    key(f"{PLACE}\\{{6BF52A52}}", StubPath="%SystemRoot%\\system32\\unregmp2.exe /FirstLogon /Shortcuts /ResetMUI"),
    key(f"{PLACE}\\{{A509B1A7}}", StubPath=f'"{RUNDLL}" "C:\\Windows\\System32\\iesetup.dll",IEHardenAdmin'),
    key(f"{PLACE}\\>{{60B49E34}}", StubPath="RunDLL32 IEDKCS32.DLL,BrandIE4 SIGNUP"),
    key(f"{PLACE}\\{{89B4C1CE}}", StubPath=f"{RUNDLL} C:\\Windows\\System32\\mscories.dll,Install"),
)


def test_stock_entries_score_nothing() -> None:
    quiet(ARTIFACT, STOCK, SOFTWARE, 10)


def test_planted_entries() -> None:
    content = software(
        key(f"{PLACE}\\{{1}}", StubPath="C:\\Users\\Public\\a.exe", IsInstalled=1, Version="1,0,0,1"),
        key(f"{PLACE}\\{{2}}", StubPath="cmd.exe /c start b.exe"),
        key(f"{PLACE}\\{{3}}", StubPath="C:\\Windows\\c.exe", IsInstalled=0),
        key(f"Wow6432Node\\{PLACE}\\{{4}}", StubPath="rundll32.exe C:\\ProgramData\\d.dll,Run"),
        key(f"{PLACE}\\{{5}}", StubPath=CHROME + "& C:\\evil.exe"),
    )
    rows = found(ARTIFACT, content, SOFTWARE)
    assert {name for (_, name), entry in rows.items() if entry.score > 40} == {"{1}", "{2}", "{4}", "{5}"}
    assert rows["{3}", "{3}"].score <= 20
    assert rows["{1}", "{1}"].attack == ("T1547.014",)
    survives(ARTIFACT, content, SOFTWARE)


def test_what_ran_for_a_user() -> None:
    (fact,), _ = run(ARTIFACT, user(key(f"{PLACE}\\{{1}}", Version="1,0,0,1")), NTUSER)
    assert fact.kind == "active_setup.ran"
    assert (fact.fields["entry_name"], fact.fields["product_version"]) == ("{1}", "1,0,0,1")
    assert (fact.fields["profile_user"], fact.fields["user_sid"]) == ("田中", SID)
    assert fact.context
