"""BitLocker: volumes that two independent readers open, every kind of key, and locked volumes that are always said."""

from __future__ import annotations

import json
import random
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pybde
import pytest
from dissect.fve.bde import BDE
from dissect.fve.crypto import create_cipher

from forensics.evidence import EvidenceError, Opening, open_evidence
from forensics.evidence.bitlocker import unlocked
from forensics.evidence.xts import FastXts
from testdata.expected import differences
from testdata.writers import bitlocker
from testdata.writers.bitlocker import CBC_128, XTS_128, Keys
from testdata.writers.disk import Part, gpt
from tests.evidence import layouts
from tests.evidence.test_layouts_end_to_end import EXPECTED
from tests.running import timeline, tool

MADE = datetime(2024, 12, 1, 3, 0, tzinfo=UTC)
PASSPHRASE = "合言葉 2024!"
SYSTEM = ["Windows/System32/config/SYSTEM"]
META = bitlocker.META


def keys(**how: object) -> Keys:
    return Keys("ws-tanaka", MADE, **how)  # type: ignore[arg-type]


@cache
def all_keys() -> Keys:
    return keys(recovery=True, passphrase=PASSPHRASE, external=True)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return layouts.windows_volume(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def locked(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("locked")
    (top / "key.BEK").write_bytes(bitlocker.bek_file(all_keys()))
    return bitlocker.encrypt(plain, top / "volume.dd", all_keys())


# -- the builder ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [XTS_128, CBC_128])
@pytest.mark.parametrize("how", ["recovery", "passphrase", "external"])
def test_two_independent_readers_read_the_same_plaintext(tmp_path: Path, plain: Path, method: int, how: str) -> None:
    made = keys(**{how: PASSPHRASE if how == "passphrase" else True})
    sealed = bitlocker.encrypt(plain, tmp_path / "x.dd", made, method)
    (tmp_path / "x.BEK").write_bytes(bitlocker.bek_file(made))
    data = plain.read_bytes()
    assert sealed.read_bytes()[1 << 20 : 2 << 20] != data[1 << 20 : 2 << 20]
    ours, theirs = pybde.volume(), BDE(sealed.open("rb"))
    if how == "recovery":
        ours.set_recovery_password(made.recovery_password)
        theirs.unlock_with_recovery_password(made.recovery_password)
    elif how == "passphrase":
        ours.set_password(PASSPHRASE)
        theirs.unlock_with_passphrase(PASSPHRASE)
    else:
        ours.read_startup_key(str(tmp_path / "x.BEK"))
        theirs.unlock_with_bek((tmp_path / "x.BEK").open("rb"))
    ours.open(str(sealed))
    assert not ours.is_locked()
    assert ours.get_encryption_method() == method
    assert ours.read_buffer_at_offset(len(data), 0) == data
    stream = theirs.open()
    for at in (0, 8192 - 512, 1 << 20, len(data) - 4 * META):  # dissect's own cipher takes its time
        stream.seek(at)
        assert stream.read(2 * META) == data[at : at + 2 * META]


def test_suspended_protection_needs_no_key(tmp_path: Path, plain: Path) -> None:
    sealed = bitlocker.encrypt(plain, tmp_path / "x.dd", keys(clear=True))
    stream, why = unlocked(sealed.open("rb"), [])
    assert why == ""
    assert stream is not None
    assert stream.read(4 << 20) == plain.read_bytes()[: 4 << 20]
    assert open_evidence(sealed).find(SYSTEM)


def test_the_fast_cipher_is_the_slow_one() -> None:
    chance = random.Random(7)
    for size, sector in ((32, 512), (64, 512), (32, 4096)):
        key, data = chance.randbytes(size), chance.randbytes(sector * 40)
        slow = create_cipher(f"aes-xts-{size * 4}-plain64", key, sector_size=sector, iv_sector_size=sector)
        for first in (0, 1, 2**32 - 3, 2**40):
            assert FastXts(key, sector).decrypt(data, first) == slow.decrypt(data, first)


def test_the_fast_cipher_is_fast() -> None:
    began = time.perf_counter()
    FastXts(bytes(range(32)), 512).decrypt(bytes(32 << 20), 7)
    assert time.perf_counter() - began < 3.2, "10 MiB a second at the least; the library's does 3"


# -- keys ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["recovery", "passphrase", "external"])
def test_each_kind_of_key_opens_the_volume(locked: Path, how: str) -> None:
    given = {
        "recovery": all_keys().recovery_password, "passphrase": PASSPHRASE, "external": str(locked.parent / "key.BEK"),
    }[how]  # fmt: skip
    evidence = open_evidence(locked, Opening(keys=("something else", given)))
    (found,) = evidence.find(SYSTEM)
    with evidence.open(found.path) as handle:
        assert handle.read() == layouts.tree()[SYSTEM[0]]


def test_a_disk_under_bitlocker_gives_the_sessions_and_keeps_the_key_to_itself(tmp_path: Path, locked: Path) -> None:
    disk = gpt(tmp_path / "disk.dd", [Part("Basic data partition", locked)])
    given = all_keys().recovery_password
    done = timeline(disk, tmp_path / "case", "--key", PASSPHRASE + "x", "--key", given, "--log-file", tmp_path / "log")
    assert done.code == 0, done.err
    assert differences(EXPECTED, done.document()) == []
    for path in [*done.case.iterdir(), tmp_path / "log"]:
        data = path.read_bytes()
        for secret in (given, PASSPHRASE):
            assert secret.encode() not in data, path.name
            assert json.dumps(secret)[1:-1].encode() not in data, path.name
    assert given not in done.out + done.err


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ((), "give its recovery key, passphrase or BEK file with --key"),
        (("wrong",), "key 1 (a passphrase) does not fit"),
        (("-".join(["000011"] * 8),), "key 1 (a recovery key) does not fit"),
        (("-".join(["000012"] * 8),), "key 1 (a recovery key) is mistyped"),
        (("missing.BEK",), "key 1 (a BEK file) is not there"),
        (("x" * 400,), "key 1 (a passphrase) does not fit"),
        ((__file__,), "key 1 (a BEK file) does not fit"),
    ],
)
def test_without_a_fitting_key_the_volume_is_named(locked: Path, given: tuple[str, ...], word: str) -> None:
    options = [part for key in given for part in ("--key", key)]
    done = tool("inspect", locked, *options)
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert "volume 0 is locked by BitLocker" in done.stderr
    assert word in done.stderr
    assert f"a recovery key {{{str(all_keys().identity('recovery')).upper()}}}" in done.stderr
    assert not [key for key in given if key in done.stderr]


