from __future__ import annotations

import pytest

from tests.artifacts.event_logs import one, own

SUBJECT = {"SubjectUserSid": "S-1-5-21-1-2-3-1001", "SubjectUserName": "hanako", "SubjectDomainName": "WS"}
TARGET = {"TargetUserName": "support$", "TargetDomainName": "WS", "TargetSid": "S-1-5-21-1-2-3-1009"}


@pytest.mark.parametrize(("number", "action"), [(4720, "created"), (4724, "given a new password"), (4726, "deleted")])
def test_an_account(number: int, action: str) -> None:
    fact = one("Security", number, data={**TARGET, **SUBJECT})
    assert own(fact) == {
        "user_sid": "S-1-5-21-1-2-3-1001", "user_name": "hanako", "user_domain": "WS",
        "target_user_name": "support$", "target_user_domain": "WS", "target_user_sid": "S-1-5-21-1-2-3-1009",
        "action": action,
    }  # fmt: skip
    assert not fact.context


def test_windows_own_changes_are_context_and_an_anonymous_one_is_not() -> None:
    assert one("Security", 4742, data={**TARGET, **SUBJECT}).context
    nobody = {"SubjectUserSid": "S-1-5-7", "SubjectUserName": "ANONYMOUS LOGON", "SubjectDomainName": "NT AUTHORITY"}
    fact = one("Security", 4742, data={**TARGET, **nobody})
    assert not fact.context
    assert fact.fields["user_sid"] == "S-1-5-7"


def test_a_member_of_a_group() -> None:
    group = {"TargetUserName": "Administrators", "TargetDomainName": "Builtin", "TargetSid": "S-1-5-32-544"}
    fact = one("Security", 4732, data={**group, **SUBJECT, "MemberName": "-", "MemberSid": "S-1-5-21-1-2-3-1009"})
    assert {name: text for name, text in own(fact).items() if not name.startswith("user_")} == {
        "group_name": "Administrators", "group_sid": "S-1-5-32-544", "target_user_domain": "Builtin",
        "target_user_sid": "S-1-5-21-1-2-3-1009",
    }  # fmt: skip
