"""A .wsb that was removed after its sandbox: told at the session and as a sign, with what else may have caused it."""

from __future__ import annotations

import pytest

from forensics.model import AntiForensic, SandboxSession, Value
from tests.sessions.factory import DEV, SYSTEM32, Scene, at

WSB = "C:\\Users\\Public\\kx.wsb"
NAMED = "\\VOLUME{1}\\USERS\\PUBLIC\\KX.WSB"
BIN = f"C:\\$Recycle.Bin\\{DEV}\\$RABCDEF.wsb"


def launched() -> Scene:
    scene = Scene()
    scene.process(0, "WindowsSandbox.exe", f"{SYSTEM32}WindowsSandbox.exe {WSB}")
    scene.vm(2, 600)
    return scene


def only(scene: Scene) -> tuple[SandboxSession, list[AntiForensic]]:
    done = scene.build()
    (session,) = done.sandbox_sessions
    return session, [sign for sign in done.anti_forensics if sign.kind == "config_removed"]


def told(session: SandboxSession, text: str) -> str:
    return next((reason for reason in session.reasons if text in reason), "")


def recycled(scene: Scene, seconds: float) -> str:
    path = BIN.replace("$R", "$I").replace("$Iecycle", "$Recycle").replace("\\", "/")
    return scene.file("file.recycled", path, {"Content Deletion Time": seconds}, file_path=WSB)[0].id


@pytest.mark.parametrize(("moment", "phase"), [(1900, "after it ended"), (60, "while it ran")])
def test_a_deletion(moment: float, phase: str) -> None:
    scene = launched()
    row = scene.journal("deleted", moment, WSB)
    session, (sign,) = only(scene)
    reason = told(session, "its configuration C:\\Users\\Public\\kx.wsb was deleted")
    assert phase in reason
    assert row.id in reason
    assert row.id in session.events
    assert told(session, "it was removed, and what it said could not be recovered")
    assert (sign.time, sign.events) == (at(moment), (row.id,))
    assert session.id in sign.detail
    assert len(sign.innocent_causes) >= 2


def test_the_recycle_bin_tells_who() -> None:
    scene = launched()
    one = scene.journal("renamed", 1900, BIN, old_path=WSB)
    two = recycled(scene, 1900.1)
    session, (sign,) = only(scene)
    assert told(session, "was moved to the recycle bin by 田中 at 2024-12-02 04:01:40")
    assert set(sign.events) == {one.id, two}
    assert "by 田中" in sign.detail


def test_a_record_without_the_time() -> None:
    scene = launched()
    scene.file("mft.entry", "C:/$MFT", {"Creation Time": -50}, "MFT record 9", file_path=WSB, file_deleted=True)
    session, (sign,) = only(scene)
    assert "when is not recorded" in told(session, "was deleted")
    assert (sign.time, "when is not recorded" in sign.detail) == (None, True)


def test_the_journal_has_its_time() -> None:
    scene = launched()
    scene.file("mft.entry", "C:/$MFT", {"Creation Time": -50}, "MFT record 9", file_path=WSB, file_deleted=True)
    scene.journal("deleted", 1900, WSB)
    assert [sign.time for sign in only(scene)[1]] == [at(1900)]


def test_a_configuration_that_is_joined_otherwise() -> None:
    scene = Scene()
    scene.remembered(
        "prefetch.run", 0, "WINDOWSSANDBOX.EXE", run_count=1, file_names=("\\VOLUME{1}\\USERS\\PUBLIC\\KX.WSB",)
    )
    scene.journal("deleted", 1900, WSB)
    session, (sign,) = only(scene)
    assert told(session, "was deleted at")
    assert sign.time == at(1900)


@pytest.mark.parametrize(
    ("moment", "path"), [(-60, WSB), (1900, "C:\\Users\\Public\\other.wsb"), (1900, "C:\\Users\\Public\\kx.wsb.bak")]
)
def test_what_is_no_removal_of_it(moment: float, path: str) -> None:
    scene = launched()
    scene.journal("deleted", moment, path)
    session, signs = only(scene)
    assert not told(session, "its configuration C:")
    assert signs == []


def test_an_editor_that_saves_anew() -> None:
    scene = launched()
    scene.journal("deleted", 1900, WSB)
    scene.journal("created", 1900.2, WSB)
    assert only(scene)[1] == []


GIVEN: dict[str, Value] = {
    "wsb_mapped_folders": ("C:\\Users\\Public\\kx -> C:\\kx (rw)",), "wsb_logon_command": "C:\\kx\\go.cmd",
}  # fmt: skip


def given(scene: Scene) -> tuple[SandboxSession, list[AntiForensic]]:
    scene.file("sandbox.config", "C:/Users/Public/kx.wsb", {"Creation Time": -60}, **GIVEN)
    done = scene.build()
    (session,) = done.sandbox_sessions
    return session, [sign for sign in done.anti_forensics if sign.kind == "given_removed"]


def test_the_script_and_the_folder_that_it_was_given() -> None:
    scene = launched()
    script = scene.journal("deleted", 1900, "C:\\Users\\Public\\kx\\go.cmd")
    folder = scene.journal("renamed", 1901, BIN.replace(".wsb", ""), old_path="C:\\Users\\Public\\kx", is_folder=True)
    for seconds, path in ((-5, "C:\\Users\\Public\\kx\\go.cmd"), (1900, "C:\\Users\\Public\\kx\\other.txt")):
        scene.journal("deleted", seconds, path)
    session, (one, two) = given(scene)
    reason = told(session, "the script that it was told to run, C:\\Users\\Public\\kx\\go.cmd was deleted")
    assert "after it ended" in reason
    assert "by 田中" in told(session, "its mapped folder C:\\Users\\Public\\kx was moved to the recycle bin")
    assert {script.id, folder.id} <= set(session.events)
    assert [(sign.time, sign.events) for sign in (one, two)] == [(at(1900), (script.id,)), (at(1901), (folder.id,))]
    assert session.id in two.detail
    assert len(two.innocent_causes) >= 2


def test_a_script_that_was_made_anew_is_not_removed() -> None:
    scene = launched()
    scene.journal("deleted", 1900, "C:\\Users\\Public\\kx\\go.cmd")
    scene.journal("created", 1900.5, "C:\\Users\\Public\\kx\\go.cmd")
    assert given(scene)[1] == []
