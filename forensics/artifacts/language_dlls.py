"""Natural language DLLs: word breakers and stemmers that the indexing service and other programs load for a language.

`StemmerDLLPathOverride`, `WBDLLPathOverride` and their like below Control\\ContentIndex\\Language are paths of
libraries that take the place of Windows' own when text of that language is indexed or searched; an undocumented place
that was published by Hexacorn ("Beyond good ol' Run key") and is rarely looked at. Stock Windows has none there [M].
https://www.hexacorn.com/blog/2018/12/30/beyond-good-ol-run-key-part-98/
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("language_dlls", hives=frozenset({"SYSTEM"}))
