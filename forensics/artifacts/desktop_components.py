r"""Active Desktop: web pages that Explorer of Windows XP shows as part of the user's desktop.

`Internet Explorer\Desktop\Components\<number>` of a user's hive names a page in `Source`, scripts included.
Windows keeps the entry 0 (`About:Home`), later versions keep the key without showing anything. A page from a user's
folder or from the web was a way of coming back on XP; on a later system it is a trace of somebody's attempt, or of an
old profile (from memory). Mechanism: `desktop_component`.
https://learn.microsoft.com/sysinternals/downloads/autoruns (page Logon)
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("desktop_components", hives=frozenset({"NTUSER"}))
