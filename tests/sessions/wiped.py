"""What the tests of removed traces share: the signs of a scene, each held to what every sign must have."""

from __future__ import annotations

from forensics.model import AntiForensic, Host
from forensics.sessions import build
from tests.sessions.factory import HOST, Scene

HOUR, DAY = 3600.0, 86400.0


def signs(scene: Scene, *coverage, files=(), host: Host = HOST) -> list[AntiForensic]:
    done = build(scene.events, host, "case", scene.undated, coverage, files)
    assert all(sign.innocent_causes and sign.events for sign in done.anti_forensics)
    return list(done.anti_forensics)


def kinds(scene: Scene, *coverage, files=(), host: Host = HOST) -> list[str]:
    return [sign.kind for sign in signs(scene, *coverage, files=files, host=host)]
