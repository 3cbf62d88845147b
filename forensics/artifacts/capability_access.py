"""CapabilityAccessManager: when a program last used the microphone, camera, location and the like, start and end.

AudioInput is on by default in Windows Sandbox, so an entry of the microphone for WindowsSandboxClient.exe or the
Sandbox's package may bracket a session even where all logs are gone. That it does is inferred and has not been seen on
a live host: a candidate, which every row about the Sandbox says. What it does show without doubt is that the program
held the device in that time, hence ran. Only the last use is kept. VS Code is kept as well.

`ConsentStore\\<capability>\\<package>` and `...\\NonPackaged\\<path with # for \\>`, in NTUSER for the user and in
SOFTWARE for the machine; LastUsedTimeStart and LastUsedTimeStop are FILETIMEs, a stop of zero is a use that had not
ended. Windows 10 1903 and later.
https://svch0st.medium.com/can-you-track-processes-accessing-the-camera-and-microphone-7e6885b37072
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._registry import file_name, lost, owner, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.hive import Hive, Key, RegValue
from forensics.model import Fact, Problem, make_fact
from forensics.rules import load
from forensics.rules.watch import is_watched
from forensics.times import Moment, NoTime, from_filetime

_NAME = "capability_access"
_STORE = "Microsoft\\Windows\\CurrentVersion\\CapabilityAccessManager\\ConsentStore\\*"
_START, _STOP = "LastUsedTimeStart", "LastUsedTimeStop"
_UNPACKAGED = "nonpackaged"
_CANDIDATE = "that the Sandbox uses this capability for as long as it runs is inferred, not seen"
_NEVER = from_filetime(0)
_RUNNING = NoTime("zero: in use when the key was written", "")


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every program and capability with a last use."""
    front = "Software\\" if hive.live.kind == "NTUSER" else ""
    for capability in hive.glob(front + _STORE):
        for key in hive.walk(capability):
            yield from _rows(given, capability.name, key)


def _rows(given: FileInput, capability: str, key: Key) -> Iterator[Fact | Problem]:
    moments: dict[str, Moment] = {}
    for name, meaning in ((_START, "Start Time"), (_STOP, "End Time")):
        value = key.value(name)
        if value is None:
            continue
        try:
            moments[meaning] = from_filetime(_ticks(value))
        except FormatError as error:
            yield lost(_NAME, place(given, key, name), error)
    if not moments:
        return
    stop = moments.get("End Time")
    if (
        isinstance(stop, NoTime)
        and stop.reason.startswith("zero")
        and not isinstance(moments.get("Start Time"), NoTime)
    ):
        moments["End Time"] = _RUNNING
    yield _fact(given, capability, key, moments)


def _ticks(value: RegValue) -> int:
    """The FILETIME of a QWORD or of eight bytes. Raises FormatError."""
    if len(value.raw) != 8:
        raise FormatError(value.lost or f"a time takes 8 bytes, there are {len(value.raw)}")
    return int.from_bytes(value.raw, "little")


def _fact(given: FileInput, capability: str, key: Key, moments: dict[str, Moment]) -> Fact:
    packaged = _UNPACKAGED not in key.path.casefold().split("\\")
    executable = key.name if packaged else key.name.replace("#", "\\")
    name = file_name(executable)
    consent = key.value("Value")
    user, sid = owner(given)
    watched = is_watched(executable)
    return make_fact(
        "capability.used",
        place(given, key),
        dict(moments),
        {
            "capability": capability,
            "executable": executable,
            "executable_name": name,
            "is_packaged": packaged,
            "consent_state": consent.text() if consent else None,
            "reason": _CANDIDATE if "sandbox" in executable.casefold() else None,
            "profile_user": user,
            "user_sid": sid,
            "key_path": key.path,
        },
        context=not watched and name.casefold() not in load("registry")["capability_kept"],
    )


ARTIFACT = RegistryArtifact(
    name=_NAME,
    hives=frozenset({"NTUSER", "SOFTWARE"}),
    parse=parse,
    emits={
        "capability.used": Kind(
            "{executable} last used {capability}[ (user {profile_user})][; {reason}]",
            {
                "capability": str,
                "executable": str,
                "executable_name": str,
                "is_packaged": bool,
                "consent_state": str,
                "reason": str,
                "profile_user": str,
                "user_sid": str,
                "key_path": str,
            },
            context=True,
        )
    },
    deleted=True,
)
