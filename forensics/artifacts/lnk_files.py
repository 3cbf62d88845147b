r"""Shortcuts: what a user opened through Explorer, what starts at logon, and links that were made inside a sandbox.

Opening `lab.wsb` leaves `Recent\lab.wsb.lnk`: born when a file of that name was first opened by this user, written
again when it was last opened (what Windows does, from memory; a program's save dialog does the same). It names the
file, its volume, size and times, and the machine, also after all of them are gone. Shortcuts in Startup folders are
persistence; `Windows Sandbox.lnk` in the start menu shows that the feature was there. A link that lies in a folder
mapped into a Windows Sandbox may have been made in there: its tracker block then names a machine like
`a8dc5139-5e6d-4` (the guest's GUID cut to 15 characters; inferred). Bytes behind a link's end are counted: such links
carry payloads. Format: Microsoft, [MS-SHLLINK]; see `formats/shelllink.py`.
"""

from __future__ import annotations

import re

from forensics.artifacts._links import (
    FILE_FIELDS,
    TARGET,
    TARGET_FIELDS,
    TRACKER_FIELDS,
    file_fields,
    guest_tags,
    link_fields,
    lost,
    matters,
    target_facts,
)
from forensics.artifacts._tunnel import times
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, shelllink
from forensics.model import Problem, make_fact

_NAME = "lnk_files"
_LIMIT = 4 * 1024 * 1024
_RECENT = {"recent", "office recent"}
_STARTUP = "startup"
# The last place that fits the path counts; `/` at both ends so that whole folder names are compared.
_PLACES = (
    ("desktop", "/desktop/"),
    ("quick launch", "/internet explorer/quick launch/"),
    ("taskbar", "/user pinned/taskbar/"),
    ("start menu", "/start menu/"),
    (_STARTUP, "/start menu/programs/startup/"),
    ("send to", "/windows/sendto/"),
    ("recent", "/microsoft/windows/recent/"),
    ("office recent", "/microsoft/office/recent/"),
    ("recycle bin", "/$recycle.bin/"),
)
_LINK_SUFFIX = re.compile(r"\.lnk$", re.IGNORECASE)


def parse(given: FileInput) -> Output:
    """The shortcut at its own file's times, then its target at the times that the link keeps of it."""
    data = given.read(_LIMIT)
    try:
        link = shelllink.read(data)
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source(), str(error))
        return
    yield from lost(_NAME, given.source(), link.problems)
    place = _place(given.path)
    name = given.path.rpartition("/")[2]
    kept = place == _STARTUP or matters(link, _LINK_SUFFIX.sub("", name), name)
    yield make_fact(
        "link.opened" if place in _RECENT else "link.file",
        given.source(),
        times(given),
        {
            **file_fields(given),
            **link_fields(link),
            "link_place": place,
            "trailing_bytes": None if link.problems else given.size - link.end or None,
        },
        context=not kept,
        tags=guest_tags(link),
    )
    yield from target_facts(given, given.source("header"), link, context=not kept)


def _place(path: str) -> str | None:
    lowered = path.casefold()
    return next((name for name, part in reversed(_PLACES) if part in lowered), None)


_FIELDS = {**FILE_FIELDS, **TARGET_FIELDS, **TRACKER_FIELDS, "link_place": str, "trailing_bytes": int}
_TAIL = "[, made on {tracker_machine}][, perhaps inside a Windows Sandbox{guest_made:flag}]"

ARTIFACT = FileArtifact(
    name=_NAME,
    paths=(
        "*.lnk",
        "Users/**/*.lnk",
        "ProgramData/**/*.lnk",
        "Temp/**/*.lnk",
        "Windows/Temp/**/*.lnk",
        "Windows/System32/config/systemprofile/**/*.lnk",
        "Windows/SysWOW64/config/systemprofile/**/*.lnk",
        "Windows/ServiceProfiles/**/*.lnk",
        "$Recycle.Bin/**/*.lnk",
    ),
    parse=parse,
    emits={
        "link.opened": Kind(
            "[{target_path} was opened][ by {profile_user}] (shortcut {file_name} in {link_place})" + _TAIL,
            _FIELDS,
            context=True,
        ),
        "link.file": Kind(
            "Shortcut {file_path}[ to {target_path}][ {link_arguments}][, {link_place}]"
            "[, runs {app_user_model_id}][, {trailing_bytes} bytes behind its end]" + _TAIL,
            _FIELDS,
            context=True,
        ),
        "link.target": TARGET,
    },
)
