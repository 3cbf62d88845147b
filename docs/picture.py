"""Draw docs/summary.svg, the terminal picture of the README, from a real run: `python -m docs.picture CASE_DIR`."""

from __future__ import annotations

import io
import re
import sys
from datetime import UTC
from pathlib import Path

from rich.console import Console

from forensics.show import read_document, show_summary

# The picture must not fetch anything when it is shown.
_FONTS = re.compile(r"@font-face\s*\{[^}]*\}\s*")
TARGET = Path(__file__).parent / "summary.svg"


def draw(case_dir: Path) -> str:
    """The summary of a saved case as an SVG picture of a terminal."""
    out = Console(record=True, width=118, file=io.StringIO(), force_terminal=True, highlight=False, markup=False)
    show_summary(read_document(case_dir), UTC, out)
    picture = out.export_svg(title="mirrortrace timeline ws-tanaka.E01 -o case")
    return _FONTS.sub("", picture).replace("Fira Code", "Noto Sans Mono CJK JP")  # no font from a network


if __name__ == "__main__":
    TARGET.write_text(draw(Path(sys.argv[1])), encoding="utf-8", newline="\n")
