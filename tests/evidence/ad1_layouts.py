"""The files of ws-tanaka as FTK Imager would have put them into an AD1."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from testdata.host import scenario
from testdata.render import whole
from testdata.writers import ad1, ntfs
from tests.evidence.layouts import KAPE, Layout, tree


def ftk_tree(source: str) -> dict[str, tuple[bytes, ntfs.Times]]:
    """The files below a source as FTK Imager shows it: `[root]`, slack and indexes beside, streams below their file."""
    moment = whole(scenario("ws-tanaka"))
    files = {name: data for name, data in tree().items() if name != "$Extend/$J"}
    files |= {"$Extend/$UsnJrnl": b"", "$Extend/$UsnJrnl/$J": (KAPE / "C/$Extend/$J").read_bytes()}
    files |= {"Windows/System32/Tasks/$I30": bytes(4096), "Users/田中/NTUSER.DAT.FileSlack": bytes(300)}
    return {f"{source}/[root]/{name}": (data, moment) for name, data in files.items()}


def ad1_live(top: Path) -> Layout:
    """Chosen files of a live system, in segments."""
    ad1.write(top / "custom.ad1", ad1.CUSTOM, ftk_tree("C:\\:NONAME [NTFS]"), segment=64 * 1024)
    assert (top / "custom.ad4").exists()
    return Layout(top / "custom.ad1")


def ad1_disk(top: Path) -> Layout:
    """Chosen files of a disk with two volumes, nothing compressed."""
    files = {"disk.E01:Partition 1 [100MB]:SYSTEM [FAT32]/[root]/EFI/x": (b"x", whole(scenario("ws-tanaka")))}
    files |= ftk_tree("disk.E01:Partition 2 [50647MB]:NONAME [NTFS]")
    ad1.write(top / "custom.AD1", ad1.CUSTOM, files, level=0)
    (top / "custom.ad1").rename(top / "WS.AD1")
    (top / "WS.ad1.txt").write_text("Case Information:")
    return Layout(top / "WS.AD1")


def ad1_folder(top: Path) -> Layout:
    """One folder: a triage that another collector had made."""
    ad1.write(top / "t.ad1", "E:\\triage\\WS-TANAKA", {f"C/{name}": (data, None) for name, data in tree().items()},
              ntfs=False)  # fmt: skip
    return Layout(top / "t.ad1")


AD1: dict[str, Callable[[Path], Layout]] = {"ad1_live": ad1_live, "ad1_disk": ad1_disk, "ad1_folder": ad1_folder}
