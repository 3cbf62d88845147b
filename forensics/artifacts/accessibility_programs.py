"""Assistive programs: what Ease of Access starts at the logon, and on the logon screen.

`ATs\\<name>\\StartExe` is the program of a registered assistive technology. What stands in a user's `Configuration`
is started by AtBroker.exe when that user logs on; a registered name of one's own there comes back without any of the
better known keys (T1546.008). What replaces sethc.exe or utilman.exe by Image File Execution Options is in the
artifact `ifeo`; replaced files themselves are not compared here.
https://learn.microsoft.com/windows/win32/winauto/ease-of-access---assistive-technology-registration
https://attack.mitre.org/techniques/T1546/008/
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("accessibility_programs", hives=frozenset({"SOFTWARE", "NTUSER"}))
