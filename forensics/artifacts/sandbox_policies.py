r"""Policies of Windows Sandbox: whether network, clipboard, mapped folders and the like are forbidden on this host.

A policy decides what a session can have been: `AllowNetworking` 0 contradicts a networked one, and a policy that was
removed shortly before a session is part of the preparation (its value may be recovered from free cells). Values are in
`Policies\Microsoft\Windows\Sandbox`, the copy of a device management in `PolicyManager\current\device\WindowsSandbox`
(from memory). The time is the key's last write.

The names are those of the Policy CSP, area WindowsSandbox; `AllowMappedFolders` and `AllowWriteToMappedFolders` are
known from Windows 11 24H2 on, and one reading of the CSP page maps the second to the first's value. A name that is not
in that list is told with `policy_known` false: blogs name some (`AllowWindowsSandbox`) whose existence is not verified.
https://learn.microsoft.com/windows/client-management/mdm/policy-csp-windowssandbox
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._registry import lost, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats import FormatError
from forensics.formats.hive import Hive, Key, RegValue
from forensics.model import Fact, Problem, make_fact

_NAME = "sandbox_policies"
_PLACES = {
    "Policies\\Microsoft\\Windows\\Sandbox": "group policy",
    "Wow6432Node\\Policies\\Microsoft\\Windows\\Sandbox": "group policy (32-bit view, not read by Windows)",
    "Microsoft\\PolicyManager\\current\\device\\WindowsSandbox": "device management",
    "Microsoft\\PolicyManager\\providers\\*\\default\\Device\\WindowsSandbox": "device management, as received",
}
_KNOWN = frozenset(
    {
        *("allowaudioinput", "allowclipboardredirection", "allownetworking", "allowprinterredirection", "allowvgpu"),
        *("allowvideoinput", "allowmappedfolders", "allowwritetomappedfolders"),
    }
)
# Beside each value of PolicyManager stand others that say who set it.
_ABOUT = ("_providerset", "_winningprovider", "_lastwrite", "_adminset")


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every policy value."""
    for pattern, origin in _PLACES.items():
        for key in hive.glob(pattern):
            for value in key.values():
                yield from _row(given, key, value, origin)


def _row(given: FileInput, key: Key, value: RegValue, origin: str) -> Iterator[Fact | Problem]:
    if value.lost:
        yield lost(_NAME, place(given, key, value.name), FormatError(f"a policy that cannot be read: {value.lost}"))
        return
    text = value.text()
    about = value.name.casefold().endswith(_ABOUT)
    allowed = text != "0" if text in ("0", "1") and not about else None
    yield make_fact(
        "sandbox.policy",
        place(given, key, value.name),
        {"Content Modification Time": key.last_write},
        {
            "policy_name": value.name or "(Default)",
            "policy_allows": allowed,
            "policy_forbids": True if allowed is False else None,
            "policy_known": value.name.casefold() in _KNOWN,
            "policy_origin": origin,
            "value_data": text,
            "key_path": key.path,
            "value_name": value.name,
        },
        context=about,
    )


ARTIFACT = RegistryArtifact(
    name=_NAME,
    hives=frozenset({"SOFTWARE"}),
    parse=parse,
    emits={
        "sandbox.policy": Kind(
            "Policy of Windows Sandbox ({policy_origin}): {policy_name} is {value_data}"
            "[, forbidden{policy_forbids:flag}]",
            {
                "policy_name": str,
                "policy_allows": bool,
                "policy_forbids": bool,
                "policy_known": bool,
                "policy_origin": str,
                "value_data": str,
                "key_path": str,
                "value_name": str,
            },
        )
    },
    deleted=True,
)
