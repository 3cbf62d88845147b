"""Command Processor AutoRun: a command that every cmd.exe runs first, for one user or for all.

The value `AutoRun` is executed by each command prompt and each batch file that is started without `/d`, so also by
scheduled tasks, installers and tools that call cmd. Developers set it (doskey macros, clink, Anaconda); nothing of
Windows does. The user's value needs no administrator.
https://learn.microsoft.com/windows-server/administration/windows-commands/cmd
https://attack.mitre.org/techniques/T1546/
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("command_processor", hives=frozenset({"SOFTWARE", "NTUSER"}))
