"""Built records are laid out like the ones Windows wrote: the same tokens, types and order, out of real logs."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from testdata.writers.binxml import name_hash
from testdata.writers.evtx import LogWriter
from testdata.writers.providers import event, layouts
from tests.testdata import evtx_tokens
from tests.testdata.evtx_tokens import Instance, Raw

TIME = datetime(2024, 12, 4, 1, 2, 3, tzinfo=UTC)
ATTACK = "evtx/attack-samples"
SERVER = "evtx/host-server2016"
PAIR = "evtx/task-pair"
OLD = "evtx/odd/2-vss_7-System.evtx"
SYSMON = f"{SERVER}/Microsoft-Windows-Sysmon%4Operational.evtx"
TASKS = "Microsoft-Windows-TaskScheduler/Operational"
# (channel, id, log that holds a real record of the version we write)
REAL = [
    ("Security", 1102, f"{SERVER}/Security.evtx"),
    ("Security", 4616, "evtx/odd/security_bad_string_cache.evtx"),
    ("Security", 4624, f"{ATTACK}/Credential Access/CA_4624_4625_LogonType2_LogonProc_chrome.evtx"),
    ("Security", 4634, "evtx/odd/security_bad_string_cache.evtx"),
    ("Security", 4647, "evtx/odd/security_bad_string_cache.evtx"),
    ("Security", 4648, f"{ATTACK}/Command and Control/DE_RDP_Tunnel_5156.evtx"),
    ("Security", 4688, f"{SERVER}/Security.evtx"),
    ("Security", 4689, f"{SERVER}/Security.evtx"),
    ("Security", 4698, f"{PAIR}/SecurityTasks.evtx"),
    ("Security", 4699, f"{PAIR}/SecurityTasks.evtx"),
    ("Security", 4701, f"{PAIR}/SecurityTasks.evtx"),
    ("Security", 4702, f"{PAIR}/SecurityTasks.evtx"),
    ("System", 12, OLD),
    ("System", 13, OLD),
    ("System", 41, "evtx/odd/system.evtx"),
    (
        "System",
        104,
        f"{ATTACK}/Credential Access/Zerologon_CVE-2020-1472_DFIR_System_NetLogon_Error_EventID_5805.evtx",
    ),
    ("System", 1074, OLD),
    ("System", 6005, OLD),
    ("System", 6006, OLD),
    ("System", 6008, "evtx/odd/system.evtx"),
    ("System", 7036, "evtx/odd/system.evtx"),
    ("System", 7040, OLD),
    *(("System", number, "evtx/odd/2-vss_7-System.evtx") for number in (19, 43, 44)),
    ("System", 7045, f"{ATTACK}/Lateral Movement/LM_Remote_Service02_7045.evtx"),
    *((TASKS, number, f"{PAIR}/TaskScheduler.evtx") for number in (100, 102, 106, 129, 140, 141, 200, 201)),
    ("Microsoft-Windows-PowerShell/Operational", 4104, f"{SERVER}/Microsoft-Windows-PowerShell%4Operational.evtx"),
    ("Windows PowerShell", 800, f"{ATTACK}/emotet/exec_emotet_ps_800_get-item.evtx"),
    *(("Microsoft-Windows-Sysmon/Operational", number, SYSMON) for number in (1, 5, 11, 12, 13, 17, 18)),
    *(
        ("Microsoft-Windows-Bits-Client/Operational", number, f"{ATTACK}/Command and Control/bits_openvpn.evtx")
        for number in (3, 4, 59)
    ),
    ("Microsoft-Windows-Sysmon/Operational", 3, f"{ATTACK}/Command and Control/DE_sysmon-3-rdp-tun.evtx"),
]
# Windows 7 and the first Windows 10 wrote the event log service's own events without Version, Opcode, Correlation and
# Execution; later builds (800 above) write them. Ours is the later form.
SHORT_SYSTEM = {6005, 6006, 6008}


@cache
def real_log(path: Path) -> tuple[Raw, ...]:
    return tuple(evtx_tokens.records(path.read_bytes()))


def number_of(record: Raw) -> tuple[int, int]:
    values = evtx_tokens.outer(record).values
    return int.from_bytes(values[3][1], "little"), int.from_bytes(values[11][1], "little")


def real_record(samples: Path, channel: str, event_id: int, log: str) -> Raw:
    layout = layouts()[channel, event_id]
    for record in real_log(samples / log):
        if number_of(record) == (event_id, layout.version) and _provider(record) == layout.provider:
            return record
    raise AssertionError(f"{log} has no {channel} {event_id} version {layout.version}")


def _provider(record: Raw) -> str:
    whole = evtx_tokens.outer(record)
    kind, raw = whole.values[14]
    if kind == 1:
        return raw.decode("utf-16-le")
    return next(after[1:] for before, after in pairwise(whole.tokens) if before.startswith("@Name"))


def built_record(channel: str, event_id: int, real: Raw) -> Raw:
    """Ours of the same id and computer, exported if the real one is."""
    whole = evtx_tokens.outer(real)
    held = io.BytesIO()
    with LogWriter(held, channel, exported=_data(whole)[0] == 0x0F) as log:
        log.write(event(channel, event_id, TIME, computer=computer_of(whole)[1:]))
    (record,) = evtx_tokens.records(held.getvalue())
    return record


def _data(whole: Instance) -> bytes:
    return whole.values[19 if len(whole.values) == 20 else 17][1]


def computer_of(whole: Instance) -> str:
    kept = [token for token in whole.tokens if token != ">"]
    return next(after for before, after in pairwise(kept) if before.startswith("<Computer"))


def modern(tokens: list[str]) -> list[str]:
    """The tokens without a namespace prefix that Windows 7 declared in vain."""
    return [
        token
        for number, token in enumerate(tokens)
        if not (token.startswith("@xmlns:auto-ns") or (number and tokens[number - 1].startswith("@xmlns:auto-ns")))
    ]


@pytest.mark.samples
@pytest.mark.parametrize(("channel", "event_id", "log"), REAL)
def test_a_built_record_has_the_tokens_of_a_real_one(samples: Path, channel: str, event_id: int, log: str) -> None:
    record = real_record(samples, channel, event_id, log)
    real = evtx_tokens.outer(record)
    own_record = built_record(channel, event_id, record)
    own = evtx_tokens.outer(own_record)
    if event_id not in SHORT_SYSTEM:
        assert own.tokens == real.tokens
    assert evtx_tokens.inner(own_record).tokens == modern(evtx_tokens.inner(record).tokens)
    # Values that belong to the event and not to the moment: level, opcode, task, id, qualifiers, keywords, version ...
    assert [own.values[place] for place in (0, 1, 2, 3, 5, 11)] == [real.values[place] for place in (0, 1, 2, 3, 5, 11)]
    assert own.values[4] in (real.values[4], (0, b""))
    # ... and provider name, GUID and channel, or five NULL values.
    assert own.values[14:17] == real.values[14:17]
    assert len(own.values) == len(real.values)
    # With or without a fragment header before the data.
    assert _data(own)[0] == _data(real)[0]


@pytest.mark.samples
@pytest.mark.parametrize(("channel", "event_id", "log"), REAL)
def test_values_have_the_types_of_real_ones(samples: Path, channel: str, event_id: int, log: str) -> None:
    record = real_record(samples, channel, event_id, log)
    real, own = evtx_tokens.inner(record), evtx_tokens.inner(built_record(channel, event_id, record))
    assert len(own.values) == len(real.values)
    for (own_kind, own_raw), (real_kind, real_raw) in zip(own.values, real.values, strict=True):
        # 32-bit hosts fill pointers with 32-bit numbers, 64-bit ones with 64-bit numbers.
        assert own_kind == real_kind or 0 in (own_kind, real_kind) or (own_kind, real_kind) in ((21, 20), (21, 16))
        if own_kind == real_kind == 1 and real_raw:
            assert own_raw.endswith(b"\0\0") == real_raw.endswith(b"\0\0")


@pytest.mark.samples
def test_buckets_of_real_hash_tables(samples: Path) -> None:
    templates = names = 0
    for path in [samples / SERVER / "Security.evtx", samples / "evtx/odd/system.evtx"]:
        log = path.read_bytes()
        chunk = log[0x1000:0x11000]
        for bucket, hashed, name in evtx_tokens.stored_names(chunk):
            assert (hashed, hashed % 64) == (name_hash(name.encode("utf-16-le")[::2]), bucket)
            names += 1
        for bucket, offset in evtx_tokens.stored_templates(chunk):
            words = [int.from_bytes(chunk[at : at + 2], "little") for at in range(offset + 4, offset + 20, 2)]
            assert name_hash(words) % 32 == bucket
            templates += 1
    assert templates > 20
    assert names > 50
