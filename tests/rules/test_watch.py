"""What is kept by itself: every way in which people name Windows Sandbox's programs, files and settings."""

from __future__ import annotations

import pytest

from forensics.rules.watch import is_watched

VERBS = (
    "start", "StartSandbox", "exec", "Execute", "share", "ShareFolder", "connect", "ConnectToSandbox", "stop",
    "StopSandbox", "list", "ListRunningSandboxes", "ip", "GetIpAddress",
)  # fmt: skip
CONTAINERS = "C:\\ProgramData\\Microsoft\\Windows\\Containers"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "form",
    ["wsb {}", "wsb.exe {} --raw", "& 'wsb' {}", '"C:\\x\\wsb" {}', "$id=wsb {}", "{{wsb {}}}", "(wsb --raw {})",
     "wsb --id 1 {}", "x; wsb\t{}"],
)  # fmt: skip
def test_the_command_line_client(verb, form):
    assert is_watched(form.format(verb))


@pytest.mark.parametrize(
    "text",
    [
        "Start-Process wsb -ArgumentList 'start'",
        "Start-Process -FilePath wsb",
        "explorer shell:Appsfolder\\MicrosoftWindows.WindowsSandbox_cw5n1h2txyewy!App",
        "C:\\Windows\\System32\\cmproxyd.exe",
        "vmmemWindowsSandbox", "vmmemSandbox", "VmmemWSB", "vmmemCmZygote", "cmdiag.exe", "hnsdiag list", "hcsdiag",
        "ManagedWindowsVM.exe", "WindowsSandboxRemoteSession.exe",
        "\\wsandbox\\894e5c52-e6cd-4a24-444e-a4d23f482ed3",
        f"{CONTAINERS}\\Sandboxes\\1\\x", f"{CONTAINERS}\\ContainerStorages\\1\\x", f"{CONTAINERS}\\Dumps\\1.dmp",
        f"{CONTAINERS}\\BaseImages\\1\\BaseLayer.vhdx", f"{CONTAINERS}\\Snapshots\\1\\SnapshotSavedState.vmrs",
        "$c = '<Configuration><Networking>Disable</Networking></Configuration>'",
        "&lt;Networking&gt;Enable", "<hostfolder>C:\\Users", "<MemoryInMB>1024", "<LogonCommand>",
        "dism /online /enable-feature /featurename:Containers-DisposableClientVM /all /norestart",
        'Enable-WindowsOptionalFeature -Online -FeatureName "VirtualMachinePlatform"',
        "Disable-WindowsOptionalFeature -Online -FeatureName Containers-DisposableClientVM",
    ],
)  # fmt: skip
def test_traces_of_the_sandbox(text):
    assert is_watched(text)


@pytest.mark.parametrize(
    "text",
    ["lswsb start", "the wsb file", "wsb", "cmd.exe /c start notepad", "dism /online /cleanup-image /restorehealth",
     "Start-Process wsbtool", "C:\\Windows\\System32\\svchost.exe", "mappedfile", "https://host.example/networking"],
)  # fmt: skip
def test_what_names_none_of_it(text):
    assert not is_watched(text)
