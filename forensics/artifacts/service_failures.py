r"""Commands of services that run when the service fails: started by Windows as SYSTEM, whenever the service crashes.

`FailureCommand` below `Services\<name>` (`sc failure ... command=`) is what the recovery action "run a program" starts,
if `FailureActions` has such an action. Whoever can make a service fail, or sets the command of one that fails anyway,
comes back without touching the service's own program. Whether the action is switched on is not read. Windows sets the
value for a handful of services, products seldom. The time is the last write of the service's key.
Mechanism: `service_failure`. https://attack.mitre.org/techniques/T1543/003/
https://learn.microsoft.com/windows/win32/api/winsvc/ns-winsvc-service_failure_actionsw
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("service_failures", hives=frozenset({"SYSTEM"}))
