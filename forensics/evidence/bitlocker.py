"""BitLocker volumes: unlocked with what the user gives, else said to be locked, never skipped.

A recovery key (48 digits in eight groups), a passphrase, or a BEK file of an external key; a volume whose protection
is suspended carries a clear key and needs none. What it is locked with is said, with the identifiers under which a
recovery key is kept (Active Directory, Entra ID, a Microsoft account). The reading is dissect.fve's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from dissect.fve.bde import BDE
from dissect.fve.bde.key import check_recovery_password
from dissect.fve.exception import Error as FveError

from forensics.evidence.imagetree import DAMAGE

_BROKEN = (FveError, *DAMAGE)
_SIGNATURES = (b"-FVE-FS-", b"MSWIN4.1")
_TO_GO_GUID = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")
_RECOVERY = re.compile(r"\d{6}(?:-\d{6}){7}")
_XTS = ("AES_XTS_128", "AES_XTS_256")
_PROTECTORS = {
    0x0000: "a clear key", 0x0100: "TPM", 0x0200: "an external key (BEK file)", 0x0400: "TPM and PIN",
    0x0500: "TPM and PIN", 0x0300: "TPM and an external key", 0x0700: "TPM, PIN and an external key",
    0x0800: "a recovery key", 0x1000: "a certificate or password file", 0x2000: "a passphrase",
}  # fmt: skip
_BEK_LIMIT = 64 * 1024


class _Attempt(NamedTuple):
    """One way in; `why_not` where it need not be tried."""

    what: str
    unlock: Callable[[], object]
    why_not: str = ""


def is_locked(boot: bytes) -> bool:
    """Whether a boot sector is BitLocker's; BitLocker To Go keeps a FAT one, with a GUID of its own at 424."""
    return boot[3:11] == _SIGNATURES[0] or (boot[3:11] == _SIGNATURES[1] and boot[424:440] == _TO_GO_GUID)


def unlocked(stream: Any, keys: Sequence[str]) -> tuple[Any | None, str]:  # noqa: ANN401  # dissect carries no types
    """The decrypted volume, or None and why not; no key is ever part of the text."""
    try:
        volume = BDE(stream)
        attempts = [] if volume.unlocked else list(_attempts(volume, keys))
    except _BROKEN as error:
        return None, f"its metadata cannot be read: {error}"
    tried = [why for attempt in attempts if (why := _fails(volume, attempt))]
    if volume.unlocked:
        return _opened(volume), ""
    asked = "give its recovery key, passphrase or BEK file with --key"
    return None, "; ".join([*(tried or [asked]), *_locked_with(volume)])


def _fails(volume: Any, attempt: _Attempt) -> str:  # noqa: ANN401
    """Try one way, unless one has worked already; gives why it failed."""
    if volume.unlocked:
        return ""
    if not attempt.why_not:
        try:
            attempt.unlock()
        except _BROKEN as error:
            return f"{attempt.what} does not fit ({type(error).__name__})"
    return "" if volume.unlocked else f"{attempt.what} {attempt.why_not or 'does not fit'}"


def _opened(volume: Any) -> Any:  # noqa: ANN401
    """The decrypted stream, with a fast cipher where dissect's is slow."""
    stream = volume.open()
    if stream.cipher is not None and volume._fvek_type.name in _XTS:  # the library offers no other way
        from forensics.evidence.xts import FastXts

        stream.cipher = FastXts(volume._fvek, stream.sector_size)
    return stream


def _attempts(volume: Any, keys: Sequence[str]) -> Iterator[_Attempt]:  # noqa: ANN401
    if volume.has_clear_key():
        yield _Attempt("the clear key of suspended protection", volume.unlock_with_clear_key)
    for number, key in enumerate(keys, 1):
        digits, place = key.strip(), Path(key)
        if _RECOVERY.fullmatch(digits):
            unlock = partial(volume.unlock_with_recovery_password, digits)
            yield _Attempt(f"key {number} (a recovery key)", unlock, _mistyped(digits))
        elif place.suffix.casefold() == ".bek" or _is_file(place):
            missing = "" if _is_file(place) else "is not there: no such file"
            yield _Attempt(f"key {number} (a BEK file)", partial(_with_bek, volume, place), missing)
        else:
            yield _Attempt(f"key {number} (a passphrase)", partial(volume.unlock_with_passphrase, key))


def _is_file(place: Path) -> bool:
    """A passphrase may be no possible file name at all."""
    try:
        return place.is_file()
    except (OSError, ValueError):
        return False


def _mistyped(digits: str) -> str:
    """Every group of a recovery key is divisible by 11."""
    try:
        check_recovery_password(digits)
    except ValueError:
        return "is mistyped: a group of its digits fails its checksum"
    return ""


def _with_bek(volume: Any, place: Path) -> None:  # noqa: ANN401
    if place.stat().st_size > _BEK_LIMIT:
        raise ValueError("too long")
    with place.open("rb") as handle:
        volume.unlock_with_bek(handle)


def _locked_with(volume: Any) -> list[str]:  # noqa: ANN401
    """`it is locked with TPM, a recovery key {1A2B...}`; empty where that cannot be read."""
    try:
        protectors = [
            f"{_PROTECTORS.get(datum.priority.value, 'another protector')} {{{str(datum.identifier).upper()}}}"
            for datum in volume.information.dataset.find_vmk()
        ]
    except _BROKEN:
        return []
    return [f"it is locked with {', '.join(protectors)}"] if protectors else []
