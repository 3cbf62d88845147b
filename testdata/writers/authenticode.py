"""A program with an Authenticode signature: a minimal PE, certificates of our own, and a PKCS #7 over its digest.

Written after Microsoft's "Windows Authenticode Portable Executable Signature Format" and RFC 2315. The keys come from a
seeded generator, so that the same call gives the same bytes; nobody trusts them.
"""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from asn1crypto import algos, cms, core, keys, x509
from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import RSA
from Cryptodome.Signature import pkcs1_15

_SPC_INDIRECT, _SPC_PE_IMAGE = "1.3.6.1.4.1.311.2.1.4", "1.3.6.1.4.1.311.2.1.15"
_CTL, _CATALOGUE, _MEMBER = "1.3.6.1.4.1.311.10.1", "1.3.6.1.4.1.311.12.1.1", "1.3.6.1.4.1.311.12.1.3"
_TABLE_ENTRY = 0x40 + 24 + 144  # data directory 4 of a PE32+ whose header follows the DOS header at once
_CHECKSUM = 0x40 + 24 + 64


@dataclass(frozen=True, eq=False)
class Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: RSA.RsaKey

    @property
    def der(self) -> bytes:
        """The certificate's bytes."""
        return bytes(self.certificate.dump())

    def sign(self, data: bytes) -> bytes:
        """RSA over SHA-256."""
        return pkcs1_15.new(self.key).sign(SHA256.new(data))


@cache
def identity(
    name: str, issuer: Identity | None = None, *, usage: str = "code_signing", since: int = 2020, until: int = 2030
) -> Identity:  # fmt: skip
    """A certificate of `name`; signed by itself without an issuer, which then may issue others."""
    key = RSA.generate(2048, randfunc=random.Random(name).randbytes)
    subject = x509.Name.build({"common_name": name, "organization_name": "Example"})
    extensions = [{"extn_id": "basic_constraints", "critical": True, "extn_value": {"ca": issuer is None}}]
    if issuer is None:
        extensions.append(
            {"extn_id": "key_usage", "critical": True, "extn_value": {"key_cert_sign", "digital_signature"}}
        )
    if issuer is not None or usage != "code_signing":
        extensions.append({"extn_id": "extended_key_usage", "critical": False, "extn_value": [usage]})
    algorithm = algos.SignedDigestAlgorithm({"algorithm": "sha256_rsa"})
    inner = x509.TbsCertificate({
        "version": "v3",
        "serial_number": int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1,
        "signature": algorithm,
        "issuer": issuer.certificate.subject if issuer else subject,
        "validity": {
            "not_before": x509.Time({"utc_time": datetime(since, 1, 1, tzinfo=UTC)}),
            "not_after": x509.Time({"utc_time": datetime(until, 1, 1, tzinfo=UTC)}),
        },
        "subject": subject,
        "subject_public_key_info": keys.PublicKeyInfo.load(key.public_key().export_key("DER")),
        "extensions": extensions,
    })  # fmt: skip
    made = Identity(x509.Certificate({"tbs_certificate": inner, "signature_algorithm": algorithm}), key)
    made.certificate["signature_value"] = (issuer or made).sign(inner.dump())
    return Identity(x509.Certificate.load(made.certificate.dump(force=True)), key)


def program(content: bytes = b"\xc3") -> bytes:
    """A PE32+ for x64 with one section and no signature."""
    head = bytearray(b"MZ".ljust(60, b"\x00") + struct.pack("<I", 0x40))
    head += b"PE\x00\x00" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22)
    optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, 0x200, 0, 0, 0x1000, 0x1000)
    optional += struct.pack("<QIIHHHHHHIIIIHH", 0x140000000, 0x1000, 0x200, 6, 0, 0, 0, 6, 0, 0, 0x2000, 0x200, 0, 3, 0)
    optional += struct.pack("<QQQQII", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16) + bytes(128)
    head += optional
    head += b".text".ljust(8, b"\x00") + struct.pack(
        "<IIIIIIHHI", len(content), 0x1000, 0x200, 0x200, 0, 0, 0, 0, 0x60000020
    )
    return bytes(head).ljust(0x200, b"\x00") + content.ljust(0x200, b"\x00")


def authentihash(image: bytes) -> bytes:
    """The SHA-256 of a program without its checksum, the table's entry and the table, which no image here has yet."""
    parts = (image[:_CHECKSUM], image[_CHECKSUM + 4 : _TABLE_ENTRY], image[_TABLE_ENTRY + 8 :])
    return hashlib.sha256(b"".join(parts)).digest()


