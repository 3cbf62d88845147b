"""Files with a configuration of Cobalt Strike's Beacon: whom it called, over which protocol, with which watermark.

Beacon is one of the tools that the warning names for campaign B. Files are sought where everybody can write and by
their content; what a packed, staged or enciphered Beacon holds is not seen, so that none is found proves nothing. That
a file lies there does not say that it ran: prefetch, Amcache, 4688 and default pipes tell that. Nothing is run, and
the addresses are never called.

The watermark is the licence's number, shared by all who use a leaked one; the public key (its SHA-256 in
`beacon_key_sha256`) is its team server's. Sleep is in milliseconds, jitter in percent of it.

Format: `formats/beaconconfig.py`; settings are read by dissect.cobaltstrike.
"""

from __future__ import annotations

import hashlib

from forensics.artifacts._tunnel import profile_user, times, windows_path
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import beaconconfig
from forensics.model import Problem, Value, make_fact

_NAME = "beacon_files"
_LIMIT = 8 * 1024 * 1024  # a Beacon has some 300 kB; of a larger file (an installer) its start is looked at
_TREES = (
    *("Users/Public", "Users/*/AppData/Local/Temp", "ProgramData"),
    *("Windows/Temp", "Windows/Tasks", "Temp", "PerfLogs"),
)
_ENDS = ("exe", "dll", "bin", "dat", "raw", "tmp")


def parse(given: FileInput) -> Output:
    """One row for each configuration, nothing for any other file."""
    places, every = beaconconfig.find(given.read(_LIMIT))
    if not every:
        why = "more places look like a configuration than are looked at: not all of them were"
        yield Problem("budget", _NAME, given.source(""), why)
    for place in places:
        beacon = beaconconfig.read(place)
        source = given.source(f"offset 0x{place.offset:x}")
        if not beacon.complete:
            why = f"the list of settings breaks off after {len(beacon.settings)} of them"
            yield Problem("truncated", _NAME, source, why)
        if beacon.fault:
            why = f"read without dissect.cobaltstrike, which failed ({beacon.fault})"
            yield Problem("bad_record", _NAME, source, why)
        yield make_fact("beacon.config", source, times(given), _fields(given, beacon))


def _fields(given: FileInput, beacon: beaconconfig.Beacon) -> dict[str, Value | None]:
    key = beacon.public_key
    return {
        "beacon_protocol": beacon.protocol,
        "beacon_port": beacon.number(2),
        "beacon_servers": beacon.servers,
        "beacon_sleep_ms": beacon.number(3),
        "beacon_jitter": beacon.number(5),
        "beacon_user_agent": beacon.text(9),
        "beacon_submit_uri": beacon.text(10),
        "beacon_pipe": beacon.text(15),
        "beacon_spawn": beacon.text(29),
        "beacon_spawn_x64": beacon.text(30),
        "beacon_watermark": beacon.number(37),
        "beacon_key_sha256": hashlib.sha256(key).hexdigest() if key else "",
        "beacon_encoded": beacon.place.encoded,
        "xor_key": f"0x{beacon.place.key.hex()}",
        "file_path": windows_path(given.path),
        "file_sha256": given.sha256,
        "file_size": given.size,
        "profile_user": profile_user(given),
    }


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=tuple(f"{tree}/**/*.{end}" for tree in _TREES for end in _ENDS),
    parse=parse,
    emits={
        "beacon.config": Kind(
            "Cobalt Strike Beacon in {file_path}: {beacon_protocol}[ to {beacon_servers}][ port {beacon_port}]"
            "[, pipe {beacon_pipe}][, watermark {beacon_watermark}]",
            {
                "beacon_protocol": str,
                "beacon_port": int,
                "beacon_servers": tuple[str, ...],
                "beacon_sleep_ms": int,
                "beacon_jitter": int,
                "beacon_user_agent": str,
                "beacon_submit_uri": str,
                "beacon_pipe": str,
                "beacon_spawn": str,
                "beacon_spawn_x64": str,
                "beacon_watermark": int,
                "beacon_key_sha256": str,
                "beacon_encoded": bool,
                "xor_key": str,
                "file_path": str,
                "file_sha256": str,
                "file_size": int,
                "profile_user": str,
            },
        )
    },
)
