"""How logs, prefetch, Defender and the change journal are set, from hives and the journal's own stream."""

from __future__ import annotations

import io
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from forensics.artifacts.base import FileInput
from forensics.artifacts.defender_settings import ARTIFACT as DEFENDER
from forensics.artifacts.emptied_histories import ARTIFACT as HISTORIES
from forensics.artifacts.log_channels import ARTIFACT as CHANNELS
from forensics.artifacts.prefetch_settings import ARTIFACT as PREFETCH
from forensics.artifacts.recording_switches import ARTIFACT as SWITCHES
from forensics.artifacts.services import ARTIFACT as SERVICES
from forensics.artifacts.usn_settings import ARTIFACT as JOURNAL
from forensics.formats import FormatError
from forensics.formats.hive import Hive
from forensics.model import Host
from forensics.rules import load
from forensics.times import to_filetime
from tests.artifacts.registry_inputs import NTUSER, given, merged, nested, run, sorted_out
from tests.formats.crafted_hives import Tree, Value, utf16

SOFTWARE, SYSTEM = "C:/Windows/System32/config/SOFTWARE", "C:/Windows/System32/config/SYSTEM"
WINEVT = "Microsoft\\Windows\\CurrentVersion\\WINEVT\\Channels\\"
SELECT: Tree = {"Select": {"": [("Current", 4, struct.pack("<I", 1))]}}


def dword(name: str, number: int) -> Value:
    return (name, 4, struct.pack("<I", number))


def text(name: str, value: str) -> Value:
    return (name, 1, utf16(value))


def system(path: str, *values: Value) -> Tree:
    return merged(SELECT, nested(f"ControlSet001\\{path}", {"": list(values)}))


class TestChannels:
    def test_switched_off_and_shrunk(self) -> None:
        tree = merged(
            nested(WINEVT + "Microsoft-Windows-PowerShell/Operational", {"": [dword("Enabled", 0)]}),
            nested(
                WINEVT + "Microsoft-Windows-Sysmon/Operational", {"": [dword("Enabled", 1), dword("MaxSize", 69632)]}
            ),
            nested(WINEVT + "Microsoft-Windows-TaskScheduler/Operational", {"": [dword("Enabled", 0)]}),
            nested("Policies\\Microsoft\\Windows\\EventLog\\Security", {"": [dword("MaxSize", 1024)]}),
            nested(WINEVT + "Vendor-Something/Debug", {"": [dword("Enabled", 0)]}),
        )
        facts, problems = run(CHANNELS, tree, SOFTWARE)
        assert problems == []
        told = {fact.fields["log_channel"]: fact for fact in facts}
        assert set(told) == {
            "Security", "Microsoft-Windows-PowerShell/Operational", "Microsoft-Windows-Sysmon/Operational",
            "Microsoft-Windows-TaskScheduler/Operational",
        }  # fmt: skip
        off = told["Microsoft-Windows-PowerShell/Operational"]
        assert (off.fields["is_switched_off"], off.context) == (True, False)
        small = told["Microsoft-Windows-Sysmon/Operational"]
        assert (small.fields["is_shrunk"], small.fields["maximum_bytes"], small.context) == (True, 69632, False)
        usual = told["Microsoft-Windows-TaskScheduler/Operational"]
        assert ("is_switched_off" not in usual.fields, usual.context) == (True, True)
        assert told["Security"].fields["maximum_bytes"] == 1024 * 1024

    def test_the_classic_logs(self) -> None:
        values = (dword("MaxSize", 20971520), dword("Retention", 0xFFFFFFFF), dword("AutoBackupLogFiles", 1))
        (fact,), _ = run(CHANNELS, system("Services\\EventLog\\Security", *values), SYSTEM)
        assert not fact.context
        assert (fact.fields["maximum_bytes"], fact.fields["keeps_oldest"]) == (20971520, True)
        assert "is_shrunk" not in fact.fields
        assert fact.source.locator == "ControlSet001\\Services\\EventLog\\Security"


@pytest.mark.parametrize(("number", "mode", "context"), [(0, "off", False), (2, "boot only", False), (3, None, True)])
def test_prefetching(number: int, mode: str | None, context: bool) -> None:
    path = "Control\\Session Manager\\Memory Management\\PrefetchParameters"
    (fact,), _ = run(PREFETCH, system(path, dword("EnablePrefetcher", number)), SYSTEM)
    assert (fact.fields["prefetches_programs"], fact.context) == (context, context)
    if mode:
        assert fact.fields["prefetch_mode"] == mode
    assert run(PREFETCH, system(path, dword("EnableSuperfetch", 0)), SYSTEM) == ([], [])


@pytest.mark.parametrize(("name", "start", "context"), [("EventLog", 4, False), ("EventLog", 2, True), ("X", 4, True)])
def test_a_recorder_that_is_to_start_no_more(name: str, start: int, context: bool) -> None:
    image = utf16("%SystemRoot%\\System32\\svchost.exe -k LocalServiceNetworkRestricted -p")
    (fact,), _ = run(SERVICES, system(f"Services\\{name}", ("ImagePath", 2, image), dword("Start", start)), SYSTEM)
    assert fact.fields["start_type"] == ("disabled" if start == 4 else "auto")
    assert fact.context is context


