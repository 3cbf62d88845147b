r"""Libraries that check signatures: subject interface packages and trust providers.

Windows asks the library of `CryptSIPDll...\{id}` for the hash of a file of a type, and that of
`Providers\Trust\<step>\{id}` whether a signature is to be trusted. Each program that checks a signature loads them: it
is a way to be loaded, and to have unsigned files called signed. The time is the key's last write. Mechanism:
`trust_provider`.
https://attack.mitre.org/techniques/T1553/003/
https://specterops.io/assets/resources/SpecterOps_Subverting_Trust_in_Windows.pdf
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("trust_providers", hives=frozenset({"SOFTWARE"}))
