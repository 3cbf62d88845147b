r"""Variables in a user's own environment that lead Windows' programs elsewhere: `windir`, `SystemRoot` and such.

Windows sets these for the whole machine; a user's own value goes before that in his programs, some of which run with
raised rights: a scheduled task whose command begins with `%windir%` starts a program of the user's choice at each run
(SilentCleanup), and libraries are looked up there (T1574.007). Nothing of Windows writes them below a user's key.
`COR_PROFILER` and its like are told by `cor_profiler`, the logon script by `logon_scripts`.
https://attack.mitre.org/techniques/T1574/007/
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("user_environment", hives=frozenset({"NTUSER"}))
