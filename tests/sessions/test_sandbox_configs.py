"""Which configuration a session ran with: by id, by path, and by time with all candidates ranked."""

from __future__ import annotations

import pytest

from forensics.artifacts.base import all_artifacts
from forensics.formats.wsb import LOST
from forensics.model import SandboxSession, Value, to_plain
from forensics.sessions.sandbox_hints import LINKS
from forensics.show.sandboxes import settings
from tests.sessions.factory import DEV, VM, VM2, Scene, at

DOCUMENTS = "C:/Users/田中/Documents"
OLD = -90000.0


def only(scene: Scene) -> SandboxSession:
    (session,) = scene.build().sandbox_sessions
    return session


def source(scene: Scene) -> str | None:
    config = only(scene).config
    return config.source if config else None


def reason(scene: Scene) -> str:
    return next(text for text in only(scene).reasons if "by time" in text or "fit the time" in text)


def config(scene: Scene, name: str, seconds: float = OLD, meaning: str = "Creation Time", **fields: Value) -> str:
    path = f"{DOCUMENTS}/{name}"
    about: dict[str, Value] = {"wsb_networking": False, **fields}
    scene.file("sandbox.config", path, {"Creation Time": OLD} | {meaning: seconds}, **about)
    return path


def recent(scene: Scene, name: str, seconds: float) -> None:
    scene.file(
        "recent.document", "C:/Users/田中/NTUSER.DAT", {"Content Modification Time": seconds}, f"RecentDocs {name}",
        file_name=name, user_sid=DEV,
    )  # fmt: skip


def prefetch(scene: Scene, names: tuple[str, ...], runs: int) -> None:
    texts = tuple(f"\\VOLUME{{01d}}\\USERS\\田中\\DOCUMENTS\\{name.upper()}" for name in names)
    scene.remembered("prefetch.run", 0, "WINDOWSSANDBOX.EXE", file_names=texts, run_count=runs)


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.vm(2, 600)
    return scene


@pytest.mark.parametrize(("seconds", "fits"), [(-91, False), (-85, True), (2, True), (7, True), (9, False)])
def test_the_span_is_ninety_seconds_before_and_five_after(scene: Scene, seconds: float, fits: bool) -> None:
    path = config(scene, "a.wsb", seconds, "Last Access Time")
    assert source(scene) == (path if fits else None)


@pytest.mark.parametrize("meaning", ["Last Access Time", "Content Modification Time", "Metadata Modification Time"])
def test_any_time_of_the_file_is_a_hint(scene: Scene, meaning: str) -> None:
    path = config(scene, "a.wsb", -10, meaning)
    assert source(scene) == path
    assert "(inference)" in reason(scene)


def test_the_journal_is_a_hint(scene: Scene) -> None:
    path = config(scene, "a.wsb")
    scene.journal("written", -10, path.replace("/", "\\"))
    assert source(scene) == path


def test_a_deletion_is_none(scene: Scene) -> None:
    path = config(scene, "a.wsb")
    scene.journal("deleted", -10, path.replace("/", "\\"))
    assert source(scene) is None


RECENT_LINK = "C:\\Users\\田中\\AppData\\Roaming\\Microsoft\\Windows\\Recent\\a.wsb.lnk"
A_WSB = "C:\\Users\\田中\\Documents\\a.wsb"
HINTS: list[tuple[str, str, dict[str, Value]]] = [
    ("link.opened", "Creation Time", {"file_path": RECENT_LINK, "target_path": A_WSB}),
    ("link.file", "Last Access Time", {"target_path": "C:\\Windows\\explorer.exe", "link_arguments": f'"{A_WSB}"'}),
    ("link.target", "Last Access Time", {"file_path": RECENT_LINK, "target_path": A_WSB}),
    ("jumplist.entry", "Last Used Time", {"target_path": "", "listed_path": A_WSB}),
    ("activity.recorded", "Start Time", {"opened_path": A_WSB, "display_text": "a.wsb"}),
    ("dialog.file_chosen", "Content Modification Time", {"file_path": A_WSB, "file_name": "a.wsb"}),
    ("dialog.file_seen", "Last Access Time", {"file_path": A_WSB, "file_name": "a.wsb"}),
    ("typed.command", "Content Modification Time", {"command_line": f"WindowsSandbox.exe {A_WSB}"}),
    ("typed.path", "Content Modification Time", {"typed_path": A_WSB}),
]


