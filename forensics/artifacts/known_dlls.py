"""KnownDLLs: the libraries that the session manager maps before any program starts.

A library named here is taken from System32 without a search, which protects against side-loading; so what an attacker
gains by this key is little by adding a name, more by removing one (not seen here: a missing name is no row) or by
changing `DllDirectory`. A name that no Windows has is told; the list differs between versions.
https://learn.microsoft.com/windows/win32/dlls/dynamic-link-library-search-order
https://learn.microsoft.com/sysinternals/downloads/autoruns (page Known DLLs)
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("known_dlls", hives=frozenset({"SYSTEM"}))
