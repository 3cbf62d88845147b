r"""Registry switches that stop a recorder: traces behind the event logs, PowerShell's logging, restore points.

Whoever does not want to clear a log switches off what fills it: `Start` 0 of an autologger session starves a log from
the next boot on, `EnableScriptBlockLogging` 0 stops 4104, and the mere key `Control\MiniNt` makes Windows take itself
for a set-up environment and leaves the Security log empty [M]. Administrators, policies and privacy tools set some of
them too, so each is a sign with its innocent causes, never a verdict. Which keys and values, and which numbers are
`off` (`stops_at`), is data (rules/recording.yml, `switches`). One that is set and not off is context.

The time is the key's last write, which any other value of the key moves as well.
https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_group_policy_settings
https://learn.microsoft.com/windows/win32/etw/configuring-and-starting-an-autologger-session
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from forensics.artifacts._registry import owner, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.formats.hostinfo import number_of
from forensics.model import Fact, make_fact
from forensics.rules import load


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every switch of the list that the hive has."""
    sets = hive.control_sets()
    of_user = hive.key("Software") is not None
    kind = "SYSTEM" if sets else "NTUSER" if of_user else "SOFTWARE"
    front = {"SYSTEM": f"{sets[0]}\\" if sets else "", "NTUSER": "Software\\", "SOFTWARE": ""}[kind]
    for switch in load("recording")["switches"]:
        key = hive.key(front + switch["key"]) if switch["hive"] == kind else None
        if key is not None:
            yield from _row(given, key, switch, sets[0] if sets else None)


def _row(given: FileInput, key: Key, switch: dict[str, Any], control_set: str | None) -> Iterator[Fact]:
    name = switch.get("value")
    number = None if name is None else number_of(key, name)
    if name is not None and number is None:
        return
    off = name is None or number in switch["stops_at"]
    user, sid = owner(given) if switch["hive"] == "NTUSER" else (None, None)
    yield make_fact(
        "recording.configured",
        place(given, key, name),
        {"Content Modification Time": key.last_write},
        {
            "recorded": switch["what"],
            "is_switched_off": off,
            "value_name": name,
            "value_data": None if number is None else str(number),
            "key_path": key.path,
            "control_set": control_set,
            "profile_user": user,
            "user_sid": sid,
        },
        context=not off,
    )


ARTIFACT = RegistryArtifact(
    name="recording_switches",
    hives=frozenset({"SYSTEM", "SOFTWARE", "NTUSER"}),
    parse=parse,
    emits={
        "recording.configured": Kind(
            "Setting for {recorded}[: {value_name} is {value_data}][, switched off{is_switched_off:flag}]"
            "[ (user {profile_user})]",
            {
                "recorded": str,
                "is_switched_off": bool,
                "value_name": str,
                "value_data": str,
                "key_path": str,
                "control_set": str,
                "profile_user": str,
                "user_sid": str,
            },
            context=True,
        )
    },
)
