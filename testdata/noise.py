"""Ordinary activity of a Windows host from a seed, so that what matters has something to be found in.

The same seed always gives the same records. Nothing here may look like a sandbox, a tunnel or persistence: a test
holds every text against the watch rules.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from testdata.happenings import SCHEDULER, SYSTEM_SID, logon_events, process_events
from testdata.host import EventRecord, Host, Logon, Noise, Process

_TABLES = yaml.safe_load((Path(__file__).parent / "noise.yml").read_text(encoding="utf-8"))
_PROGRAMS = [tuple(row) for row in _TABLES["programs"]]
_BACKGROUND = [tuple(row) for row in _TABLES["background"]]
_SERVICES: list[str] = _TABLES["services"]
_TASKS: list[list[str]] = _TABLES["tasks"]


def noise_events(host: Host, noise: Noise) -> Iterator[EventRecord]:
    """The records of one stretch of ordinary activity, not in time order."""
    chance = random.Random(noise.seed)
    for sort, count in noise.counts.items():
        for number in range(count):
            yield from _SORTS[sort](host, noise, chance, number)


def _moment(noise: Noise, chance: random.Random) -> datetime:
    span = (noise.end - noise.start).total_seconds()
    return noise.start + timedelta(microseconds=int(chance.random() * span * 1_000_000))


def _run(host: Host, noise: Noise, chance: random.Random, choice: tuple[str, str, int], **who: Any) -> Process:  # noqa: ANN401  # fields of Process
    image, pattern, seconds = choice
    start = _moment(noise, chance)
    end = start + timedelta(milliseconds=chance.randrange(200, seconds * 1000))
    profile = host.accounts[noise.account].profile or "C:\\Windows"
    command = pattern.format(image=image, profile=profile, n=chance.randrange(1, 90))
    return Process(
        name="", image=image, pid=chance.randrange(0x800, 0x4000) * 4, start=start,
        end=end if end < noise.end else None, command=command, **who,
    )  # fmt: skip


def _program(host: Host, noise: Noise, chance: random.Random, _number: int) -> Iterator[EventRecord]:
    who = {"account": noise.account, "parent": noise.parent, "logon_id": noise.logon_id, "elevation": "%%1938"}
    yield from process_events(host, _run(host, noise, chance, chance.choice(_PROGRAMS), **who))


def _background(host: Host, noise: Noise, chance: random.Random, _number: int) -> Iterator[EventRecord]:
    who = {"account": "system", "parent": "services", "label": "S-1-16-16384"}
    yield from process_events(host, _run(host, noise, chance, chance.choice(_BACKGROUND), **who))


def _service_logon(host: Host, noise: Noise, chance: random.Random, _number: int) -> Iterator[EventRecord]:
    account = chance.choice(("system", "system", "system", "local_service", "network_service"))
    logon_id = host.accounts[account].logon_id
    yield from logon_events(host, Logon(account=account, time=_moment(noise, chance), type=5, logon_id=logon_id))


def _service_state(_host: Host, noise: Noise, chance: random.Random, number: int) -> Iterator[EventRecord]:
    name = _SERVICES[number // 2 % len(_SERVICES)]
    yield EventRecord(
        channel="System", provider="Service Control Manager", id=7036, time=_moment(noise, chance), pid=668,
        data={"param1": name, "param2": chance.choice(("running", "stopped"))},
    )  # fmt: skip


def _task(_host: Host, noise: Noise, chance: random.Random, _number: int) -> Iterator[EventRecord]:
    path, action = chance.choice(_TASKS)
    instance = "{" + "-".join(f"{chance.getrandbits(bits):0{bits // 4}x}" for bits in (32, 16, 16, 16, 48)) + "}"
    start, pid = _moment(noise, chance), chance.randrange(0x800, 0x4000) * 4
    rows: tuple[tuple[int, int, dict[str, Any]], ...] = (
        (100, 0, {"TaskName": path, "UserContext": "NT AUTHORITY\\SYSTEM", "InstanceId": instance}),
        (200, 3, {"TaskName": path, "ActionName": action, "TaskInstanceId": instance, "EnginePID": pid}),
        (
            201,
            2410,
            {"TaskName": path, "TaskInstanceId": instance, "ActionName": action, "ResultCode": 0, "EnginePID": pid},
        ),
        (102, 2412, {"TaskName": path, "UserContext": "NT AUTHORITY\\SYSTEM", "InstanceId": instance}),
    )
    for number, delay, data in rows:
        yield EventRecord(
            channel=f"{SCHEDULER}/Operational", provider=SCHEDULER, id=number,
            time=start + timedelta(milliseconds=delay), pid=1268, user_sid=SYSTEM_SID, data=data,
        )  # fmt: skip


_SORTS: dict[str, Callable[[Host, Noise, random.Random, int], Iterator[EventRecord]]] = {
    "programs": _program,
    "background": _background,
    "service_logons": _service_logon,
    "service_states": _service_state,
    "tasks": _task,
}
