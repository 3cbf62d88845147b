from __future__ import annotations

from forensics.artifacts.protocol_handlers import ARTIFACT
from tests.artifacts.autorun_inputs import SOFTWARE, found, key, klass, quiet, software, survives

PLACE = "Classes\\PROTOCOLS"
STOCK, EVIL = "{3050F406-98B5-11CF-BB82-00AA00BDCE0B}", "{00000000-0000-0000-0000-00000000BAD0}"


def test_stock_entries_score_nothing() -> None:
    content = software(
        key(f"{PLACE}\\Handler\\about", CLSID=STOCK),
        key(f"{PLACE}\\Filter\\application/octet-stream", CLSID=EVIL),
        klass(STOCK, "C:\\Windows\\System32\\mshtml.dll"),
        klass(EVIL, "mscoree.dll"),
    )
    quiet(ARTIFACT, content, SOFTWARE, 2)


def test_planted_entries() -> None:
    content = software(key(f"{PLACE}\\Filter\\text/html", CLSID=EVIL), klass(EVIL, "C:\\ProgramData\\f.dll"))
    (entry,) = found(ARTIFACT, content, SOFTWARE).values()
    assert (entry.name, entry.command, entry.score > 40) == ("text/html", "C:\\ProgramData\\f.dll", True)
    survives(ARTIFACT, content, SOFTWARE)
