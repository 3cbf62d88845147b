from __future__ import annotations

from forensics.artifacts.command_processor import ARTIFACT
from tests.artifacts.autorun_inputs import NTUSER, SOFTWARE, found, key, run, software, survives, user

PLACE = "Microsoft\\Command Processor"


def test_nothing_of_windows_stands_here() -> None:
    stock = software(key(PLACE, CompletionChar=64, DefaultColor=0, EnableExtensions=1, AutoRun=""))
    assert run(ARTIFACT, stock, SOFTWARE) == ([], [])


def test_machine_and_user() -> None:
    (entry,) = found(ARTIFACT, software(key(PLACE, AutoRun="C:\\a.bat")), SOFTWARE).values()
    assert (entry.mechanism, entry.name, entry.user, entry.score > 40) == ("command_processor", "AutoRun", None, True)
    content = user(key(PLACE, autorun="start /b calc"), key(f"Wow6432Node\\{PLACE}", AutoRun="x.cmd"))
    rows = found(ARTIFACT, content, NTUSER)
    assert {(place, entry.user) for (place, _), entry in rows.items()} == {
        ("Command Processor", "田中"), ("32:Command Processor", "田中"),
    }  # fmt: skip
    survives(ARTIFACT, content, NTUSER)
