"""FeatureUsage: what a user did with each program's button on the taskbar, counted.

Counts outlive logs and Prefetch: AppSwitched for WindowsSandboxClient.exe says that its window was brought to the
front by this user so many times, AppLaunch that it was started from a pinned button, ShowJumpView that its jump list
was opened, AppBadgeUpdated that a running program changed its badge; TrayButtonClicked counts Windows' own buttons. A
window needs a program that runs, so a count of AppSwitched or AppBadgeUpdated is a run at an unknown time; a jump list
can be opened for a pinned program that does not run. Sandboxes without a window, and other users', leave
nothing, and a public hive of a user who did run one has no count either: absence says nothing.

Windows 10 1903 and later. There are no times: the key's last write is that of whichever count changed last, so it is
given to a count only when it is the only one; `counted_since` is KeyCreationTime, which the counts are not older than.
Programs are named by path behind a known folder's GUID, or by AppUserModelID.
https://www.crowdstrike.com/en-us/blog/how-to-employ-featureusage-for-windows-10-taskbar-forensics/
"""

from __future__ import annotations

from datetime import datetime

from forensics.artifacts import _mru
from forensics.artifacts._registry import file_name, lost, place, resolved
from forensics.artifacts.base import FieldType, FileInput, Kind, Output, RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.hive import Hive, Key, RegValue
from forensics.model import Fact, Problem, Value, make_fact
from forensics.rules.watch import is_watched
from forensics.times import NoTime, from_filetime, iso

_NAME = "feature_usage"
_USAGE = "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\FeatureUsage"
_BUTTONS = "TrayButtonClicked"
_COUNTS = ("AppLaunch", "AppSwitched", "ShowJumpView", "AppBadgeUpdated", _BUTTONS)
_SEVERAL = "the key's last write is that of whichever count changed last"
_PLACE: dict[str, FieldType] = {name: kind for name, kind in _mru.FIELDS.items() if name != "order"}


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every count."""
    live = hive.live.key(_USAGE)
    since = _since(live.value("KeyCreationTime")) if live else None
    for name in _COUNTS:
        key = hive.key(f"{_USAGE}\\{name}")
        values = list(key.values()) if key else []
        for value in values:
            assert key is not None
            yield _row(given, key, value, since, only=len(values) == 1 and not key.mark())


def _since(value: RegValue | None) -> str | None:
    moment = from_filetime(value.data) if value and isinstance(value.data, int) else None
    return iso(moment) if isinstance(moment, datetime) else None


def _row(given: FileInput, key: Key, value: RegValue, since: str | None, *, only: bool) -> Fact | Problem:
    source = place(given, key, value.name)
    count = value.data
    if not isinstance(count, int):
        return lost(_NAME, source, FormatError(value.lost or f"a count is a number, this is {value.type_name}"))
    fields: dict[str, Value | None] = {
        **_named(value.name, button=key.name.casefold() == _BUTTONS.casefold()),
        "taskbar_action": key.name,
        "use_count": count,
        "counted_since": since,
        **_mru.about(given, key, value.name, 1 if only else None),
        "order": None,
    }
    moment = key.last_write if only else NoTime(_SEVERAL, "")
    return make_fact("taskbar.used", source, {_mru.WRITTEN: moment}, fields, context=not is_watched(value.name))


def _named(name: str, *, button: bool) -> dict[str, Value | None]:
    if button:
        return {"taskbar_button": name}
    executable = resolved(name)
    return {"executable": executable, "executable_name": file_name(executable)}


ARTIFACT = RegistryArtifact(
    name=_NAME,
    hives=frozenset({"NTUSER"}),
    parse=parse,
    emits={
        "taskbar.used": Kind(
            "Taskbar: {taskbar_action} of[ {executable}][ {taskbar_button}], {use_count} times[ since "
            "{counted_since}][ (user {profile_user})]",
            {
                "executable": str,
                "executable_name": str,
                "taskbar_button": str,
                "taskbar_action": str,
                "use_count": int,
                "counted_since": str,
                **_PLACE,
            },
            context=True,
        )
    },
    deleted=True,
)
