from __future__ import annotations

from forensics.artifacts.credential_providers import ARTIFACT
from tests.artifacts.autorun_inputs import SOFTWARE, found, key, klass, quiet, software, survives

PLACE = "Microsoft\\Windows\\CurrentVersion\\Authentication\\Credential Provider"
STOCK, EVIL, GONE = (f"{{60B78E88-EAD8-445C-9CFD-0B87F74EA6C{number}}}" for number in "DEF")
CONTENT = software(
    key(f"{PLACE}s\\{STOCK}", Default="PasswordProvider"),
    klass(STOCK, "%SystemRoot%\\system32\\credprovs.dll"),
    key(f"{PLACE} Filters\\{EVIL}", Default="x"),
    klass(EVIL, "C:\\ProgramData\\cp.dll"),
    key(f"{PLACE}s\\{GONE}", Default="y"),
)


def test_stock_entries_score_nothing() -> None:
    quiet(ARTIFACT, software(key(f"{PLACE}s\\{STOCK}", Default="P"), klass(STOCK, "credprovs.dll")), SOFTWARE, 1)


def test_the_library_of_the_class_is_the_command() -> None:
    rows = found(ARTIFACT, CONTENT, SOFTWARE)
    assert {name: entry.command for (_, name), entry in rows.items()} == {
        STOCK: "%SystemRoot%\\system32\\credprovs.dll", EVIL: "C:\\ProgramData\\cp.dll", GONE: GONE,
    }  # fmt: skip
    assert rows[STOCK, STOCK].score == 0
    assert rows[EVIL, EVIL].score > 40
    assert 0 < rows[GONE, GONE].score <= 20
    survives(ARTIFACT, CONTENT, SOFTWARE)
