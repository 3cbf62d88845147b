r"""Component Based Servicing in SOFTWARE: the package of Windows Sandbox, its state, who installed it and when.

`Packages\*Containers-DisposableClientVM*` outlives logs: `CurrentState` says whether the feature is installed or only
staged, `InstallTimeHigh/Low` when the package came (with the system image rather than with the feature, it may be: not
settled), `InstallClient` and `InstallUser` for whom. The subkey `Updates` holds the selectable feature; what its number
means is not settled either. `PackagesPending` and `RebootPending` say that a change waits for a restart. A removed
package is recovered from free cells.

Names of keys and values are from memory; the numbers of the states from Microsoft's chart of servicing states. A value
of InstallTime is a FILETIME in two halves.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._registry import place, tells
from forensics.artifacts._servicing import INSTALLED, WRITTEN, is_feature, is_guard, is_sandbox, state_name
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.formats.hostinfo import number_of, text_of
from forensics.model import Fact, Value, make_fact
from forensics.times import Moment, NoTime, from_filetime

_CBS = "Microsoft\\Windows\\CurrentVersion\\Component Based Servicing"
_PENDING = ("PackagesPending", "RebootPending", "SessionsPending")
_UNSET = 0xFFFFFFFF
_SHOWN = 50


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every package of a feature that matters, and for every mark that a restart is awaited."""
    packages = hive.key(f"{_CBS}\\Packages")
    for key in packages.subkeys() if packages else ():
        if is_feature(key.name.casefold()) and tells(hive, key):
            yield from _package(given, key)
    for key in hive.unplaced():
        if is_sandbox(key.name) and key.value("CurrentState"):
            yield from _package(given, key)
    for name in _PENDING:
        pending = hive.key(f"{_CBS}\\{name}")
        if pending is not None and tells(hive, pending):
            yield from _waiting(given, pending)


def _package(given: FileInput, key: Key) -> Iterator[Fact]:
    state = number_of(key, "CurrentState")
    user = text_of(key, "InstallUser")
    is_sid = (user or "").upper().startswith("S-1-")
    fields: dict[str, Value | None] = {
        "package_name": key.name,
        "package_state": None if state is None else state_name(state),
        "package_state_code": None if state is None else f"0x{state:x}",
        "client_id": text_of(key, "InstallClient"),
        "user_sid": user if is_sid else None,
        "user_name": None if is_sid else user,
        "update_states": _updates(key),
        "key_path": key.path,
    }
    times: dict[str, Moment | None] = {INSTALLED: _installed(key), WRITTEN: key.last_write}
    yield make_fact(
        "feature.package", place(given, key), times, fields, context=not (is_sandbox(key.name) or is_guard(key.name))
    )


def _installed(key: Key) -> Moment:
    high, low = number_of(key, "InstallTimeHigh"), number_of(key, "InstallTimeLow")
    if high is None or low is None:
        return NoTime("the package has no time of installation", "")
    return from_filetime((high & _UNSET) << 32 | low & _UNSET)


def _updates(key: Key) -> tuple[str, ...]:
    """`name=number` for each selectable feature of the package."""
    updates = key.subkey("Updates")
    found = [f"{value.name}={value.text()}" for value in updates.values()] if updates else []
    return tuple(found[:_SHOWN])


def _waiting(given: FileInput, key: Key) -> Iterator[Fact]:
    named = [child.name for child in key.subkeys()] + [value.name for value in key.values()]
    ours = [name for name in named if is_feature(name.casefold())]
    fields: dict[str, Value | None] = {
        "pending_mark": key.name,
        "pending_packages": tuple((ours or named)[:_SHOWN]),
        "key_path": key.path,
    }
    sandbox = any(is_sandbox(name) for name in ours)
    yield make_fact("servicing.pending", place(given, key), {WRITTEN: key.last_write}, fields, context=not sandbox)


ARTIFACT = RegistryArtifact(
    name="cbs_packages",
    hives=frozenset({"SOFTWARE"}),
    parse=parse,
    emits={
        "feature.package": Kind(
            "Package {package_name}[ is {package_state}][, installed by {client_id}]"
            "[ for {user_sid}][ for {user_name}]",
            {
                "package_name": str,
                "package_state": str,
                "package_state_code": str,
                "client_id": str,
                "user_sid": str,
                "user_name": str,
                "update_states": tuple[str, ...],
                "key_path": str,
            },
        ),
        "servicing.pending": Kind(
            "Servicing waits for a restart: {pending_mark}[ names {pending_packages}]",
            {"pending_mark": str, "pending_packages": tuple[str, ...], "key_path": str},
        ),
    },
    deleted=True,
)
