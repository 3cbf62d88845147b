"""What holds for any set of events: order does not matter, bounds are ordered, nothing used is lost, ids are stable."""

from __future__ import annotations

import random
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from forensics.model import Event, Verdicts
from forensics.sessions import build
from tests.sessions.factory import DEV, HOST, SYSTEM, SYSTEM32, VM, VM2, VM3, Scene
from tests.sessions.test_tunnel import CLI, CODE, COMMIT, RUN, Tunnel

_MOMENT = st.integers(min_value=0, max_value=400)
_VM = st.sampled_from([VM, VM2, VM3.lower()])
_DISK = "C:\\ProgramData\\Microsoft\\Windows\\Containers\\Sandboxes\\{}\\sandbox.vhdx"
_COMMANDS = [
    ("WindowsSandbox.exe", 'WindowsSandbox.exe "C:\\a.wsb"'),
    ("WindowsSandboxClient.exe", ""),
    ("cmproxyd.exe", ""),
    ("vmwp.exe", f"vmwp.exe {VM}"),
    ("wsb.exe", f"wsb start --id {VM2}"),
    ("wsb.exe", f"wsb exec --id {VM2} -r System -c x"),
    ("wsb.exe", "wsb stop --id " + VM2),
    ("hvsimgr.exe", ""),
    (CODE, RUN),
    (CODE, "code.exe tunnel status"),
]
_STEP = st.one_of(
    st.tuples(st.just("vm"), _MOMENT, _VM, st.sampled_from(
        ["compute.created", "compute.started", "compute.terminated", "vm.started", "vm.turned_off", "vm.nic_connected",
         "vm.disk_opened", "compute.modified"])),
    st.tuples(st.just("process"), _MOMENT, st.sampled_from(_COMMANDS), st.sampled_from([DEV, SYSTEM])),
    st.tuples(st.just("execution"), _MOMENT, st.sampled_from(["prefetch.run", "bam.run", "userassist.run"]),
              st.sampled_from(["WINDOWSSANDBOX.EXE", "WSB.EXE", "CMPROXYD.EXE", "WINDOWSSANDBOXCLIENT.EXE"])),
    st.tuples(st.just("disk"), _MOMENT, _VM, st.sampled_from(["created", "deleted"])),
    st.tuples(st.just("logon"), _MOMENT, _VM, st.none()),
    st.tuples(
        st.just("script"), _MOMENT, st.sampled_from([f"wsb start --id {VM2}", f"wsb stop --id {VM2}"]), st.none()
    ),
    st.tuples(st.just("cached"), _MOMENT, st.sampled_from(["Launch Time", "End Time"]), st.none()),
    st.tuples(st.just("system"), _MOMENT, st.sampled_from(
        ["system.log_started", "system.log_stopped", "system.crashed", "system.shutdown_requested", "log.cleared"]),
        st.none()),
    st.tuples(st.just("tunnel"), _MOMENT, st.sampled_from(
        ["host_started", "host_stopped", "client_connected", "client_serving", "client_disconnected",
         "relay_connected"]),
        st.sampled_from(["0", "1"])),
    st.tuples(st.just("window"), _MOMENT, st.sampled_from(["opened", "closed", "lost", "expired"]),
              st.sampled_from(["aa", "bb"])),
    st.tuples(st.just("task"), _MOMENT, st.sampled_from(["task.registered", "task.started", "task.process_created"]),
              st.none()),
)  # fmt: skip


def _scene(steps: list[tuple[str, int, object, object]]) -> Tunnel:
    scene = Tunnel()
    for sort, minute, one, two in steps:
        moment = minute * 20.0
        if sort == "vm":
            path = {"disk_path": _DISK.format(one)} if two == "vm.disk_opened" else {}
            scene.add(str(two), moment, vm_id=str(one), **path)
        elif sort == "process":
            image, line = one  # type: ignore[misc]
            scene.process(moment, image, line, user_sid=str(two), pid=str(minute % 7))
        elif sort == "execution":
            scene.file(str(one), "C:/x", {"Last Time Executed": moment}, f"{two} {minute}", executable_name=str(two))
        elif sort == "disk":
            scene.journal(str(two), moment, _DISK.format(one))
        elif sort == "logon":
            scene.add("logon.succeeded", moment, target_user_domain="NT VIRTUAL MACHINE", target_user_name=str(one))
        elif sort == "script":
            scene.add("powershell.script_block", moment, script_text=str(one), user_sid=DEV)
        elif sort == "cached":
            scene.file(
                "task.cached", "C:/SOFTWARE", {str(one): moment}, "T", command_line="windowssandbox.exe c:\\a.wsb"
            )
        elif sort == "system":
            scene.add(str(one), moment, cleared_channel="Security")
        elif sort == "tunnel":
            scene.line(str(one), moment, rpc_id=str(two), channel_number=str(minute), commit=COMMIT)
        elif sort == "window":
            scene.window(str(one), moment, str(two))
        else:
            line = f"{SYSTEM32}windowssandbox.exe c:\\a.wsb"
            scene.add(str(one), moment, task_name="\\T", command_line=line, executable=line.split(" ", 1)[0])
    return scene


