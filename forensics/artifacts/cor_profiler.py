"""COR_PROFILER: an environment variable that makes every .NET program load a library.

With `COR_ENABLE_PROFILING` 1 the runtime loads the class `COR_PROFILER` or the file `COR_PROFILER_PATH` into each
.NET program, PowerShell among them; the `CORECLR_` names do the same for .NET Core, and `DOTNET_STARTUP_HOOKS` runs
an assembly before its main program. They may be set for the machine, for one user or, as a list in `Environment`
below its key, for one service (T1574.012). Monitoring products (New Relic, Dynatrace, AppDynamics) set them, too.
https://learn.microsoft.com/dotnet/framework/unmanaged-api/profiling/setting-up-a-profiling-environment
https://attack.mitre.org/techniques/T1574/012/
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._autorun import Base, Entry, autorun, pieces, spots


def services(base: Base) -> Iterator[Entry]:
    """Such variables in the environment of single services."""
    wanted = {name for spot in spots("cor_profiler") for name in spot.values}
    for key in base.keys("Services\\*") if base.control_set else ():
        value = key.value("Environment")
        for text in pieces(value) if value else ():
            name, equals, data = text.partition("=")
            if equals and name.strip().casefold() in wanted:
                yield Entry("cor_profiler", key, "Environment", name.strip(), data.strip(), "\\Environment")


ARTIFACT = autorun("cor_profiler", services, hives=frozenset({"SYSTEM", "NTUSER"}))
