from __future__ import annotations

from forensics.artifacts.defender_exclusions import ARTIFACT
from tests.artifacts.autorun_inputs import SOFTWARE, at, run, software, survives

PLACE = "Microsoft\\Windows Defender"
CONTENT = software(
    at(f"{PLACE}\\Exclusions\\Paths", {"C:\\Users\\Public": 0, "": ""}),
    at(f"{PLACE}\\Exclusions\\Processes", {"msiexec.exe": 0}),
    at(f"Policies\\{PLACE}\\Exclusions\\Extensions", {"wsb": "0"}),
    at(f"{PLACE}\\Real-Time Protection", {"DisableRealtimeMonitoring": 1, "DisableIOAVProtection": 0}),
    at(f"Policies\\{PLACE}", {"DisableAntiSpyware": 1}),
)


def test_exclusions_and_what_is_switched_off() -> None:
    facts, problems = run(ARTIFACT, CONTENT, SOFTWARE)
    assert problems == []
    told = [
        (
            fact.fields["setting"],
            fact.fields["is_exclusion"],
            fact.fields.get("exclusion_type"),
            fact.fields["is_policy"],
        )
        for fact in facts
    ]
    assert sorted(told, key=str) == [
        ("C:\\Users\\Public", True, "Paths", False),
        ("DisableAntiSpyware = 1", False, None, True),
        ("DisableRealtimeMonitoring = 1", False, None, False),
        ("msiexec.exe", True, "Processes", False),
        ("wsb", True, "Extensions", True),
    ]
    assert {fact.source.locator for fact in facts} >= {f"{PLACE}\\Exclusions\\Paths\\C:\\Users\\Public"}
    survives(ARTIFACT, CONTENT, SOFTWARE)


def test_an_untouched_defender_says_nothing() -> None:
    content = software(at(f"{PLACE}\\Exclusions\\Paths", {}), at(PLACE, {"DisableAntiSpyware": 0, "ProductType": 2}))
    assert run(ARTIFACT, content, SOFTWARE) == ([], [])
