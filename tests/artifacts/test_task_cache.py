from __future__ import annotations

from datetime import UTC, datetime

from forensics.artifacts.task_cache import ARTIFACT
from forensics.model import Fact
from tests.artifacts.autostarts import scores
from tests.artifacts.registry_inputs import merged, nested, run
from tests.formats.crafted_hives import Tree, utf16
from tests.formats.crafted_tasks import (
    ANYBODY,
    actions,
    com_handler,
    dynamic_info,
    execute,
    settings,
    sid,
    trigger,
    triggers,
)

SOFTWARE = "C:/Windows/System32/config/SOFTWARE"
CACHE = "Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache"
TICKS = 133_777_404_610_000_000
WHEN = datetime(2024, 12, 3, 23, 1, 1, tzinfo=UTC)
SANDBOX = execute("c:\\windows\\system32\\windowssandbox.exe", "c:\\windows\\system32\\default.wsb")
FIRES = triggers(sid(18)) + settings() + trigger(0xFFFF) + trigger(0xAAAA, ANYBODY)


def guid(number: int) -> str:
    return f"{{00000000-0000-0000-0000-{number:012X}}}"


def cached(*tasks: tuple[str, bytes | None, str], fires: bytes = FIRES) -> Tree:
    """Tasks as (path, Actions, how they are listed: `shown`, `no SD`, `no tree`, `no task`)."""
    trees: list[Tree] = [{"Classes": {}}]
    for number, (path, blob, listed) in enumerate(tasks, 1):
        identifier = ("Id", 1, utf16(guid(number)))
        descriptor = [("SD", 3, b"\x01" * 8)] if listed != "no SD" else []
        if listed != "no tree":
            trees.append(nested(f"{CACHE}\\Tree{path}", {"": [identifier, *descriptor]}))
        if listed != "no task":
            values = [("Path", 1, utf16(path)), ("DynamicInfo", 3, dynamic_info(TICKS, TICKS, 0, 0))]
            values += [("Author", 1, utf16("WS-TANAKA\\田中")), ("Triggers", 3, fires)]
            values += [("Actions", 3, blob)] if blob is not None else []
            trees.append(nested(f"{CACHE}\\Tasks\\{guid(number)}", {"": values}))
    return merged(*trees)


def by_name(facts: list[Fact]) -> dict[str, Fact]:
    return {str(fact.fields["entry_name"]): fact for fact in facts}


def test_a_task_that_starts_a_sandbox() -> None:
    (fact,), problems = run(ARTIFACT, cached(("\\Upd", actions(SANDBOX), "shown")), SOFTWARE)
    assert problems == []
    assert fact.fields == {
        "mechanism": "scheduled_task",
        "location": f"HKLM\\SOFTWARE\\{CACHE}\\Tasks\\{guid(1)}",
        "entry_name": "\\Upd",
        "task_name": "\\Upd",
        "command_line": "c:\\windows\\system32\\windowssandbox.exe c:\\windows\\system32\\default.wsb",
        "task_author": "WS-TANAKA\\田中",
        "task_run_as": "S-1-5-18",
        "task_trigger": "BootTrigger; LogonTrigger",
        "result_code": "0x00000000",
        "key_path": f"{CACHE}\\Tasks\\{guid(1)}",
    }
    assert fact.times == {"Content Modification Time": WHEN, "Last registered Time": WHEN, "Launch Time": WHEN}
    assert fact.no_times["End Time"].startswith("zero")
    assert (fact.context, fact.tags) == (False, ())


def test_hidden_tasks_are_kept_and_tagged() -> None:
    stock = actions(execute("%windir%\\system32\\sc.exe", "start x"))
    tasks = cached(
        ("\\Microsoft\\Windows\\A", stock, "shown"),
        ("\\Microsoft\\Windows\\B", stock, "no SD"),
        ("\\Microsoft\\Windows\\C", stock, "no tree"),
    )
    facts, problems = run(ARTIFACT, tasks, SOFTWARE)
    assert problems == []
    found = by_name(facts)
    assert [found[f"\\Microsoft\\Windows\\{name}"].context for name in "ABC"] == [True, False, False]
    assert [found[f"\\Microsoft\\Windows\\{name}"].tags for name in "ABC"] == [(), ("hidden_task",), ("hidden_task",)]
    assert str(found["\\Microsoft\\Windows\\B"].fields["reason"]).startswith("no SD")
    assert str(found["\\Microsoft\\Windows\\C"].fields["reason"]).startswith("no entry")


def test_where_no_task_has_a_descriptor_none_is_hidden() -> None:
    facts, _ = run(ARTIFACT, cached(("\\A", actions(SANDBOX), "no SD"), ("\\B", actions(SANDBOX), "no SD")), SOFTWARE)
    assert [fact.tags for fact in facts] == [(), ()]


