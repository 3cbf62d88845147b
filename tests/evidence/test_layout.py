from __future__ import annotations

import pytest

from forensics.evidence.layout import collector_of, decoded, find_prefixes


def _paths(*texts: str) -> list[tuple[str, ...]]:
    return [decoded(tuple(text.split("/"))) for text in texts]


@pytest.mark.parametrize(
    ("path", "parts", "drive"),
    [
        ("Windows/System32/config/SYSTEM", (), "C:"),
        ("C/Windows/System32/config/SYSTEM", ("C",), "C:"),
        ("c:/Windows/System32/config/SYSTEM", ("c:",), "C:"),
        ("HOST/2024/C/Windows/Prefetch/A.pf", ("HOST", "2024", "C"), "C:"),
        ("D/Users/a/NTUSER.DAT", ("D",), "D:"),
        ("uploads/auto/C%3A/Windows/System32/x", ("uploads", "auto", "C:"), "C:"),
        ("uploads/ntfs/%5C%5C.%5CC%3A/$Extend/$UsnJrnl%3A$J", ("uploads", "ntfs", "\\\\.\\C:"), "C:"),
        ("deep/er/WINDOWS/system32/x", ("deep", "er"), "C:"),
    ],
)
def test_a_drive_is_found(path: str, parts: tuple[str, ...], drive: str) -> None:
    (prefix,) = find_prefixes(_paths(path))
    assert (prefix.parts, prefix.drive, prefix.shadow) == (parts, drive, "")


def test_accessors_of_one_collection_are_one_host() -> None:
    prefixes = find_prefixes(
        _paths("uploads/auto/C%3A/Windows/System32/x", "uploads/ntfs/%5C%5C.%5CC%3A/Windows/System32/y")
    )
    assert len(prefixes) == 2
    assert len({prefix.group for prefix in prefixes}) == 1


def test_two_hosts_are_two_groups() -> None:
    prefixes = find_prefixes(_paths("A/C/Windows/System32/x", "B/C/Windows/System32/x"))
    assert {prefix.group for prefix in prefixes} == {("A",), ("B",)}


def test_a_shadow_copy_is_told_apart() -> None:
    prefixes = find_prefixes(_paths("C/Windows/System32/x", "VSS1/Windows/System32/x"))
    assert {prefix.parts: prefix.shadow for prefix in prefixes} == {("C",): "", ("VSS1",): "vss1"}


def test_only_uploads_are_percent_decoded() -> None:
    plain = ("C", "Windows", "System32", "winevt", "Logs", "Microsoft-Windows-AppModel-Runtime%4Admin.evtx")
    assert decoded(plain) == plain
    assert decoded(("uploads", "auto", "C%3A", "Users", "%2Evscode")) == ("uploads", "auto", "C:", "Users", ".vscode")


def test_a_guest_tree_inside_is_not_a_second_host() -> None:
    inner = "C/ProgramData/Microsoft/Windows/Containers/Layers/x/Files/Windows/System32/x"
    assert len(find_prefixes(_paths("C/Windows/System32/x", inner))) == 1


def test_nothing_is_nothing() -> None:
    assert find_prefixes(_paths("readme.txt", "Users/readme.txt", "music/Windows/song.mp3")) == []


@pytest.mark.parametrize(
    ("beside", "collector"),
    [
        (["C/Windows/System32/x", "2024-12-06T01_10_11_0000000_(Multiple)_copylog.csv"], "KAPE"),
        (["C/Windows/System32/x", "2024-12-06T01_10_11_0000000_ConsoleLog.txt"], "KAPE"),
        (["C/Windows/System32/x", "CyLR_Collection_Log_2024-12-06_01-10-11.log"], "CyLR"),
        (["C%3A/Windows/System32/x", "collection_context.json"], "Velociraptor"),
        (["uploads/auto/C%3A/Windows/System32/x"], "Velociraptor"),
        (["C/Windows/System32/x"], ""),
        (["C/Windows/System32/x", "C/Users/a/uploads/x", "C/Users/a/uploads.json", "D/CyLR_Collection_Log_x.log"], ""),
        (["C/Windows/System32/x", "ConsoleLog.txt", "copylog.csv"], ""),
    ],
)
@pytest.mark.parametrize("top", ["", "HOST/"])
def test_a_collector_is_known_by_what_it_leaves_beside_the_drives(top: str, beside: list[str], collector: str) -> None:
    paths = _paths(*(top + item for item in beside))
    prefixes = find_prefixes(paths)
    assert {collector_of(paths, prefix.group, prefixes) for prefix in prefixes} == {collector}


def test_the_signs_of_one_host_are_none_of_another() -> None:
    paths = _paths("A/C/Windows/System32/x", "A/uploads.json", "B/C/Windows/System32/x")
    prefixes = find_prefixes(paths)
    assert {prefix.group: collector_of(paths, prefix.group, prefixes) for prefix in prefixes} == {
        ("A",): "Velociraptor",
        ("B",): "",
    }
