from __future__ import annotations

import pytest

from forensics.artifacts.devtunnel_files import ARTIFACT
from forensics.evidence.globs import GlobSet
from testdata.writers.dpapi import blob
from tests.artifacts.file_inputs import MODIFIED, run, survives_truncation, utc

KEY = "3F2504E0-4F89-41D3-9A0C-0305E82C3301"
LOCAL = "C:/Users/hanako/AppData/Local"
CACHE = f"{LOCAL}/DevTunnels/devtunnels-tokens-microsoft"
SECRET = b"eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.planted"


def test_a_login_is_told_without_its_content() -> None:
    data = blob(KEY, "", SECRET)
    (fact,), problems = run(ARTIFACT, CACHE, data, {MODIFIED: utc(2024, 12, 4)})
    assert problems == []
    assert (fact.kind, fact.context) == ("devtunnel.token_cache", False)
    assert fact.fields["provider_name"] == "microsoft"
    assert fact.fields["present"] is True
    assert fact.fields["cache_form"] == "protected by DPAPI"
    assert fact.fields["dpapi_master_key"] == KEY
    assert fact.fields["protected_size"] == len(SECRET)
    assert "eyJ" not in str(fact)


@pytest.mark.parametrize(
    ("data", "present", "form"),
    [
        (b"", False, "empty: no login"),
        (b'{"AccessToken":{"secret":"' + SECRET + b'"}}', True, "readable, not protected"),
        (b"\x00\x01\x02", True, "of unknown form"),
    ],
)
def test_caches_of_other_form(data: bytes, present: bool, form: str) -> None:
    (fact,), problems = run(ARTIFACT, CACHE.replace("microsoft", "github"), data)
    assert problems == []
    assert (fact.fields["provider_name"], fact.fields["present"], fact.fields["cache_form"]) == (
        "github",
        present,
        form,
    )
    assert "eyJ" not in str(fact)


def test_a_cut_cache() -> None:
    data = blob(KEY)
    survives_truncation(ARTIFACT, CACHE, data)
    (fact,), problems = run(ARTIFACT, CACHE, data[:100])
    assert len(problems) == 1
    assert fact.fields["present"] is True


@pytest.mark.parametrize(
    ("path", "meaning", "context"),
    [
        (f"{LOCAL}/DevTunnels/settings.json", "data folder of devtunnel", False),
        (f"{LOCAL}/Temp/.net/devtunnel/a1/devtunnel.dll", "unpacked by the program at its first start", False),
        (f"{LOCAL}/Temp/.net/devtunnel/a1/System.Text.Json.dll", "unpacked by the program at its first start", True),
        (f"{LOCAL}/Temp/DevTunnels/devtunnel.exe", "copy that Visual Studio keeps", False),
        (f"{LOCAL}/Microsoft/WinGet/Packages/Microsoft.devtunnel_x/devtunnel.exe", "installed by winget", False),
        (f"{LOCAL}/Microsoft/WinGet/Links/devtunnel.exe", "link made by winget", False),
        ("C:/Users/hanako/.fx/bin/devtunnel/devtunnel.exe", "copy that Teams Toolkit keeps", False),
        ("C:/ProgramData/x/devtunnel.exe", "program by its name", False),
        (
            "C:/Windows/System32/config/systemprofile/AppData/Local/DevTunnels/x",
            "data folder of devtunnel",
            False,
        ),
    ],
)
def test_files(path: str, meaning: str, context: bool) -> None:
    assert GlobSet(ARTIFACT.paths).matches(path.partition("/")[2])
    (fact,), problems = run(ARTIFACT, path, b"MZ")
    assert problems == []
    assert (fact.fields["file_meaning"], fact.context) == (meaning, context)
