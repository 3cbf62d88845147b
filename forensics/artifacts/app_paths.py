r"""App Paths: which program Windows starts when only a name is given.

`ShellExecute`, the Run dialog and `start` look a name without a folder up below `App Paths\<name>.exe`, the user's key
before the machine's. Products register their own programs. A name of Windows that leads elsewhere is a hijack: with
`control.exe` in the user's hive `sdclt.exe` started any program without the prompt of UAC.
Programs in Windows' own and in the program folders are context, unless they answer to a name of Windows.
The time is the key's last write. Mechanism: `app_path`.
https://learn.microsoft.com/windows/win32/shell/app-registration
https://attack.mitre.org/techniques/T1548/002/
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("app_paths", hives=frozenset({"NTUSER", "SOFTWARE"}))
