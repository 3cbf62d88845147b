r"""Add-ins of the language bar: libraries that `ctfmon.exe` loads at logon, for the user or for everybody.

Each key below `Microsoft\Ctf\LangBarAddin` is an add-in with its library in `FilePath`; `Enable` 1 switches it on. The
user's own hive needs no right. Windows brings none and products hardly do, so an entry here needs an
explanation (from memory). Mechanism: `langbar_addin`.
https://learn.microsoft.com/sysinternals/downloads/autoruns (page Logon)
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("langbar_addins", hives=frozenset({"SOFTWARE", "NTUSER"}))
