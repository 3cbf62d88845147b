"""Shadow copies of a public image: what libvshadow gives, and why it is used."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from dissect.target import container, filesystem
from dissect.target.exceptions import FilesystemError
from dissect.volume import vss

from forensics.evidence.base import Refusal
from forensics.evidence.imagetree import ImageTree
from forensics.evidence.snapshots import snapshot_trees
from tests.running import timeline

pytestmark = pytest.mark.samples
FILES = {
    "C:@vss1": {"syslog": 1247},
    "C:@vss2": {"another_file": 22, "syslog.gz": 540},
    "C:": {"another_file": 22, "password.txt": 116, "syslog.gz": 540},
}


def image(samples: Path) -> Path:
    return samples / "images/vsstest.qcow2"


def live(samples: Path) -> ImageTree:
    media = container.open(image(samples))
    return ImageTree(filesystem.open(media), 0, media)


def test_both_stores_open_and_hold_the_files_of_their_time(samples: Path) -> None:
    tree, refusals = live(samples), list[Refusal]()
    snapshots = snapshot_trees(tree, refusals)
    assert refusals == []
    assert [(item.drive, item.made[:19]) for item in snapshots] == [
        ("C:@vss1", "2013-12-03 06:35:09"), ("C:@vss2", "2013-12-03 06:37:48"),
    ]  # fmt: skip
    found = {
        item.drive: {path: size for path, size in item.every_file() if "Information" not in path}
        for item in (*snapshots, tree)
    }
    assert found == FILES
    first, second = snapshots
    packed = second.open("syslog.gz").read()
    assert gzip.decompress(packed) == first.open("syslog").read(), "the log was packed between the two"
    assert tree.open("syslog.gz").read() == packed


def test_dissects_own_module_cannot(samples: Path) -> None:
    """When this fails, a release reads them: one library fewer would do."""
    stores = vss.VSS(container.open(image(samples))).catalog.stores
    assert len(stores) == 2
    for store in stores:
        with pytest.raises(FilesystemError):
            filesystem.open(store.open())


def test_an_image_without_windows_is_refused_with_its_shadow_copies(samples: Path, tmp_path: Path) -> None:
    done = timeline(image(samples), tmp_path / "case", "--vss")
    assert done.code == 4
    assert done.err.count("\n") == 1
    assert "vsstest.qcow2 holds no Windows installation" in done.err
    assert not done.case.exists()
