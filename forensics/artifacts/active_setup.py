"""Active Setup: a command that runs once for each user, at the first logon after it was written.

`StubPath` below a component's key of the machine runs when the user's hive lacks that component, or has an older
`Version` of it; then the version is copied there. So the user's key says that the command ran for that user, at its
last write at the latest. Raising the version makes it run again for everybody (T1547.014; PoisonIvy, Cerberus). A
component with `IsInstalled` 0 does not run.
https://attack.mitre.org/techniques/T1547/014/
https://helgeklein.com/blog/active-setup-explained/
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._autorun import AUTORUN, parser
from forensics.artifacts._registry import owner, place, tells
from forensics.artifacts.base import FileInput, Kind, Output, RegistryArtifact
from forensics.formats.hive import Hive
from forensics.formats.hostinfo import text_of
from forensics.model import Fact, make_fact
from forensics.rules.watch import is_watched

_COMPONENTS = "Microsoft\\Active Setup\\Installed Components"
_machine = parser("active_setup")


def parse(hive: Hive, given: FileInput) -> Output:
    """The machine's commands, or the components that ran for a user."""
    if hive.live.key("Software") is None:
        yield from _machine(hive, given)
    else:
        yield from _ran(hive, given)


def _ran(hive: Hive, given: FileInput) -> Iterator[Fact]:
    user, sid = owner(given)
    for twin in ("", "Wow6432Node\\"):
        for key in hive.glob(f"Software\\{twin}{_COMPONENTS}\\*"):
            if tells(hive, key):
                yield make_fact(
                    "active_setup.ran",
                    place(given, key),
                    {"Content Modification Time": key.last_write},
                    {
                        "entry_name": key.name,
                        "product_version": text_of(key, "Version"),
                        "key_path": key.path,
                        "profile_user": user,
                        "user_sid": sid,
                    },
                    context=not is_watched(key.name),
                )


ARTIFACT = RegistryArtifact(
    name="active_setup",
    hives=frozenset({"SOFTWARE", "NTUSER"}),
    parse=parse,
    emits={
        **AUTORUN,
        "active_setup.ran": Kind(
            "Active Setup component {entry_name}[ version {product_version}] ran[ for {profile_user}]",
            {"entry_name": str, "product_version": str, "key_path": str, "profile_user": str, "user_sid": str},
            context=True,
        ),
    },
    deleted=True,
)
