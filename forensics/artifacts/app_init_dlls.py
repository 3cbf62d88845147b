"""AppInit and AppCert DLLs: libraries that Windows loads into other programs.

`AppInit_DLLs` go into every program that loads user32.dll while `LoadAppInit_DLLs` is 1 (and, since Windows 8, Secure
Boot is off); `enabled` says what that number is. `AppCertDlls` go into every program that starts another one.
`IconServiceLib` is loaded by the desktop. Separators of AppInit_DLLs are spaces and commas, so a path with spaces is
one item only where it is quoted, which Windows itself does not understand: its pieces are then told one by one.
https://learn.microsoft.com/windows/win32/dlls/secure-boot-and-appinit-dlls
https://attack.mitre.org/techniques/T1546/009/ and /010/
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("app_init_dlls", hives=frozenset({"SOFTWARE", "SYSTEM"}))
