"""The guest of a surviving disk goes to the one session that it can be of, and else to none."""

from __future__ import annotations

from forensics.model import Event, Fact, Source, Verdicts
from forensics.sessions import build, with_guests
from tests.sessions.factory import HOST, VM, VM2, VM3, Scene, at

STORAGE = "11111111-2222-4333-8444-555555555555"


def _inside(folder: str, count: int = 3) -> list[Event]:
    path = f"guest-{folder.casefold()}:/Windows/System32/winevt/Logs/Security.evtx"
    source = Source("case", path, None, "record 1")
    return [
        Event(f"{number:016x}", at(60 + number), "t", "process.created", "[guest] x", "G", "", source, {}, ("guest",))
        for number in range(count)
    ]


def _scene(*machines: tuple[str, str]) -> tuple[Verdicts, list[Event]]:
    """Sessions one after the other: machine, and the folder of its disk."""
    scene = Scene()
    for number, (machine, storage) in enumerate(machines):
        scene.vm(1000 * number, 1000 * number + 600, machine, disk=False)
        place = f"C:\\ProgramData\\Microsoft\\Windows\\Containers\\ContainerStorages\\{storage}\\sandbox.vhdx"
        scene.add("vm.disk_opened", 1000 * number + 0.2, vm_id=machine, disk_path=place)
    return build(scene.events, HOST, "case"), scene.events


def _joined(verdicts: Verdicts, kept: list[Event], folder: str, inside: list[Event]) -> Verdicts:
    return with_guests(verdicts, {f"guest-{folder.casefold()}:": "G"}, inside, [], kept)


def test_by_the_machine_and_by_the_folder_of_its_disk() -> None:
    verdicts, kept = _scene((VM, STORAGE), (VM2, VM3))
    assert [item.vm_id for item in verdicts.sandbox_sessions] == [VM, VM2]
    for folder, where in ((VM, 0), (VM2, 1), (STORAGE, 0), (VM3, 1)):
        inside = _inside(folder)
        told = _joined(verdicts, kept, folder, inside).sandbox_sessions
        ids = {event.id for event in inside}
        assert [ids <= set(session.events) for session in told] == [where == 0, where == 1], folder
        assert "3 rows of the guest are kept, from 2024-12-02 03:31:00.000 UTC" in told[where].reasons[-1]
        assert told[1 - where] == verdicts.sandbox_sessions[1 - where]


def test_a_stranger_and_an_ambiguous_folder_stay_apart() -> None:
    verdicts, kept = _scene((VM, STORAGE), (VM2, STORAGE))
    assert len(verdicts.sandbox_sessions) == 2
    for folder in (STORAGE, "99999999-2222-4333-8444-555555555555"):
        assert _joined(verdicts, kept, folder, _inside(folder)) == verdicts


def test_a_guest_of_which_nothing_is_kept_is_said_all_the_same() -> None:
    verdicts, kept = _scene((VM, STORAGE))
    (told,) = _joined(verdicts, kept, VM, []).sandbox_sessions
    assert told.events == verdicts.sandbox_sessions[0].events
    assert told.reasons[-1].endswith("0 rows of the guest are kept")


def test_undated_rows_and_very_many() -> None:
    verdicts, kept = _scene((VM, STORAGE))
    drive = f"guest-{VM.casefold()}:"
    fact = Fact("host.described", Source("case", f"{drive}/Windows/System32/config/SYSTEM", None, "file"), {}, {})
    (told,) = with_guests(verdicts, {drive: ""}, _inside(VM, 700), [fact], kept).sandbox_sessions
    assert "701 rows" in told.reasons[-1]
    assert "the first 500 are listed here" in told.reasons[-1]
    assert len(told.events) == len(verdicts.sandbox_sessions[0].events) + 500
