r"""Environment variables that steer a tunnel, where they outlive a logon: of a user, of the machine, of one service.

`VSCODE_CLI_DATA_DIR` and `VSCODE_AGENT_FOLDER` move the tunnel's files away from where one looks for them;
`VSCODE_CLI_USE_FILE_KEYCHAIN` puts the login into a file; `VSCODE_CLI_ACCESS_TOKEN` and its like log in without a trace
on a command line. Of a token it is only said that it is there and how long it is. A service's own variables are in
`Environment` of its key, those that the wrapper NSSM gives in `Parameters\AppEnvironmentExtra` and `AppEnvironment`.
The time is the key's last write, shared by all its values.

Names: `args.rs`, `auth.rs` and others of microsoft/vscode; `VS_TUNNEL_URL` is Visual Studio's, for
a program under test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._registry import owner, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats.hive import Hive, Key
from forensics.model import Fact, Value, make_fact
from forensics.times import Moment

_NAMES = re.compile(
    r"VSCODE_CLI_\w+|VSCODE_AGENT_FOLDER|VSCODE_TUNNEL_\w+|TUNNEL_SERVICE_USER_AGENT|VS_TUNNEL_URL", re.IGNORECASE
)
_SECRET = re.compile(r"TOKEN|SECRET|PASSWORD", re.IGNORECASE)
_OF_SERVICE = (("", "Environment"), ("Parameters", "AppEnvironmentExtra"), ("Parameters", "AppEnvironment"))
_ITEMS = 10_000


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every such variable."""
    if hive.live.key("Environment") is not None or hive.live.key("Software") is not None:
        user, sid = owner(given)
        for path in ("Environment", "Volatile Environment"):
            for key in hive.glob(path):
                for found in (key, *key.subkeys()):
                    yield from _values(given, found, {"environment_of": "user", "user_name": user, "user_sid": sid})
        for key in hive.unplaced():
            yield from _values(given, key, {"environment_of": "user", "user_name": user, "user_sid": sid})
        return
    for key in hive.unplaced():
        yield from _values(given, key, {"environment_of": "unknown owner"})
    for control_set in hive.control_sets():
        shared = hive.key(f"{control_set}\\Control\\Session Manager\\Environment")
        if shared:
            yield from _values(given, shared, {"environment_of": "machine", "control_set": control_set})
        services = hive.key(f"{control_set}\\Services")
        for key in services.subkeys() if services else ():
            yield from _of_service(given, key, control_set)


def _values(given: FileInput, key: Key, fixed: dict[str, Value | None]) -> Iterator[Fact]:
    for value in key.values():
        if _NAMES.fullmatch(value.name):
            yield _fact(given, key, value.name, value.name, value.text() or value.lost, fixed)


def _of_service(given: FileInput, service: Key, control_set: str) -> Iterator[Fact]:
    fixed: dict[str, Value | None] = {
        "environment_of": "service", "service_name": service.name, "control_set": control_set,
    }  # fmt: skip
    for below, name in _OF_SERVICE:
        key = service.subkey(below) if below else service
        value = key.value(name) if key else None
        items = value.data if value and isinstance(value.data, tuple) else ()
        for item in items[:_ITEMS]:
            variable, equals, text = item.lstrip(":+-").partition("=")
            if key and equals and _NAMES.fullmatch(variable):
                yield _fact(given, key, name, variable, text, fixed)


def _fact(given: FileInput, key: Key, value: str, name: str, text: str, fixed: dict[str, Value | None]) -> Fact:
    secret = _SECRET.search(name) is not None
    fields: dict[str, Value | None] = {
        "variable_name": name,
        "variable_value": None if secret else text,
        "present": True if secret else None,
        "secret_length": len(text) if secret else None,
        "key_path": key.path,
        **fixed,
    }
    times: dict[str, Moment | None] = {"Content Modification Time": key.last_write}
    return make_fact("tunnel.environment_set", place(given, key, value), times, fields)


ARTIFACT = RegistryArtifact(
    name="tunnel_environment",
    hives=frozenset({"NTUSER", "SYSTEM"}),
    parse=parse,
    emits={
        "tunnel.environment_set": Kind(
            "Environment variable {variable_name} of the {environment_of}[ {service_name}][ {user_name}]"
            "[: {variable_value}][: a secret of {secret_length} characters]",
            {
                "variable_name": str,
                "variable_value": str,
                "present": bool,
                "secret_length": int,
                "environment_of": str,
                "service_name": str,
                "user_name": str,
                "user_sid": str,
                "control_set": str,
                "key_path": str,
            },
        )
    },
    deleted=True,
)
