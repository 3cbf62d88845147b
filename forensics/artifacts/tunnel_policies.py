r"""Policies of dev tunnels and of VS Code: whether this host forbade tunnels, and whether somebody lifted that.

Tunnel programs send the values of `HKLM\Software\Policies\Microsoft\DevTunnels` to the service, which refuses what they
forbid (read in the SDK's source); an intruder with administrator's rights may have removed them, so deleted ones are
recovered. VS Code reads `Policies\Microsoft\VSCode` of machine and user (Microsoft, "Enterprise support"). Values of
VS Code that say nothing of tunnels or remote access are context. Names are told as they stand: only the key of
DevTunnels is known to us, not the list of its values. The time is the key's last write, shared by all its values.
https://code.visualstudio.com/docs/enterprise/policies
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._registry import lost, owner, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.hive import Hive, Key, RegValue
from forensics.model import Fact, Problem, make_fact

_NAME = "tunnel_policies"
_PROGRAMS = {
    "devtunnels": "dev tunnels", "vscode": "VS Code", "vscodeinsiders": "VS Code Insiders", "vscodeoss": "Code - OSS",
}  # fmt: skip
_WORDS = ("tunnel", "remote")


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every value of these keys and of the keys below them."""
    of_user = hive.live.key("Software") is not None
    prefixes = ("Software\\Policies",) if of_user else ("Policies", "Wow6432Node\\Policies")
    user, sid = owner(given) if of_user else (None, None)
    tops = [key for prefix in prefixes for key in hive.glob(f"{prefix}\\Microsoft\\*")]
    for top in (*tops, *hive.unplaced()):
        program = _PROGRAMS.get(top.name.casefold())
        for key in hive.walk(top) if program else ():
            for value in key.values():
                yield from _row(given, key, value, str(program), user, sid)


def _row(
    given: FileInput, key: Key, value: RegValue, program: str, user: str | None, sid: str | None
) -> Iterator[Fact | Problem]:
    if value.lost:
        yield lost(_NAME, place(given, key, value.name), FormatError(f"a policy that cannot be read: {value.lost}"))
        return
    telling = program == "dev tunnels" or any(word in f"{key.path}\\{value.name}".casefold() for word in _WORDS)
    yield make_fact(
        "tunnel.policy_set",
        place(given, key, value.name),
        {"Content Modification Time": key.last_write},
        {
            "policy_name": value.name or "(Default)",
            "policy_program": program,
            "policy_origin": "user" if user or sid else "machine",
            "value_data": value.text(),
            "value_type": value.type_name,
            "user_name": user,
            "user_sid": sid,
            "key_path": key.path,
            "value_name": value.name,
        },
        context=not telling,
    )


ARTIFACT = RegistryArtifact(
    name=_NAME,
    hives=frozenset({"SOFTWARE", "NTUSER"}),
    parse=parse,
    emits={
        "tunnel.policy_set": Kind(
            "Policy of {policy_program} ({policy_origin}): {policy_name}[ is {value_data}][ for {user_name}]",
            {
                "policy_name": str,
                "policy_program": str,
                "policy_origin": str,
                "value_data": str,
                "value_type": str,
                "user_name": str,
                "user_sid": str,
                "key_path": str,
                "value_name": str,
            },
        )
    },
    deleted=True,
)
