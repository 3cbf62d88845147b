"""Time providers: libraries that the time service loads as LOCAL SERVICE.

`DllName` of a provider below W32Time\\TimeProviders is loaded when the service starts, while `Enabled` is 1
(T1547.003). Stock are NtpClient and NtpServer in w32time.dll, and the one of Hyper-V guests. Any other library needs
an explanation: few products bring one (clock hardware, VMware's in old versions), so a further provider is worth a
look at its file.
https://learn.microsoft.com/windows/win32/sysinfo/time-provider
https://attack.mitre.org/techniques/T1547/003/
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("time_providers", hives=frozenset({"SYSTEM"}))
