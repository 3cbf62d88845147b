"""Programs of remote sessions: what starts with each Remote Desktop logon, and what the client loads.

`StartupPrograms` is a list that the terminal service starts in every remote session (stock: rdpclip, which an
attacker extends by a comma); `InitialProgram` replaces the shell of such a session, also by policy. The `AddIns` of
the server are virtual channels, those of the client (in the user's hive or the machine's) are libraries that
mstsc.exe loads with every outgoing connection, so they also tell of lateral movement prepared.
https://learn.microsoft.com/windows/win32/termserv/virtual-channel-client-registration
https://learn.microsoft.com/sysinternals/downloads/autoruns (page Logon)
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("terminal_server_programs", hives=frozenset({"SYSTEM", "SOFTWARE", "NTUSER"}))