@pytest.mark.parametrize(("kind", "meaning", "fields"), HINTS)
def test_what_names_it_is_a_hint(scene: Scene, kind: str, meaning: str, fields: dict[str, Value]) -> None:
    """By its whole path: there is a second file of that name, and the shortcut's own path is not the target's."""
    path = config(scene, "a.wsb")
    scene.file("sandbox.config", "D:/lab/a.wsb", {"Creation Time": OLD}, wsb_networking=True)
    config(scene, "b.wsb", -10, "Last Access Time")
    scene.file(kind, "C:/Users/田中/x", {meaning: -3}, "entry 1", **fields)
    assert source(scene) == path
    assert "a shortcut, jump list, file dialog, typed command or timeline entry" in reason(scene)
    assert "ranked behind it: C:/Users/田中/Documents/b.wsb (it was last read at that time)" in reason(scene)


@pytest.mark.parametrize(("kind", "meaning", "fields"), HINTS)
def test_outside_of_the_span_it_is_none(scene: Scene, kind: str, meaning: str, fields: dict[str, Value]) -> None:
    config(scene, "a.wsb")
    scene.file(kind, "C:/Users/田中/x", {meaning: -100}, "entry 1", **fields)
    assert source(scene) is None


@pytest.mark.parametrize(
    ("kind", "field"),
    [("jumplist.offered", "target_path"), ("activity.remnant", "application"), ("link.file", "file_path")],
)
def test_what_says_nothing_of_an_opening_is_none(scene: Scene, kind: str, field: str) -> None:
    config(scene, "a.wsb")
    scene.file(kind, "C:/Users/田中/x", {"Creation Time": -3}, "entry 1", **{field: A_WSB})
    assert source(scene) is None


def test_the_hints_are_kinds_that_artifacts_emit() -> None:
    emitted: dict[str, set[str]] = {}
    for artifact in all_artifacts():
        for name, kind in artifact.emits.items():
            emitted.setdefault(name, set()).update(kind.fields)
    assert {kind for kind, _, _ in HINTS} == set(LINKS)
    for name, fields in LINKS.items():
        assert set(fields) <= emitted[name], name
    for name, _, given in HINTS:
        assert set(given) <= emitted[name], name


def test_prefetch_before_recent_before_access(scene: Scene) -> None:
    config(scene, "read.wsb", -5, "Last Access Time")
    opened = config(scene, "opened.wsb")
    recent(scene, "opened.wsb", -4)
    assert source(scene) == opened
    listed = config(scene, "listed.wsb")
    prefetch(scene, ("listed.wsb",), 1)
    assert source(scene) == listed
    assert reason(scene).index("listed.wsb") < reason(scene).index("opened.wsb") < reason(scene).index("read.wsb")


def test_prefetch_of_several_runs_says_nothing(scene: Scene) -> None:
    config(scene, "a.wsb")
    prefetch(scene, ("a.wsb",), 2)
    assert source(scene) is None


def test_of_two_alike_none_is_taken(scene: Scene) -> None:
    config(scene, "a.wsb", -5, "Last Access Time")
    config(scene, "b.wsb", -50, "Last Access Time")
    assert source(scene) is None
    assert "none is taken" in reason(scene)
    assert "a.wsb" in reason(scene)
    assert "b.wsb" in reason(scene)


def test_a_second_hint_decides(scene: Scene) -> None:
    config(scene, "a.wsb", -5, "Last Access Time")
    path = config(scene, "b.wsb", -50, "Last Access Time")
    scene.journal("written", -60, path.replace("/", "\\"))
    assert source(scene) == path


def test_of_two_in_one_prefetch_file_none_is_taken(scene: Scene) -> None:
    config(scene, "a.wsb")
    config(scene, "b.wsb")
    prefetch(scene, ("a.wsb", "b.wsb"), 1)
    assert source(scene) is None


