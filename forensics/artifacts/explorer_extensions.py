"""Objects that Explorer loads by itself: service objects, task schedulers and execute hooks of the shell.

ShellServiceObjectDelayLoad (Windows up to 7) and ShellServiceObjects are loaded when the desktop starts,
SharedTaskScheduler with browseui, ShellExecuteHooks with every program that is started through the shell (off by
default since Vista). Each names a COM class; its library is looked up in the same hive, where a user's own class in
UsrClass.dat is not. A class that is not found is told with its number.
https://learn.microsoft.com/windows/win32/shell/shell-exts
https://learn.microsoft.com/sysinternals/downloads/autoruns (page Explorer)
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("explorer_extensions", hives=frozenset({"SOFTWARE", "NTUSER"}))
