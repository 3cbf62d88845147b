"""Sealed payloads in the registry: made by the builder, opened by a second implementation and by the tool alike."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forensics.artifacts.registry_blobs import ARTIFACT, entropy
from forensics.formats.hive import Hive
from forensics.formats.hive_deleted import layers, recover
from forensics.formats.noopdoor import open_blob
from forensics.model import Fact, Problem
from testdata.writers.hive import REG_BINARY, REG_DWORD, REG_SZ, HiveWriter
from testdata.writers.noopdoor import HARMLESS, seal
from tests.artifacts.registry_inputs import HOST, NTUSER, SID, given, sorted_out
from tests.formats.plain_aes import decrypt

MACHINE = "{0A1B2C3D-1111-2222-3333-444455556666}"
NAME = "{5F3A9C01-7B1E-4C35-9E0C-2B0D8C4F7A11}"
WHEN = datetime(2024, 12, 3, 4, 5, 6, tzinfo=UTC)
RANDOM = random.Random(7).randbytes(20_000)
KNOWING = replace(HOST, machine_id=MACHINE)


def run(hive: bytes | Hive, *, user: bool = True, knows: bool = True) -> tuple[list[Fact], list[Problem]]:
    opened = Hive.open(hive) if isinstance(hive, bytes) else hive
    path = NTUSER if user else "C:/Windows/System32/config/SOFTWARE"
    about = replace(given(path), host=KNOWING if knows else HOST)
    return sorted_out(ARTIFACT, list(ARTIFACT.parse(opened, about)))


def ntuser(*values: tuple[str, str, int, bytes | int | str]) -> HiveWriter:
    writer = HiveWriter("CMI-CreateHive{x}", WHEN)
    writer.key("Software\\Microsoft", WHEN)
    for path, name, kind, data in values:
        writer.key(path, WHEN)
        writer.value(path, name, kind, data)
    return writer


def test_the_second_cipher_is_right() -> None:
    key = bytes(range(32))
    vector = bytes.fromhex("8ea2b7ca516745bfeafc49904b496089")  # FIPS 197, appendix C.3
    assert decrypt(key, bytes(16), vector).hex() == "00112233445566778899aabbccddeeff"


def test_the_builders_value_is_read_alike_by_a_second_implementation() -> None:
    raw = seal(HARMLESS, MACHINE, NAME)
    digest = hashlib.sha384((MACHINE + NAME).encode()).digest()
    plain = decrypt(digest[:32], digest[32:48], raw[32:])
    plain = plain[: -plain[-1]]
    assert hashlib.sha256(plain).digest() == raw[:32]
    opened = open_blob(raw, MACHINE, [NAME])
    assert opened is not None
    assert opened.plain == plain == HARMLESS
    assert opened.shellcode == HARMLESS[10:]


@pytest.mark.parametrize("covers", ["plain", "padded", "shellcode", "sealed"])
@pytest.mark.parametrize(("machine", "name"), [(MACHINE, NAME), (MACHINE.strip("{}").lower(), NAME.strip("{}"))])
def test_what_the_published_script_leaves_open_is_tried(covers: str, machine: str, name: str) -> None:
    plain = HARMLESS[:100]  # 12 bytes of padding
    raw = seal(plain, machine, name, covers)
    for ident in (MACHINE, MACHINE.strip("{}")):
        opened = open_blob(raw, ident, [NAME])
        assert opened is not None
        assert opened.plain == plain
    assert open_blob(raw, "{00000000-1111-2222-3333-444455556666}", [NAME]) is None
    assert open_blob(raw[:32] + bytes([raw[32] ^ 1]) + raw[33:], MACHINE, [NAME]) is None
    for length in (0, 31, 32, 47, len(raw) - 1, len(raw) - 16):
        assert open_blob(raw[:length], MACHINE, [NAME]) is None


def test_a_proved_value_in_the_users_hive() -> None:
    raw = seal(HARMLESS, MACHINE, NAME)
    place = "Software\\Microsoft\\COM3"
    (fact,), problems = run(ntuser((place, NAME, REG_BINARY, raw)).build())
    assert problems == []
    assert fact.fields == {
        "location": f"HKCU\\{place}",
        "key_path": place,
        "value_name": NAME,
        "value_type": "REG_BINARY",
        "blob_size": len(raw),
        "blob_entropy": f"{entropy(raw):.2f}",
        "blob_sha256": hashlib.sha256(raw).hexdigest(),
        "decryption": "opened with the published scheme: padding and the stored SHA-256 of the plaintext agree",
        "payload_size": len(HARMLESS),
        "payload_sha256": hashlib.sha256(HARMLESS).hexdigest(),
        "shellcode_sha256": hashlib.sha256(HARMLESS[10:]).hexdigest(),
        "payload_proved": True,
        "profile_user": "田中",
        "user_sid": SID,
    }
    assert fact.times == {"Content Modification Time": WHEN}
    assert fact.source.locator == f"{place}\\{NAME}"


def test_the_machines_hive_knows_its_own_identifier() -> None:
    writer = HiveWriter("CMI-CreateHive{x}", WHEN)
    for path in ("Microsoft\\SQMClient", "Classes", "License\\0123ABCD4567"):
        writer.key(path, WHEN)
    writer.value("Microsoft\\SQMClient", "MachineId", REG_SZ, MACHINE)
    # The name is the key's, the value its default, and the value is too small for the heuristic.
    writer.value("License\\0123ABCD4567", "", REG_BINARY, seal(HARMLESS[:500], MACHINE, "0123ABCD4567"))
    (fact,), _ = run(writer.build(), user=False, knows=False)
    assert fact.fields["payload_proved"] is True
    assert fact.fields["location"] == "HKLM\\SOFTWARE\\License\\0123ABCD4567"
    assert fact.fields["value_name"] == "(Default)"


def test_what_does_not_open_is_suspected_by_size_and_entropy() -> None:
    place = "Software\\License"
    for knows, words in ((True, "not tried: its size"), (False, "not tried: MachineId")):
        (fact,), _ = run(ntuser((place, "a1b2c3d4", REG_BINARY, RANDOM[:-1])).build(), knows=knows)
        assert str(fact.fields["decryption"]).startswith(words)
        assert "payload_sha256" not in fact.fields
    (fact,), _ = run(ntuser((place, "a1b2c3d4", REG_BINARY, RANDOM[:16_032])).build())
    assert fact.fields["decryption"] == "the published scheme with this machine's MachineId does not open it"


@pytest.mark.parametrize(
    ("place", "name", "kind", "data"),
    [
        ("Software\\Microsoft\\COM3", "REGDBVersion", REG_BINARY, b"\x0a\0\0\0\0\0\0\0"),
        ("Software\\Microsoft\\COM3", "Com+Enabled", REG_DWORD, 1),
        ("Software\\Microsoft\\OneDrive", "Settings", REG_BINARY, RANDOM),
        ("Software\\Microsoft\\OneDrive", "a1b2c3d4", REG_BINARY, RANDOM[:9_000]),
        ("Software\\Microsoft\\OneDrive", "a1b2c3d4", REG_BINARY, b"text and text " * 2_000),
        ("Software\\Microsoft\\OneDrive", "a1b2c3d4", REG_SZ, "a" * 20_000),
        ("Software\\Vendor\\Cache", "a1b2c3d4", REG_BINARY, RANDOM),
    ],
)
def test_what_looks_like_it_is_left_alone(place: str, name: str, kind: int, data: bytes | int | str) -> None:
    assert run(ntuser((place, name, kind, data)).build()) == ([], [])


def test_a_removed_value_is_recovered() -> None:
    place = "Software\\License"
    writer = ntuser((place, "stays", REG_DWORD, 1))
    writer.value(place, NAME, REG_BINARY, seal(HARMLESS[:9_000], MACHINE, NAME), deleted=True)
    data = writer.build()
    hive = Hive.open(data)
    assert run(hive) == ([], [])
    found = [fact for layer in layers(recover(hive, data), hive) for fact in run(layer)[0]]
    assert [fact.fields["payload_proved"] for fact in found] == [True]
    assert "deleted" in found[0].source.locator


def test_a_damaged_hive_ends_the_run_nowhere() -> None:
    data = ntuser(("Software\\License", NAME, REG_BINARY, seal(HARMLESS, MACHINE, NAME))).build()
    for cut in range(4096, len(data), 509):
        try:
            hive = Hive.open(data[:cut])
        except ValueError:
            continue
        run(hive)


def test_public_hives_hold_none(samples: Path) -> None:
    for name in ("NTUSER-WSL.DAT", "NTUSER_with_winscp.DAT"):
        assert run((samples / "hives" / name).read_bytes()) == ([], [])
