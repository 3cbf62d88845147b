"""BitLocker volumes: unlocked with what the user gives, else said to be locked, never skipped.

A recovery key (48 digits in eight groups), a passphrase, or a BEK file of an external key; a volume whose protection
is suspended carries a clear key and needs none. The cryptography is dissect.fve's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dissect.fve.bde import BDE

from forensics.evidence.imagetree import DAMAGE

_SIGNATURES = (b"-FVE-FS-", b"MSWIN4.1")
_TO_GO_GUID = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")
_RECOVERY = re.compile(r"\d{6}(?:-\d{6}){7}")


def is_locked(boot: bytes) -> bool:
    """Whether a boot sector is BitLocker's; BitLocker To Go keeps a FAT one, with a GUID of its own at 424."""
    return boot[3:11] == _SIGNATURES[0] or (boot[3:11] == _SIGNATURES[1] and boot[424:440] == _TO_GO_GUID)


def unlocked(stream: Any, keys: Sequence[str]) -> tuple[Any | None, str]:  # noqa: ANN401  # dissect carries no types
    """The decrypted volume, or None and why not."""
    try:
        volume = BDE(stream)
    except DAMAGE as error:
        return None, f"its metadata cannot be read: {error}"
    tried = []
    for what, unlock in _attempts(volume, keys):
        try:
            unlock()
        except DAMAGE as error:
            tried.append(f"{what} does not fit ({one_word(error)})")
            continue
        if volume.unlocked:
            return volume.open(), ""
        tried.append(f"{what} does not fit")
    return None, "; ".join(tried) or "give its recovery key, passphrase or BEK file with --key"


def one_word(error: BaseException) -> str:
    """A short form of an error that never repeats the key."""
    return type(error).__name__


def _attempts(volume: Any, keys: Sequence[str]) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    if volume.has_clear_key():
        yield "the clear key of suspended protection", volume.unlock_with_clear_key
    for number, key in enumerate(keys, 1):
        if _RECOVERY.fullmatch(key.strip()):
            yield f"key {number} (a recovery key)", lambda key=key: volume.unlock_with_recovery_password(key.strip())
        elif (place := Path(key)).is_file():
            yield f"key {number} (a BEK file)", lambda place=place: _with_bek(volume, place)
        else:
            yield f"key {number} (a passphrase)", lambda key=key: volume.unlock_with_passphrase(key)


def _with_bek(volume: Any, place: Path) -> None:  # noqa: ANN401
    with place.open("rb") as handle:
        volume.unlock_with_bek(handle)
