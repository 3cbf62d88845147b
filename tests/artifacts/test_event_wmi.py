import pytest

from tests.artifacts.autostarts import entries
from tests.artifacts.event_logs import facts_of, one


@pytest.mark.samples
def test_events_of_a_real_log(samples):
    path = samples / "evtx/attack-samples/Persistence/sysmon_20_21_1_CommandLineEventConsumer.evtx"
    facts = [fact for fact in facts_of(path.read_bytes(), tolerant=True) if fact.kind.startswith("wmi.")]
    assert [(fact.kind, fact.fields["action"]) for fact in facts[:3]] == [
        ("wmi.consumer_changed", "Created"), ("wmi.binding_changed", "Created"), ("wmi.filter_changed", "Created"),
    ]  # fmt: skip
    assert facts[0].fields["entry_name"] == "BotConsumer23"
    assert facts[0].fields["command_line"] == "c:\\Windows\\System32\\cmd.exe"
    removed = entries(facts)["BotConsumer23"]
    assert removed.mechanism == "wmi"
    assert removed.score > 40


def test_a_subscription_in_the_log_of_wmi():
    cause = (
        'Binding EventFilter: \ninstance of __EventFilter\n{\n\tName = "Tick";\n\tQuery = "SELECT * FROM x '
        'WHERE y = \\"z\\"";\n};\nPerm. Consumer: \ninstance of CommandLineEventConsumer\n{\n\tCommandLineTemplate = '
        '"cmd.exe /c C:\\\\ProgramData\\\\a.bat";\n\tName = "Updater";\n};\n'
    )
    data = {
        "Namespace": "//./root/subscription", "ESS": "Tick", "CONSUMER": 'CommandLineEventConsumer="Updater"',
        "PossibleCause": cause,
    }  # fmt: skip
    fact = one("Microsoft-Windows-WMI-Activity/Operational", 5861, data=data)
    assert fact.fields["entry_name"] == "Updater"
    assert fact.fields["command_line"] == "cmd.exe /c C:\\ProgramData\\a.bat"
    assert fact.fields["event_query"] == 'SELECT * FROM x WHERE y = "z"'
    assert entries([fact])["Updater"].score > 40
