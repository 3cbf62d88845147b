r"""Programs that Windows Update's orchestrator starts as SYSTEM: `Orchestrator\UScheduler\<id>\cmdLine`.

The universal orchestrator lets packages ask for work at a good time; what is asked for stands here until it is done,
and its service runs it. In 2020 everybody could ask (CVE-2020-1313), and whoever is administrator can still write the
key. `startArg` and `pauseArg` beside it are the arguments; only `cmdLine` makes the entry. What Windows itself asks for
is scored like anything else, by place and command: no stock list of it was at hand.
https://cve.mitre.org/cgi-bin/cvename.cgi?name=CVE-2020-1313 ; a public log of its use
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("update_orchestrator", hives=frozenset({"SOFTWARE"}))
