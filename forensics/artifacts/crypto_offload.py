r"""A library that takes over the arithmetic of RSA: loaded wherever Microsoft's provider is used.

`ExpoOffload` below `Microsoft\Cryptography\Offload` names the library of an accelerator card; `rsaenh.dll` loads it, in
LSA as well, when a process works with such keys. Only the makers of such hardware ever used it, none of today is known,
so an entry needs an explanation (from memory). A bare name is looked up in System32. Mechanism: `crypto_offload`.
https://learn.microsoft.com/sysinternals/downloads/autoruns (for the places of its kind)
"""

from __future__ import annotations

from forensics.artifacts._autorun import autorun

ARTIFACT = autorun("crypto_offload", hives=frozenset({"SOFTWARE"}))
