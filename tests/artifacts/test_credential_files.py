from __future__ import annotations

from forensics.artifacts.credential_files import ARTIFACT
from testdata.writers.dpapi import credential
from tests.artifacts.file_inputs import BORN, MODIFIED, run, survives_truncation, utc

KEY = "3F2504E0-4F89-41D3-9A0C-0305E82C3301"
PATH = "C:/Users/hanako/AppData/Roaming/Microsoft/Credentials/0123456789ABCDEF0123456789ABCDEF"


def test_a_stored_credential() -> None:
    times = {BORN: utc(2024, 12, 4, 1, 2, 3), MODIFIED: utc(2024, 12, 5, 1, 2, 3)}
    data = credential(KEY)
    (fact,), problems = run(ARTIFACT, PATH, data, times)
    assert problems == []
    assert fact.context
    assert fact.times == times
    assert fact.fields == {
        "file_path": PATH.replace("/", "\\"),
        "file_name": "0123456789ABCDEF0123456789ABCDEF",
        "file_size": len(data),
        "profile_user": "hanako",
        "credential_place": "roaming",
        "dpapi_provider": "DF9D8CD0-1501-11D1-8C7A-00C04FC297EB",
        "dpapi_master_key": KEY,
        "dpapi_description": "Enterprise Credential Data",
        "dpapi_cipher": "AES-256",
        "dpapi_hash": "SHA-512",
        "protected_size": 48,
    }


def test_of_system() -> None:
    path = "C:/Windows/System32/config/systemprofile/AppData/Local/Microsoft/Credentials/" + "A" * 32
    (fact,), _ = run(ARTIFACT, path, credential(KEY, "Local Credential Data\r\n"))
    assert (fact.fields["profile_user"], fact.fields["credential_place"]) == ("SYSTEM", "local")
    assert fact.fields["dpapi_description"] == "Local Credential Data"


def test_a_cut_file_is_told_with_its_fault() -> None:
    data = credential(KEY)
    survives_truncation(ARTIFACT, PATH, data)
    for length in range(len(data)):
        facts, problems = run(ARTIFACT, PATH, data[:length])
        assert len(facts) == len(problems) == 1, length
    lies = data[:12] + data[12:56] + b"\xff\xff\xff\xff" + data[60:]
    facts, problems = run(ARTIFACT, PATH, lies)
    assert len(facts) == 1
    assert problems
