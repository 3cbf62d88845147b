r"""Security 5376, 5377 and 5379 to 5382: stored credentials were read, listed, backed up or restored.

The tunnel's command-line program keeps its login in Credential Manager as `vscode-cli-0.vscode-cli` (further pieces
`vscode-cli-1...`), so a 5379 with that target names the account and the process that read it whenever a tunnel starts,
on a host with no other auditing. Read in the program's source: the target's name. From memory: that 5379 is logged by
default since Windows 10 and has the target in clear text. Other targets are context; the credential itself is in none.
5381 has no target and is always context, 5380 and 5382 are about the vault beside Credential Manager.

Fields: the provider's manifest and published records; Type is CRED_TYPE_* of wincred.h; `%%8100` is Enumerate
Credentials (a published record beside its text), `%%8099` is Read Credential (from memory).
https://learn.microsoft.com/windows/security/threat-protection/auditing/event-5376
"""

from __future__ import annotations

from collections.abc import Iterator

from forensics.artifacts._evtx import USER, Made, account, decimal, fact, kind, nonzero, number, pick, utc_text
from forensics.artifacts.base import Deferral, EventArtifact, FieldType
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_watched

_KINDS = {
    5376: "credential.backed_up",
    5377: "credential.restored",
    5379: "credential.read",
    5380: "credential.vault_searched",
    5381: "credential.vault_listed",
    5382: "credential.vault_read",
}
_ABOUT = ("TargetName", "Resource", "Identity", "SearchString", "BackupFileName")
_TYPES = {
    "1": "generic", "2": "domain password", "3": "domain certificate", "4": "domain visible password",
    "5": "generic certificate", "6": "domain extended",
}  # fmt: skip
_OPERATIONS = {"%%8099": "read", "%%8100": "enumerate"}
_FIELDS: dict[str, FieldType] = {**USER, "pid": str, "process_created_at": str, "error_code": str}
_READ: dict[str, FieldType] = {
    **_FIELDS, "credential_target": str, "credential_type": str, "credential_operation": str,
    "credentials_returned": int,
}  # fmt: skip
_VAULT: dict[str, FieldType] = {
    **_FIELDS, "credential_target": str, "credential_identity": str, "vault_schema": str, "credentials_returned": int,
}  # fmt: skip


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One access to stored credentials."""
    name = _KINDS[record.event_id]
    fields: Made = {
        **account(record),
        "pid": decimal(pick(record, "ClientProcessId")),
        "process_created_at": utc_text(pick(record, "ProcessCreationTime")),
        "error_code": nonzero(pick(record, "ReturnCode")),
        **_special(record),
    }
    watched = is_watched(*(record.data.get(about, "") for about in _ABOUT))
    yield fact(name, record, source, fields, context=not watched)


def _special(record: Record) -> Made:
    returned = number(pick(record, "CountOfCredentialsReturned"))
    if record.event_id == 5379:
        type_code, operation = decimal(pick(record, "Type")), pick(record, "ReadOperation")
        return {
            "credential_target": pick(record, "TargetName"),
            "credential_type": _TYPES.get(type_code or "", None if type_code == "0" else type_code),
            "credential_operation": _OPERATIONS.get(operation or "", operation),
            "credentials_returned": returned,
        }
    if record.event_id in (5376, 5377):
        return {"saved_path": pick(record, "BackupFileName")}
    return {
        "credential_target": pick(record, "Resource", "SearchString"),
        "credential_identity": pick(record, "Identity"),
        "vault_schema": pick(record, "SchemaFriendlyName"),
        "credentials_returned": returned,
    }


_BY = "[ by {user_name}][, process {pid}][, failed with {error_code}]"

ARTIFACT = EventArtifact(
    name="event_credentials",
    wants={"Security": frozenset(_KINDS)},
    parse=parse,
    emits={
        "credential.read": kind(f"Stored credential asked for[: {{credential_target}}]{_BY}", _READ, context=True),
        "credential.vault_searched": kind(f"Vault searched[ for {{credential_target}}]{_BY}", _VAULT, context=True),
        "credential.vault_listed": kind(f"Vault listed{_BY}", _VAULT, context=True),
        "credential.vault_read": kind(f"Vault item read[: {{credential_target}}]{_BY}", _VAULT, context=True),
        "credential.backed_up": kind(
            f"Stored credentials backed up[ to {{saved_path}}]{_BY}", {**_FIELDS, "saved_path": str}, context=True
        ),
        "credential.restored": kind(
            f"Stored credentials restored[ from {{saved_path}}]{_BY}", {**_FIELDS, "saved_path": str}, context=True
        ),
    },
    providers=frozenset({"Microsoft-Windows-Security-Auditing"}),
    defers={
        5379: Deferral("credential.read", ("TargetName",), pid="ClientProcessId"),
        5381: Deferral("credential.vault_listed", pid="ClientProcessId"),
        5382: Deferral("credential.vault_read", ("Resource", "Identity"), pid="ClientProcessId"),
    },
)
