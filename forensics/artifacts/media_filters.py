r"""Media filters: the classes that DirectShow and Windows' picture decoders load for films, sound and pictures.

A player or Explorer's preview asks a category of filters (`CLSID\{category}\Instance`) for one that knows the file, and
loads its library. A filter that a user's program brought is loaded by every such program of that machine. Filters of
Windows lie in System32; those of players and codec packs in Program Files. One from a folder that users can write is
worth a look. Whether a filter is ever chosen is not told here. Mechanism: `media_filter`; only the machine's hive.
https://learn.microsoft.com/windows/win32/directshow/about-directshow-filters
https://learn.microsoft.com/sysinternals/downloads/autoruns (page Codecs)
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("media_filters", hives=frozenset({"SOFTWARE"}))
