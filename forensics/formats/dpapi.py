"""DPAPI blobs, as far as they are no secret: who can open one, with what, and how it was described.

Nothing is decrypted and no ciphertext leaves this module. The id of the master key tells whose key it is: a file of
that name lies in the user's `Microsoft\\Protect` folder. A credential file is a header of three numbers (version, size
of the blob, reserved) and a blob. Format: published descriptions (dpapick, mimikatz, impacket agree on it).
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass

from forensics.formats import FormatError

PROVIDER = "DF9D8CD0-1501-11D1-8C7A-00C04FC297EB"  # of every blob that Windows itself makes
_HEAD = struct.Struct("<I16sI16sII")
_CREDENTIAL = struct.Struct("<III")
_CREDENTIAL_VERSION = 1
_MOST = 1 << 20
_ALGORITHMS = {
    0x6603: "3DES", 0x6601: "DES", 0x6609: "3DES-112", 0x660E: "AES-128", 0x660F: "AES-192", 0x6610: "AES-256",
    0x6611: "AES", 0x8003: "MD5", 0x8004: "SHA-1", 0x8009: "HMAC", 0x800C: "SHA-256", 0x800D: "SHA-384",
    0x800E: "SHA-512",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Blob:
    """What stands in the clear: GUIDs upper case without braces; `data_size` is that of the ciphertext in bytes."""

    version: int
    provider: str
    master_key: str
    description: str
    cipher: str
    hash_algorithm: str
    data_size: int


class _Cursor:
    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def number(self) -> int:
        if self.at + 4 > len(self.data):
            raise FormatError("the blob is cut", self.at)
        value: int = struct.unpack_from("<I", self.data, self.at)[0]
        self.at += 4
        return value

    def block(self) -> bytes:
        """A length and that many bytes."""
        size, start = self.number(), self.at
        if size > _MOST or start + size > len(self.data):
            raise FormatError(f"the blob is cut: {size} bytes announced", start)
        self.at += size
        return self.data[start : self.at]


def is_blob(data: bytes) -> bool:
    """Whether a blob of Windows begins here."""
    return len(data) >= 20 and _guid(data[4:20]) == PROVIDER


def read(data: bytes, at: int = 0) -> Blob:
    """The blob at `at`. Raises FormatError when it is none or cut."""
    if at + _HEAD.size > len(data):
        raise FormatError(f"a DPAPI blob takes more than {_HEAD.size} bytes", at)
    version, provider, _, key, _, _ = _HEAD.unpack_from(data, at)
    if _guid(provider) != PROVIDER:
        raise FormatError("no DPAPI blob: another provider", at + 4)
    cursor = _Cursor(data, at + _HEAD.size - 4)
    text = cursor.block().decode("utf-16-le", "replace").rstrip("\x00").strip()
    cipher = _algorithm(cursor)
    cursor.block()  # salt
    cursor.block()  # what was once strong-protection data
    hashed = _algorithm(cursor)
    cursor.block()  # HMAC key
    size = len(cursor.block())
    cursor.block()  # signature
    return Blob(version, _guid(provider), _guid(key), text, cipher, hashed, size)


def read_credential(data: bytes) -> Blob:
    """The blob of a file of Credential Manager."""
    if len(data) < _CREDENTIAL.size:
        raise FormatError(f"a credential file takes more than {_CREDENTIAL.size} bytes")
    version, size, _ = _CREDENTIAL.unpack_from(data)
    if version != _CREDENTIAL_VERSION:
        raise FormatError(f"no credential file: version {version}")
    if size > len(data) - _CREDENTIAL.size:
        raise FormatError(f"truncated: {size} bytes announced, {len(data) - _CREDENTIAL.size} are there")
    return read(data, _CREDENTIAL.size)


def _algorithm(cursor: _Cursor) -> str:
    """The name of an algorithm; the length of its key or digest follows and is implied."""
    number = cursor.number()
    cursor.number()
    return _ALGORITHMS.get(number, f"0x{number:x}")


def _guid(raw: bytes) -> str:
    return str(uuid.UUID(bytes_le=bytes(raw))).upper()
