"""What is left of a tunnel whose files were unregistered or deleted: copies, the journal, bounds of its end."""

from __future__ import annotations

import json

from forensics.model import TunnelSession
from tests.sessions.factory import at
from tests.sessions.tunnels import CLI, CODE, MTIME, RUN, SERVER, TOKEN, Tunnel, only

FILE = f"{CLI}\\code_tunnel.json"
REGISTERED = json.dumps({"name": "print-svc-07", "id": "k3hq9wzt", "cluster": "jpe1"})


def text(session: TunnelSession) -> str:
    return "\n".join(session.reasons)


class Table(Tunnel):
    def content(self, seconds: float, content: str, *, deleted: bool = False, path: str = FILE) -> None:
        self._count += 1
        self.file(
            "mft.resident_content", "C:/$MFT", {MTIME: seconds}, f"MFT record {self._count}", file_path=path,
            file_name=path.rpartition("\\")[2], content_text=content, file_deleted=deleted, file_size=len(content),
        )  # fmt: skip

    def entry(self, seconds: float, path: str, size: int, *, deleted: bool = False) -> None:
        self._count += 1
        self.file(
            "mft.entry", "C:/$MFT", {MTIME: seconds}, f"MFT record {self._count}", file_path=path, file_size=size,
            file_name=path.rpartition("\\")[2], file_deleted=deleted,
        )  # fmt: skip


class TestContentInTheTable:
    def test_names_the_tunnel(self) -> None:
        scene = Table()
        scene.content(5, REGISTERED)
        session = only(scene)
        assert (session.tunnel_id, session.tunnel_name, session.cluster) == ("k3hq9wzt", "print-svc-07", "jpe1")
        assert "code_tunnel.json (its content in the $MFT's own record) names" in text(session)

    def test_its_id_explains_the_servers_token(self) -> None:
        scene = Table()
        scene.content(5, REGISTERED)
        scene.line("server_started", 20, tunnel_connection_token=TOKEN)
        assert "the hash of this tunnel's id" in text(only(scene))

    def test_null_in_a_deleted_file_is_unregistered(self) -> None:
        scene = Table()
        scene.content(5, "null", deleted=True)
        scene.journal("deleted", 50, FILE)
        session = only(scene)
        assert session.unregistered
        assert "of the deleted file) holds null" in text(session)
        assert "TUN-08" in text(session)

    def test_a_registration_after_null_counts(self) -> None:
        scene = Table()
        scene.content(5, "null", deleted=True)
        scene.content(90, REGISTERED)
        session = only(scene)
        assert not session.unregistered
        assert session.tunnel_id == "k3hq9wzt"

    def test_the_length_of_null_is_an_inference(self) -> None:
        scene = Table()
        scene.entry(5, FILE, 4, deleted=True)
        session = only(scene)
        assert session.unregistered
        assert "4 bytes long in the $MFT, as `null` is" in text(session)

    def test_another_length_is_none(self) -> None:
        scene = Table()
        scene.entry(5, FILE, 55)
        assert not only(scene).unregistered

    def test_table_alone_is_one_kind_of_evidence(self) -> None:
        scene = Table()
        scene.content(5, REGISTERED)
        scene.entry(5, FILE, 55)
        assert only(scene).certainty == "probable"

    def test_the_file_itself_goes_before_it_and_both_are_told(self) -> None:
        scene = Table()
        scene.content(50, REGISTERED.replace("k3hq9wzt", "b9wz3kfn"), deleted=True)
        scene.identity(None)
        session = only(scene)
        assert (session.tunnel_id, session.other_tunnel_ids) == ("k3hq9wzt", ("b9wz3kfn",))
        assert "b9wz3kfn, stands in code_tunnel.json (its content in the $MFT's own record" in text(session)

    def test_damaged_content_is_none(self) -> None:
        scene = Table()
        scene.content(5, '{"name": "x", "id')
        scene.entry(5, FILE, 17)
        assert only(scene).tunnel_id is None


class TestRemoved:
    def scene(self) -> Table:
        scene = Table()
        scene.journal("created", 0, f"{CLI}\\tunnel-stable.lock")
        return scene

    def test_own_files_and_the_folder_are_a_sign_a_reason_and_points(self) -> None:
        scene = self.scene()
        scene.process(1, CODE, RUN, pid="7000")
        for offset, path in enumerate((f"{CLI}\\tunnel-service.log", FILE, f"{CLI}\\servers\\lru.json", CODE, CLI)):
            scene.journal("deleted", 900 + offset, path)
        verdicts = scene.build()
        (session,) = verdicts.tunnel_sessions
        assert "its traces were removed: tunnel-service.log, code_tunnel.json, code.exe, cli, lru.json" in text(session)
        assert "TUN-16 (+15)" in text(session)
        (sign,) = verdicts.anti_forensics
        assert (sign.kind, sign.time) == ("tunnel_removed", at(900))
        assert session.id in sign.detail
        assert set(sign.events) <= set(session.events)

    def test_an_old_server_goes_by_itself(self) -> None:
        scene = self.scene()
        for name in ("log.txt", "pid.txt"):
            scene.journal("deleted", 900, f"{SERVER}\\{name}")
        scene.journal("deleted", 901, SERVER)
        verdicts = scene.build()
        assert verdicts.anti_forensics == ()
        assert "TUN-16" not in text(verdicts.tunnel_sessions[0])

    def test_a_file_that_was_made_anew_was_only_replaced(self) -> None:
        scene = self.scene()
        scene.journal("deleted", 900, FILE)
        scene.journal("renamed", 900.5, FILE)
        assert scene.build().anti_forensics == ()

    def test_the_deleted_lock_bounds_the_end(self) -> None:
        scene = self.scene()
        scene.journal("deleted", 900, f"{CLI}\\tunnel-stable.lock")
        (period,) = only(scene).hosting
        assert (period.end, period.end_latest) == (None, at(900))
        assert scene.build().anti_forensics == (), "one file alone is no sign"

    def test_a_token_in_the_environment_is_named(self) -> None:
        scene = self.scene()
        scene.file(
            "tunnel.environment_set", "C:/Users/田中/NTUSER.DAT", {MTIME: 5}, "Environment",
            variable_name="VSCODE_CLI_ACCESS_TOKEN", environment_of="user", user_name="田中", present=True,
        )  # fmt: skip
        assert "no login on this host is needed" in text(only(scene))
