r"""Libraries of Routing and Remote Access: what the service `RemoteAccess` loads as SYSTEM for each protocol.

`Services\RemoteAccess\RouterManagers\<protocol>` and `DemandDialManager` name a `DllPath`; below SOFTWARE each router
manager lists its routing protocols with `DllName` and `ConfigDll` (the latter also loaded by netsh; from memory).
Windows clients have the keys of the service, and mostly nothing below `RouterManagers`. The time is the key's last
write.
Mechanism: `router_manager`.
https://learn.microsoft.com/windows/win32/rras/router-management-registry-entries
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("router_managers", hives=frozenset({"SOFTWARE", "SYSTEM"}))
