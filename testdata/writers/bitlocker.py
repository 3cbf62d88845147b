"""Encrypts an NTFS volume as BitLocker does (Windows 7 and later): AES-XTS-128 (the default since 1511) or AES-CBC-128.

Three copies of the metadata of 64 KiB lie in free space at the volume's end; the first 8 KiB of the volume are kept,
encrypted, beside them, and a boot sector of its own stands in their place. The volume's key (FVEK) is wrapped with the
master key (VMK), and the master key once for every protector: a recovery password or a passphrase (stretched by 2^20
rounds of SHA-256), an external key (the BEK file), a clear key (protection suspended). Wrapping is AES-256-CCM with a
nonce of time and counter. Layout: libbde, "BitLocker Drive Encryption (BDE) format". Every key comes from a seed.
"""

from __future__ import annotations

import hashlib
import struct
import uuid
import zlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from Crypto.Cipher import AES

from forensics.times import to_filetime

SECTOR, META, HEADER = 512, 64 * 1024, 8192
XTS_128, CBC_128 = 0x8004, 0x8002
CLEAR, EXTERNAL, RECOVERY, PASSPHRASE = 0x0000, 0x0200, 0x0800, 0x2000
_INFO_GUID = uuid.UUID("4967d63b-2e29-4ad8-8399-f6a339e3d001").bytes_le
_ROUNDS = 1 << 20
_BATCH = 1 << 20
_PROPERTY, _VMK_ROLE, _FVEK_ROLE, _BEK_ROLE, _NAME_ROLE, _PLACE_ROLE = 0, 2, 3, 6, 7, 15
_KEY, _TEXT, _STRETCH, _USE, _WRAPPED, _VMK, _BEK, _PLACE = 1, 2, 3, 4, 5, 8, 9, 15


@dataclass
class Keys:
    """What a volume is to be locked with; `recovery` and `external` come from the seed when they are asked for."""

    seed: str
    made: datetime
    recovery: bool = False
    passphrase: str = ""
    external: bool = False
    clear: bool = False
    _counter: int = field(default=0, repr=False)

    def secret(self, name: str, size: int = 32) -> bytes:
        """Bytes that look random and are the same for the same seed."""
        return hashlib.shake_256(f"{self.seed}:{name}".encode()).digest(size)

    def identity(self, name: str) -> uuid.UUID:
        """The identifier of a protector."""
        return uuid.UUID(bytes_le=self.secret(f"identity of {name}", 16))

    @property
    def recovery_password(self) -> str:
        """The 48 digits."""
        return "-".join(f"{number * 11:06d}" for number in struct.unpack("<8H", self.secret("recovery", 16)))

    def wrapped(self, key: bytes, kind: int, data: bytes, *, role: int = _PROPERTY) -> bytes:
        """A key datum under AES-CCM."""
        self._counter += 1
        nonce = struct.pack("<QI", to_filetime(self.made), self._counter)
        cipher = AES.new(key, AES.MODE_CCM, nonce=nonce, mac_len=16)
        sealed, mac = cipher.encrypt_and_digest(_key(kind, data))
        return _datum(role, _WRAPPED, nonce + mac + sealed)


def bek_file(keys: Keys) -> bytes:
    """The file that an external key is kept in (`{GUID}.BEK`)."""
    body = keys.identity("external").bytes_le + struct.pack("<Q", to_filetime(keys.made))
    body += _datum(_PROPERTY, _TEXT, "ExternalKey\x00".encode("utf-16-le")) + _key(0x2002, keys.secret("external"))
    return _dataset(_datum(_BEK_ROLE, _BEK, body), keys, 0)


