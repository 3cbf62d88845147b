"""AppXDeploymentServer: the Store package of Windows Sandbox was installed, updated, registered for a user, or failed.

Since Windows 11 24H2 the sandbox's client is a package of the Store (MicrosoftWindows.WindowsSandbox). That it was put
on a host, when, in which version and for whose account, says who prepared its use. Only records that name it (or
anything else watched) are taken: the log has thousands about other packages.

400 ended well, 401 and 404 failed; 603 asked for, 607 began for a user, 613 its summary, 821 and 822 the store of all
users, 854 a source was added, 855 its steps were resolved, 10001 a dependency. Ids, texts and fields: the provider's
manifest (PackageFullName, UserSid in 607 and 821); what the numbers of operations mean is not in it, they are kept.
`user_sid` is the account named in the data, the logging one (mostly SYSTEM) where none is named.
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import Made, decimal, fact, kind, nonzero, pick
from forensics.artifacts._packages import package
from forensics.artifacts.base import EventArtifact
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_watched

_STEPS = {
    603: "asked for",
    607: "begun for a user",
    613: "summed up",
    821: "read from the store of all users",
    822: "written to the store of all users",
    854: "given a source",
    855: "resolved",
    10001: "checked for dependencies",
}
_KINDS = {400: "package.deployed", 401: "package.failed", 404: "package.failed"} | dict.fromkeys(
    _STEPS, "package.deployment_step"
)
_NAMES = ("PackageFullName", "MainPackageFullName", "PackageMoniker", "PackageName")
_FIELDS = {
    "package_name": str, "package_version": str, "deployment_operation": str, "file_path": str, "client_id": str,
    "error_code": str, "reason": str, "user_sid": str,
}  # fmt: skip


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One record about a package that matters."""
    name, path = pick(record, *_NAMES), pick(record, "Path")
    if not is_watched(name or "", path or "", pick(record, "MainPackageFamilyName") or ""):
        return
    fields: Made = {
        **package(name),
        "deployment_operation": decimal(pick(record, "DeploymentOperation")),
        "file_path": path,
        "client_id": pick(record, "CallingProcess"),
        "error_code": nonzero(pick(record, "ErrorCode", "Error")),
        "reason": pick(record, "SummaryError", "Summary") or _STEPS.get(record.event_id),
        "user_sid": pick(record, "UserSid") or record.user_sid or None,
    }
    yield fact(_KINDS[record.event_id], record, source, fields)


ARTIFACT = EventArtifact(
    name="event_appx_deployment",
    wants={"Microsoft-Windows-AppXDeploymentServer/Operational": frozenset(_KINDS)},
    parse=parse,
    emits={
        "package.deployed": kind(
            "Package {package_name} deployed[ from {file_path}][, asked for by {client_id}]", _FIELDS
        ),
        "package.failed": kind(
            "Package {package_name} could not be deployed[, error {error_code}][: {reason}]", _FIELDS
        ),
        "package.deployment_step": kind(
            "Deployment of package[ {package_name}][ from {file_path}]: {reason}[, for {user_sid}]", _FIELDS
        ),
    },
    providers=frozenset({"Microsoft-Windows-AppXDeployment-Server"}),
)  # fmt: skip
