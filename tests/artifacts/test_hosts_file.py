"""The hosts file: lines of the tunnels are kept, others are context. The list of names that bear on tunnels."""

from __future__ import annotations

import pytest

from forensics.artifacts.hosts_file import ARTIFACT
from forensics.rules.hosts import host_meaning, known_host
from forensics.rules.watch import is_watched
from tests.artifacts.file_inputs import MODIFIED, run, utc

PATH = "C:/Windows/System32/drivers/etc/hosts"
TEXT = (
    "# Copyright (c) 1993-2009 Microsoft Corp.\r\n#      102.54.94.97     rhino.acme.com          # source server\r\n"
    "#\t127.0.0.1       localhost\r\n\r\n"
    "0.0.0.0 global.rel.tunnels.api.visualstudio.com jpe1.devtunnels.ms # policy 12\r\n"
    "  20.103.221.187\tjpe1-data.rel.tunnels.api.visualstudio.com\r\n"
    "10.0.0.7 fileserver\r\n::1%3 localhost\r\n140.82.112.3 github.com\r\nnonsense here\r\n10.0.0.8\r\n"
)


def test_lines() -> None:
    changed = utc(2024, 12, 4)
    facts, problems = run(ARTIFACT, PATH, TEXT, {MODIFIED: changed})
    block, around, plain, own, github = facts
    assert block.fields == {
        "mapped_address": "0.0.0.0",
        "host_names": ("global.rel.tunnels.api.visualstudio.com", "jpe1.devtunnels.ms"),
        "name_blocked": True,
        "host_meaning": "dev tunnels, management, first contact",
        "line_comment": "policy 12",
        "line_number": 5,
    }
    assert (block.times, block.source.locator) == ({MODIFIED: changed}, "line 5")
    assert around.fields["mapped_address"] == "20.103.221.187"
    assert "name_blocked" not in around.fields
    assert own.fields["mapped_address"] == "::1"
    assert plain.fields["host_names"] == ("fileserver",)
    assert [fact.context for fact in facts] == [False, False, True, True, False]
    assert github.fields["host_meaning"] == "GitHub, sign-in of a tunnel"
    assert [problem.source.locator for problem in problems] == ["line 10", "line 11"]


def test_any_cut_is_survived() -> None:
    raw = TEXT.encode()[130:]
    whole = {fact.source.locator for fact in run(ARTIFACT, PATH, raw)[0]}
    for length in range(len(raw)):
        assert {fact.source.locator for fact in run(ARTIFACT, PATH, raw[:length])[0]} <= whole
    for encoding in ("utf-16", "utf-8-sig"):
        facts, _ = run(ARTIFACT, PATH, TEXT.encode(encoding))
        assert len(facts) == 5, encoding


@pytest.mark.parametrize(
    ("name", "signal"),
    [
        ("global.rel.tunnels.api.visualstudio.com", True),
        ("jpe1-data.rel.tunnels.api.visualstudio.com.", True),
        ("x7k2-8080.JPE1.devtunnels.ms", True),
        ("devtunnels.ms", True),
        ("az764295.vo.msecnd.net", True),
        ("github.com", False),
        ("login.microsoftonline.com", False),
        ("update.code.visualstudio.com", False),
    ],
)
def test_the_warnings_names(name: str, signal: bool) -> None:
    found = known_host(name)
    assert found is not None
    assert found.signal == signal
    assert host_meaning(name) == found.meaning
    assert is_watched(name.rstrip(".")) == signal


@pytest.mark.parametrize("name", ["", ".", "notgithub.com", "devtunnels.ms.example.com", "example.com", "com"])
def test_other_names(name: str) -> None:
    assert known_host(name) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/login/device",
        "https://microsoft.com/devicelogin",
        "https://login.microsoftonline.com/common/oauth2/deviceauth",
        "https://login.microsoftonline.com/organizations/oauth2/v2.0/devicecode",
        "https://vscode.dev/tunnel/desk/c:/x",
        "https://code.visualstudio.com/sha/download?build=stable&os=cli-win32-x64",
        "https://code.visualstudio.com/Download",
        "https://update.code.visualstudio.com/api/latest/server-win32-x64/stable",
        "https://vscode.download.prss.microsoft.com/dbazure/download/stable/x/vscode_cli_win32_x64_cli.zip",
        "https://az764295.vo.msecnd.net/stable/x/vscode-server-win32-x64.zip",
        "https://aka.ms/devtunnels/download",
        "https://aka.ms/TunnelsCliDownload/win-x64",
        "https://x-8080.jpe1.devtunnels.ms/",
        "https://example.com/files/lab.wsb",
    ],
)
def test_addresses_that_are_kept(url: str) -> None:
    assert is_watched(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/microsoft/vscode",
        "https://login.microsoftonline.com/common/oauth2/v2.0/authorize?client_id=x",
        "https://code.visualstudio.com/docs",
        "https://registry.npmjs.org/@biomejs/cli-win32-x64/-/cli-win32-x64-1.9.4.tgz",
        "https://marketplace.visualstudio.com/items?itemName=ms-python.python",
    ],
)
def test_addresses_that_are_ordinary(url: str) -> None:
    assert not is_watched(url)