class TestDefender:
    def test_exclusions_and_what_is_off(self) -> None:
        root = "Microsoft\\Windows Defender\\"
        tree = merged(
            nested(root + "Exclusions\\Paths", {"": [dword("C:\\ProgramData", 0)]}),
            nested(root + "Exclusions\\Processes", {"": [dword("vmwp.exe", 0)]}),
            nested(
                root + "Real-Time Protection", {"": [dword("DisableRealtimeMonitoring", 1), dword("DpaDisabled", 0)]}
            ),
            nested(root + "Features", {"": [dword("TamperProtection", 4)]}),
            nested("Policies\\Microsoft\\Windows Defender", {"": [dword("DisableAntiSpyware", 0)]}),
        )
        facts, problems = run(DEFENDER, tree, SOFTWARE)
        assert problems == []
        assert [(fact.kind, fact.fields.get("excluded") or fact.fields["protection"]) for fact in facts] == [
            ("antivirus.exclusion", "C:\\ProgramData"),
            ("antivirus.exclusion", "vmwp.exe"),
            ("antivirus.protection_off", "DisableRealtimeMonitoring"),
            ("antivirus.protection_off", "TamperProtection"),
        ]
        assert [fact.context for fact in facts] == [False, False, False, True]
        assert facts[0].fields["exclusion_kind"] == "path"
        assert facts[0].source.locator == "Microsoft\\Windows Defender\\Exclusions\\Paths\\C:\\ProgramData"


class TestJournal:
    MADE = datetime(2024, 12, 3, 5, 10, 24, 123456, tzinfo=UTC)

    def rows(self, data: bytes):
        given = FileInput("C:/$Extend/$Max", io.BytesIO(data), len(data), "0" * 64, "ev", Host(), None)
        return sorted_out(JOURNAL, list(JOURNAL.parse(given)))

    def test_when_it_was_made(self) -> None:
        data = struct.pack("<QQQq", 32 << 20, 8 << 20, to_filetime(self.MADE), 4096)
        (fact,), problems = self.rows(data)
        assert problems == []
        assert fact.times == {"Creation Time": self.MADE}
        assert (fact.fields["maximum_bytes"], fact.fields["lowest_usn"]) == (32 << 20, "4096")

    @pytest.mark.parametrize("data", [b"", bytes(31), bytes(32), b"\xff" * 32])
    def test_what_is_none(self, data: bytes) -> None:
        facts, problems = self.rows(data)
        assert facts == []
        assert [problem.fault for problem in problems] == ["truncated" if len(data) < 32 else "unreadable"]


@pytest.mark.samples
def test_real_hives_are_read(samples) -> None:
    hive = Hive.open((samples / "hives" / "SYSTEM_B").read_bytes())
    for artifact in (CHANNELS, PREFETCH):
        facts, problems = run(artifact, hive, SYSTEM)
        assert problems == []
        assert facts, artifact.name


class TestSwitches:
    @pytest.mark.parametrize("switch", [item for item in load("recording")["switches"] if "value" in item], ids=str)
    def test_each_is_told_off_and_quiet_on(self, switch: dict[str, Any]) -> None:
        for number, off in ((switch["stops_at"][0], True), (7, False)):
            leaf: Tree = {"": [dword(switch["value"], number)]}
            tree, path = nested(switch["key"], leaf), SOFTWARE
            if switch["hive"] == "SYSTEM":
                tree, path = system(switch["key"], *leaf[""]), SYSTEM
            elif switch["hive"] == "NTUSER":
                tree, path = nested(f"Software\\{switch['key']}", leaf), NTUSER
            (fact,), problems = run(SWITCHES, tree, path)
            assert problems == []
            assert (fact.fields["is_switched_off"], fact.context) == (off, not off)
            assert fact.fields["value_data"] == str(number)
            assert fact.fields.get("profile_user") == ("田中" if switch["hive"] == "NTUSER" else None)

    def test_the_key_alone(self) -> None:
        (fact,), _ = run(SWITCHES, system("Control\\MiniNt"), SYSTEM)
        assert (fact.fields["is_switched_off"], fact.context) == (True, False)
        assert "value_name" not in fact.fields

    def test_a_value_that_is_not_set_says_nothing(self) -> None:
        assert run(SWITCHES, system("Control\\WMI\\Autologger\\EventLog-System"), SYSTEM) == ([], [])

    def test_public_hives_are_quiet(self, samples: Path) -> None:
        seen = 0
        for path in sorted((samples / "hives").rglob("*")):
            data = path.read_bytes() if path.is_file() else b""
            if data[:4] != b"regf":
                continue
            try:
                opened = Hive.open(data)
            except FormatError:
                continue
            seen += 1
            told = [*SWITCHES.parse(opened, given(SYSTEM)), *HISTORIES.parse(opened, given(NTUSER))]
            assert [row for row in told if not row.context] == [], path.name
        assert seen > 3


class TestHistories:
    RUN = "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\RunMRU"

    @pytest.mark.parametrize(
        ("path", "told"),
        [
            (RUN, True),
            ("Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\UserAssist"
             "\\{CEBFF5CD-ACE2-4F4F-9178-9926F41749EA}\\Count", True),
            ("Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\TypedPaths", False),
        ],
    )  # fmt: skip
    def test_an_empty_list(self, path: str, told: bool) -> None:
        facts, problems = run(
            HISTORIES, nested(path, {"": [text("MRUList", ""), text("HRZR_PGYFRFFVBA", "x")]}), NTUSER
        )
        assert (len(facts), problems) == (int(told), [])
        assert all(fact.fields["key_path"] == path for fact in facts)

    def test_a_list_with_an_entry(self) -> None:
        assert run(HISTORIES, nested(self.RUN, {"": [text("a", "cmd\\1")]}), NTUSER) == ([], [])
