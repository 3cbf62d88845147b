"""A host of an organisation: the autostarts of widespread products stay below what counts, an attacker's do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
import yaml

from tests.artifacts.autorun_inputs import at, key, merged, software, system, user
from tests.conftest import ROOT
from tests.formats.crafted_hives import Tree, hive
from tests.running import Run, timeline

HALF = 40  # forensics/advisory: from here on an autostart is suspicious
SID = "S-1-5-21-1-2-3-1001"
RUN = "Microsoft\\Windows\\CurrentVersion\\Run"
LIST = yaml.safe_load((ROOT / "tests" / "products.yml").read_text(encoding="utf-8"))
TASK = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
<RegistrationInfo><Author>Vendor</Author><URI>{uri}</URI></RegistrationInfo>
<Triggers><LogonTrigger><Enabled>true</Enabled></LogonTrigger></Triggers>
<Principals><Principal id="Author"><UserId>{user}</UserId></Principal></Principals>
<Settings><Enabled>true</Enabled></Settings>
<Actions Context="Author"><Exec><Command>{command}</Command><Arguments>{arguments}</Arguments></Exec></Actions>
</Task>"""


def _services(kind: str) -> Iterator[Tree]:
    for name, image in LIST[kind]["services"]:
        yield key(f"Services\\{name}", ImagePath=image, Start=2, Type=16, ObjectName="LocalSystem")
    for name, image in LIST[kind]["drivers"]:
        yield key(f"Services\\{name}", ImagePath=image, Start=1, Type=1)


def _system(kind: str) -> Tree:
    given = LIST[kind]
    monitors = [key(f"Control\\Print\\Monitors\\{name}", Driver=driver) for name, driver in given["print_monitors"]]
    names = ["RDPNP", "LanmanWorkstation", *(name for name, _ in given["network_providers"])]
    order = key("Control\\NetworkProvider\\Order", ProviderOrder=",".join(names))
    stock = [
        ("RDPNP", "%SystemRoot%\\System32\\drprov.dll"),
        ("LanmanWorkstation", "%SystemRoot%\\System32\\ntlanman.dll"),
    ]
    providers = [
        key(f"Services\\{name}\\NetworkProvider", ProviderPath=path, Name=name)
        for name, path in (*stock, *given["network_providers"])
    ]
    packages = at("Control\\Lsa", {name: tuple(items) for name, items in given["lsa"].items()})
    return system(packages, order, *providers, *monitors, *_services(kind), *_values(kind, "system"))


def _values(kind: str, hive_name: str) -> Iterator[Tree]:
    for which, path, name, data in LIST[kind]["values"]:
        if which == hive_name:
            yield at(path, {name: data})


def _task(name: str, program: str, arguments: str) -> bytes:
    user_id = SID if "\\Users\\" in program or "Build" in name else "S-1-5-18"
    parts = {"uri": name, "user": user_id, "command": program, "arguments": arguments}
    return TASK.format(**{part: escape(text) for part, text in parts.items()}).encode("utf-16")


def host(kind: str) -> dict[str, bytes]:
    """The files of a host."""
    given = LIST[kind]
    profiles = at(f"Microsoft\\Windows NT\\CurrentVersion\\ProfileList\\{SID}", {"ProfileImagePath": "C:\\Users\\sato"})
    machine = software(at(RUN, dict(given["run_machine"])), profiles, *_values(kind, "software"))
    once = at(f"{RUN}Once", dict(given["run_once_user"]))
    person = merged(user(at(RUN, dict(given["run_user"])), once), *_values(kind, "user"))
    tasks = {
        f"Windows/System32/Tasks{name.replace(chr(92), '/')}": _task(name, program, arguments)
        for name, program, arguments in given["tasks"]
    }
    return {
        "Windows/System32/config/SYSTEM": hive(_system(kind)),
        "Windows/System32/config/SOFTWARE": hive(machine),
        "Users/sato/NTUSER.DAT": hive(person),
        **tasks,
        **{path: text.encode() for path, text in given["files"].items()},
    }


