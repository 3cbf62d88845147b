"""When a sandbox ended at the earliest and at the latest, and what of it is inferred."""

from __future__ import annotations

from forensics.model import Event, SandboxSession, Value
from tests.sessions.factory import DEV, VM, VM2, Scene, at

FOLDER = f"C:\\ProgramData\\Microsoft\\Windows\\Containers\\Sandboxes\\{VM}"


def only(scene: Scene) -> SandboxSession:
    (session,) = scene.build().sandbox_sessions
    return session


def told(session: SandboxSession, text: str) -> str:
    return next((reason for reason in session.reasons if text in reason), "")


def disk(scene: Scene, kind: str, born: float, written: float, folder: str = FOLDER, **fields: Value) -> Event:
    """A disk's times, from its record or its own file; gives the row of the last write."""
    times = {"Creation Time": born, "Content Modification Time": written}
    made = scene.file(
        kind, "C:/$MFT", times, f"MFT record {folder} {kind}", file_path=f"{folder}\\sandbox.vhdx", **fields
    )
    return made[1]


class TestLastWrite:
    def test_of_a_surviving_disk(self) -> None:
        scene = Scene()
        row = disk(scene, "mft.entry", 0, 2489, file_deleted=False)
        session = only(scene)
        assert (session.end, session.end_kind, session.end_earliest) == (None, "unknown", at(2489))
        reason = told(session, "still alive at 2024-12-02 04:11:29.000 UTC: its disk, which is still there")
        assert "inference" in reason
        assert row.id in reason
        assert row.id in session.events

    def test_of_a_deleted_one(self) -> None:
        scene = Scene()
        disk(scene, "mft.entry", 0, 2489, file_deleted=True)
        assert only(scene).end_earliest == at(2489)
        assert told(only(scene), "which is deleted now")

    def test_of_its_own_file(self) -> None:
        scene = Scene()
        scene.vm(0, None)
        row = disk(scene, "sandbox.disk_survived", 0, 2489)
        assert only(scene).end_earliest == at(2489)
        assert row.id in only(scene).events

    def test_not_of_another_machine_nor_from_before(self) -> None:
        scene = Scene()
        scene.vm(0, None)
        disk(scene, "sandbox.disk_survived", 0, 2489, FOLDER.replace(VM, VM2))
        disk(scene, "sandbox.disk_survived", -90, -80)
        assert only(scene).end_earliest is None
        assert not told(only(scene), "still alive")

    def test_nothing_is_alive_after_its_stop(self) -> None:
        scene = Scene()
        scene.vm(0, 600)
        disk(scene, "mft.entry", 0, 600.3, file_deleted=True)
        assert not told(only(scene), "still alive")


class TestBounds:
    def test_of_several_stop_records(self) -> None:
        scene = Scene()
        scene.vm(0, 600)
        session = only(scene)
        assert (session.end_earliest, session.end, session.end_latest) == (at(600), at(600.5), at(600.5))

    def test_a_deletion_is_a_bound_from_above_alone(self) -> None:
        scene = Scene()
        scene.disk(0, 600, "Sandboxes")
        session = only(scene)
        assert (session.end_earliest, session.end, session.end_latest) == (None, at(600.1), at(600.1))
        scene.remembered("bam.run", 598, "C:\\Windows\\System32\\WindowsSandboxClient.exe", user_sid=DEV)
        scene.remembered("bam.run", 602, user_sid=DEV)
        session = only(scene)
        assert (session.end_earliest, session.end_latest) == (at(583), at(600.1))
        assert session.start_latest == at(598), "by then it ran: its client was active"

    def test_of_a_crash(self) -> None:
        scene = Scene()
        scene.vm(0, None)
        scene.boot(4000)
        scene.add("system.crashed", 4001, last_alive_time=at(3500).isoformat())
        session = only(scene)
        assert (session.end_earliest, session.end, session.end_latest) == (at(3500), at(3500), at(4000))

    def test_of_a_crash_by_the_disk_where_nothing_knows_the_hosts_last_moment(self) -> None:
        scene = Scene()
        scene.vm(0, None)
        disk(scene, "mft.entry", 0, 2489, file_deleted=False)
        scene.boot(4000)
        session = only(scene)
        assert (session.end_earliest, session.end, session.end_latest) == (at(2489), at(4000), at(4000))

    def test_of_a_last_activity(self) -> None:
        scene = Scene()
        scene.remembered("bam.run", 900, user_sid=DEV)
        scene.boot(4000)
        session = only(scene)
        assert (session.end_earliest, session.end, session.end_latest) == (at(885), None, at(4000))
        assert "outlive their machine by seconds (inference)" in "".join(session.reasons)

    def test_an_activity_hours_later_is_none(self) -> None:
        scene = Scene()
        scene.remembered("prefetch.run", 0, "WINDOWSSANDBOX.EXE")
        scene.remembered("bam.run", 9000, user_sid=DEV)
        assert only(scene).end_earliest is None

    def test_a_deleted_disk_alone_is_not_ended_by_the_boot(self) -> None:
        scene = Scene()
        disk(scene, "mft.entry", 0, 2489, file_deleted=True)
        scene.boot(90000)
        session = only(scene)
        assert (session.end, session.end_kind) == (None, "unknown")
        assert (session.end_earliest, session.end_latest) == (at(2489), at(90000))
        assert told(session, "its disk is deleted, at a time that its record does not have")

    def test_nothing_is_known(self) -> None:
        scene = Scene()
        scene.process(0, "WindowsSandbox.exe")
        assert (only(scene).end_earliest, only(scene).end_latest) == (None, None)
