"""Registry values sealed as NOOPLDR seals its payload, around a harmless text.

The published scheme, as `formats/noopdoor.py` tells it.

What the stored hash covers is not published: `covers` chooses.
"""

from __future__ import annotations

import hashlib

from Crypto.Cipher import AES

PROLOGUE = bytes(range(0xA0, 0xAA))
HARMLESS = PROLOGUE + b"no program: a harmless text in place of a payload. " * 300


def seal(plain: bytes, machine_id: str, value_name: str, covers: str = "plain") -> bytes:
    """The value: hash, then the padded text enciphered. `covers`: plain | padded | shellcode | sealed."""
    digest = hashlib.sha384((machine_id + value_name).encode("ascii")).digest()
    count = 16 - len(plain) % 16
    padded = plain + bytes([count]) * count
    sealed = AES.new(digest[:32], AES.MODE_CBC, digest[32:48]).encrypt(padded)
    hashed = {"plain": plain, "padded": padded, "shellcode": plain[10:], "sealed": sealed}[covers]
    return hashlib.sha256(hashed).digest() + sealed
