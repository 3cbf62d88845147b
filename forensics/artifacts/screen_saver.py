r"""The screen saver: a program of the user's choice that Windows starts whenever nobody is there.

`SCRNSAVE.EXE` in the user's own settings may name any program; it runs as that user after some minutes without input,
so at each lunch break. One of Windows in `System32` scores nothing. `enabled` is `ScreenSaveActive`; a policy
(`Software\Policies\...\Control Panel\Desktop`) goes before the user's choice. The time is the last write of a key with
many other settings of the desktop. Mechanism: `screen_saver`. https://attack.mitre.org/techniques/T1546/002/
"""

from __future__ import annotations

from forensics.artifacts._autostart import EMITS, key_entry
from forensics.artifacts.base import FileInput, Output, RegistryArtifact
from forensics.formats.hive import Hive

_PLACES = ("Control Panel\\Desktop", "Software\\Policies\\Microsoft\\Windows\\Control Panel\\Desktop")


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for the user's screen saver, one for that of a policy."""
    for place in _PLACES:
        key = hive.key(place)
        value = key.value("SCRNSAVE.EXE") if key else None
        if key and value and (text := value.text().strip()) and text.casefold() != "(none)":
            active = key.value("ScreenSaveActive")
            yield key_entry(
                given, key, "HKCU", "screen_saver", value.name, text, value_name=value.name,
                enabled=active.text().strip() == "1" if active and active.raw else None,
            )  # fmt: skip


ARTIFACT = RegistryArtifact(name="screen_saver", hives=frozenset({"NTUSER"}), parse=parse, emits=EMITS, deleted=True)
