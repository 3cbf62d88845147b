from __future__ import annotations

from forensics.artifacts.language_dlls import ARTIFACT
from tests.artifacts.autorun_inputs import SYSTEM, found, key, run, survives, system

PLACE = "Control\\ContentIndex\\Language"


def test_planted_entries() -> None:
    content = system(key(f"{PLACE}\\English_US", StemmerDLLPathOverride="C:\\ProgramData\\s.dll", Locale=1033))
    (entry,) = found(ARTIFACT, content, SYSTEM).values()
    assert (entry.name, entry.command, entry.score > 40) == ("English_US", "C:\\ProgramData\\s.dll", True)
    survives(ARTIFACT, content, SYSTEM)


def test_stock_languages_name_no_library() -> None:
    content = system(key(f"{PLACE}\\Neutral", Locale=0, NoiseFile="noise.dat", WBreakerClass="{1}"))
    assert run(ARTIFACT, content, SYSTEM) == ([], [])
