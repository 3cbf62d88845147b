"""Loose files of VS Code's CLI, server and desktop are known by what they hold, under whatever name."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from forensics.evidence import EvidenceError, open_evidence
from forensics.evidence import loosetext as places
from forensics.evidence.loose import loose_tree
from tests.evidence.layouts import folder, tree
from tests.running import timeline

COMMIT = "f1a4fb101478ce6ec82fe9627c43efbf9e98c813"
LOCK = b"\x00\x92\xd9\x32\\\\.\\pipe\\code-7e21c0b4-9d35-4a18-8f6e-2b50c9d1a733\xcd\x18\x70"
DESKTOP = b"2025-02-03 11:20:46.871 [info] Session updated: suzuki (github) (service=false)\n"
INSIDE = b"2025-02-03 11:20:46.871 [info] [2025-02-03 11:20:46] debug starting as new singleton\n"
CLIENT = b"2025-02-03 11:20:46.871 [info] Resolver invoked with authority tunnel+pc-mori. Attempt: 1\n"
BANNER = b"*\n* Visual Studio Code Server\n*\n"


def shipped(name: str) -> bytes:
    """A file of the shipped host by the end of its path."""
    return next(data for path, data in tree().items() if path.endswith(name))


CASES = {
    "tunnel log": (lambda: shipped("/tunnel-service.log"), places.TUNNEL_LOG),
    "remote agent": (lambda: shipped("/remoteagent.log"), places.REMOTE_AGENT),
    "server log": (lambda: shipped("/log.txt"), places.SERVER_LOG),
    "identity": (lambda: shipped("/code_tunnel.json"), f"{places.CLI}/code_tunnel.json"),
    "consent": (lambda: shipped("/license_consent.json"), f"{places.CLI}/license_consent.json"),
    "lru": (lambda: shipped("/lru.json"), f"{places.CLI}/servers/lru.json"),
    "history": (lambda: shipped("/entries.json"), f"{places.SERVER}/data/User/History/_/entries.json"),
    "lock": (lambda: shipped("/tunnel-stable.lock"), f"{places.CLI}/tunnel-stable.lock"),
    "made lock": (lambda: LOCK, f"{places.CLI}/tunnel-stable.lock"),
    "desktop": (lambda: DESKTOP, places.DESKTOP_LOG),
    "desktop, the CLI's line": (lambda: INSIDE, places.DESKTOP_LOG),
    "client": (lambda: CLIENT, places.CLIENT_LOG),
    "output": (lambda: BANNER + b"Open this link in your browser https://vscode.dev/tunnel/pc\n", places.OUTPUT),
    "token": (lambda: b'"{\\"p\\":\\"Github\\",\\"a\\":\\"gho_x\\"}"', f"{places.CLI}/token.json"),
}


def role(top: Path, name: str, data: bytes) -> str | None:
    """What a file stands for when it is opened by itself."""
    path = folder(top, {name: data}) / name
    try:
        opened = open_evidence(path)
    except EvidenceError:
        return None
    (found,) = opened.trees["loose:"]._roles.values()  # the role is what is tested
    return found


@pytest.mark.parametrize("name", ["evidence", "copy of it.txt", "1.log"])
@pytest.mark.parametrize("what", CASES)
def test_a_file_is_known_under_any_name(tmp_path: Path, what: str, name: str) -> None:
    make, place = CASES[what]
    assert role(tmp_path, name, make()) == place


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("remoteTunnelService.1.log", places.DESKTOP_LOG), ("remoteTunnel.log", places.DESKTOP_LOG),
        ("tunnel-service.2.log", places.TUNNEL_LOG), ("remoteagent.1.log", places.REMOTE_AGENT),
        ("code_tunnel.json", f"{places.CLI}/code_tunnel.json"),
        ("tunnel-insiders.lock", f"{places.CLI}/tunnel-insiders.lock"),
        (f".cli.{COMMIT}.log", f"{places.SERVER}/.cli.{COMMIT}.log"),
    ],
)  # fmt: skip
def test_an_empty_file_is_known_by_a_name_of_the_programs_own(tmp_path: Path, name: str, place: str) -> None:
    assert role(tmp_path, name, b"") == place


@pytest.mark.parametrize(
    "data",
    [b"", b"7140", b"[2025-02-03 11:20:46] INFO something else\n", b"2025-02-03 11:20:46.871 [info] Hello\n",
     b'["Stable", 1]', b'{"name": "x", "id": 1}', b"* a list\n* of things\n", b"Open this link https://example.org\n",
     b"\x00" * 200, b"[" * 4096],
)  # fmt: skip
def test_what_any_program_may_write_is_nothing(tmp_path: Path, data: bytes) -> None:
    assert role(tmp_path, "notes.txt", data) is None


def test_logs_of_remote_ssh_are_no_tunnels(tmp_path: Path) -> None:
    """Its lines are those of a tunnel's log; only its name tells."""
    name = f".cli.{COMMIT}.log"
    assert role(tmp_path, name, shipped("/tunnel-service.log")) == f"{places.SERVER}/{name}"


@pytest.mark.parametrize("what", CASES)
def test_no_bytes_stop_the_recognition(what: str) -> None:
    data, dice = CASES[what][0]()[:600], random.Random(5)
    for cut in range(0, len(data), 7):
        broken = bytearray(data[:cut])
        if broken:
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        for piece in (data[:cut], bytes(broken)):
            places.role_of(piece, piece.decode("utf-8", "replace"), "x.txt")
    assert loose_tree([]) is None


def test_renamed_files_make_the_session(tmp_path: Path) -> None:
    """The state, log and server log of one tunnel, mailed under names of their own."""
    files = {
        "a.dat": "/code_tunnel.json",
        "b": "/tunnel-service.log",
        "c.log": "/remoteagent.log",
        "d.bin": "/lru.json",
    }
    top = folder(tmp_path / "in", {name: shipped(end) for name, end in files.items()})
    done = timeline(top, tmp_path / "case", "--evidence-tz", "Asia/Tokyo")
    (session,) = done.document()["tunnel_sessions"]
    assert session["tunnel_id"]
    assert session["hosting"]
    assert session["clients"]
    assert session["data_dir"] == "C:\\Users\\田中\\.vscode\\cli"  # as the log names it


def test_a_loose_list_of_servers_and_its_log_make_no_tunnel(tmp_path: Path) -> None:
    """Remote-SSH keeps both in the same form; which it was, only the folder would tell."""
    top = folder(tmp_path / "in", {"lru.json": shipped("/lru.json"), "log.txt": shipped("/log.txt")})
    assert timeline(top, tmp_path / "case").document()["tunnel_sessions"] == []
