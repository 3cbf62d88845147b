r"""`HNS.data`: the Host Network Service's own store, with the networks of virtual machines and containers.

Its format is not published, so only what cannot be misread is told: that it is there, its size and times, which GUIDs
stand in it as text, and whether the network of Hyper-V's "Default Switch", which a networked sandbox uses, is among
them. A GUID here that is also a session's id elsewhere hints at a network of that session. A host with Hyper-V, WSL or
Docker has the file as well: it proves no sandbox. Path: Microsoft's scripts for collecting network logs.
"""

from __future__ import annotations

import re

from forensics.artifacts._tunnel import times
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.model import Problem, Value, make_fact

_NAME = "hns_data"
_LIMIT = 16 * 1024 * 1024
_MOST = 500
_DEFAULT_SWITCH = "c08cb7b8-9b3c-408e-8e30-5e16a3aeb444"
_HEX = b"[0-9A-Fa-f]"
_PLAIN = re.compile(_HEX + b"{8}(?:-" + _HEX + b"{4}){3}-" + _HEX + b"{12}")
_WIDE = re.compile(b"(?:" + _HEX + rb"\x00){8}(?:-\x00(?:" + _HEX + rb"\x00){4}){3}-\x00(?:" + _HEX + rb"\x00){12}")


def parse(given: FileInput) -> Output:
    """One row for the file."""
    data = given.read(_LIMIT)
    if given.size > len(data):
        yield Problem("truncated", _NAME, given.source(), f"{given.size} bytes: only the first {len(data)} were read")
    found = [text.decode("ascii") for text in _PLAIN.findall(data)]
    found += [text.decode("utf-16-le") for text in _WIDE.findall(data)]
    guids = list(dict.fromkeys(text.casefold() for text in found))
    if len(guids) > _MOST:
        yield Problem("budget", _NAME, given.source(), f"{len(guids)} GUIDs: the first {_MOST} are told")
    fields: dict[str, Value | None] = {
        "file_path": given.path.replace("/", "\\"),
        "file_size": given.size,
        "file_sha256": given.sha256,
        "guids": tuple(guids[:_MOST]),
        "default_switch": _DEFAULT_SWITCH in guids,
    }
    yield make_fact("network.hns_store", given.source(), times(given), fields, context=True)


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=("ProgramData/Microsoft/Windows/HNS/HNS.data",),
    parse=parse,
    emits={
        "network.hns_store": Kind(
            "Store of the Host Network Service, {file_size} bytes[, with the Default Switch{default_switch:flag}]",
            {
                "file_path": str,
                "file_size": int,
                "file_sha256": str,
                "guids": tuple[str, ...],
                "default_switch": bool,
            },
            context=True,
        )
    },
)
