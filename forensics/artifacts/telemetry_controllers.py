r"""Commands of the Compatibility Appraiser: what the telemetry task starts as SYSTEM, daily.

Each key below `AppCompatFlags\TelemetryController` has a `Command`; `CompatTelRunner.exe`, started by the task
`Microsoft Compatibility Appraiser`, runs them all. Windows' own start libraries of the appraiser; a further key needs
no task, service or Run value of its own. The time is the key's last write. Mechanism: `telemetry_controller`.
https://trustedsec.com/blog/abusing-windows-telemetry-for-persistence
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("telemetry_controllers", hives=frozenset({"SOFTWARE"}))
