r"""Programs that Explorer starts for a drive: clean-up, defragmentation, backup.

`Explorer\MyComputer\cleanuppath` and its like hold the command behind the buttons of a drive's properties. Products of
the past put their own tools there; nothing starts them but a click. The time is the key's last write.
Mechanism: `disk_tool`. https://learn.microsoft.com/windows/win32/lwef/disk-cleanup
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("disk_tools", hives=frozenset({"SOFTWARE"}))