def test_a_path_goes_before_all_times(scene: Scene) -> None:
    path = config(scene, "named.wsb")
    config(scene, "read.wsb", -1, "Last Access Time")
    recent(scene, "read.wsb", -1)
    scene.process(0, "WindowsSandbox.exe", f'WindowsSandbox.exe "{path}"')
    assert source(scene) == path


def test_the_id_goes_before_the_path() -> None:
    scene = Scene()
    inline = "<Configuration><MemoryInMB>{}</MemoryInMB></Configuration>"
    for number, ident in ((2048, VM), (3072, VM2)):
        text = f'wsb start --id {ident} --config "{inline.format(number)}"'
        scene.process(number / 100, "wsb.exe", text, pid=str(number))
    scene.vm(32, 600, VM)
    scene.vm(22, 600, VM2)
    found = {session.vm_id: session.config for session in scene.build().sandbox_sessions}
    memory = {ident: settings.memory_mb for ident, settings in found.items() if settings}
    assert memory == {VM: 2048, VM2: 3072}


def test_a_run_without_a_start_has_no_configuration_by_time() -> None:
    scene = Scene()
    config(scene, "a.wsb", -5, "Last Access Time")
    scene.remembered("bam.run", 0, user_sid=DEV)
    assert source(scene) is None


@pytest.mark.parametrize(("place", "taken"), [("LocalState/Recipes", True), ("LocalState", False)])
def test_the_store_app_takes_its_own_recipe(place: str, taken: bool) -> None:
    scene = Scene()
    package = "MicrosoftWindows.WindowsSandbox_cw5n1h2txyewy"
    path = f"C:/Users/田中/AppData/Local/Packages/{package}/{place}/Default.wsb"
    scene.file("sandbox.config", path, {"Last Access Time": -2}, wsb_networking=True)
    scene.remembered("userassist.run", 0, f"{package}!App", profile_user="田中")
    assert (only(scene).launch.method, source(scene)) == ("store", path if taken else None)
    assert only(scene).start == at(0)


EVIL: dict[str, Value] = {
    "wsb_networking": True,
    "wsb_mapped_folders": ("C:\\Users -> C:\\h (rw)",),
    "wsb_logon_command": "C:\\h\\a.bat",
}


def test_a_time_alone_says_nothing_of_the_launch_and_counts_little(scene: Scene) -> None:
    path = config(scene, "a.wsb", -10, "Last Access Time", **EVIL)
    session = only(scene)
    assert (source(scene), session.launch.method, session.score) == (path, "unknown", 20)
    rules = [text for text in session.reasons if text.startswith("WSB-")]
    assert rules
    assert all("(if it ran with this configuration: inference)" in text for text in rules)


def test_the_launchers_own_list_counts_whole(scene: Scene) -> None:
    path = config(scene, "a.wsb", **EVIL)
    prefetch(scene, ("a.wsb",), 1)
    session = only(scene)
    assert (source(scene), session.launch.method) == (path, "file")
    assert session.score > 20


def test_a_list_without_a_configuration_excludes_what_was_only_read(scene: Scene) -> None:
    config(scene, "a.wsb", -10, "Last Access Time", **EVIL)
    prefetch(scene, ("desktop.ini",), 1)
    session = only(scene)
    assert (session.config, session.launch.wsb_path, session.score) == (None, None, 0)


@pytest.mark.parametrize("hint", ["prefetch", "recent"])
def test_a_file_that_is_gone_is_still_named(scene: Scene, hint: str) -> None:
    config(scene, "other.wsb", -10, "Last Access Time", **EVIL)
    if hint == "prefetch":
        prefetch(scene, ("gone.wsb",), 1)
    else:
        recent(scene, "gone.wsb", -3)
    session = only(scene)
    assert session.config is None
    assert (session.launch.wsb_path or "").casefold().endswith("gone.wsb")
    assert any("gone.wsb; the file is not in the evidence" in text.casefold() for text in session.reasons)


def test_of_two_that_are_gone_none_is_named(scene: Scene) -> None:
    recent(scene, "one.wsb", -3)
    recent(scene, "two.wsb", -3)
    assert only(scene).launch.wsb_path is None


