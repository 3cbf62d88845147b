"""Connections that the filter let through, Winsock's catalogue, watched ends of programs, Sysmon's rarer records."""

from __future__ import annotations

import pytest

from tests.artifacts.event_logs import one, own

SYSMON = "Microsoft-Windows-Sysmon/Operational"


@pytest.mark.parametrize(
    ("ends", "kept"),
    [
        (("127.0.0.1", "49186", "127.0.0.2", "3389"), True),
        (("127.0.0.2", "3389", "127.0.0.1", "49186"), True),
        (("::1", "49186", "::1", "3389"), True),
        (("0:0:0:0:0:0:0:1", "49186", "0:0:0:0:0:0:0:1", "3389"), True),
        (("192.0.2.7", "49186", "192.0.2.8", "3389"), False),
        (("127.0.0.1", "49186", "127.0.0.1", "8080"), False),
        (("127.0.0.1.example", "3389", "127.0.0.1", "1"), False),
        (("", "", "", ""), False),
    ],
)
def test_remote_desktop_over_a_loopback_address(ends: tuple[str, ...], kept: bool) -> None:
    names = ("SourceAddress", "SourcePort", "DestAddress", "DestPort")
    data = {**dict(zip(names, ends, strict=True)), "Application": "\\device\\x\\svchost.exe", "Direction": "%%14592",
            "Protocol": 6, "ProcessID": 820}  # fmt: skip
    fact = one("Security", 5156, data=data)
    assert fact.context is not kept
    assert (fact.fields["direction"], fact.fields["protocol"], fact.fields["pid"]) == ("in", "tcp", "820")


def test_a_layered_provider() -> None:
    data = {
        "LSPName": "UPD LSP", "Catalog": 32, "Installer": "C:\\ProgramData\\u.exe",
        "GUID": "{7e35f09e-cf45-cf00-3594-397712626d0f}", "Category": 1016,
    }  # fmt: skip
    fact = one("Microsoft-Windows-Winsock-WS2HELP/Operational", 1, data=data)
    assert {name: text for name, text in own(fact).items() if name != "user_sid"} == {
        "entry_name": "UPD LSP", "catalog_id": "32", "provider_guid": "7E35F09E-CF45-CF00-3594-397712626D0F",
        "executable": "C:\\ProgramData\\u.exe", "executable_name": "u.exe",
    }  # fmt: skip


def test_a_watched_end() -> None:
    data = {"param1": "C:\\Windows\\System32\\lsass.exe", "param2": "C:\\t\\a.exe", "param3": "0", "param4": "x"}
    assert own(one("Application", 3001, data=data)) == {
        "executable": "C:\\Windows\\System32\\lsass.exe", "executable_name": "lsass.exe",
        "ended_by": "C:\\t\\a.exe", "result_code": "0",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "image", "old", "new", "kept"),
    [
        ("C:\\Users\\a\\x.exe", "C:\\Users\\a\\t.exe", "2024-12-04 10:00:00.1", "2013-09-04 16:29:27.0", True),
        ("C:\\Users\\a\\x.dll.url", "C:\\t\\t.exe", "2024-12-04 10:00:00.1", "2013-09-04 16:29:27.0", True),
        ("C:\\Users\\a\\x.exe", "C:\\Users\\a\\t.exe", "2024-12-04 10:00:00.1", "2024-12-04 09:00:00.0", False),
        ("C:\\Users\\a\\x.exe", "C:\\Users\\a\\t.exe", "2013-09-04 16:29:27.0", "2024-12-04 10:00:00.1", False),
        ("C:\\Users\\a\\x.txt", "C:\\Users\\a\\t.exe", "2024-12-04 10:00:00.1", "2013-09-04 16:29:27.0", False),
        ("C:\\x.exe", "C:\\Windows\\explorer.exe", "2024-12-04 10:00:00.1", "2013-09-04 16:29:27.0", False),
        ("C:\\x.exe", "C:\\Windows\\Temp\\e.exe", "2024-12-04 10:00:00.1", "2013-09-04 16:29:27.0", True),
        ("C:\\x.exe", "C:\\Users\\a\\vendorsetup.exe", "2024-12-04 10:00:00.1", "2013-09-04 16:29:27.0", False),
        ("C:\\x.exe", "C:\\t\\t.exe", "no time", "2013-09-04 16:29:27.0", False),
    ],
)  # fmt: skip
def test_a_birth_that_was_set(path: str, image: str, old: str, new: str, kept: bool) -> None:
    data = {"TargetFilename": path, "Image": image, "PreviousCreationUtcTime": old, "CreationUtcTime": new}
    fact = one(SYSMON, 2, data=data)
    assert fact.context is not kept
    assert fact.fields["file_path"] == path
    assert fact.fields["new_time"][:16] == new[:16].replace(" ", "T")


@pytest.mark.parametrize(
    ("image", "target", "port", "kept"),
    [
        ("C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe", "192.0.2.8", 135, True),
        ("C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe", "127.0.0.1", 135, False),
        ("C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe", "192.0.2.8", 443, False),
        ("C:\\Windows\\System32\\mmc.exe", "192.0.2.8", 135, False),
    ],
)
def test_calls_of_script_hosts(image: str, target: str, port: int, kept: bool) -> None:
    data = {"Image": image, "SourceIp": "192.0.2.7", "SourcePort": 50007, "DestinationIp": target,
            "DestinationPort": port}  # fmt: skip
    assert one(SYSMON, 3, data=data).context is not kept


@pytest.mark.parametrize(
    ("name", "image", "kept"),
    [
        ("\\svcctl", "System", True),
        ("\\svcctl", "C:\\Windows\\System32\\svchost.exe", False),
        ("\\renamed-PC1-8116-stdin", "C:\\Windows\\renamed.exe", True),
        ("\\srvsvc", "System", False),
    ],
)
def test_pipes_of_other_machines(name: str, image: str, kept: bool) -> None:
    assert one(SYSMON, 18, data={"PipeName": name, "Image": image, "EventType": "ConnectPipe"}).context is not kept
