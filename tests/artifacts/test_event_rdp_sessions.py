from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.artifacts.event_logs import facts_of, one, own

LOCAL = "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational"
REMOTE = "Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational"


@pytest.mark.parametrize(("number", "action"), [(21, "logged on"), (25, "reconnected")])
@pytest.mark.parametrize(("address", "context"), [("127.0.0.1", False), ("10.0.2.16", False), ("LOCAL", True)])
def test_sessions(number: int, action: str, address: str, context: bool) -> None:
    fact = one(LOCAL, number, data={"User": "CORP\\田中", "SessionID": 2, "Address": address})
    assert (fact.kind, fact.context) == ("rdp.session", context)
    assert own(fact) == {
        "user_name": "田中", "user_domain": "CORP", "session_id": "2", "source_ip": address, "action": action,
    }  # fmt: skip


def test_a_client_that_reached_the_logon() -> None:
    fact = one(REMOTE, 1149, data={"Param1": "administrator", "Param2": "corp", "Param3": "10.0.2.16"})
    assert (fact.kind, fact.context) == ("rdp.client_reached", False)
    assert own(fact) == {"user_name": "administrator", "user_domain": "corp", "source_ip": "10.0.2.16"}


@pytest.mark.samples
def test_a_public_log_of_a_tunnelled_desktop(samples: Path) -> None:
    name = "DE_RDP_Tunneling_TerminalServices-RemoteConnectionManagerOperational_1149.evtx"
    data = (samples / "evtx/attack-samples/Command and Control" / name).read_bytes()
    facts = facts_of(data)
    reached = [fact for fact in facts if fact.kind == "rdp.client_reached"]
    assert Counter(fact.fields["source_ip"] for fact in reached)["127.0.0.1"] >= 1
    assert {"administrator", "ie11win7"} <= {str(fact.fields.get("user_name", "")).casefold() for fact in reached} | {
        str(fact.fields.get("user_domain", "")).casefold() for fact in reached
    }
