"""Several collections of one host in one run: the same tunnel is put together, another id is another tunnel."""

from __future__ import annotations

from forensics.case import merge_verdicts
from forensics.model import TunnelSession, Verdicts
from forensics.sessions.tunnel_union import put_together
from tests.sessions.factory import at
from tests.sessions.tunnels import LOG, OWNER, RUN, Tunnel


def day(offset: float, ident: str = "k3hq9wzt", name: str = "print-svc-07") -> Verdicts:
    scene = Tunnel()
    scene.state("identity", "code_tunnel.json", offset, tunnel_name=name, tunnel_id=ident, tunnel_unregistered=False)
    scene.line("host_started", offset, command_line=RUN)
    scene.line("client_connected", offset + 100, channel_number=1)
    scene.line("host_stopped", offset + 900, reason="Ctrl-C")
    return scene.build()


def merged(*verdicts: Verdicts) -> tuple[TunnelSession, ...]:
    return merge_verdicts(put_together(verdicts)).tunnel_sessions


class TestOneTunnel:
    def test_the_days_of_two_collections_are_put_together(self) -> None:
        (session,) = merged(day(0), day(86400))
        assert [period.start for period in session.hosting] == [at(0), at(86400)]
        assert [client.start for client in session.clients] == [at(100), at(86500)]
        assert session.reasons[0].startswith("2 collections of this host")
        assert session.score == day(0).tunnel_sessions[0].score, "a rule counts once"

    def test_the_same_told_twice_is_told_once(self) -> None:
        (session,) = merged(day(0), day(0))
        assert session == day(0).tunnel_sessions[0]

    def test_the_order_of_collections_changes_no_period(self) -> None:
        (one,), (two,) = merged(day(0), day(86400)), merged(day(86400), day(0))
        assert (one.id, one.hosting, one.clients, one.score) == (two.id, two.hosting, two.clients, two.score)

    def test_a_collection_without_an_id_joins_the_only_tunnel_of_its_folder(self) -> None:
        scene = Tunnel()
        scene.line("host_started", 86400, command_line=RUN)
        scene.line("host_stopped", 87000, reason="Ctrl-C")
        (session,) = merged(scene.build(), day(0))
        assert (session.tunnel_id, len(session.hosting)) == ("k3hq9wzt", 2)

    def test_a_stated_end_goes_before_one_that_is_only_inferred(self) -> None:
        scene = Tunnel()
        scene.identity(1)
        scene.state("lock", "tunnel-stable.lock", 5, pid=4711)
        scene.add("system.log_stopped", 5000)
        (session,) = merged(scene.build(), day(0))
        (period,) = session.hosting
        assert (period.end, period.end_reason, period.pid) == (at(900), "Ctrl-C", 4711)

    def test_clients_without_times_are_those_of_the_collection_that_knows_most(self) -> None:
        def undated(count: int) -> Verdicts:
            scene = Tunnel()
            scene.identity(count)
            for number in range(count):
                scene.file("tunnel.client_serving", LOG, {}, f"line {number + 1}", **{**OWNER, "rpc_id": str(number)})
            return scene.build()

        (session,) = merged(undated(1), undated(3))
        assert [client.start for client in session.clients] == [None, None, None]


class TestTwoTunnels:
    def test_another_id_in_the_same_folder_is_another_tunnel(self) -> None:
        first, second = merged(day(0), day(86400, "zzzz9999", "second"))
        assert (first.tunnel_id, second.tunnel_id) == ("k3hq9wzt", "zzzz9999")
        assert first.id != second.id
        assert (first.other_tunnel_ids, second.other_tunnel_ids) == (("zzzz9999",), ("k3hq9wzt",))
        assert any("zzzz9999 in the same data folder" in reason for reason in first.reasons)

    def test_a_log_with_another_id_than_the_file_is_told(self) -> None:
        scene = Tunnel()
        scene.identity(0)
        scene.line("host_started", 0, command_line=RUN)
        scene.line("created", 2, tunnel_id="b9wz3kfn", tunnel_name="old")
        (session,) = scene.build().tunnel_sessions
        assert (session.tunnel_id, session.other_tunnel_ids) == ("k3hq9wzt", ("b9wz3kfn",))
        (told,) = [reason for reason in session.reasons if "b9wz3kfn" in reason]
        assert LOG.rpartition("/")[2] in told

    def test_a_token_that_is_no_hash_of_the_id_is_told(self) -> None:
        scene = Tunnel()
        scene.identity(0)
        scene.line("host_started", 0, command_line=RUN)
        scene.line("server_started", 20, tunnel_connection_token="A" * 43)
        (session,) = scene.build().tunnel_sessions
        assert any("no hash of this id" in reason for reason in session.reasons)
