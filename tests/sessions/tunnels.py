"""A scene with the files of one CLI data folder, for the tests of tunnel sessions."""

from __future__ import annotations

import base64
import hashlib

from forensics.model import TunnelSession, Value
from tests.sessions.factory import Scene

PROFILE = "C:\\Users\\田中"
CLI = f"{PROFILE}\\.vscode\\cli"
COMMIT = "f1a4fb101478ce6ec82fe9627c43efbf9e98c813"
SERVER = f"{CLI}\\servers\\Stable-{COMMIT}\\server"
TOKEN = base64.urlsafe_b64encode(hashlib.sha256(b"k3hq9wzt").digest()).decode().rstrip("=")
CODE = f"{PROFILE}\\AppData\\Local\\Temp\\code.exe"
RUN = f"{CODE} --verbose --cli-data-dir {CLI} tunnel service internal-run --log-to-file {CLI}\\tunnel-service.log"
LOG = CLI.replace("\\", "/") + "/tunnel-service.log"
MTIME = "Content Modification Time"
OWNER: dict[str, Value] = {"data_dir": CLI, "profile_user": "田中"}


def only(scene: Scene) -> TunnelSession:
    (session,) = scene.build().tunnel_sessions
    return session


class Tunnel(Scene):
    """A scene with the files of one CLI data folder."""

    def line(self, kind: str, seconds: float, path: str = LOG, **fields: Value) -> None:
        self._count += 1
        self.file(f"tunnel.{kind}", path, {"Creation Time": seconds}, f"line {self._count}", **{**OWNER, **fields})

    def state(self, kind: str, name: str, seconds: float | None, **fields: Value) -> None:
        times = {} if seconds is None else {MTIME: seconds}
        self.file(f"tunnel.{kind}", f"{CLI}/{name}".replace("\\", "/"), times, **{**OWNER, **fields})

    def identity(self, seconds: float | None = 0) -> None:
        self.state(
            "identity", "code_tunnel.json", seconds, tunnel_name="print-svc-07", tunnel_id="k3hq9wzt",
            tunnel_cluster="jpe1", tunnel_connection_token=TOKEN, tunnel_unregistered=False,
        )  # fmt: skip

    def window(self, kind: str, seconds: float, connection: str, path: str = "") -> None:
        place = path or f"{PROFILE}/.vscode-server/data/logs/20241205T101555/remoteagent.log".replace("\\", "/")
        self._count += 1
        self.file(
            f"server.window_{kind}", place, {"Creation Time": seconds}, f"line {self._count}",
            connection_id=connection, profile_user="田中",
        )  # fmt: skip

    def extension_host(self, seconds: float, number: str, *, end: float | None = None) -> None:
        """The process of an editor window's extension host."""
        node = f"{SERVER}\\node.exe"
        line = f"{node} {SERVER}\\out\\bootstrap-fork --type=extensionHost --transformURIs"
        self.process(seconds, node, line, pid=number, parent_executable=node)
        if end is not None:
            self.ended(end, node, number)

    def ended(self, seconds: float, image: str, number: str, code: str = "0x0") -> None:
        """4689."""
        self.add("process.exited", seconds, executable=image, pid=number, result_code=code)
