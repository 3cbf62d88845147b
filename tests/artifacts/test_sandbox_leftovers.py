"""Dumps, bindings, hosts.ics and HNS.data of sandbox hosts; where file-system rules and globs look for them."""

from __future__ import annotations

import json
import struct
import time
from datetime import timedelta
from typing import Any

import pytest

from forensics.artifacts import hns_data, hosts_ics, sandbox_bindings, sandbox_dumps, wsb_files
from forensics.evidence.globs import GlobSet
from forensics.rules.filesystem import rule_for
from forensics.times import iso, to_filetime
from tests.artifacts.file_inputs import BORN, MODIFIED, run, survives_truncation, utc

GUID = "7a1f6f80-0000-4000-8000-000000000001"
FOLDER = "C:/ProgramData/Microsoft/Windows/Containers"
TIMES = {BORN: utc(2024, 12, 3, 5), MODIFIED: utc(2024, 12, 3, 6)}
CRASH = utc(2024, 12, 3, 5, 59, 50)


def dump(clock: int, uptime: int, code: int = 0xD1) -> bytes:
    """The header of a 64-bit crash dump of Windows, the fields that are told of."""
    out = bytearray(0x2000)
    out[:8] = b"PAGEDU64"
    struct.pack_into("<I", out, 0x38, code)
    struct.pack_into("<I", out, 0xF98, 5)
    struct.pack_into("<Q", out, 0xFA8, clock)
    struct.pack_into("<Q", out, 0x1030, uptime)
    return bytes(out)


class TestDumps:
    PATH = f"{FOLDER}/Dumps/{GUID}.dmp"

    def test_a_dump_tells_when_the_guest_crashed_and_booted(self) -> None:
        data = dump(to_filetime(CRASH), 1500 * 10_000_000)
        (file, crash), problems = run(sandbox_dumps.ARTIFACT, self.PATH, data, TIMES)
        assert problems == []
        assert (file.kind, file.times) == ("sandbox.memory_survived", TIMES)
        assert file.fields == {
            "file_path": self.PATH.replace("/", "\\"), "file_name": f"{GUID}.dmp", "file_size": 0x2000,
            "container_id": GUID, "container_folder": "Dumps", "reason": "not hashed: only its head was read",
            "dump_format": "Windows crash dump, 64 bits, type 5",
        }  # fmt: skip
        assert (crash.kind, crash.times) == ("sandbox.guest_crashed", {"Event Time": CRASH})
        assert crash.source.locator == "offset 0xfa8"
        assert crash.fields["guest_booted"] == iso(CRASH - timedelta(seconds=1500))
        assert (crash.fields["uptime_seconds"], crash.fields["bugcheck_code"]) == (1500, "0x000000D1")

    @pytest.mark.parametrize(("clock", "uptime"), [(0, 0), (2**64 - 1, 2**64 - 1), (1, 5)])
    def test_a_clock_that_is_none_gives_no_time(self, clock: int, uptime: int) -> None:
        _, crash = run(sandbox_dumps.ARTIFACT, self.PATH, dump(clock, uptime))[0]
        assert (crash.times, "guest_booted" in crash.fields) == ({}, False)

    def test_other_files_are_there_all_the_same(self) -> None:
        state = self.PATH.replace(".dmp", ".vmrs")
        (file,), problems = run(sandbox_dumps.ARTIFACT, state, b"\x01\x02" * 50, TIMES)
        assert (file.fields["dump_format"], problems) == ("begins with 0102010201020102", [])
        (file,), (problem,) = run(sandbox_dumps.ARTIFACT, self.PATH, b"\x00" * 4096)
        assert (file.kind, problem.fault) == ("sandbox.memory_survived", "bad_record")
        (file,), problems = run(sandbox_dumps.ARTIFACT, self.PATH, b"MDMP" + bytes(100))
        assert (file.fields["dump_format"], problems) == ("user-mode minidump", [])

    def test_cut_at_many_places(self) -> None:
        data = dump(to_filetime(CRASH), 10_000_000)
        survives_truncation(sandbox_dumps.ARTIFACT, self.PATH, data, step=97)
        facts, problems = run(sandbox_dumps.ARTIFACT, self.PATH, data[:0x1000])
        assert ([fact.kind for fact in facts], problems[0].fault) == (["sandbox.memory_survived"], "truncated")


CONTENT: Any = {
    "Bindings": [{"Source": "C:\\Users\\田中\\Documents", "Target": "C:\\Users\\WDAGUtilityAccount\\Desktop"}],
    "\\\\srv\\share": {"Flags": 3, "Name": "no path"},
    "Again": "C:\\Users\\田中\\Documents",
}


