"""LSA packages: libraries in the process that knows everybody's passwords.

Notification packages are told each new password in clear (password filters; MirrorFace's MRSAStealer is one),
authentication and security packages see what is typed at the logon, security providers the secrets of network logons.
All of them are loaded by lsass.exe as SYSTEM at each start, on a domain controller for the whole domain. One row for
each library; a name without a folder is looked up in System32. Packages of `OSConfig` are those that Windows was
installed with and take effect as well. `LsaDbExtPt` and `DirectoryServiceExtPt` are undocumented extension points of
NTDS [M].
https://learn.microsoft.com/windows/win32/secmgmt/installing-and-registering-a-password-filter-dll
https://learn.microsoft.com/windows/win32/secauthn/registering-ssp-ap-dlls
https://attack.mitre.org/techniques/T1556/002/
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("lsa_packages", hives=frozenset({"SYSTEM"}))
