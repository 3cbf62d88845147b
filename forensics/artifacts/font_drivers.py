"""Font drivers: libraries that Windows loads to draw fonts of another vendor's kind.

Each value below `Font Drivers` names a driver and its library; it was loaded into the kernel's graphics up to Windows 8
and into `fontdrvhost.exe` since. Stock is Adobe's Type Manager (`atmfd.dll`) until Windows 10 1803; later have none.
No product of today brings one, so any other needs an explanation (all of this from memory). A bare name is looked up in
System32. Mechanism: `font_driver`.
https://learn.microsoft.com/sysinternals/downloads/autoruns (page Codecs)
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("font_drivers", hives=frozenset({"SOFTWARE"}))
