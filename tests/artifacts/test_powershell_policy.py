from __future__ import annotations

from forensics.artifacts.powershell_policy import ARTIFACT
from tests.artifacts.autorun_inputs import NTUSER, SOFTWARE, key, run, software, survives, user

PLACE = "Microsoft\\PowerShell\\1\\ShellIds\\Microsoft.PowerShell"


def test_machine_policy_and_user() -> None:
    content = software(
        key(PLACE, ExecutionPolicy="RemoteSigned", Path="C:\\powershell.exe"),
        key("Policies\\Microsoft\\Windows\\PowerShell", ExecutionPolicy="Bypass", EnableScripts=1),
    )
    facts, problems = run(ARTIFACT, content, SOFTWARE)
    assert problems == []
    assert [(fact.fields["value_name"], fact.fields["value_data"]) for fact in facts] == [
        ("ExecutionPolicy", "RemoteSigned"), ("ExecutionPolicy", "Bypass"), ("EnableScripts", "1"),
    ]  # fmt: skip
    assert all(fact.context for fact in facts)
    survives(ARTIFACT, content, SOFTWARE)
    (fact,), _ = run(ARTIFACT, user(key(PLACE, ExecutionPolicy="Unrestricted")), NTUSER)
    assert (fact.fields["profile_user"], fact.fields["value_data"]) == ("田中", "Unrestricted")
