"""Crash debuggers: what starts when any program crashes or hangs.

`AeDebug\\Debugger` is started with the number of the crashed process, with its rights or as SYSTEM for a service,
without a question while `Auto` is 1; a program that is made to crash then starts it at will. `Hangs\\Debugger` is its
relative in Windows Error Reporting, and RuntimeExceptionHelperModules are libraries that WerFault.exe loads for a
crash. Development tools set these for good reasons.
https://learn.microsoft.com/windows/win32/debug/configuring-automatic-debugging
https://learn.microsoft.com/windows/win32/wer/wer-settings
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("crash_debuggers", hives=frozenset({"SOFTWARE", "NTUSER"}))
