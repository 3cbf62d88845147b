r"""Programs that start when a Windows CE or Windows Mobile device is connected or disconnected.

`Windows CE Services\AutoStartOnConnect` and `AutoStartOnDisconnect` hold commands that ActiveSync, and later
Mobile Device Center, ran at such a moment. Nobody uses these devices any more, and without that program nothing reads
the keys; an entry is either very old or somebody's way of coming back (from memory). Mechanism: `device_connect`.
https://learn.microsoft.com/sysinternals/downloads/autoruns (page Logon)
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("device_connect", hives=frozenset({"SOFTWARE"}))