def launched(path: str) -> Scene:
    scene = Scene()
    scene.vm(2, 600)
    scene.process(0, "C:\\Windows\\System32\\WindowsSandbox.exe", f'"WindowsSandbox.exe" "{path}"')
    return scene


def recovered(scene: Scene, **fields: Value) -> None:
    about: dict[str, Value] = {"recovered": True, "file_deleted": False, "file_sha256": "ee" * 32}
    about |= {"wsb_networking": True, "wsb_logon_command": "C:\\x\\go.cmd"}
    scene.file("sandbox.config", "C:/$MFT", {"Creation Time": OLD}, "MFT record 9", **(about | fields))


def test_what_lies_at_the_end_of_the_path_is_taken_with_its_content() -> None:
    scene = launched("C:\\Users\\Public\\kx.wsb")
    recovered(scene, path_tail="Public\\kx.wsb", file_deleted=True)
    tail = {"path_tail": "Public\\kx.wsb", "file_name": "kx.wsb"}
    scene.file("usn.file_deleted", "C:/$Extend/$J", {"Content Deletion Time": 700}, "USN 9", **tail)
    session = only(scene)
    assert source(scene) == "Public/kx.wsb"
    assert not any("could not be recovered" in text for text in session.reasons)
    assert any("of which only the end is known" in text and "inference" in text for text in session.reasons)
    assert any(text.startswith("WSB-07") for text in session.reasons), "the launch names the whole place"
    recovered(scene, path_tail="kx.wsb", file_sha256="ff" * 32)
    assert source(scene) is None, "two that may be it"


def test_a_whole_copy_goes_before_a_damaged_file() -> None:
    path = f"{DOCUMENTS}/a.wsb"
    scene = launched(path.replace("/", "\\"))
    notes = tuple(f"{name} {LOST}" for name in ("LogonCommand", "MappedFolders"))
    damage: dict[str, Value] = {"wsb_malformed": True, "wsb_notes": notes}
    damage["wsb_defaults"] = ("LogonCommand", "MappedFolders")
    config(scene, "a.wsb", **damage)
    alone = only(scene).config
    assert alone is not None
    assert alone.lost == ("LogonCommand", "MappedFolders"), "unknown, not absent"
    shown = settings(to_plain(alone))
    assert "logon command unknown" in shown
    assert "mapped folder unknown" in shown
    recovered(scene, file_path=path.replace("/", "\\"))
    session = only(scene)
    assert session.config is not None
    assert session.config.logon_command == "C:\\x\\go.cmd"
    assert any("the file itself is in the evidence and damaged" in text for text in session.reasons)
    first, second = scene.build().sandbox_configs
    assert any("that one is taken" in text for text in first.reasons)
    assert not any("not in the evidence" in text for text in second.reasons)


def test_a_folder_of_binary_rubbish_is_none() -> None:
    scene = launched(f"{DOCUMENTS}/a.wsb".replace("/", "\\"))
    folders = ("C:\\Intel\ufffd\x10<x -> C:\\x (rw)", "C:\\Data -> C:\\y (ro)")
    config(scene, "a.wsb", wsb_malformed=True, wsb_mapped_folders=folders)
    session = only(scene)
    assert session.config is not None
    assert [folder.host for folder in session.config.mapped_folders] == ["C:\\Data"]
    assert not any(text.startswith("WSB-01") for text in session.reasons)
    assert any("1 mapped folder with a damaged name" in text for text in session.reasons)


def test_a_network_that_is_not_known_is_not_said_to_be_on() -> None:
    scene = launched(f"{DOCUMENTS}/a.wsb".replace("/", "\\"))
    about: dict[str, Value] = {"wsb_logon_command": "cmd", "wsb_unknown": ("Networking=__NETWORKING__",)}
    scene.file("sandbox.config", f"{DOCUMENTS}/a.wsb", {"Creation Time": OLD}, **about)
    assert any(text.startswith("WSB-02") for text in only(scene).reasons)
    assert not any(text.startswith(("WSB-03", "WSB-04")) for text in only(scene).reasons)