def run_of(kind: str, folder: Path) -> Run:
    """The run over a host of the list."""
    for name, data in host(kind).items():
        target = folder / "evidence" / "C" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    run = timeline(folder / "evidence", folder / "case", "-q", "--all-events")
    assert (run.code, run.document()["problems"]) == (0, []), run.err
    return run


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Any:  # JSON
    return run_of("products", tmp_path_factory.mktemp("products")).document()


def test_no_product_stands_out(document: Any) -> None:
    entries = document["persistence"]
    loud = {f"{entry['mechanism']} {entry['name']}": (entry["score"], entry["reasons"]) for entry in entries}
    assert {name: found for name, found in loud.items() if found[0] > 25} == {}
    assert len(entries) > 250, "nothing is dropped"


def test_the_reason_says_what_it_rests_on(document: Any) -> None:
    known = [item for item in document["persistence"] if any("PRD-" in reason for reason in item["reasons"])]
    assert len({item["mechanism"] for item in known}) >= 12
    assert all("by place and name, not by signature" in item["reasons"][0] for item in known)


def test_nothing_is_found(document: Any) -> None:
    found = [item for item in document["findings"] if item["level"] != "informational"]
    assert [(item["rule"], item["why"]) for item in found] == []


def test_the_checklist_does_not_say_yes(document: Any) -> None:
    yes = {answer["id"] for answer in document["advisory"] if answer["answer"] == "yes"}
    assert not {name for name in yes if name.startswith("autostart")}


def test_what_an_attacker_makes_of_them_stands_out(tmp_path: Path) -> None:
    found = run_of("attackers", tmp_path).document()["persistence"]
    scores = {(entry["mechanism"], entry["name"]): entry["score"] for entry in found}
    given = LIST["attackers"]
    stock = {"scecli", "msv1_0", "RDPNP", "LanmanWorkstation"}
    wanted = {("run_key", name) for part in ("run_machine", "run_user", "run_once_user") for name, _ in given[part]}
    wanted |= {("service", name) for part in ("services", "drivers") for name, _ in given[part]}
    wanted |= {("scheduled_task", name) for name, *_ in given["tasks"]}
    wanted |= {(word, name) for word, part in _LISTS for name, _ in given[part]}
    wanted |= {("lsa", name) for items in given["lsa"].values() for name in items if name not in stock}
    wanted |= {("ifeo", name) for name in ("sethc.exe", "notepad.exe", "taskmgr.exe")} | _SINGLE
    assert {name: scores.get(name) for name in wanted if scores.get(name, 0) < HALF} == {}


_LISTS = (("print_monitor", "print_monitors"), ("network_provider", "network_providers"))
_SINGLE = {
    ("winlogon", "igfxcui"), ("winlogon", "Kit"), ("screen_saver", "SCRNSAVE.EXE"), ("command_processor", "AutoRun"),
    ("winlogon", '"C:\\ProgramData\\VMware\\VMware View\\Agent\\bin\\wssm.exe"'),
    ("app_init", "C:\\PROGRA~3\\Sophos\\SOPHOS~1.DLL"), ("cor_profiler", "COR_PROFILER"),
    ("cor_profiler", "COR_PROFILER_PATH"),
    ("logon_script", "UserInitMprLogonScript"), ("powershell_profile", "profile.ps1"),
    *(("browser_policy", f"{letter}aaalhdlnbpafiamejdnhcphjbkeiagm") for letter in "abc"),
}  # fmt: skip


@pytest.mark.samples
def test_no_product_stands_out_on_a_real_machine(samples: Path, tmp_path: Path) -> None:
    """Services and the rest of its SYSTEM hive; the examiner's own driver is the only one that weighs anything."""
    folder = tmp_path / "evidence" / "C" / "Windows" / "System32" / "config"
    folder.mkdir(parents=True)
    for name in ("", ".LOG1", ".LOG2"):
        (folder / f"SYSTEM{name}").write_bytes((samples / "hives" / f"SYSTEM_B{name}").read_bytes())
    run = timeline(tmp_path / "evidence", tmp_path / "case", "-q")
    found = {entry["name"]: entry["score"] for entry in run.document()["persistence"] if entry["score"]}
    assert {name for name, score in found.items() if score >= HALF} == set()
    assert found["ad_driver"] == 25
