"""Signs of removed traces in the file system, where they are some, and none on a host in ordinary use."""

from __future__ import annotations

import pytest

from forensics.model import Host
from tests.sessions.factory import Scene, looked
from tests.sessions.wiped import DAY, HOUR, kinds, signs

GONE = "Content Deletion Time"
NOTE = "the file's birth (a) is before that of its name (b)"


class TestFiles:
    HISTORY = "C:\\Users\\x\\AppData\\Roaming\\Microsoft\\Windows\\PowerShell\\PSReadLine\\ConsoleHost_history.txt"

    def test_removed(self) -> None:
        scene = Scene()
        scene.journal("deleted", 0, self.HISTORY, file_rule="FS-32")
        scene.add("file.deleted", 2, file_path=self.HISTORY, user_name="田中")
        scene.journal("deleted", 3, "C:\\Windows\\System32\\winevt\\Logs\\Security.evtx", file_rule="FS-30")
        scene.journal("deleted", 4, "C:\\Users\\x\\setup.exe", file_rule="FS-42")
        scene.journal("deleted", 5, "C:\\Users\\x\\sdelete64.exe", file_rule="FS-34")
        found = signs(scene)
        assert [sign.kind for sign in found] == ["file_removed"] * 3
        assert [sign.detail.partition(" was ")[0] for sign in found] == [
            "the history of PowerShell", "an event log", "a program that overwrites or cleans"
        ]  # fmt: skip

    def test_renamed_away(self) -> None:
        scene = Scene()
        old = "C:\\Windows\\System32\\winevt\\Logs\\Security.evtx"
        scene.journal("renamed", 0, "C:\\x\\s.tmp", old_path=old, old_name="Security.evtx")
        scene.journal("renamed", 9, old + "x.evtx", old_path=old, old_name="Security.evtx")
        (sign,) = signs(scene)
        assert "renamed to C:\\x\\s.tmp" in sign.detail

    def test_in_the_file_table_only(self) -> None:
        scene = Scene()
        scene.file("mft.entry", "C:/$MFT", {"Creation Time": 0}, "MFT record 9", file_path=self.HISTORY,
                   file_rule="FS-32", file_deleted=True)  # fmt: skip
        (sign,) = signs(scene)
        assert sign.time is None
        assert sign.detail.endswith("when is not recorded")
        scene.journal("deleted", 5, self.HISTORY, file_rule="FS-32")
        assert len(signs(scene)) == 1

    def test_emptied_folder(self) -> None:
        scene = Scene()
        scene.file("usn.folder_emptied", "C:/$Extend/$J", {GONE: 0}, folder_path="C:\\Windows\\Prefetch",
                   deleted_count=200, burst_seconds=3, file_meaning="prefetch files")  # fmt: skip
        (sign,) = signs(scene)
        assert sign.detail == "200 files of C:\\Windows\\Prefetch were deleted within 3 seconds (prefetch files)"

    @pytest.mark.parametrize(
        ("made", "lowest", "told"),
        [(0, "0", ["journal_recreated"]), (-90 * DAY, "0", []), (-90 * DAY, "4096", ["journal_recreated"])],
    )
    def test_journal(self, made: float, lowest: str, told: list[str]) -> None:
        scene = Scene()
        scene.file("host.described", "C:/Windows/System32/config/SOFTWARE", {"Installation Time": -90 * DAY})
        scene.file("usn.journal_made", "C:/$Extend/$Max", {"Creation Time": made}, lowest_usn=lowest)
        assert kinds(scene) == told

    @pytest.mark.parametrize(("state", "told"), [("nothing_found", ["journal_absent"]), ("not_collected", [])])
    def test_no_journal(self, state: str, told: list[str]) -> None:
        scene = Scene()
        scene.file("mft.table", "C:/$MFT", {}, record_count=9)
        assert kinds(scene, looked("usn_journal", state)) == told

    @pytest.mark.parametrize(
        ("note", "told"),
        [
            (f"{NOTE}; birth and change are whole seconds, the name's are not",
             ["times_set"]),
            (f"{NOTE}: set by a program", []),
            ("birth and change are whole seconds, the name's are not", []),
        ],
    )  # fmt: skip
    def test_times(self, note: str, told: list[str]) -> None:
        scene = Scene()
        scene.file("mft.entry", "C:/$MFT", {"Creation Time": 0, "Metadata Modification Time": 9}, "MFT record 9",
                   file_path="C:\\a.exe", file_rule="FS-42", timestomp_note=note)  # fmt: skip
        assert kinds(scene) == told


class TestPrefetch:
    FILES = [f"A{n}.EXE-{n:08X}.pf" for n in range(12)] + ["CODE-TUNNEL.EXE-0A1B2C3D.pf"]

    def scene(self, *names: str) -> Scene:
        scene = Scene()
        for name in names:
            scene.process(0, f"C:\\Users\\x\\{name}")
        scene.remembered("userassist.run", HOUR, "C:\\Users\\x\\A1.exe")
        return scene

    def test_missing(self) -> None:
        scene = self.scene("code-tunnel.exe", "wiper.exe")
        (sign,) = signs(scene, looked("prefetch", "complete"), files=self.FILES)
        assert (sign.kind, sign.detail.rpartition(": ")[2]) == ("prefetch_missing", "wiper.exe")

    def test_not_where_it_proves_nothing(self) -> None:
        scene = self.scene("x.exe")
        complete = looked("prefetch", "complete")
        assert kinds(scene, complete, files=self.FILES[:3]) == [], "a part of the folder"
        assert kinds(scene, looked("prefetch", "partial"), files=self.FILES) == []
        assert kinds(scene, complete, files=self.FILES, host=Host(os="Windows Server 2022")) == []
        assert kinds(scene, complete, files=[f"P{n}.EXE-{n:08X}.pf" for n in range(1010)]) == [], "Windows removes some"
        assert kinds(self.scene("code-tunnel.exe"), complete, files=self.FILES) == []

    def test_none_at_all(self) -> None:
        scene = self.scene("a.exe", "b.exe")
        none, on = looked("prefetch", "nothing_found"), looked("prefetch_settings", "complete")
        assert kinds(scene, none, on) == ["prefetch_gone"]
        assert kinds(scene, none, looked("prefetch_settings", "not_collected")) == []
        assert kinds(scene, looked("prefetch", "not_collected"), on) == []
        assert kinds(self.scene(), none, on) == []

    def test_long_names_are_cut(self) -> None:
        scene = self.scene("a-program-with-a-very-long-name-of-its-own.exe")
        files = [*self.FILES, "A-PROGRAM-WITH-A-VERY-LONG-NA-0A1B2C3D.pf"]
        assert kinds(scene, looked("prefetch", "complete"), files=files) == []
