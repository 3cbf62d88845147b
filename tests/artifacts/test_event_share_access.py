from __future__ import annotations

import pytest

from tests.artifacts.event_logs import one, own

SUBJECT = {"SubjectUserSid": "S-1-5-21-1-2-3-1001", "SubjectUserName": "hanako", "SubjectDomainName": "WS"}
FROM = {"IpAddress": "192.0.2.7", "IpPort": "49230"}
READ, WRITE = 0x00120089, 0x00120196


@pytest.mark.parametrize(
    ("share", "target", "mask", "kept"),
    [
        ("\\\\*\\IPC$", "svcctl", READ, True),
        ("\\\\*\\IPC$", "atsvc", READ, True),
        ("\\\\*\\IPC$", "PSEXESVC-PC1-8116-stdin", READ, True),
        ("\\\\*\\IPC$", "renamed-PC1-8116-stdout", READ, True),
        ("\\\\*\\IPC$", "srvsvc", WRITE, False),
        ("\\\\*\\IPC$", "lsarpc", WRITE, False),
        ("\\\\*\\ADMIN$", "System32\\a.exe", WRITE, True),
        ("\\\\*\\ADMIN$", "System32\\a.exe", READ, False),
        ("\\\\*\\C$", "Users\\a\\notes.txt", WRITE, False),
        ("\\\\*\\tools", "a.exe", WRITE, False),
    ],
)  # fmt: skip
def test_what_is_kept(share: str, target: str, mask: int, kept: bool) -> None:
    data = {**SUBJECT, **FROM, "ShareName": share, "RelativeTargetName": target, "AccessMask": mask}
    assert one("Security", 5145, data=data).context is not kept


def test_a_program_put_there() -> None:
    data = {
        **SUBJECT, **FROM, "ShareName": "\\\\*\\ADMIN$", "ShareLocalPath": "\\??\\C:\\Windows",
        "RelativeTargetName": "System32\\a.exe", "AccessMask": WRITE,
    }  # fmt: skip
    assert own(one("Security", 5145, data=data)) == {
        "user_sid": "S-1-5-21-1-2-3-1001", "user_name": "hanako", "user_domain": "WS",
        "share_name": "\\\\*\\ADMIN$", "share_path": "C:\\Windows", "share_target": "System32\\a.exe",
        "file_name": "a.exe", "share_access": "write", "source_ip": "192.0.2.7", "source_port": "49230",
    }  # fmt: skip


def test_a_share_made() -> None:
    data = {**SUBJECT, "ShareName": "\\\\*\\PRINT", "ShareLocalPath": "c:\\windows\\system32"}
    fact = one("Security", 5142, data=data)
    assert (fact.kind, fact.fields["share_path"], fact.fields["action"]) == (
        "share.configured", "c:\\windows\\system32", "added",
    )  # fmt: skip