def _ids(verdicts: Verdicts) -> set[str]:
    parts = (
        verdicts.sandbox_sessions, verdicts.sandbox_configs, verdicts.tunnel_sessions, verdicts.persistence,
        verdicts.anti_forensics, verdicts.findings,
    )  # fmt: skip
    return {ident for part in parts for item in part for ident in item.events} | set(verdicts.sandbox_capability.events)


@settings(max_examples=120, deadline=None)
@given(st.lists(_STEP, max_size=25), st.randoms(use_true_random=False))
def test_invariants(steps: list[tuple[str, int, object, object]], shuffled: random.Random) -> None:
    scene = _scene(steps)
    verdicts = scene.build()
    events: list[Event] = list(scene.events)
    shuffled.shuffle(events)
    assert build(events, HOST, "case", scene.undated) == verdicts
    known = {event.id for event in scene.events}
    assert _ids(verdicts) <= known
    for session in verdicts.sandbox_sessions:
        bounds = [moment for moment in (session.start_earliest, session.start, session.start_latest) if moment]
        assert bounds == sorted(bounds)
        assert session.start or session.start_latest
        if session.start is not None:
            assert session.start_earliest is not None
            assert session.end is None or session.end >= session.start
        assert session.events
        assert len(set(session.events)) == len(session.events)
        named = {word.strip("[],") for reason in session.reasons for word in reason.split()} & known
        assert named <= set(session.events)
        assert 0 <= session.score <= 100
    assert len({session.id for session in verdicts.sandbox_sessions}) == len(verdicts.sandbox_sessions)
    for tunnel in verdicts.tunnel_sessions:
        assert all(p.end is None or p.start is None or p.end >= p.start for p in tunnel.hosting)
        assert all(c.end is None or c.start is None or c.end >= c.start for c in tunnel.clients)
        assert list(tunnel.clients) == sorted(tunnel.clients, key=lambda c: str(c.start))


@settings(max_examples=60, deadline=None)
@given(st.lists(_STEP, max_size=20))
def test_every_vm_run_of_a_sandbox_is_told_once(steps: list[tuple[str, int, object, object]]) -> None:
    scene = _scene([step for step in steps if step[0] == "vm"])
    verdicts = scene.build()
    owners: dict[str, set[str]] = {}
    for session in verdicts.sandbox_sessions:
        for ident in session.events:
            owners.setdefault(ident, set()).add((session.vm_id or "").casefold())
    # Two runs of one VM share what says that it is a sandbox; nothing else is told twice.
    assert all(len(vms) == 1 for vms in owners.values())
    assert not {ident for finding in verdicts.findings for ident in finding.events} & set(owners)


def test_nothing_out_of_nothing() -> None:
    assert Scene().build() == build([], HOST, "other")


def test_the_evidences_name_stands_in_for_an_unknown_host() -> None:
    scene = Scene()
    scene.vm(0, 10)
    (session,) = build(scene.events, type(HOST)(), "case").sandbox_sessions
    assert session.host == "case"


def test_twenty_thousand_events_take_less_than_a_second() -> None:
    scene = Tunnel()
    scene.identity()
    for number in range(600):
        scene.process(number * 60.0, "cmd.exe", f"cmd /c code tunnel {number}")
        scene.process(
            number * 60.0 + 1, f"{CLI}\\servers\\Stable-{COMMIT}\\server\\node.exe", "node.exe --type=ptyHost"
        )
        scene.add("dns.queried", number * 60.0 + 2, query_name="jpe1.rel.tunnels.api.visualstudio.com")
    for number in range(40):
        scene.vm(number * 4000.0, number * 4000.0 + 3000, f"{number:08d}-7B1E-4C35-9E0C-2B0D8C4F7A11")
    for number in range(400):
        scene.file("task.cached", "C:/s", {"Content Modification Time": number}, f"t{number}", task_name=f"\\T{number}",
                   command_line="C:\\Program Files\\a.exe")  # fmt: skip
    while len(scene.events) < 20_000:
        number = len(scene.events)
        scene.file("prefetch.run", f"C:/Windows/Prefetch/X{number}.pf", {"Last Time Executed": number}, "run 1",
                   executable_name="CODE.EXE", file_names=("\\X.WSB",) * 20)  # fmt: skip
        scene.line("relay_lost", number, reason="websocket pong timed out, closing")
        scene.window("lost", number, f"{number:08x}")
        scene.process(number, f"X:\\{number}\\MSBuild.exe", f"MSBuild.exe {number}.xml", pid=str(number))
    began = time.process_time()
    verdicts = scene.build()
    assert time.process_time() - began < 2
    assert len(verdicts.sandbox_sessions) == 40
