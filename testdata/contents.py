"""The content of files that is more than text: shortcuts, zip packages, programs with a version resource."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import datetime
from typing import Any

from testdata.writers import shelllink, versioninfo
from testdata.yamldata import ScenarioError


def built(path: str, form: dict[str, Any], moment: datetime) -> bytes:
    """The bytes of a file whose scenario says `build`; `moment` is when it was made."""
    told = dict(form)
    kind = told.pop("build", None)
    if kind not in _FORMS:
        raise ScenarioError(f"{path}: no such form of a file: {kind}; known are copy, {', '.join(sorted(_FORMS))}")
    try:
        return _FORMS[kind](moment, **told)
    except TypeError as error:
        raise ScenarioError(f"{path}: {error}") from error


def _link(moment: datetime, *, target: str, arguments: str = "", machine: str = "pc") -> bytes:
    """A shortcut whose target was made when the shortcut was."""
    aimed = shelllink.Target(target, moment, moment, moment, 4096)
    return shelllink.build(aimed, shelllink.Machine(name=machine), shelllink.Content(arguments=arguments))


def _archive(moment: datetime, *, parts: dict[str, str]) -> bytes:
    """A zip package, as documents of Office are."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name, moment.timetuple()[:6]), text)
    return target.getvalue()


def _program(moment: datetime, *, version: dict[str, str], size: int = 0) -> bytes:
    """The head of a program, and the version resource by which it calls itself; no code, but as large as `size`."""
    del moment
    return (b"MZ".ljust(512, b"\x00") + versioninfo.build(version)).ljust(size, b"\x00")


_FORMS: dict[str, Callable[..., bytes]] = {"link": _link, "archive": _archive, "program": _program}
