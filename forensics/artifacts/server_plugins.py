"""Libraries that server roles load: DNS server plug-in, DHCP callouts, and the antimalware scan interface's providers.

`ServerLevelPluginDll` is loaded by dns.exe as SYSTEM, and members of DnsAdmins may set it from afar: on a domain
controller the way from one group to the whole domain. `CalloutDlls` is the same for the DHCP server, in effect while
`CalloutEnabled` is 1. An AMSI provider is loaded by each PowerShell, script host and Office program: a place to come
back, and one to see all scripts. Stock is Microsoft Defender alone.
https://learn.microsoft.com/openspecs/windows_protocols/ms-dnsp
https://learn.microsoft.com/previous-versions/windows/desktop/dhcp/how-the-dhcp-server-api-operates
https://learn.microsoft.com/windows/win32/amsi/dev-audience
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("server_plugins", hives=frozenset({"SYSTEM", "SOFTWARE"}))