# -- locked beside open --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory, plain: Path) -> tuple[Path, Keys]:
    """An open Windows volume, and a data volume that is locked."""
    top = tmp_path_factory.mktemp("beside")
    data = layouts.volume(top, {"VMs/hidden.wsb": b"<Configuration/>"}, "data", 16 << 20)
    own = Keys("data", MADE, recovery=True)
    sealed = bitlocker.encrypt(data, top / "sealed.raw", own)
    return gpt(top / "d.dd", [Part("Basic data partition", plain), Part("Basic data partition", sealed)]), own


def test_a_locked_data_volume_is_a_problem_and_nothing_is_called_complete(
    tmp_path: Path, beside: tuple[Path, Keys]
) -> None:
    done = timeline(beside[0], tmp_path / "case")
    assert done.code == 3
    (problem,) = done.lines("problems.jsonl")
    assert problem["fault"] == "locked"
    assert "volume 1 is locked by BitLocker" in problem["detail"]
    rows = {row["artifact"]: row for row in done.document()["coverage"]}
    for name in ("wsb_files", "tunnel_identity", "userassist", "mft_entries"):
        assert rows[name]["state"] == "partial", name
        assert "volume 1 is locked" in rows[name]["detail"]
    assert rows["prefetch"]["state"] == "complete", "it lies on the Windows volume"


def test_with_its_key_the_data_volume_is_read(tmp_path: Path, beside: tuple[Path, Keys]) -> None:
    disk, own = beside
    evidence = open_evidence(disk, Opening(keys=(own.recovery_password,)))
    assert evidence.refusals == []
    assert "D:/VMs/hidden.wsb" in {item.path for item in evidence.find(["Users/**/*.wsb"])}


# -- damage --------------------------------------------------------------------------------------------------------


def small(top: Path) -> tuple[Path, int]:
    """A locked volume of a megabyte and the place of its first metadata block."""
    (top / "p.raw").write_bytes(bytes(range(256)) * 2 + bytes((1 << 20) - 512))
    data = bytearray((top / "p.raw").read_bytes())
    data[11:14] = b"\x00\x02\x08"
    (top / "p.raw").write_bytes(bytes(data))
    sealed = bitlocker.encrypt(top / "p.raw", top / "s.raw", keys(clear=True, external=True))
    return sealed, int.from_bytes(sealed.read_bytes()[176:184], "little")


def test_one_damaged_copy_of_the_metadata_costs_nothing(tmp_path: Path) -> None:
    sealed, place = small(tmp_path)
    data = bytearray(sealed.read_bytes())
    data[place : place + 8] = bytes(8)
    stream, why = unlocked(_opened(tmp_path, data), [])
    assert why == ""
    assert stream is not None
    assert stream.read(64) == (tmp_path / "p.raw").read_bytes()[:64]


def test_damaged_metadata_is_said_and_never_a_crash(tmp_path: Path) -> None:
    sealed, place = small(tmp_path)
    whole, chance = sealed.read_bytes(), random.Random(3)
    outcomes = set()
    for turn in range(120):
        data = bytearray(whole)
        for copy in range(3):
            for _ in range(1 + turn % 6):
                data[place + copy * META + chance.randrange(700)] = chance.randrange(256)
        outcomes.add(unlocked(_opened(tmp_path, data), ["x"])[1].partition(":")[0][:32])
    assert "its metadata cannot be read" in outcomes
    for cut in (0, 100, 511, 512, place, place + 30, place + 200, place + META):
        stream, why = unlocked(_opened(tmp_path, whole[:cut]), [])
        assert (stream is None) == bool(why)


def _opened(top: Path, data: bytes) -> object:
    (top / "hurt.raw").write_bytes(data)
    return (top / "hurt.raw").open("rb")


def test_an_image_whose_only_volume_is_damaged_is_refused(tmp_path: Path) -> None:
    sealed, place = small(tmp_path)
    data = bytearray(sealed.read_bytes())
    data[place : place + 3 * META] = bytes(3 * META)
    (tmp_path / "hurt.dd").write_bytes(data)
    with pytest.raises(EvidenceError, match="locked by BitLocker: its metadata cannot be read"):
        open_evidence(tmp_path / "hurt.dd")
