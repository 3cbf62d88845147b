"""What was removed from Explorer's lists, as a cleaning tool does it, is told from the free cells."""

from __future__ import annotations

from datetime import UTC, datetime

from forensics.artifacts import capability_access, feature_usage, open_save_mru, run_mru
from forensics.artifacts.base import RegistryArtifact
from forensics.formats.hive import Hive
from forensics.formats.hive_deleted import layers, recover
from forensics.model import Fact
from testdata.writers import registry_blobs as blobs
from testdata.writers import shell_items as items
from testdata.writers.hive import REG_DWORD
from tests.artifacts.mru_inputs import EXPLORER, WHEN, written
from tests.artifacts.registry_inputs import NTUSER, run
from tests.formats.freed_hives import Freed

GONE = datetime(2024, 12, 6, 0, 0, 0, tzinfo=UTC)
RUN = f"{EXPLORER}\\RunMRU"
WSB = f"{EXPLORER}\\ComDlg32\\OpenSavePidlMRU\\wsb"
SWITCHED = f"{EXPLORER}\\FeatureUsage\\AppSwitched"
MICROPHONE = "Software\\Microsoft\\Windows\\CurrentVersion\\CapabilityAccessManager\\ConsentStore\\microphone"
CLIENT = f"{MICROPHONE}\\NonPackaged\\C:#Windows#System32#WindowsSandboxClient.exe"
CHOSEN = items.item_list(items.root(items.THIS_PC), items.volume("C:\\"), items.file("x.wsb", 9, (WHEN, WHEN, WHEN)))
HIVE = written(
    {
        RUN: blobs.run_commands(["wsb start", "cmd"]),
        WSB: blobs.open_save([CHOSEN]),
        SWITCHED: [("WindowsSandboxClient.exe", REG_DWORD, 7)],
        CLIENT: blobs.last_use(WHEN, GONE),
    }
)


def recovered(artifact: RegistryArtifact, freed: Freed) -> list[Fact]:
    data = bytes(freed.data)
    hive = Hive.open(data)
    facts: list[Fact] = []
    for layer in layers(recover(hive, data), hive):
        found, problems = run(artifact, layer, NTUSER)
        assert problems == []
        facts += found
    return facts


def test_a_removed_key_keeps_order_and_time() -> None:
    freed = Freed(HIVE)
    freed.delete_key(RUN, GONE)
    newest, older = sorted(recovered(run_mru.ARTIFACT, freed), key=lambda fact: fact.fields["order"])
    assert (newest.fields["command_line"], newest.times) == ("wsb start", {"Content Modification Time": WHEN})
    assert (older.fields["command_line"], older.times) == ("cmd", {})
    assert "(deleted, " in newest.source.locator


def test_the_removal_is_no_time_of_the_entry() -> None:
    entry, order = blobs.run_commands(["wsb start"])
    freed = Freed(written({RUN: [("kept", REG_DWORD, 1), order, entry]}))
    freed.delete_value(RUN, "a", GONE)  # the last of the values first: then a list still names both
    freed.delete_value(RUN, "MRUList", GONE)
    (fact,) = recovered(run_mru.ARTIFACT, freed)
    assert (fact.fields["command_line"], fact.fields["order"], fact.times) == ("wsb start", 1, {})
    assert "removal" in fact.no_times["Content Modification Time"]
    assert fact.fields["key_written"] == GONE.isoformat(timespec="microseconds"), "no younger than that"


def test_a_removed_configuration_keeps_the_files_times() -> None:
    freed = Freed(HIVE)
    freed.delete_key(WSB, GONE)
    chosen, seen = recovered(open_save_mru.ARTIFACT, freed)
    assert chosen.fields["file_path"] == "C:\\x.wsb"
    assert seen.times["Creation Time"] == WHEN.replace(second=0, microsecond=0)


def test_a_count_of_a_removed_key_is_not_dated_by_it() -> None:
    freed = Freed(HIVE)
    freed.delete_key(SWITCHED, GONE)
    (fact,) = recovered(feature_usage.ARTIFACT, freed)
    assert (fact.fields["use_count"], fact.times) == (7, {})


def test_a_removed_use_keeps_its_own_times() -> None:
    freed = Freed(HIVE)
    freed.delete_key(CLIENT, GONE)
    (fact,) = recovered(capability_access.ARTIFACT, freed)
    assert fact.times["Start Time"] == WHEN
