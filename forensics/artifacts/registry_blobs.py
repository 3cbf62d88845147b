r"""Enciphered payloads in the registry: where the loader NOOPLDR keeps the backdoor NOOPDOOR, without a file on disk.

The loader deletes the file that brought the payload and stores it, sealed for this very machine, as a binary value with
a random hexadecimal or GUID name under keys that look like Windows' own (published lists; several of these keys exist
on every host, so the key alone says nothing). A value is told when its name, type, size (over 10 kB) and entropy (over
7.5 bits a byte) fit; that threshold is an inference, not published. Where the machine's identifier is at hand, the
published scheme (`formats/noopdoor.py`) is tried: a value that opens with the right hash is proved, whatever its size.
The payload is never run, only hashed; `--extract` writes it out.

The time is the key's last write, at the latest of which the value was there. A removed value is recovered as long as
its cell is not used again.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from forensics.artifacts._registry import owner, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats import noopdoor
from forensics.formats.hive import Hive, Key, RegValue
from forensics.formats.hive_values import REG_BINARY
from forensics.formats.hostinfo import machine_id
from forensics.model import Fact, Value, make_fact
from forensics.rules import load
from forensics.times import Moment

_SAMPLE = 8 * 1024 * 1024  # bytes that the entropy is taken of
_MOST_KEYS = 20_000  # below one place
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Blob:
    """A value that fits, with its place as Windows names it, and its content where the scheme opened it."""

    key: Key
    value: RegValue
    location: str
    entropy: float
    opened: noopdoor.Opened | None


@cache
def _name() -> re.Pattern[str]:
    return re.compile(load("group")["blobs"]["name"])


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every value that fits."""
    user, sid = owner(given) if hive.live.kind == "NTUSER" else (None, None)
    ident = given.host.machine_id or machine_id(hive.live)
    for blob in blobs(hive, ident):
        yield _row(given, blob, (user, sid), with_id=bool(ident))


def blobs(hive: Hive, ident: str | None) -> Iterator[Blob]:
    """The values of a hive that fit, in the order of the list of keys."""
    data = load("group")["blobs"]
    kind = "NTUSER" if hive.live.key("Software") is not None else "SOFTWARE"
    for where in data["keys"]:
        if where["hive"] != kind:
            continue
        prefix = where["shown"][: -len(where["key"])]
        for top in hive.glob(where["key"]):
            for key in _below(hive, top):
                yield from _in_key(key, f"{prefix}{key.path}", ident)
    for key in hive.unplaced():
        yield from _in_key(key, key.path, ident)


def _below(hive: Hive, top: Key) -> Iterator[Key]:
    for count, key in enumerate(hive.walk(top)):
        if count >= _MOST_KEYS:
            return
        if key.depth - top.depth <= _DEPTH:
            yield key


def _in_key(key: Key, location: str, ident: str | None) -> Iterator[Blob]:
    data = load("group")["blobs"]
    for value in key.values():
        named = _name().fullmatch(value.name) or (_name().fullmatch(key.name) and value.name in ("", key.name))
        if value.type != REG_BINARY or not named or len(value.raw) < noopdoor.HASH_SIZE:
            continue
        opened = noopdoor.open_blob(value.raw, ident, (value.name, key.name)) if ident else None
        large = len(value.raw) > data["least_size"]
        bits = entropy(value.raw) if large or opened else 0.0
        if opened or (large and bits > data["least_entropy"]):
            yield Blob(key, value, location, bits, opened)


def entropy(raw: bytes) -> float:
    """Bits a byte, of the first 8 MiB."""
    part = raw[:_SAMPLE]
    shares = [count / len(part) for byte in range(256) if (count := part.count(byte))]
    return -sum(share * math.log2(share) for share in shares)


def _row(given: FileInput, blob: Blob, whose: tuple[str | None, str | None], *, with_id: bool) -> Fact:
    opened = blob.opened
    fields: dict[str, Value | None] = {
        "location": blob.location,
        "key_path": blob.key.path,
        "value_name": blob.value.name or "(Default)",
        "value_type": blob.value.type_name,
        "blob_size": len(blob.value.raw),
        "blob_entropy": f"{blob.entropy:.2f}",
        "blob_sha256": hashlib.sha256(blob.value.raw).hexdigest(),
        "decryption": _outcome(blob, with_id=with_id),
        "payload_size": len(opened.plain) if opened else None,
        "payload_sha256": hashlib.sha256(opened.plain).hexdigest() if opened else None,
        "shellcode_sha256": hashlib.sha256(opened.shellcode).hexdigest() if opened else None,
        "payload_proved": True if opened else None,
        "profile_user": whose[0],
        "user_sid": whose[1],
    }
    written: dict[str, Moment | None] = {"Content Modification Time": blob.key.last_write}
    return make_fact("registry.blob_suspected", place(given, blob.key, blob.value.name), written, fields)


def _outcome(blob: Blob, *, with_id: bool) -> str:
    if blob.opened:
        return f"opened with the published scheme: padding and the stored SHA-256 of {blob.opened.covers} agree"
    if not with_id:
        return "not tried: MachineId of SQMClient is not known"
    if not noopdoor.fits(blob.value.raw):
        return "not tried: its size is not that of a sealed value"
    return "the published scheme with this machine's MachineId does not open it"


ARTIFACT = RegistryArtifact(
    name="registry_blobs",
    hives=frozenset({"SOFTWARE", "NTUSER"}),
    parse=parse,
    emits={
        "registry.blob_suspected": Kind(
            "Binary value {value_name} in {location}: {blob_size} bytes of entropy {blob_entropy}, SHA-256 "
            "{blob_sha256}; {decryption}[; payload of {payload_size} bytes, SHA-256 {payload_sha256}]"
            "[ (user {profile_user})]",
            {
                "location": str,
                "key_path": str,
                "value_name": str,
                "value_type": str,
                "blob_size": int,
                "blob_entropy": str,
                "blob_sha256": str,
                "decryption": str,
                "payload_size": int,
                "payload_sha256": str,
                "shellcode_sha256": str,
                "payload_proved": bool,
                "profile_user": str,
                "user_sid": str,
            },
        )
    },
    deleted=True,
)
