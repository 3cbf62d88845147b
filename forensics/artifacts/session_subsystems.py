"""Subsystems of the session manager: the command line of csrss.exe and its like, started before the logon.

`Windows` starts csrss.exe with the server libraries it loads (`ServerDll=`); an added one runs in a protected process
that cannot be looked into. `Kmode` is the kernel's part. Posix and OS/2 are gone since Windows 8, and stock Windows
keeps `Debug` empty, so that another program in one of these values is nobody's default. The whole command line is
compared.
https://learn.microsoft.com/previous-versions/windows/it-pro/windows-2000-server/cc976127(v=technet.10)
https://learn.microsoft.com/sysinternals/downloads/autoruns
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("session_subsystems", hives=frozenset({"SYSTEM"}))
