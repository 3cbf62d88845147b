from __future__ import annotations

import pytest

from forensics.evidence.layout import decoded, find_prefixes


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
