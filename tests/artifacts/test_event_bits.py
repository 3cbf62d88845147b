from __future__ import annotations

from collections import Counter

import pytest

from tests.artifacts.event_logs import facts_of, one, own

CHANNEL = "Microsoft-Windows-Bits-Client/Operational"
JOB = "{B35C4A1D-4425-45BE-92D1-B67183AE222F}"
CLI = "https://code.visualstudio.com/sha/download?build=stable&os=cli-win32-x64"


def test_a_download_of_the_cli_is_kept() -> None:
    data = {"name": "upd", "Id": JOB, "url": CLI, "bytesTotal": 2**64 - 1, "bytesTransferred": 0}
    fact = one(CHANNEL, 59, data=data)
    assert own(fact) == {
        "bits_job": "upd",
        "bits_job_id": JOB.strip("{}"),
        "bits_transfer_id": "00000000-0000-0000-0000-000000000000",
        "bits_state": "started",
        "url": CLI,
        "bytes_transferred": 0,
    }
    assert not fact.context


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://update.code.visualstudio.com/commit:f1a4fb10/server-win32-x64/stable", True),
        ("http://198.51.100.7/vscode_cli_win32_x64_cli.zip", True),
        ("https://fs.microsoft.com/fs/windows/config.json", False),
        ("C:\\Windows\\system32\\cmd.exe", True),
    ],
)  # fmt: skip
def test_what_is_kept(url: str, kept: bool) -> None:
    assert one(CHANNEL, 59, data={"name": "x", "url": url}).context is not kept


def test_who_made_and_who_finished_a_job() -> None:
    made = {
        "jobTitle": "x",
        "jobId": JOB,
        "jobOwner": "WS\\hanako",
        "processPath": "C:\\a\\code-tunnel.exe",
        "processId": 52,
    }
    fact = one(CHANNEL, 3, data=made)
    assert own(fact) == {
        "bits_job": "x",
        "bits_job_id": JOB.strip("{}"),
        "bits_state": "created",
        "bits_owner": "WS\\hanako",
        "user_name": "hanako",
        "user_domain": "WS",
        "executable": "C:\\a\\code-tunnel.exe",
        "executable_name": "code-tunnel.exe",
        "pid": "52",
    }
    assert not fact.context
    ended = one(
        CHANNEL, 4, data={"User": "WS\\admin", "jobTitle": "x", "jobOwner": "WS\\hanako", "bytesTransferred": 9}
    )
    assert (ended.fields["user_name"], ended.fields["bits_owner"]) == ("admin", "WS\\hanako")
    assert (ended.fields["bytes_transferred"], ended.context) == (9, True)


@pytest.mark.samples
def test_real_logs_of_windows_10_and_7(samples) -> None:
    folder = samples / "evtx" / "attack-samples"
    log = folder / "Command and Control" / "bits_openvpn.evtx"
    facts = [fact for fact in facts_of(log.read_bytes()) if fact.kind.startswith("bits.")]
    assert Counter(str(fact.fields["bits_state"]) for fact in facts) == {
        "created": 254, "completed": 125, "cancelled": 84, "started": 162, "stopped": 129, "failed": 492,
    }  # fmt: skip
    failed = next(fact for fact in facts if fact.fields["bits_state"] == "failed")
    assert failed.fields["error_code"] == "0x80072ee7"  # the name could not be resolved
    assert "bytes_total" not in failed.fields
    assert "remote_file_time" not in failed.fields
    old = folder / "Persistence" / "persist_bitsadmin_Microsoft-Windows-Bits-Client-Operational.evtx"
    first = next(fact for fact in facts_of(old.read_bytes()) if fact.kind == "bits.job")
    assert own(first) == {
        "bits_job": "backdoor",
        "bits_state": "created",
        "bits_owner": "IEWIN7\\IEUser",
        "user_name": "IEUser",
        "user_domain": "IEWIN7",
    }
