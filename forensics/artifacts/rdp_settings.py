r"""Whether remote desktop was let in: `fDenyTSConnections` and its neighbours, with what a policy says of them.

The warning asks what a host offered to the outside. `Control\Terminal Server\fDenyTSConnections` 0 lets remote desktop
in, 1 (as installed) refuses it; the same name under `Policies\Microsoft\Windows NT\Terminal Services` overrides it.
`PortNumber` moves the port, `UserAuthentication` 0 lets clients see the logon screen before they prove who they are,
`fSingleSessionPerUser` 0 lets somebody share an account unseen, `Shadow` 2 or 4 lets a session be watched without
asking (numbers: Microsoft's documentation of the group policies). Intruders write these with `reg add`, so deleted
values are recovered. The time is the key's last write, shared by all its values.
https://learn.microsoft.com/windows-hardware/customize/desktop/unattend/microsoft-windows-terminalservices-localsessionmanager-fdenytsconnections
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._registry import lost, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.hive import Hive, Key, RegValue
from forensics.model import Fact, Problem, Value, make_fact

_NAME = "rdp_settings"
_SERVER, _LISTENER = "Control\\Terminal Server", "Control\\Terminal Server\\WinStations\\RDP-Tcp"
_POLICY = "Policies\\Microsoft\\Windows NT\\Terminal Services"
_VALUES = frozenset(
    {"fdenytsconnections", "fsinglesessionperuser", "portnumber", "userauthentication", "securitylayer", "shadow"}
)
_SWITCH = "fdenytsconnections"


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every value of these names; the control set that is not in use is told as such."""
    if hive.live.kind == "SYSTEM":
        for control_set in hive.control_sets():
            for path in (_SERVER, _LISTENER):
                yield from _rows(given, hive.key(f"{control_set}\\{path}"), "setting", control_set)
    else:
        yield from _rows(given, hive.key(_POLICY), "policy", None)


def _rows(given: FileInput, key: Key | None, origin: str, control_set: str | None) -> Iterator[Fact | Problem]:
    if key is not None:
        for value in key.values():
            if value.name.casefold() in _VALUES:
                yield _row(given, key, value, origin, control_set)


def _row(
    given: FileInput, key: Key, value: RegValue, origin: str, control_set: str | None
) -> Fact | Problem:  # fmt: skip
    source = place(given, key, value.name)
    if value.lost:
        return lost(_NAME, source, FormatError(f"a setting that cannot be read: {value.lost}"))
    text = value.text()
    allowed = {"0": True, "1": False}.get(text) if value.name.casefold() == _SWITCH else None
    fields: dict[str, Value | None] = {
        "value_name": value.name,
        "value_data": text,
        "rdp_allowed": allowed,
        "policy_origin": origin,
        "control_set": control_set,
        "key_path": key.path,
    }
    return make_fact("rdp.setting", source, {"Content Modification Time": key.last_write}, fields)


ARTIFACT = RegistryArtifact(
    name=_NAME,
    hives=frozenset({"SYSTEM", "SOFTWARE"}),
    parse=parse,
    emits={
        "rdp.setting": Kind(
            "Remote desktop ({policy_origin}): {value_name} is {value_data}[, lets it in: {rdp_allowed}]"
            "[ in {control_set}]",
            {
                "value_name": str,
                "value_data": str,
                "rdp_allowed": bool,
                "policy_origin": str,
                "control_set": str,
                "key_path": str,
            },
        )
    },
    deleted=True,
)
