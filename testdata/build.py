"""Rebuilds the shipped evidence: `python -m testdata.build [scenario ...] [--only e01|e01-vss|kape|velociraptor]`.

The same scenario always gives the same content, and on one machine the same bytes. Needs `mkntfs`, `ntfs-3g`, `ntfscp`
and the right to mount: the collections, too, take the master file table and the change journal of the volume.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from testdata import collections, image
from testdata.host import SCENARIOS, ScenarioError, scenario
from testdata.render import render
from testdata.writers.ntfs import missing_tools

EVIDENCE = Path(__file__).parent / "evidence"
LAYOUTS = ("e01", "e01-vss", "kape", "velociraptor")


def build(name: str, target: Path, layouts: tuple[str, ...] = LAYOUTS) -> list[Path]:
    """Write the layouts of scenario `name` below `target` and say what was written."""
    host = scenario(name)
    files = render(host)
    written: list[Path] = []
    with image.volume(host, files, target) as made:
        if "e01" in layouts:
            folder = target / "e01"
            for old in folder.glob(f"{name}.E*"):
                old.unlink()
            written += image.e01(host, made, folder / f"{name}.E01")
        files_taken = files | image.witnesses(host, made)
    if "e01-vss" in layouts and host.wiped:
        made_at = host.collected.replace(hour=0, minute=30, second=0)
        with image.wiped(host, files, target, made_at) as made:
            written += image.e01(host, made, target / "e01-vss" / f"{name}-vss.E01")
    if "kape" in layouts:
        written.append(collections.kape(host, files_taken, target / "kape"))
    if "velociraptor" in layouts:
        stamp = host.collected.strftime("%Y-%m-%dT%H_%M_%SZ")
        written.append(
            collections.velociraptor(host, files_taken, target / f"velociraptor/Collection-{host.name}-{stamp}.zip")
        )
    return written


def main(arguments: list[str] | None = None) -> int:
    """Build what was asked for; 1 when this machine cannot, 2 when a scenario is wrong."""
    parser = argparse.ArgumentParser(prog="python -m testdata.build", description=__doc__)
    names = sorted(path.parent.name for path in SCENARIOS.glob("*/host.yml"))
    parser.add_argument(
        "scenario", nargs="*", metavar="scenario", help=f"one of {', '.join(names)}; by default those that are shipped"
    )
    parser.add_argument("--only", choices=LAYOUTS, action="append", help="only this layout (repeatable)")
    parser.add_argument("--target", type=Path, default=EVIDENCE, help="where the evidence folders are")
    options = parser.parse_args(arguments)
    if unknown := set(options.scenario) - set(names):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}; known are {', '.join(names)}")
    layouts = tuple(options.only or LAYOUTS)
    if missing := missing_tools():
        print(f"cannot build a volume without {', '.join(missing)} (apt install ntfs-3g)", file=sys.stderr)
        return 1
    for name in options.scenario or [name for name in names if (EVIDENCE / name).is_dir()]:
        try:
            written = build(name, options.target / name, layouts)
        except ScenarioError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 2
        for path in written:
            print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