def test_a_class_whose_library_lies_where_users_can_write() -> None:
    good, bad = "{01575CFE-9A55-4003-A5E1-F38D1EBDCBE1}", "{01575CFE-9A55-4003-A5E1-F38D1EBDCBE2}"
    folder = "\\Microsoft\\Windows"
    tasks = cached(
        (f"{folder}\\A", actions(com_handler(good)), "shown"), (f"{folder}\\B", actions(com_handler(bad)), "shown")
    )
    servers = {good: "%SystemRoot%\\System32\\a.dll", bad: "C:\\ProgramData\\b.dll"}
    classes = [
        nested(f"Classes\\CLSID\\{name}\\InprocServer32", {"": [("", 1, utf16(path))]})
        for name, path in servers.items()
    ]
    facts, problems = run(ARTIFACT, merged(tasks, *classes), SOFTWARE)
    assert problems == []
    found = by_name(facts)
    assert [found[f"{folder}\\{name}"].context for name in "AB"] == [True, False]
    assert [found[f"{folder}\\{name}"].fields["target_path"] for name in "AB"] == list(servers.values())
    assert {name: score > 40 for name, score in scores(facts).items()} == {f"{folder}\\A": False, f"{folder}\\B": True}


def test_what_is_context() -> None:
    folder = "\\Microsoft\\Windows\\Folder"
    handler = com_handler("{01575CFE-9A55-4003-A5E1-F38D1EBDCBE1}")
    tasks = cached(
        (f"{folder}\\com", actions(handler), "shown"),
        (f"{folder}\\interpreter", actions(execute("cmd.exe", "/c x")), "shown"),
        (f"{folder}\\elsewhere", actions(execute("C:\\ProgramData\\a.exe")), "shown"),
        (f"{folder}\\watched", actions(SANDBOX), "shown"),
        (f"{folder}\\second", actions(handler, execute("C:\\a.exe")), "shown"),
        ("\\OneDrive", actions(execute("%windir%\\system32\\sc.exe")), "shown"),
    )
    facts, _ = run(ARTIFACT, tasks, SOFTWARE)
    assert [str(fact.fields["entry_name"]).rpartition("\\")[2] for fact in facts if fact.context] == ["com"]
    found = by_name(facts)
    assert found[f"{folder}\\com"].fields["value_data"] == "COM handler {01575CFE-9A55-4003-A5E1-F38D1EBDCBE1}"
    assert found[f"{folder}\\second"].fields["command_line"] == "C:\\a.exe"


def test_each_action_has_a_row_of_its_own() -> None:
    both = actions(execute("%windir%\\system32\\defrag.exe", "-c"), execute("C:\\Users\\Public\\evil.exe"))
    facts, problems = run(ARTIFACT, cached(("\\T", both, "shown")), SOFTWARE)
    assert problems == []
    assert [fact.fields["command_line"] for fact in facts] == [
        "%windir%\\system32\\defrag.exe -c", "C:\\Users\\Public\\evil.exe"
    ]  # fmt: skip
    assert [fact.source.locator[-10:] for fact in facts] == ["(action 1)", "(action 2)"]


def test_damage_is_a_problem_and_the_task_stays() -> None:
    facts, problems = run(ARTIFACT, cached(("\\A", b"\x03\0\xff", "shown"), ("\\B", None, "shown")), SOFTWARE)
    assert [fact.fields["entry_name"] for fact in facts] == ["\\A", "\\B"]
    (problem,) = problems
    assert problem.fault == "bad_record"
    assert problem.source.locator == f"{CACHE}\\Tasks\\{guid(1)}\\Actions"


def test_a_tree_entry_without_its_task_is_told() -> None:
    (fact,), problems = run(ARTIFACT, cached(("\\Gone", None, "no task")), SOFTWARE)
    assert problems == []
    assert (fact.fields["task_name"], fact.tags, fact.times) == ("\\Gone", ("orphan_task",), {})


TWO = ("\\A", actions(SANDBOX), "shown"), ("\\B", actions(SANDBOX), "shown")


def test_triggers_before_a_damage_stay() -> None:
    facts, problems = run(ARTIFACT, cached(*TWO, fires=FIRES[:-4]), SOFTWARE)
    assert [fact.fields["task_trigger"] for fact in facts] == ["BootTrigger"] * 2
    assert ["Triggers" in problem.source.locator for problem in problems] == [True, True]


def test_an_unknown_version_is_said_once() -> None:
    old = triggers(sid(18), version=0x14) + settings()
    _facts, problems = run(ARTIFACT, cached(*TWO, fires=old), SOFTWARE)
    assert [problem.detail for problem in problems] == ["unknown version 0x14 of a task's triggers at offset 0x0"]
