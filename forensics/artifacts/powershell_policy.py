"""PowerShell's execution policy, for the machine, for a user and by group policy: which scripts run without a word.

`Unrestricted` and `Bypass` let any script run, `RemoteSigned` is the default of servers, `Restricted` that of
clients. It is no protection (every call may override it), but one that was changed tells that somebody meant scripts
to run here. So this is context of a session. The policy by group policy is in effect while `EnableScripts` is 1.
https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_execution_policies
https://attack.mitre.org/techniques/T1059/001/
"""

from __future__ import annotations

from forensics.artifacts._registry import owner, place
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats.hive import Hive
from forensics.model import make_fact

_PLACES = (
    ("Microsoft\\PowerShell\\1\\ShellIds\\*", ("executionpolicy",)),
    ("Policies\\Microsoft\\Windows\\PowerShell", ("executionpolicy", "enablescripts")),
    ("Policies\\Microsoft\\PowerShellCore", ("executionpolicy", "enablescripts")),
)


def parse(hive: Hive, given: FileInput) -> Output:
    """One row for every value that says which scripts run."""
    of_user = hive.live.key("Software") is not None
    user, sid = owner(given) if of_user else (None, None)
    for pattern, names in _PLACES:
        for twin in ("", "Wow6432Node\\"):
            for key in hive.glob(("Software\\" if of_user else "") + twin + pattern):
                for value in key.values():
                    if value.name.casefold() in names:
                        yield make_fact(
                            "powershell.policy",
                            place(given, key, value.name),
                            {"Content Modification Time": key.last_write},
                            {
                                "value_name": value.name,
                                "value_data": value.text() or value.lost,
                                "key_path": key.path,
                                "profile_user": user,
                                "user_sid": sid,
                            },
                            context=True,
                        )


ARTIFACT = RegistryArtifact(
    name="powershell_policy",
    hives=frozenset({"SOFTWARE", "NTUSER"}),
    parse=parse,
    emits={
        "powershell.policy": Kind(
            "PowerShell's {value_name} is set to {value_data}[ for {profile_user}]",
            {"value_name": str, "value_data": str, "key_path": str, "profile_user": str, "user_sid": str},
            context=True,
        )
    },
    deleted=True,
)
