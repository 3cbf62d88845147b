from __future__ import annotations

import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.artifacts import _appx
from forensics.artifacts._appx import is_package
from forensics.artifacts.appx_packages import ARTIFACT
from forensics.formats.hive import Hive
from forensics.times import to_filetime
from tests.artifacts.registry_inputs import SID, merged, nested, run
from tests.formats.crafted_hives import utf16

SOFTWARE = "C:/Windows/System32/config/SOFTWARE"
USRCLASS = "C:/Users/田中/AppData/Local/Microsoft/Windows/UsrClass.dat"
FAMILY = "MicrosoftWindows.WindowsSandbox_cw5n1h2txyewy"
FULL = "MicrosoftWindows.WindowsSandbox_0.5.3.0_x64__cw5n1h2txyewy"
MODEL = "Local Settings\\Software\\Microsoft\\Windows\\CurrentVersion\\AppModel"
STORE = "Microsoft\\Windows\\CurrentVersion\\Appx\\AppxAllUserStore"
WHEN = datetime(2025, 2, 1, 3, 4, 5, tzinfo=UTC)
LAST = datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)


def test_of_a_user() -> None:
    installed = {"": [("InstallTime", 11, struct.pack("<Q", to_filetime(WHEN)))]}
    folder = {"": [("PackageRootFolder", 1, utf16("C:\\Program Files\\WindowsApps\\" + FULL))]}
    tree = merged(
        nested(
            f"{MODEL}\\Repository\\Packages", {FULL: folder, "Microsoft.WindowsStore_1.2.3.4_x64__8wekyb3d8bbwe": {}}
        ),
        nested(f"{MODEL}\\Repository\\Families\\{FAMILY}", {FULL: installed}),
        nested("Local Settings\\MuiCache", {}),
    )
    facts, problems = run(ARTIFACT, tree, USRCLASS)
    assert problems == []
    assert [(fact.fields["package_version"], fact.fields["profile_user"], fact.times) for fact in facts] == [
        ("0.5.3.0", "田中", {"Content Modification Time": LAST}),
        ("0.5.3.0", "田中", {"Content Modification Time": LAST, "Installation Time": WHEN}),
    ]
    assert facts[0].fields["package_folder"] == f"C:\\Program Files\\WindowsApps\\{FULL}"
    assert facts[0].fields["package_register"] == "AppModel\\Repository\\Packages"


def test_of_the_host() -> None:
    tree = merged(
        nested("Microsoft\\Windows NT\\CurrentVersion", {}),
        nested(f"{STORE}\\Applications\\{FULL}", {"": [("Path", 1, utf16("C:\\x\\AppxManifest.xml"))]}),
        nested(f"{STORE}\\Staged\\{FAMILY}\\{FULL}", {}),
        nested(f"{STORE}\\{SID}\\{FULL}", {}),
        nested(f"Classes\\{MODEL}\\PackageRepository\\Packages\\{FULL}", {}),
    )
    facts, _ = run(ARTIFACT, tree, SOFTWARE)
    assert [(fact.fields["package_register"], fact.fields.get("user_sid")) for fact in facts] == [
        ("AppxAllUserStore\\Applications", None),
        (f"AppxAllUserStore\\{SID}", SID),
        (f"AppxAllUserStore\\Staged\\{FAMILY}", None),
        ("AppModel\\PackageRepository\\Packages", None),
    ]


@pytest.mark.parametrize(
    ("name", "found"), [(FULL, True), (FAMILY, False), ("MicrosoftWindows.WindowsSandbox_x_y", False), ("", False)]
)
def test_names(name: str, found: bool) -> None:
    assert is_package(name) is found


@pytest.mark.samples
def test_a_real_hive_of_another_package(samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Hive.open((samples / "hives" / "UsrClass.dat").read_bytes())
    assert run(ARTIFACT, opened, USRCLASS) == ([], [])
    name = "1527c705-839a-4832-9118-54d4bd6a0c89_"  # the layout is that of any package
    monkeypatch.setattr(_appx, "_names", lambda: (name,))
    facts, _ = run(ARTIFACT, opened, USRCLASS)
    assert [(fact.fields["package_version"], "Installation Time" in fact.times) for fact in facts] == [
        ("10.0.16299.15", False),
        ("10.0.16299.15", True),
    ]
    assert facts[1].times["Installation Time"].date().isoformat() == "2018-03-27"
