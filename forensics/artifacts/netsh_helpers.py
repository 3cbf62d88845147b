"""Netsh helpers: libraries that netsh.exe loads, all of them, whenever anybody runs it.

Each value of `Microsoft\\NetSh` names one. A planted one runs with the rights of whoever calls netsh, which scripts,
VPN programs and administrators do (T1546.007); together with a task that calls netsh it comes back by itself. Stock
Windows has some twenty. A library without a folder is looked up in System32.
https://learn.microsoft.com/windows/win32/netsh/netsh-exe
https://attack.mitre.org/techniques/T1546/007/
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("netsh_helpers", hives=frozenset({"SOFTWARE"}))
