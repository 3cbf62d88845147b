"""Drivers32: codecs and sound drivers, libraries that programs load when they play or record.

Each value is a driver's role (`wave`, `midi`, `msacm.*`, `vidc.*`) and its library. A planted one is loaded by every
program that uses sound or video, browsers and chat programs among them, with that user's rights. A user's own hive
may have the key as well. A bare name is looked up in System32.
https://learn.microsoft.com/windows/win32/multimedia/installable-drivers
https://learn.microsoft.com/sysinternals/downloads/autoruns (page Codecs)
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("codec_drivers", hives=frozenset({"SOFTWARE", "NTUSER"}))
