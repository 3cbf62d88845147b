"""DPAPI blobs as Windows lays them out, with made-up ciphertext: nothing in them can be opened."""

from __future__ import annotations

import struct
import uuid

_PROVIDER = "df9d8cd0-1501-11d1-8c7a-00c04fc297eb"
_AES_256, _SHA_512 = 0x6610, 0x800E


def _block(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def blob(master_key: str, description: str = "", secret: bytes = bytes(range(48))) -> bytes:
    """A blob for the key `master_key` (a GUID); `secret` stands where the ciphertext does."""
    head = struct.pack("<I", 1) + uuid.UUID(_PROVIDER).bytes_le
    head += struct.pack("<I", 1) + uuid.UUID(master_key).bytes_le + struct.pack("<I", 0x20000000)
    text = _block((description + "\x00").encode("utf-16-le"))
    cipher = struct.pack("<II", _AES_256, 256) + _block(bytes(32)) + _block(b"")
    hashed = struct.pack("<II", _SHA_512, 512) + _block(bytes(64))
    return head + text + cipher + hashed + _block(secret) + _block(bytes(64))


def credential(master_key: str, description: str = "Enterprise Credential Data\r\n") -> bytes:
    """A file of Credential Manager."""
    inner = blob(master_key, description)
    return struct.pack("<III", 1, len(inner), 0) + inner