class TestBindings:
    PATH = f"{FOLDER}/ContainerStorages/{GUID}/Bindings/config.json"

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
    def test_every_path_is_listed_wherever_it_stands(self, encoding: str) -> None:
        text = json.dumps(CONTENT, ensure_ascii=False)
        (fact,), problems = run(sandbox_bindings.ARTIFACT, self.PATH, text.encode(encoding), TIMES)
        assert (problems, fact.context, fact.times) == ([], False, TIMES)
        assert fact.fields["bound_paths"] == (
            "C:\\Users\\田中\\Documents", "C:\\Users\\WDAGUtilityAccount\\Desktop", "\\\\srv\\share",
        )  # fmt: skip
        assert (fact.fields["content_text"], fact.fields["container_id"]) == (text, GUID)

    def test_a_damaged_file_gives_its_paths_and_a_problem(self) -> None:
        text = json.dumps(CONTENT, ensure_ascii=False)[:-3]
        (fact,), (problem,) = run(sandbox_bindings.ARTIFACT, self.PATH, text)
        assert "C:\\Users\\田中\\Documents" in fact.fields["bound_paths"]
        assert problem.fault == "bad_record"
        survives_truncation(sandbox_bindings.ARTIFACT, self.PATH, text.encode())

    def test_what_is_hostile_is_bounded_and_said(self) -> None:
        many = json.dumps([f"C:\\{number}" for number in range(3000)])
        (fact,), (problem,) = run(sandbox_bindings.ARTIFACT, self.PATH, many)
        assert (len(fact.fields["bound_paths"]), problem.fault) == (500, "budget")
        (fact,), (problem,) = run(sandbox_bindings.ARTIFACT, self.PATH, "[" * 200_000)
        assert problem.fault == "bad_record"
        assert len(str(fact.fields["content_text"])) == 8192

    def test_values_beyond_the_most_are_said_and_their_paths_kept(self) -> None:
        data = json.dumps(["C:\\first", *[[]] * 200_000, "C:\\last"])
        (fact,), (problem,) = run(sandbox_bindings.ARTIFACT, self.PATH, data)
        assert fact.fields["bound_paths"] == ("C:\\first", "C:\\last")
        assert "more than 200000 values" in problem.detail

    def test_a_base_layer_is_context(self) -> None:
        (fact,), _ = run(sandbox_bindings.ARTIFACT, f"{FOLDER}/Layers/{GUID}/Bindings/config.json", "{}")
        assert (fact.context, fact.fields["container_folder"]) == (True, "Layers")


class TestHostsIcs:
    PATH = "C:/Windows/System32/drivers/etc/hosts.ics"
    # The form of files that users published; the GUID is what a sandbox guest is inferred to be called.
    TEXT = (
        "# Copyright (c) 1993-2001 Microsoft Corp.\r\n#\r\n"
        "# This file has been automatically generated for use by Microsoft Internet\r\n#\r\n\r\n"
        "172.28.32.1 WS-TANAKA.mshome.net # 2029 12 0 2 2 8 23 232\r\n"
        f"172.28.42.219 {GUID}.mshome.net # 2024 12 2 3 13 44 18 754\r\n"
        "#172.21.0.9 dev01.mshome.net # 2024 9 0 27 5 34 45 522\r\n"
        "fe80::1 v6.mshome.net\r\n"
        "999.1.1.1 no.mshome.net\r\n"
    )

    def test_each_line(self) -> None:
        facts, (problem,) = run(hosts_ics.ARTIFACT, self.PATH, self.TEXT, TIMES)
        assert [fact.times for fact in facts] == [TIMES] * 4
        host, guest, disabled, v6 = (fact.fields for fact in facts)
        assert host["guest_meaning"] == "this host itself"
        assert guest == {
            "guest_address": "172.28.42.219", "guest_name": f"{GUID}.mshome.net", "container_id": GUID,
            "guest_meaning": "named as a sandbox guest is (inferred)", "line_comment": "2024 12 2 3 13 44 18 754",
            "lease_end": "2024-12-03 13:44:18.754 (zone unknown)",
        }  # fmt: skip
        assert (disabled["line_disabled"], disabled["guest_name"]) == (True, "dev01.mshome.net")
        assert (v6["guest_address"], "line_comment" in v6) == ("fe80::1", False)
        assert facts[1].source.locator == "line 7"
        assert (problem.fault, problem.source.locator) == ("bad_record", "line 10")

    def test_utf_16_holes_and_noise(self) -> None:
        facts, _ = run(hosts_ics.ARTIFACT, self.PATH, self.TEXT.encode("utf-16"))
        assert len(facts) == 4
        facts, problems = run(hosts_ics.ARTIFACT, self.PATH, self.TEXT.encode() + bytes(512))
        assert (len(facts), {problem.fault for problem in problems}) == (4, {"bad_record", "zeroed"})

    @pytest.mark.parametrize("numbers", ["2024 13 2 3 13 44 18 754", "2024 12 2 3", "x", "99999 1 1 1 1 1 1 1"])
    def test_numbers_that_are_no_date_stay_a_comment(self, numbers: str) -> None:
        (fact,), _ = run(hosts_ics.ARTIFACT, self.PATH, f"10.0.0.1 a.mshome.net # {numbers}")
        assert (fact.fields["line_comment"], "lease_end" in fact.fields) == (numbers, False)

    def test_cut_anywhere_no_line_before_is_lost(self) -> None:
        data = self.TEXT.encode()
        whole = [fact.fields["guest_name"] for fact in run(hosts_ics.ARTIFACT, self.PATH, data)[0]]
        for length in range(len(data)):
            facts, _ = run(hosts_ics.ARTIFACT, self.PATH, data[:length])
            done = data[:length].count(b"mshome.net # 20") + data[:length].count(b"v6.mshome.net\r")
            assert [fact.fields["guest_name"] for fact in facts][: max(done - 1, 0)] == whole[: max(done - 1, 0)]

    def test_lines_of_blanks_cost_no_time(self) -> None:
        started = time.process_time()
        facts, _ = run(hosts_ics.ARTIFACT, self.PATH, (" " * 60_000 + "x\n") * 3 + " \t10.0.0.1   a.mshome.net  \n")
        assert time.process_time() - started < 1
        assert [fact.fields["guest_name"] for fact in facts] == ["a.mshome.net"]

    def test_a_file_of_a_million_lines_is_bounded(self) -> None:
        facts, (problem,) = run(hosts_ics.ARTIFACT, self.PATH, "10.0.0.1 a\n" * 20_000)
        assert (len(facts), problem.fault) == (10_000, "budget")


