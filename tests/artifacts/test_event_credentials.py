from __future__ import annotations

import pytest

from tests.artifacts.event_logs import TIME, one, own

SUBJECT = {
    "SubjectUserSid": "S-1-5-21-1-2-3-1001",
    "SubjectUserName": "hanako",
    "SubjectDomainName": "WS-TANAKA",
    "SubjectLogonId": 0x3311B1,
}
WHO = {"user_sid": "S-1-5-21-1-2-3-1001", "user_name": "hanako", "user_domain": "WS-TANAKA", "logon_id": "0x3311b1"}


def test_the_login_of_the_tunnel_was_read() -> None:
    read = {
        "TargetName": "vscode-cli-0.vscode-cli",
        "Type": 1,
        "CountOfCredentialsReturned": 1,
        "ReadOperation": "%%8099",
    }
    fact = one("Security", 5379, data={**SUBJECT, **read, "ProcessCreationTime": TIME, "ClientProcessId": 11432})
    assert own(fact) == {
        **WHO,
        "credential_target": "vscode-cli-0.vscode-cli",
        "credential_type": "generic",
        "credential_operation": "read",
        "credentials_returned": 1,
        "pid": "11432",
        "process_created_at": "2024-12-04T10:02:11.123456+00:00",
    }
    assert (fact.kind, fact.context) == ("credential.read", False)


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("vscode-cli-1.vscode-cli", True),
        ("VSCODE-CLI-0.vscode-cli", True),
        ("MicrosoftAccount:user=02ieynqiohajpobc", False),
        ("TERMSRV/10.0.0.5", False),
        ("", False),
    ],
)
def test_other_credentials_are_context(target: str, kept: bool) -> None:
    fact = one("Security", 5379, data={**SUBJECT, "TargetName": target, "ReturnCode": 0xC0000225})
    assert fact.context is not kept
    assert fact.fields["error_code"] == "3221226021"


def test_vault_and_backup() -> None:
    listed = one("Security", 5381, data={**SUBJECT, "CountOfCredentialsReturned": 3, "ClientProcessId": 9})
    assert (listed.kind, listed.context) == ("credential.vault_listed", True)
    assert own(listed) == {**WHO, "credentials_returned": 3, "pid": "9"}
    read = one("Security", 5382, data={**SUBJECT, "SchemaFriendlyName": "Windows Web Password Credential",
                                       "Resource": "https://vscode.dev/tunnel/x", "Identity": "hanako"})  # fmt: skip
    assert own(read) == {
        **WHO,
        "credential_target": "https://vscode.dev/tunnel/x",
        "credential_identity": "hanako",
        "vault_schema": "Windows Web Password Credential",
        "pid": "0",
    }
    assert not read.context
    backed = one("Security", 5376, data={**SUBJECT, "BackupFileName": "C:\\x.crd"})
    assert (backed.kind, backed.fields["saved_path"], backed.context) == ("credential.backed_up", "C:\\x.crd", True)
