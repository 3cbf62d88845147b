"""NOOPLDR's registry values: how the payload NOOPDOOR is sealed, and opening it without running anything.

Published scheme (the decryption script beside the CUCKOO SPEAR report): the value is 32 bytes of SHA-256 and then
AES-256-CBC. `digest = SHA-384(MachineId + value name)` in ASCII, its first 32 bytes are the key and the other 16 the
IV. The plaintext begins with a prologue of 10 bytes, shellcode follows. MachineId is that of
`HKLM\\Software\\Microsoft\\SQMClient`.

What the script does not settle is tried: whether the identifier keeps its braces, which letters, whether the name is
that of the value or of its key, and what the hash covers. A right padding alone comes by chance once in 256 times; the
stored hash over what comes out is the proof, and without it nothing is called decrypted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from Crypto.Cipher import AES

HASH_SIZE, BLOCK, PROLOGUE = 32, 16, 10
SIZE_LIMIT = 64 * 1024 * 1024
_LEAST = HASH_SIZE + BLOCK


@dataclass(frozen=True, slots=True)
class Opened:
    """A value whose hash and padding agree. `covers` says what the hash was of, `secret` what the key was made from."""

    plain: bytes
    covers: str
    secret: str

    @property
    def shellcode(self) -> bytes:
        """What follows the prologue."""
        return self.plain[PROLOGUE:]


def fits(raw: bytes) -> bool:
    """Whether a value has the size of a sealed one: the hash, then whole blocks."""
    return _LEAST <= len(raw) <= SIZE_LIMIT and not (len(raw) - HASH_SIZE) % BLOCK


def open_blob(raw: bytes, machine_id: str, names: Iterable[str]) -> Opened | None:
    """The content of a value; None when no spelling of the identifier and the names gives one with the right hash."""
    if not fits(raw):
        return None
    digest, sealed = raw[:HASH_SIZE], raw[HASH_SIZE:]
    for secret in _secrets(machine_id, names):
        plain = _unpadded(sealed, secret)
        if plain is None:
            continue
        if covers := _covered(digest, sealed, plain):
            return Opened(plain, covers, secret)
    return None


def _secrets(machine_id: str, names: Iterable[str]) -> Iterator[str]:
    """Each spelling once, the published one first."""
    made = (
        ident + spelled for ident in _spellings(machine_id) for name in names if name for spelled in _spellings(name)
    )
    yield from dict.fromkeys(text for text in made if text.isascii())


def _spellings(text: str) -> tuple[str, ...]:
    bare = text.strip().strip("{}")
    return tuple(dict.fromkeys((text, bare, f"{{{bare}}}", bare.upper(), bare.lower(), text.upper(), text.lower())))


def _unpadded(sealed: bytes, secret: str) -> bytes | None:
    """The plaintext without its padding (PKCS #7); the last block is looked at before the others are deciphered."""
    digest = hashlib.sha384(secret.encode("ascii")).digest()
    key, start = digest[:32], digest[32:]
    before = sealed[-2 * BLOCK : -BLOCK] if len(sealed) > BLOCK else start
    last = AES.new(key, AES.MODE_CBC, before).decrypt(sealed[-BLOCK:])
    count = last[-1]
    if not 1 <= count <= BLOCK or last[-count:] != bytes([count]) * count:
        return None
    return AES.new(key, AES.MODE_CBC, start).decrypt(sealed)[:-count]


def _covered(digest: bytes, sealed: bytes, plain: bytes) -> str:
    """What the stored hash is of; "" when of nothing here.

    A hash of the ciphertext alone shows a whole value, not a right key: with the padding it is taken when four bytes
    or more of it agree, which a wrong key gives once in four thousand million times.
    """
    pad = BLOCK - len(plain) % BLOCK
    candidates = (
        ("the plaintext", plain),
        ("the plaintext with its padding", plain + bytes([pad]) * pad),
        ("the shellcode behind the prologue", plain[PROLOGUE:]),
        *((("the ciphertext", sealed),) if pad >= 4 else ()),
    )
    return next((name for name, part in candidates if hashlib.sha256(part).digest() == digest), "")