def encrypt(plain: Path, target: Path, keys: Keys, method: int = XTS_128) -> Path:
    """Write `target`, the volume `plain` under BitLocker."""
    size = plain.stat().st_size
    fvek = keys.secret("fvek", 32 if method == XTS_128 else 16)
    start = _free(plain, 3 * META + HEADER)
    places, header_at = [start, start + META, start + 2 * META], start + 3 * META
    meta = _metadata(keys, method, fvek, size, places, header_at)
    with plain.open("rb") as source, target.open("wb") as out:
        first = source.read(HEADER)
        source.seek(0)
        for at in range(0, size, _BATCH):
            out.write(_locked(source.read(_BATCH), at // SECTOR, fvek, method))
        out.seek(header_at)
        out.write(_locked(first, header_at // SECTOR, fvek, method))
        out.seek(0)
        out.write(_boot(first, places).ljust(HEADER, b"\x00"))
        for place in places:
            out.seek(place)
            out.write(meta)
    return target


def _free(plain: Path, needed: int) -> int:
    """Where so many zero bytes are, near the end (the last block holds the copy of the boot sector)."""
    with plain.open("rb") as handle:
        run, at = 0, (plain.stat().st_size - 1) // META * META
        while at > 0 and run < needed:
            at -= META
            handle.seek(at)
            run = run + META if not handle.read(META).strip(b"\x00") else 0
    if run < needed:
        raise OSError("no free space for the metadata")
    return at


def _boot(first: bytes, places: list[int]) -> bytes:
    """BitLocker's boot sector: the sizes of the volume's own, and where the metadata lie."""
    boot = bytearray(SECTOR)
    boot[:11] = b"\xeb\x58\x90-FVE-FS-"
    boot[11:90] = first[11:90]
    boot[160:200] = _INFO_GUID + struct.pack("<3Q", *places)
    boot[510:] = b"\x55\xaa"
    return bytes(boot)


def _metadata(keys: Keys, method: int, fvek: bytes, size: int, places: list[int], header_at: int) -> bytes:
    vmk = keys.secret("vmk")
    rows = _datum(_NAME_ROLE, _TEXT, "WS-TANAKA C: 2024/12/01\x00".encode("utf-16-le"))
    rows += _protectors(keys, vmk)
    rows += keys.wrapped(vmk, method, fvek, role=_FVEK_ROLE)
    rows += _datum(_PLACE_ROLE, _PLACE, struct.pack("<2Q", header_at, HEADER))
    rows += bytes(-(len(rows) + 48) % 16)
    body = _dataset(rows, keys, method)
    head = struct.pack("<8s4HQ2I3QQ", b"-FVE-FS-", (64 + len(body)) // 16, 2, 4, 4, size, 0, HEADER // SECTOR, *places,
                       header_at)  # fmt: skip
    sealed = keys.wrapped(vmk, 0x2005, hashlib.sha256(head + body).digest())
    check = struct.pack("<2HI", 8 + len(sealed), 2, zlib.crc32(head + body)) + sealed
    return (head + body + check).ljust(META, b"\x00")


def _protectors(keys: Keys, vmk: bytes) -> bytes:
    found = b""
    if keys.clear:
        key = keys.secret("clear")
        found += _vmk(keys, "clear", CLEAR, _key(0x2000, key) + keys.wrapped(key, 0x2003, vmk))
    if keys.external:
        key = keys.secret("external")
        use = _datum(_PROPERTY, _USE, struct.pack("<2H", 0x0005, 0))
        found += _vmk(keys, "external", EXTERNAL, use + keys.wrapped(key, 0x2003, vmk))
    if keys.recovery:
        user = hashlib.sha256(keys.secret("recovery", 16)).digest()
        found += _vmk(keys, "recovery", RECOVERY, _stretched(keys, "recovery", user, vmk))
    if keys.passphrase:
        user = hashlib.sha256(hashlib.sha256(keys.passphrase.encode("utf-16-le")).digest()).digest()
        found += _vmk(keys, "passphrase", PASSPHRASE, _stretched(keys, "passphrase", user, vmk))
    return found


def _stretched(keys: Keys, name: str, user: bytes, vmk: bytes) -> bytes:
    salt = keys.secret(f"salt of {name}", 16)
    key = bytes(32)
    tail = user + salt
    for count in range(_ROUNDS):
        key = hashlib.sha256(key + tail + count.to_bytes(8, "little")).digest()
    kept = keys.wrapped(vmk, 0x1000, key)  # Windows keeps the stretched key under the master key
    return _datum(_PROPERTY, _STRETCH, struct.pack("<2H", 0x1000, 0) + salt + kept) + keys.wrapped(key, 0x2003, vmk)


def _vmk(keys: Keys, name: str, kind: int, properties: bytes) -> bytes:
    head = keys.identity(name).bytes_le + struct.pack("<Q2H", to_filetime(keys.made), 0, kind)
    return _datum(_VMK_ROLE, _VMK, head + properties)


def _datum(role: int, kind: int, body: bytes) -> bytes:
    return struct.pack("<4H", 8 + len(body), role, kind, 1) + body


def _key(kind: int, data: bytes) -> bytes:
    return _datum(_PROPERTY, _KEY, struct.pack("<2H", kind, 0) + data)


def _dataset(rows: bytes, keys: Keys, method: int) -> bytes:
    size = 48 + len(rows)
    identity = keys.identity("volume").bytes_le
    return struct.pack("<4I16sI2HQ", size, 1, 48, size, identity, 99, method, 0, to_filetime(keys.made)) + rows


# -- sectors -------------------------------------------------------------------------------------------------------


def _locked(data: bytes, first: int, key: bytes, method: int) -> bytes:
    return _cbc(data, first, key) if method == CBC_128 else _xts(data, first, key)


def _cbc(data: bytes, first: int, key: bytes) -> bytes:
    """Each sector in CBC; its vector is the encrypted byte offset."""
    vectors = AES.new(key, AES.MODE_ECB)
    return b"".join(
        AES.new(key, AES.MODE_CBC, iv=vectors.encrypt(((first * SECTOR) + at).to_bytes(16, "little")))
        .encrypt(data[at : at + SECTOR])
        for at in range(0, len(data), SECTOR)
    )  # fmt: skip


def _xts(data: bytes, first: int, key: bytes) -> bytes:
    """IEEE 1619, all sectors at once: block j of a sector has the tweak of the sector times alpha^j."""
    count = len(data) // SECTOR
    numbers = np.zeros((count, 2), "<u8")
    numbers[:, 0] = np.arange(first, first + count, dtype="<u8")
    tweak = np.frombuffer(AES.new(key[16:], AES.MODE_ECB).encrypt(numbers.tobytes()), "<u8").reshape(count, 2).copy()
    tweaks = np.empty((count, SECTOR // 16, 2), "<u8")
    for block in range(SECTOR // 16):
        tweaks[:, block] = tweak
        low, high = tweak[:, 0].copy(), tweak[:, 1].copy()
        tweak[:, 0] = (low << np.uint64(1)) ^ (high >> np.uint64(63)) * np.uint64(0x87)
        tweak[:, 1] = (high << np.uint64(1)) | (low >> np.uint64(63))
    plain = np.frombuffer(data, "<u8").reshape(tweaks.shape) ^ tweaks
    sealed = np.frombuffer(AES.new(key[:16], AES.MODE_ECB).encrypt(plain.tobytes()), "<u8").reshape(tweaks.shape)
    return (sealed ^ tweaks).tobytes()