def signed(
    signer: Identity, chain: tuple[Identity, ...] = (), stamped: tuple[Identity, datetime] | None = None,
    image: bytes = b"",
) -> bytes:  # fmt: skip
    """A program signed by `signer`, with the certificates of `chain`; `stamped`: countersigned by whom, and when."""
    image = image or program()
    blob = _signed_data(_SPC_INDIRECT, _indirect(authentihash(image)), signer, chain, stamped)
    entry = struct.pack("<IHH", 8 + len(blob) + -len(blob) % 8, 0x200, 2) + blob + bytes(-len(blob) % 8)
    place = struct.pack("<II", len(image), len(entry))
    return image[:_TABLE_ENTRY] + place + image[_TABLE_ENTRY + 8 :] + entry


def catalogue(
    signer: Identity, images: Sequence[bytes], chain: tuple[Identity, ...] = (),
    stamped: tuple[Identity, datetime] | None = None, usage: str = _CATALOGUE,
) -> bytes:  # fmt: skip
    """A catalogue (second version: SHA-256) that lists these programs."""
    members = [
        _sequence(
            core.OctetString(authentihash(image)).dump(),
            _set(_sequence(core.ObjectIdentifier(_SPC_INDIRECT).dump(), _set(_indirect(authentihash(image))))),
        )
        for image in images
    ]
    content = _sequence(
        _sequence(core.ObjectIdentifier(usage).dump()), core.OctetString(b"list").dump(),
        core.UTCTime(datetime(2024, 1, 1, tzinfo=UTC)).dump(),
        _sequence(core.ObjectIdentifier(_MEMBER).dump(), core.Null().dump()), _sequence(*members),
    )  # fmt: skip
    return _signed_data(_CTL, content, signer, chain, stamped)


def _set(*parts: bytes) -> bytes:
    return bytes(core.Set(contents=b"".join(parts)).dump())


def _sequence(*parts: bytes) -> bytes:
    inner = b"".join(parts)
    return bytes(core.Sequence(contents=inner).dump())


def _tagged(number: int, inner: bytes) -> bytes:
    length = bytes([len(inner)]) if len(inner) < 128 else bytes([0x82]) + len(inner).to_bytes(2, "big")
    return bytes([0xA0 | number]) + length + inner


def _indirect(digest: bytes) -> bytes:
    """SpcIndirectDataContent: that this is a program image, and its digest."""
    link = _tagged(0, _tagged(2, b"\x80\x00"))
    image = _sequence(b"\x03\x01\x00", link)
    data = _sequence(core.ObjectIdentifier(_SPC_PE_IMAGE).dump(), image)
    algorithm = algos.DigestAlgorithm({"algorithm": "sha256", "parameters": core.Null()}).dump()
    return _sequence(data, _sequence(algorithm, core.OctetString(digest).dump()))


def _signed_data(
    kind: str, content: bytes, signer: Identity, chain: tuple[Identity, ...], stamped: tuple[Identity, datetime] | None
) -> bytes:
    # The digest in the attributes is over the content without its own tag and length.
    body = core.Sequence.load(content).contents
    info = _signer(signer, kind, hashlib.sha256(body).digest())
    if stamped:
        by, when = stamped
        counter = _signer(by, "data", hashlib.sha256(info["signature"].native).digest(), when)
        info["unsigned_attrs"] = [{"type": "counter_signature", "values": [counter]}]
    others = [item.certificate for item in (signer, *chain, *([stamped[0]] if stamped else []))]
    algorithm = algos.DigestAlgorithm({"algorithm": "sha256", "parameters": core.Null()})
    inner = _sequence(
        core.Integer(1).dump(), core.SetOf([algorithm], spec=algos.DigestAlgorithm).dump(),
        _sequence(core.ObjectIdentifier(kind).dump(), _tagged(0, content)),
        _tagged(0, b"".join(item.dump() for item in others)),
        core.SetOf([info], spec=cms.SignerInfo).dump(),
    )  # fmt: skip
    return _sequence(core.ObjectIdentifier("1.2.840.113549.1.7.2").dump(), _tagged(0, inner))


def _signer(by: Identity, content_type: str, digest: bytes, when: datetime | None = None) -> cms.SignerInfo:
    attributes = [
        {"type": "content_type", "values": [content_type]},
        {"type": "message_digest", "values": [digest]},
    ]
    if when:
        attributes.append({"type": "signing_time", "values": [cms.Time({"utc_time": when})]})
    told = cms.CMSAttributes(attributes)
    certificate = by.certificate
    return cms.SignerInfo({
        "version": "v1",
        "sid": {"issuer_and_serial_number": {"issuer": certificate.issuer, "serial_number": certificate.serial_number}},
        "digest_algorithm": {"algorithm": "sha256", "parameters": core.Null()},
        "signed_attrs": told,
        "signature_algorithm": {"algorithm": "rsassa_pkcs1v15", "parameters": core.Null()},
        "signature": by.sign(told.dump()),
    })  # fmt: skip
