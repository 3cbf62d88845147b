"""A host of an organisation: the autostarts of widespread products stay below what counts, an attacker's do not."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
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
<Actions Context="Author"><Exec><Command>{command}</Command><Arguments>{arguments}</Arguments></Exec></Actions></Task>"""


def _services() -> Iterator[Tree]:
    for name, image in LIST["services"]:
        yield key(f"Services\\{name}", ImagePath=image, Start=2, Type=16, ObjectName="LocalSystem")
    for name, image in LIST["drivers"]:
        yield key(f"Services\\{name}", ImagePath=image, Start=1, Type=1)


def _system() -> Tree:
    monitors = [key(f"Control\\Print\\Monitors\\{name}", Driver=driver) for name, driver in LIST["print_monitors"]]
    names = ["RDPNP", "LanmanWorkstation", *(name for name, _ in LIST["network_providers"])]
    order = key("Control\\NetworkProvider\\Order", ProviderOrder=",".join(names))
    stock = [("RDPNP", "%SystemRoot%\\System32\\drprov.dll"), ("LanmanWorkstation", "%SystemRoot%\\System32\\ntlanman.dll")]
    providers = [
        key(f"Services\\{name}\\NetworkProvider", ProviderPath=path, Name=name)
        for name, path in (*stock, *LIST["network_providers"])
    ]
    packages = at("Control\\Lsa", {name: tuple(items) for name, items in LIST["lsa"].items()})
    return system(packages, order, *providers, *monitors, *_services())


def _values(hive_name: str) -> Iterator[Tree]:
    for which, path, name, data in LIST["values"]:
        if which == hive_name:
            yield at(path, {name: data})


def _task(name: str, program: str, arguments: str) -> bytes:
    user_id = SID if "\\Users\\" in program or "Build" in name else "S-1-5-18"
    parts = {"uri": name, "user": user_id, "command": program, "arguments": arguments}
    return TASK.format(**{part: escape(text) for part, text in parts.items()}).encode("utf-16")


def host() -> dict[str, bytes]:
    """The files of the host."""
    profiles = at(
        f"Microsoft\\Windows NT\\CurrentVersion\\ProfileList\\{SID}", {"ProfileImagePath": "C:\\Users\\sato"}
    )
    machine = software(at(RUN, dict(LIST["run_machine"])), profiles, *_values("software"))
    once = at(f"{RUN}Once", dict(LIST["run_once_user"]))
    person = merged(user(at(RUN, dict(LIST["run_user"])), once), *_values("user"))
    tasks = {
        f"Windows/System32/Tasks{name.replace(chr(92), '/')}": _task(name, program, arguments)
        for name, program, arguments in LIST["tasks"]
    }
    return {
        "Windows/System32/config/SYSTEM": hive(_system()),
        "Windows/System32/config/SOFTWARE": hive(machine),
        "Users/sato/NTUSER.DAT": hive(person),
        **tasks,
        **{path: text.encode() for path, text in LIST["files"].items()},
    }


@cache
def _run(folder: Path) -> Run:
    for name, data in host().items():
        target = folder / "evidence" / "C" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return timeline(folder / "evidence", folder / "case", "-q", "--all-events")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401  # JSON
    run = _run(tmp_path_factory.mktemp("products"))
    assert run.code == 0, run.err
    return run.document()


def test_no_product_stands_out(document: Any) -> None:  # noqa: ANN401
    entries = document["persistence"]
    loud = {f"{entry['mechanism']} {entry['name']}": (entry["score"], entry["reasons"]) for entry in entries}
    assert {name: found for name, found in loud.items() if found[0] > 25} == {}


def test_nothing_is_found(document: Any) -> None:  # noqa: ANN401
    found = [item for item in document["findings"] if item["level"] != "informational"]
    assert [(item["rule"], item["why"]) for item in found] == []
