"""The profiles of the host: which SID owns which folder, and when the profile was last loaded and unloaded.

Ties files and hives under `C:\\Users` to a SID, as the event logs name users. A profile of `WDAGUtilityAccount` on the
host itself is an anomaly: that account exists on every Windows 10 and 11 but is only used inside a sandbox.
The load and unload times are kept since Windows 10; that they mark logon and logoff is an inference, since services
and tasks load profiles as well.
https://learn.microsoft.com/windows/win32/shell/user-profiles
"""

from __future__ import annotations

from forensics.artifacts._registry import place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats import hostinfo
from forensics.formats.hive import Hive, Key
from forensics.model import make_fact
from forensics.times import Moment, NoTime, from_filetime


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every entry of ProfileList, `.bak` entries included."""
    for sid, key in hostinfo.profile_keys(hive):
        path = hostinfo.text_of(key, "ProfileImagePath")
        yield make_fact(
            "profile.listed",
            place(given, key),
            {
                "Content Modification Time": key.last_write,
                "Start Time": _halves(key, "LocalProfileLoadTime"),
                "End Time": _halves(key, "LocalProfileUnloadTime"),
            },
            {
                "sid": sid,
                "profile_path": path,
                "profile_user": hostinfo.folder_name(path),
                "key_path": key.path,
            },
        )


def _halves(key: Key, name: str) -> Moment:
    """A FILETIME stored as two numbers, `<name>High` and `<name>Low`."""
    high, low = hostinfo.number_of(key, f"{name}High"), hostinfo.number_of(key, f"{name}Low")
    if high is None or low is None:
        return NoTime("not in the hive", "")
    return from_filetime(high << 32 | low)


ARTIFACT = RegistryArtifact(
    name="profile_list",
    hives=frozenset({"SOFTWARE"}),
    parse=parse,
    emits={
        "profile.listed": Kind(
            "Profile of {sid}[: {profile_path}]",
            {"sid": str, "profile_path": str, "profile_user": str, "key_path": str},
        )
    },
    deleted=True,
)
