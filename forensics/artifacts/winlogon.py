"""Winlogon's own programs: what runs with every logon, before or instead of the user's desktop.

`Shell` and `Userinit` are lists separated by commas: an entry of its own behind the stock one starts with each logon
(T1547.004), also in a user's hive, where it needs no administrator. `Taskman`, `VmApplet` and `AppSetup` are started
by Winlogon or Userinit, `GinaDLL` and the packages of `Notify` are loaded by Windows up to XP and 2003 only (a later
system ignores them; one that has them was prepared by somebody who did not know). `GPExtensions` are libraries that
process group policy as SYSTEM. One row for each item. The lists are those of Autoruns' page Logon and Winlogon.
https://learn.microsoft.com/windows/win32/secauthn/winlogon-and-gina
https://attack.mitre.org/techniques/T1547/004/
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("winlogon", hives=frozenset({"SOFTWARE", "NTUSER"}))
