"""Security 4657 and 4663 on logs written with the published field names."""

from __future__ import annotations

import pytest

from forensics.artifacts.event_registry_audit import key_path
from tests.artifacts.event_logs import one, own, written

SID = "S-1-5-21-1-2-3-1001"
SUBJECT = {
    "SubjectUserSid": SID, "SubjectUserName": "田中", "SubjectDomainName": "WS-TANAKA", "SubjectLogonId": 0x5A2C1,
}  # fmt: skip
USER = {"user_sid": SID, "user_name": "田中", "user_domain": "WS-TANAKA", "logon_id": "0x5a2c1"}
REG = "C:\\Windows\\System32\\reg.exe"
RUN = "\\REGISTRY\\MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run"
PROCESS = {"ProcessId": 0x1A2C, "ProcessName": REG}
BY = {**USER, "executable": REG, "executable_name": "reg.exe", "pid": "6700"}


def value(**more):
    return one("Security", 4657, data={**SUBJECT, **PROCESS, "ObjectName": RUN, **more})


def test_a_value_is_set():
    fact = value(
        ObjectValueName="Updater", OperationType="%%1904", OldValueType="-", OldValue="-", NewValueType="%%1873",
        NewValue="C:\\Users\\Public\\a.exe",
    )  # fmt: skip
    assert (fact.kind, fact.context) == ("registry.value_set", False)
    assert own(fact) == BY | {
        "key_path": "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run", "value_name": "Updater",
        "value_data": "C:\\Users\\Public\\a.exe",
    }  # fmt: skip


def test_a_value_is_changed_and_its_old_content_is_kept():
    fact = value(ObjectValueName="Updater", OperationType="%%1905", OldValue="b.exe", NewValue="a.exe")
    assert (fact.fields["old_value_data"], fact.fields["value_data"]) == ("b.exe", "a.exe")


@pytest.mark.parametrize("operation", ["%%1906", "Registry value deleted"])
def test_a_deleted_value_is_told_as_sysmon_does(operation):
    fact = value(ObjectValueName="Updater", OperationType=operation, OldValue="a.exe", NewValue="-")
    assert fact.kind == "registry.key_changed"
    assert own(fact) == BY | {
        "key_path": "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run\\Updater", "action": "DeleteValue",
        "old_value_data": "a.exe",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["", "-"])
def test_the_default_value(name):
    assert value(ObjectValueName=name, OperationType="%%1904", NewValue="a").fields["value_name"] == "(Default)"


def test_any_other_value_is_context():
    data = {**SUBJECT, **PROCESS, "ObjectName": "\\REGISTRY\\MACHINE\\SOFTWARE\\Vendor", "ObjectValueName": "Colour"}
    assert one("Security", 4657, data={**data, "OperationType": "%%1905", "NewValue": "red"}).context


@pytest.mark.parametrize(
    ("logged", "told"),
    [
        (f"\\REGISTRY\\USER\\{SID}_Classes\\CLSID", f"HKU\\{SID}_Classes\\CLSID"),
        ("\\Registry\\Machine\\SYSTEM\\ControlSet001\\Control\\Lsa", "HKLM\\SYSTEM\\ControlSet001\\Control\\Lsa"),
        ("\\REGISTRY\\MACHINE", "HKLM"),
        ("\\REGISTRY\\MACHINERY\\x", "\\REGISTRY\\MACHINERY\\x"),
        ("\\REGISTRY\\A\\{1}", "\\REGISTRY\\A\\{1}"),
    ],
)
def test_roots(logged, told):
    assert key_path(logged) == told


def test_the_right_to_write_to_a_key_was_used():
    data = {**SUBJECT, **PROCESS, "ObjectType": "Key", "ObjectName": RUN, "AccessMask": 0x6}
    fact = one("Security", 4663, data=data)
    assert (fact.kind, fact.context) == ("registry.key_changed", False)
    assert fact.fields["action"] == "right used: set value, create subkey"


@pytest.mark.parametrize(
    "data", [{"ObjectType": "File", "ObjectName": "C:\\x", "AccessMask": 2}, {"ObjectType": "Key", "AccessMask": 1}]
)
def test_reads_and_files_are_not_told(data):
    assert written("Security", 4663, data={**SUBJECT, **PROCESS, **data}) == []


def test_real_reads_of_keys_are_not_told(samples):
    from tests.artifacts.event_logs import facts_of

    path = samples / "evtx/attack-samples/Defense Evasion/DE_1102_security_log_cleared.evtx"
    facts = facts_of(path.read_bytes(), tolerant=True)
    assert not [fact for fact in facts if fact.fields["event_identifier"] == 4663]
