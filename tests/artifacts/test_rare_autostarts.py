"""Autostart places that few hosts have: fonts, media filters, language bar, devices, pages of the desktop, gadgets."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensics.artifacts import (
    app_paths,
    browser_extensions,
    crypto_offload,
    desktop_components,
    device_connect,
    disk_tools,
    font_drivers,
    html_help,
    langbar_addins,
    lsa_packages,
    media_filters,
    router_managers,
    service_failures,
    sidebar_gadgets,
    telemetry_controllers,
    trust_providers,
)
from forensics.artifacts.base import RegistryArtifact
from forensics.formats.hive import Hive
from tests.artifacts.autorun_inputs import (
    NTUSER,
    SOFTWARE,
    SYSTEM,
    VERSION,
    at,
    found,
    key,
    klass,
    quiet,
    software,
    survives,
    system,
)
from tests.artifacts.autorun_inputs import user as of_user
from tests.artifacts.autostarts import scores
from tests.artifacts.file_inputs import run
from tests.formats.crafted_hives import Tree

CATEGORY = "Classes\\CLSID\\{083863F1-70DE-11D0-BD40-00A0C911CE86}\\Instance"
FILTERS = [f"{{0000000{number}-AAAA-BBBB-CCCC-000000000000}}" for number in range(3)]
BAR = "Microsoft\\Ctf\\LangBarAddin"
SYNC = "Microsoft\\Windows CE Services"
PAGES = "Microsoft\\Internet Explorer\\Desktop\\Components"
EXPLORER = "Microsoft\\Internet Explorer"
MEDIA = software(
    klass(FILTERS[0], "%SystemRoot%\\System32\\quartz.dll"),
    klass(FILTERS[1], "C:\\Users\\Public\\f.ax"),
    klass(FILTERS[2], "C:\\Program Files\\Player\\p.ax"),
    *(key(f"{CATEGORY}\\{name}", FriendlyName="x") for name in FILTERS),
)
APPS = "Microsoft\\Windows\\CurrentVersion\\App Paths"
ROUTERS = "Services\\RemoteAccess\\RouterManagers"
PROTOCOLS = "Microsoft\\Router\\CurrentVersion\\RouterManagers"
APPRAISER = "%windir%\\system32\\CompatTelRunner.exe -m:appraiser.dll -f:DoScheduledTelemetryRun"
TELEMETRY = f"{VERSION}\\AppCompatFlags\\TelemetryController"
SIP = "Microsoft\\Cryptography\\OID\\EncodingType 0\\CryptSIPDllVerifyIndirectData"
TRUST = "Microsoft\\Cryptography\\Providers\\Trust\\FinalPolicy"
INTERFACES = "Control\\LsaExtensionConfig\\Interfaces"
DRIVES = "Microsoft\\Windows\\CurrentVersion\\Explorer\\MyComputer"
HELP = "Microsoft\\HtmlHelp Author"
PLANTED: list[tuple[RegistryArtifact, Tree, str, dict[str, bool]]] = [
    (crypto_offload.ARTIFACT, software(key("Microsoft\\Cryptography\\Offload", ExpoOffload="x.dll", Other=1)), SOFTWARE,
     {"ExpoOffload": True}),
    (font_drivers.ARTIFACT, software(at(f"{VERSION}\\Font Drivers", {"Adobe Type Manager": "atmfd.dll", "F": "f.dll"})),
     SOFTWARE, {"Adobe Type Manager": False, "F": True}),
    (media_filters.ARTIFACT, MEDIA, SOFTWARE, {FILTERS[0]: False, FILTERS[1]: True, FILTERS[2]: False}),
    (langbar_addins.ARTIFACT, of_user(key(f"{BAR}\\{{1}}", FilePath="C:\\Users\\x\\l.dll", Enable=1),
                                      key(f"{BAR}\\{{2}}", FilePath="C:\\y.dll", Enable=0)), NTUSER,
     {"{1}": True, "{2}": False}),
    (device_connect.ARTIFACT, software(at(f"{SYNC}\\AutoStartOnConnect", {"Upd": "C:\\Users\\Public\\a.exe"})),
     SOFTWARE, {"Upd": True}),
    (service_failures.ARTIFACT, system(key("Services\\Fax", FailureCommand="C:\\Users\\Public\\f.exe"),
                                       key("Services\\App", FailureCommand="C:\\Program Files\\A\\r.exe")),
     SYSTEM, {"Fax": True, "App": False}),
    (desktop_components.ARTIFACT, of_user(key(f"{PAGES}\\0", Source="About:Home"),
                                          key(f"{PAGES}\\1", Source="C:\\Users\\x\\a.html")), NTUSER,
     {"0": False, "1": True}),
    (browser_extensions.ARTIFACT, software(key(f"{EXPLORER}\\Extensions\\{{1}}", Exec="C:\\ProgramData\\e.exe"),
                                           klass(FILTERS[0], "C:\\Windows\\System32\\ieframe.dll"),
                                           key(f"{EXPLORER}\\Explorer Bars\\{FILTERS[0]}", BarSize=1)), SOFTWARE,
     {"{1}": True, FILTERS[0]: False}),
    (app_paths.ARTIFACT, of_user(key(f"{APPS}\\control.exe", Default="C:\\Windows\\System32\\cmd.exe"),
                                 key(f"{APPS}\\kit.exe", Default="C:\\Users\\x\\AppData\\Local\\Kit\\kit.exe"),
                                 key(f"{APPS}\\odd.exe", Default="C:\\Program Files\\..\\ProgramData\\odd.exe"),
                                 key(f"{APPS}\\bad.exe", Default="C:\\ProgramData\\bad.exe")), NTUSER,
     {"control.exe": True, "kit.exe": False, "odd.exe": True, "bad.exe": True}),
    (router_managers.ARTIFACT, system(key(f"{ROUTERS}\\Ip", DllPath="C:\\ProgramData\\r.dll"),
                                      key(f"{ROUTERS}\\Ipx", DllPath="%SystemRoot%\\System32\\ipxrtmgr.dll")), SYSTEM,
     {"Ip": True, "Ipx": False}),
    (router_managers.ARTIFACT, software(key(f"{PROTOCOLS}\\Ip\\KIT", DllName="k.dll")), SOFTWARE, {"KIT": True}),
    (telemetry_controllers.ARTIFACT,
     software(key(f"{TELEMETRY}\\Kit", Command="C:\\Windows\\Temp\\a.exe"),
              key(f"{TELEMETRY}\\Odd", Command="C:\\Windows\\System32\\CompatTelRunner.exe & C:\\a.exe"),
              key(f"{TELEMETRY}\\App", Command=APPRAISER)),
     SOFTWARE, {"Kit": True, "Odd": True, "App": False}),
    (trust_providers.ARTIFACT,
     software(key(f"{SIP}\\{{1}}", Dll="C:\\ProgramData\\s.dll"), key(f"{SIP}\\{{2}}", Dll="WINTRUST.DLL"),
              at(f"{TRUST}\\{{3}}", {"$DLL": "C:\\Users\\Public\\t.dll"}),
              at(f"{TRUST}\\{{4}}", {"$DLL": "SOFTPUB.DLL"})),
     SOFTWARE, {"{1}": True, "{2}": False, "{3}": True, "{4}": False}),
    (html_help.ARTIFACT, of_user(key(HELP, location="C:\\Users\\x\\h.dll")), NTUSER, {"location": True}),
    (disk_tools.ARTIFACT, software(key(f"{DRIVES}\\cleanuppath", Default="C:\\ProgramData\\c.exe"),
                                   key(f"{DRIVES}\\defragpath", Default="%systemroot%\\system32\\dfrgui.exe")),
     SOFTWARE, {"cleanuppath": True, "defragpath": False}),
    (lsa_packages.ARTIFACT, system(key(f"{INTERFACES}\\1001", Extension="lsasrv.dll"),
                                   key(f"{INTERFACES}\\1009", Extension="evil.dll")), SYSTEM,
     {"1001": False, "1009": True}),
]  # fmt: skip


@pytest.mark.parametrize(("artifact", "content", "path", "expected"), PLANTED, ids=[row[0].name for row in PLANTED])
def test_planted_entries(artifact: RegistryArtifact, content: Tree, path: str, expected: dict[str, bool]) -> None:
    rows = found(artifact, content, path)
    assert {name: entry.score > 40 for (_, name), entry in rows.items()} == expected
    assert all(entry.attack for entry in rows.values() if entry.score > 40)
    assert max((entry.score for entry in rows.values() if entry.score <= 40), default=0) <= 20
    survives(artifact, content, path)


def test_stock_entries_score_nothing() -> None:
    quiet(
        font_drivers.ARTIFACT,
        software(at(f"{VERSION}\\Font Drivers", {"Adobe Type Manager": "atmfd.dll"})),
        SOFTWARE,
        1,
    )
    stock = software(klass(FILTERS[0], "C:\\Windows\\SysWOW64\\qdv.dll"), key(f"{CATEGORY}\\{FILTERS[0]}", x=1))
    quiet(media_filters.ARTIFACT, stock, SOFTWARE, 1)
    quiet(desktop_components.ARTIFACT, of_user(key(f"{PAGES}\\0", Source="About:Home")), NTUSER, 1)
    products = software(
        key(f"{APPS}\\chrome.exe", Default="C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe"),
        key(f"{APPS}\\cmmgr32.exe", Default="%SystemRoot%\\System32\\cmmgr32.exe"),
        key(f"{APPS}\\PowerShell.exe", Default="%SystemRoot%\\system32\\WindowsPowerShell\\v1.0\\PowerShell.exe"),
    )
    quiet(app_paths.ARTIFACT, products, SOFTWARE, 3)
    quiet(
        trust_providers.ARTIFACT,
        software(at(f"{TRUST}\\{{4}}", {"$DLL": "C:\\Windows\\System32\\cryptdlg.dll"})),
        SOFTWARE,
        1,
    )


GADGETS = """[Root]
SettingsVersion="0x00"
[Section 1]
PrivateSetting_GadgetName="%PROGRAMFILES%\\windows sidebar\\gadgets\\Clock.Gadget"
[Section 2]
PrivateSetting_GadgetName="C:\\Users\\hanako\\AppData\\Local\\Microsoft\\Windows Sidebar\\Gadgets\\天気.gadget"
[Section 3]
PrivateSetting_GadgetName="%PROGRAMFILES%\\windows sidebar\\gadgets\\..\\..\\x.gadget"
"""
SETTINGS = "C:/Users/hanako/AppData/Local/Microsoft/Windows Sidebar/Settings.ini"


def test_gadgets() -> None:
    data = b"\xff\xfe" + GADGETS.encode("utf-16-le")
    facts, problems = run(sidebar_gadgets.ARTIFACT, SETTINGS, data)
    assert problems == []
    assert [(fact.source.locator, fact.context) for fact in facts] == [
        ("line 4", True), ("line 6", False), ("line 8", False),
    ]  # fmt: skip
    assert {name: score > 40 for name, score in scores(facts).items()} == {
        "Clock.Gadget": False, "天気.gadget": True, "x.gadget": True,
    }  # fmt: skip
    assert {fact.fields["profile_user"] for fact in facts} == {"hanako"}
    for length in range(len(data)):
        assert len(run(sidebar_gadgets.ARTIFACT, SETTINGS, data[:length])[0]) <= 3


@pytest.mark.samples
def test_a_real_machines_failing_services_stay_quiet(samples: Path) -> None:
    folder = samples / "hives"
    logs = [(folder / f"SYSTEM_B.LOG{number}").read_bytes() for number in (1, 2)]
    rows = found(service_failures.ARTIFACT, Hive.open((folder / "SYSTEM_B").read_bytes(), logs), SYSTEM)
    assert {name for _, name in rows} == {
        "MSiSCSI", "NVDisplay.ContainerLocalSystem", "spectrum", "WEPHOSTSVC", "WinDefend",
    }  # fmt: skip
    assert {entry.score for entry in rows.values()} == {0}