class TestHnsData:
    PATH = "C:/ProgramData/Microsoft/Windows/HNS/HNS.data"
    SWITCH = "C08CB7B8-9B3C-408E-8E30-5E16A3AEB444"

    def test_guids_in_both_spellings(self) -> None:
        data = b"\x01\x02" + self.SWITCH.encode() + b"\x00" + GUID.encode("utf-16-le") + b"\xff" * 9
        (fact,), problems = run(hns_data.ARTIFACT, self.PATH, data, TIMES)
        assert (problems, fact.context, fact.times) == ([], True, TIMES)
        assert fact.fields["guids"] == (self.SWITCH.casefold(), GUID)
        assert fact.fields["default_switch"] is True

    def test_without_any_and_with_too_many(self) -> None:
        (fact,), _ = run(hns_data.ARTIFACT, self.PATH, b"")
        assert (fact.fields["default_switch"], fact.fields["file_size"]) == (False, 0)
        many = b"".join(f"{number:08x}-0000-4000-8000-000000000001 ".encode() for number in range(900))
        (fact,), (problem,) = run(hns_data.ARTIFACT, self.PATH, many)
        assert (len(fact.fields["guids"]), problem.fault) == (500, "budget")


@pytest.mark.parametrize(
    "path",
    [
        "Users/田中/AppData/Local/Microsoft/Windows/INetCache/Content.Outlook/AB12CD34/lab.wsb",
        "Users/a/AppData/Local/Microsoft/Windows/INetCache/IE/QWER1234/lab[1].wsb",
        "Users/a/AppData/Local/Packages/microsoft.windowscommunicationsapps_8wekyb3d8bbwe/LocalState/Files/S0/3/a.wsb",
        "Users/a/AppData/Local/Packages/MicrosoftWindows.WindowsSandbox_cw5n1h2txyewy/LocalState/Recipes/Default.wsb",
        "Windows/System32/config/systemprofile/AppData/Local/Packages/x/LocalState/Recipes/Mine.wsb",
        "Users/a/AppData/Roaming/Thunderbird/Profiles/x.default/lab.wsb", "Users/a/OneDrive - Corp/lab.wsb",
        "Sandbox/lab.wsb", "PerfLogs/x.wsb", "Windows/SystemTemp/x.wsb", "$Recycle.Bin/S-1-5-18/$IABCDEF.wsb",
    ],
)  # fmt: skip
def test_configurations_are_found_wherever_they_lie(path: str) -> None:
    assert GlobSet(wsb_files.ARTIFACT.paths).matches(path)


@pytest.mark.parametrize(
    ("folder", "name", "rule"),
    [
        ("\\Users\\a\\AppData\\Local\\Microsoft\\WindowsApps", "wsb.exe", "FS-04"),
        ("\\Users\\a\\AppData\\Local\\Microsoft\\WindowsApps\\MicrosoftWindows.WindowsSandbox_cw5n1h2txyewy", "wsb.exe",
         "FS-04"),
        ("\\ProgramData\\flare", "SandboxCommon.dll", "FS-06"),
        ("\\Windows\\System32\\drivers\\etc", "HOSTS.ICS", "FS-07"),
        (f"\\ProgramData\\Microsoft\\Windows\\Containers\\ContainerStorages\\{GUID}\\Bindings", "config.json", "FS-08"),
        (f"\\ProgramData\\Microsoft\\Windows\\Containers\\Layers\\{GUID}\\Bindings", "config.json", None),
        ("\\ProgramData\\Microsoft\\Windows\\Containers\\Dumps", f"{GUID}.vmrs", "FS-09"),
        ("\\Users\\a\\Downloads\\cli", "Code (1).exe", "FS-17"),
    ],
)  # fmt: skip
def test_the_file_system_rules_name_them(folder: str, name: str, rule: str | None) -> None:
    found = rule_for(folder, name)
    assert (found.id if found else None) == rule
