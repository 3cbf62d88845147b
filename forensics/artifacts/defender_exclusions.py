"""Exclusions of Microsoft Defender: folders, programs and file types that it does not look at.

An exclusion is how a tool is kept from being found, and it outlives the tool: a folder excluded here is where to
look. Each value's name is the path, extension or program; policies (`Policies\\Microsoft`) have the same keys.
Products and administrators exclude their own folders for speed, so an entry alone is no finding. Also told:
protection that is switched off by a number (`DisableAntiSpyware`, `DisableRealtimeMonitoring` and their like). Events
5007 say who changed it when.
https://learn.microsoft.com/defender-endpoint/configure-exclusions-microsoft-defender-antivirus
https://attack.mitre.org/techniques/T1562/001/
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._registry import place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.model import Fact, make_fact

_ROOTS = ("Microsoft\\Windows Defender", "Policies\\Microsoft\\Windows Defender")
_OFF = frozenset(
    (
        "disableantispyware",
        "disableantivirus",
        "disablerealtimemonitoring",
        "disablebehaviormonitoring",
        "disableonaccessprotection",
        "disablescanonrealtimeenable",
        "disableioavprotection",
        "disablescriptscanning",
    )
)


def parse(hive: Hive, given: FileInput) -> Output:
    """What is excluded, and which protections are switched off."""
    for root in _ROOTS:
        for key in hive.glob(f"{root}\\Exclusions\\*"):
            for value in key.values():
                if value.name:
                    yield _row(given, key, value.name, value.name, key.name)
        for pattern in (root, f"{root}\\Real-Time Protection"):
            for key in hive.glob(pattern):
                yield from _switched_off(given, key)


def _switched_off(given: FileInput, key: Key) -> Iterator[Fact]:
    for value in key.values():
        if value.name.casefold() in _OFF and isinstance(value.data, int) and value.data:
            yield _row(given, key, value.name, f"{value.name} = {value.data}", None)


def _row(given: FileInput, key: Key, value_name: str, setting: str, excluded: str | None) -> Fact:
    return make_fact(
        "antivirus.configured",
        place(given, key, value_name),
        {"Content Modification Time": key.last_write},
        {
            "setting": setting,
            "is_exclusion": excluded is not None,
            "exclusion_type": excluded,
            "is_policy": key.path.casefold().startswith("policies\\"),
            "key_path": key.path,
            "value_name": value_name,
        },
    )


ARTIFACT = RegistryArtifact(
    name="defender_exclusions",
    hives=frozenset({"SOFTWARE"}),
    parse=parse,
    emits={
        "antivirus.configured": Kind(
            "Defender is set[ not to look at ({exclusion_type})] {setting}[, by policy{is_policy:flag}]",
            {
                "setting": str,
                "is_exclusion": bool,
                "exclusion_type": str,
                "is_policy": bool,
                "key_path": str,
                "value_name": str,
            },
        )
    },
    deleted=True,
)
