"""Hosts on which nobody wiped anything, though something happened to them that looks like it, through the whole tool.

Each sign that is told must be true, name its innocent cause, and none may be strong.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from forensics.formats.usn import CLOSE, CREATE, DELETE
from forensics.times import to_filetime
from testdata.writers import usn
from testdata.writers.evtx import LogWriter
from testdata.writers.providers import event
from testdata.writers.usn import Change
from tests.artifacts.registry_inputs import merged, nested
from tests.formats.crafted_hives import Tree, Value, hive
from tests.running import timeline
from tests.test_wiped_host import (
    INSTALLED,
    LOGS,
    PC,
    START,
    Happening,
    dword,
    host,
    ordinary,
    software,
    system,
    text,
    write_logs,
)  # fmt: skip

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
PERSON = {"SubjectUserSid": "S-1-5-21-1-2-3-1001", "SubjectUserName": "x", "SubjectDomainName": PC}
ITSELF = {"SubjectUserSid": "S-1-5-18", "SubjectUserName": f"{PC}$", "SubjectDomainName": "WORKGROUP"}
TIME_SERVICE = {"SubjectUserSid": "S-1-5-19", "SubjectUserName": "LOCAL SERVICE", "SubjectDomainName": "NT AUTHORITY"}
SVCHOST, VMTOOLS = "C:\\Windows\\System32\\svchost.exe", "C:\\Program Files\\VMware\\VMware Tools\\vmtoolsd.exe"
DEFENDER = "Microsoft-Windows-Windows Defender/Operational"


def rewritten(top: Path, happenings: list[Happening], first: int = 1, *, shown: bool = False) -> None:
    """The logs anew; with `shown` in the order given, whatever the clock showed."""
    for path in (top / "C" / LOGS).iterdir():
        path.unlink()
    if not shown:
        write_logs(top / "C", happenings, first)
        return
    for channel in sorted({item[1] for item in happenings}):
        with LogWriter(top / "C" / LOGS / f"{channel}.evtx", channel, first_record=first) as writer:
            for moment, own, number, data in happenings:
                if own == channel:
                    writer.write(event(channel, number, moment, computer=PC, data=data))


def config(top: Path, name: str, tree: Tree) -> None:
    (top / "C/Windows/System32/config" / name).write_bytes(hive(tree))


def changed(tree: Tree, path: str, *values: Value) -> Tree:
    """The tree with these values in place of those of the same names in a key."""
    made = merged(tree, nested(path, {"": []}))
    key: Any = made
    for name in path.split("\\"):
        key = key[name]
    names = {value[0] for value in values}
    key[""] = [*(value for value in key[""] if value[0] not in names), *values]
    return made


def installed(moment: datetime) -> Tree:
    time = ("InstallTime", 11, struct.pack("<Q", to_filetime(moment)))
    return changed(software("Windows 10 Pro", "19045", bad=False), "Microsoft\\Windows NT\\CurrentVersion", time)


def set_clock(old: datetime, new: datetime, who: dict[str, Any], program: str) -> list[Happening]:
    times = {"NewTime": new}
    return [
        (new, "Security", 4616, {**who, "PreviousTime": old, **times, "ProcessId": 4, "ProcessName": program}),
        (new, "System", 1, {"OldTime": old, **times, "Reason": 1}),
    ]


def between(first: int, last: int) -> list[Happening]:
    return [item for item in ordinary() if START + first * DAY <= item[0] < START + last * DAY]


def deleted(top: Path, folders: tuple[str, ...], names: list[str], moment: datetime) -> None:
    """A journal in which these files of one folder are deleted within a second."""
    changes, above = [], usn.reference(5, 5)
    for number, name in enumerate(folders):
        here = usn.reference(40 + number)
        changes.append(Change(INSTALLED, here, above, name, CREATE | CLOSE, usn.FOLDER))
        above = here
    changes += [
        Change(moment + timedelta(milliseconds=n), usn.reference(100 + n), above, name, DELETE | CLOSE)
        for n, name in enumerate(names)
    ]
    (top / "C/$Extend/$J").write_bytes(usn.build(changes))


def fresh(top: Path) -> None:
    """Set-up ran with the clock of another zone, and cleared the logs of the image before it ended."""
    ahead = INSTALLED + 7 * HOUR
    found: list[Happening] = [(ahead + n * MINUTE, "System", 6013, {}) for n in range(5)]
    found += [(ahead + n * MINUTE, "Security", 4634, {}) for n in range(5)]
    found += set_clock(ahead + 5 * MINUTE, INSTALLED - 20 * MINUTE, ITSELF, SVCHOST)
    found.append((INSTALLED - 10 * MINUTE, "Security", 1102, ITSELF))
    found.append((INSTALLED - 10 * MINUTE, "System", 104, {"SubjectUserName": "SYSTEM", "Channel": "System"}))
    rewritten(top, [*found, *between(0, 3)], shown=True)


def upgraded(top: Path) -> None:
    """The logs are older than the installation; what the old Windows had is cleaned away ten days later."""
    config(top, "SOFTWARE", installed(INSTALLED + 20 * DAY))
    source = "Setup\\Source OS (Updated on 11/21/2024 12:00:00)"
    old = ("InstallTime", 11, struct.pack("<Q", to_filetime(INSTALLED)))
    config(top, "SYSTEM", merged(system(bad=False), nested(source, {"": [text("ProductName", "Windows 10"), old]})))
    folders = ("Windows.old", "Windows", "System32", "winevt", "Logs")
    deleted(top, folders, [f"Log-{n}.evtx" for n in range(40)], INSTALLED + 30 * DAY)


def hibernated(top: Path) -> None:
    """Three weeks without power: the clock is set forward as the machine wakes."""
    slept, woke = START + 4 * DAY + 10 * HOUR, START + 25 * DAY
    before = [item for item in between(0, 5) if item[0] < START + 4 * DAY + 9 * HOUR + 15 * MINUTE]
    rewritten(top, [*before, *set_clock(slept, woke, ITSELF, ""), *between(25, 30)], shown=True)


def dual_boot(top: Path) -> None:
    """The other system keeps local time in the hardware clock: Windows starts nine hours off, and is set right."""
    found = between(0, 5)
    for day in (5, 6, 7):
        up = START + day * DAY
        wrong = [(up + 9 * HOUR + n * MINUTE, channel, number, {}) for n, (channel, number) in
                 enumerate([("System", 12), ("System", 6005), ("Security", 4634)])]  # fmt: skip
        found += [*wrong, *set_clock(up + 9 * HOUR + 4 * MINUTE, up + 4 * MINUTE, TIME_SERVICE, SVCHOST)]
        found += [item for item in between(day, day + 1) if item[2] not in (12, 6005)]
    rewritten(top, found, shown=True)


def reverted(top: Path) -> None:
    """A virtual machine goes back to a snapshot of the fifth day, on the fifteenth."""
    old, new = START + 4 * DAY + 5 * HOUR, START + 15 * DAY + 2 * HOUR
    before = [item for item in between(0, 5) if item[0] < old]
    after = [item for item in between(15, 20) if item[0] > new]
    rewritten(top, [*before, *set_clock(old, new, ITSELF, VMTOOLS), *after], shown=True)


def wrapped(top: Path) -> None:
    """A small Security log whose beginning is overwritten."""
    key = "ControlSet001\\Services\\EventLog\\Security"
    config(top, "SYSTEM", changed(system(bad=False), key, dword("MaxSize", 1052672)))
    start = START + 30 * DAY
    many: list[Happening] = [
        (start + n * timedelta(seconds=510), "Security", 4634, {"TargetUserName": "x" * 200}) for n in range(1700)
    ]
    rewritten(top, [*many, *(item for item in ordinary() if item[1] == "System")])
    path = top / "C" / LOGS / "Security.evtx"
    path.unlink()
    with LogWriter(path, "Security", first_record=90_001) as writer:
        for moment, _, number, data in many:
            writer.write(event("Security", number, moment, computer=PC, data=data))


def raised(top: Path) -> None:
    """Policy makes the log larger, not every kind of auditing is wanted, sessions that feed no log are off."""
    policy = "Policies\\Microsoft\\Windows\\EventLog\\Security"
    config(top, "SOFTWARE", merged(installed(INSTALLED), nested(policy, {"": [dword("MaxSize", 1048576)]})))
    loggers = [nested(f"ControlSet001\\Control\\WMI\\Autologger\\{name}", {"": [dword("Start", 0)]})
               for name in ("DiagTrack-Listener", "WiFiSession", "Cellcore", "ReadyBoot")]  # fmt: skip
    config(top, "SYSTEM", merged(system(bad=False), *loggers))


def administered(top: Path) -> None:
    """Logs exported, disks cleaned and encrypted, shadow copies listed; the exported logs removed again."""
    commands = (
        "wevtutil epl Security D:\\exports\\Security.evtx", "wevtutil sl Security /ms:1073741824",
        "cmd /c del D:\\exports\\Security.evtx",
        "cleanmgr.exe /sagerun:1", "cipher /e /s:C:\\secret", "vssadmin list shadows", "defrag C: /O",
        "fsutil usn queryjournal C:", "auditpol /set /subcategory:Logon /success:enable /failure:disable",
        "powershell Get-Help Clear-EventLog",
        "dism /online /cleanup-image /startcomponentcleanup", "notepad C:\\docs\\sdelete.txt",
    )  # fmt: skip
    found: list[Happening] = [
        (
            START + 30 * DAY + n * MINUTE,
            "Security",
            4688,
            {**PERSON, "NewProcessName": "C:\\Windows\\x.exe", "CommandLine": line},
        )
        for n, line in enumerate(commands)
    ]
    rewritten(top, [*ordinary(), *found])
    names = [f"export-{n}.evtx" for n in range(5)]
    deleted(top, ("exports",), names, START + 31 * DAY)


def other_scanner(top: Path) -> None:
    """Another product registered as the scanner, and Defender stepped back."""
    values = (dword("DisableAntiVirus", 1), dword("PassiveMode", 1))
    config(top, "SOFTWARE", changed(installed(INSTALLED), "Microsoft\\Windows Defender", *values))
    config(top, "SYSTEM", changed(system(bad=False), "ControlSet001\\Services\\WinDefend", dword("Start", 3)))
    rewritten(top, [*ordinary(), (START + DAY, DEFENDER, 5001, {})])


def tidied(top: Path) -> None:
    """A user cleared the recent items by the settings."""
    recent = "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\RecentDocs"
    place = top / "C/Users/x/NTUSER.DAT"
    place.parent.mkdir(parents=True)
    place.write_bytes(hive(nested(recent, {"": []})))
    folders = ("Users", "x", "AppData", "Roaming", "Microsoft", "Windows", "Recent")
    deleted(top, folders, [f"doc{n}.lnk" for n in range(30)], START + 30 * DAY)


def travelled(top: Path) -> None:
    """The zone was changed and summer time ended: local time jumps, the clock that records are written by does not."""
    zone = "ControlSet001\\Control\\TimeZoneInformation"
    values = (
        text("TimeZoneKeyName", "Central Europe Standard Time"),
        dword("Bias", 0xFFFFFFC4),
        dword("DaylightBias", 0),
    )
    config(top, "SYSTEM", changed(system(bad=False), zone, *values))
    moment = START + 3 * DAY + HOUR
    rewritten(top, [*ordinary(), *set_clock(moment, moment + timedelta(milliseconds=3), PERSON, SVCHOST)])


# What is told of each: level, kind, and the innocent cause that it was.
CASES: dict[Callable[[Path], None], set[tuple[str, str, str]]] = {
    fresh: {("weak", "log_cleared", "set-up of Windows"), ("weak", "time_changed", "being installed")},
    upgraded: {("weak", "folder_emptied", "Windows.old")},
    hibernated: {("weak", "time_changed", "woke from sleep or hibernation")},
    travelled: set(),
    dual_boot: {
        ("weak", "time_changed", "another system on the same machine"), ("weak", "clock_back", "another system set"),
    },
    reverted: {("weak", "time_changed", "restored from a snapshot")},
    wrapped: {("weak", "log_shrunk", "sets a smaller size")},
    raised: set(),
    administered: set(),
    other_scanner: {("medium", "protection_off", "another product registered")},
    tidied: {
        ("medium", "folder_emptied", "by the settings of Windows"),
        ("medium", "history_emptied", "by the settings of Windows"),
    },
}  # fmt: skip


def test_a_machine_that_another_system_shares_showed_nothing_twice(tmp_path: Path) -> None:
    """Nine hours were passed over while Windows was off: that the clock showed them is possible, and no more."""
    top = host(tmp_path / "host", "Windows 10", bad=False)
    dual_boot(top)
    signs = timeline(top, tmp_path / "case").document()["anti_forensics"]
    said = [sign["detail"] for sign in signs if "the clock may have shown" in sign["detail"]]
    assert said
    assert not any("the clock showed" in sign["detail"] for sign in signs)


@pytest.mark.parametrize("happened", CASES, ids=lambda item: item.__name__)
def test_what_is_told_is_true_and_names_its_cause(tmp_path: Path, happened: Callable[[Path], None]) -> None:
    top = host(tmp_path / "host", "Windows 10", bad=False)
    happened(top)
    document = timeline(top, tmp_path / "case").document()
    signs = document["anti_forensics"]
    assert {(sign["level"], sign["kind"]) for sign in signs} == {(level, kind) for level, kind, _ in CASES[happened]}
    for _, kind, cause in CASES[happened]:
        causes = [item for sign in signs if sign["kind"] == kind for item in sign["innocent_causes"]]
        assert any(cause in item for item in causes), kind
    assert document["problems"] == []
    assert [finding["level"] for finding in document["findings"] if finding["level"] != "informational"] == []


def test_the_same_by_a_person_or_at_another_time_is_no_weak_sign(tmp_path: Path) -> None:
    """A log cleared long after set-up, a clock set by a person, and one set forward that is set back again."""
    top = host(tmp_path / "host", "Windows 10", bad=False)
    late, far = START + 20 * DAY, START + 90 * DAY
    found = [
        *between(0, 20),
        (late, "Security", 1102, ITSELF),
        *set_clock(late + HOUR, far, ITSELF, SVCHOST),
        *set_clock(far + HOUR, late + 2 * HOUR, PERSON, SVCHOST),
        *((late + 2 * HOUR + n * MINUTE, "Security", 4634, {}) for n in range(1, 9)),
        *between(21, 25),
    ]
    rewritten(top, found, shown=True)
    signs = timeline(top, tmp_path / "case").document()["anti_forensics"]
    levels = [(sign["kind"], sign["level"]) for sign in signs]
    assert levels.count(("log_cleared", "strong")) == 1
    assert levels.count(("time_changed", "medium")) == 2
    assert ("clock_back", "medium") in levels
    assert "weak" not in {sign["level"] for sign in signs}
