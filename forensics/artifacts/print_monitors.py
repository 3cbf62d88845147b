"""Print monitors, processors, providers and ports: libraries that the spooler loads as SYSTEM at each start.

A monitor's `Driver` is a name looked up in System32, so a library copied there and a key make code that comes back
(T1547.010); a print processor does the same for one platform (T1547.012, its library lies in spool\\prtprocs), a
print provider likewise. A printer port that is the path of a file lets a print job be written there as SYSTEM
(CVE-2020-1048, PrintDemon), also after the hole was closed. A printer's `CopyFiles` names a library for its settings,
which the spooler loads, too (SpoolFool, CVE-2022-21999): that of colour profiles is usual.
https://learn.microsoft.com/windows-hardware/drivers/print/port-monitor-server-dll-functions
https://attack.mitre.org/techniques/T1547/010/ and /012/
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("print_monitors", hives=frozenset({"SYSTEM", "SOFTWARE"}))
