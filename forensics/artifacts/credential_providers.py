"""Credential providers: COM libraries that the logon screen loads, so they see what is typed there.

A provider offers a way to sign in, a filter decides which are offered, a PLAP provider signs in to a network before
the user. They run in LogonUI.exe as SYSTEM whenever somebody signs in; one that is not Windows' own is either a
product for signing in (a token, a password manager) or one that takes passwords. Only the library that the class
names is known here. The class is looked up in the same hive.
https://learn.microsoft.com/windows/win32/secauthn/credential-providers-in-windows
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("credential_providers", hives=frozenset({"SOFTWARE"}))
