r"""Jump lists: what a user opened with which program, when last and how often; and what programs offer to open.

Windows notes each file opened through Explorer under the program that opened it, so a `.wsb` stands in the list of
Windows Sandbox and in Quick access, with the time of its last use, also after the file is gone. Visual Studio Code
offers its recent folders in a custom list: `--folder-uri vscode-remote://tunnel+name/...` means that this machine was
the one that reached through a tunnel into another. A custom list has no times but those of its file. The ids of both
Windows Sandbox programs are computed, not seen in a sample (rules/jumplists.yml).
Format: libyal/dtformats, "Jump lists format"; see `formats/jumplists.py`.
"""

from __future__ import annotations

from functools import cache

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
    tracker_fields,
)
from forensics.artifacts._tunnel import times
from forensics.artifacts.base import FieldType, FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, jumplists
from forensics.formats.jumplists import Destination, Listed, Offered
from forensics.model import Problem, Value, make_fact
from forensics.rules import load
from forensics.rules.watch import is_watched
from forensics.times import Moment, NoTime

_NAME = "jump_lists"
_CUSTOM = ".customdestinations-ms"
_USED = "Last Used Time"
_SANDBOX = "Windows Sandbox"  # as rules/jumplists.yml names both programs


def parse(given: FileInput) -> Output:
    """One row for every destination, each with what its link keeps of the target's times."""
    data = given.read(jumplists.SIZE_LIMIT)
    if given.size > len(data):
        yield Problem("truncated", _NAME, given.source(), f"{given.size} bytes: only the first {len(data)} were read")
    reader = _custom if given.path.casefold().endswith(_CUSTOM) else _automatic
    try:
        yield from reader(given, data)
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source(), str(error))


def _automatic(given: FileInput, data: bytes) -> Output:
    found = jumplists.read_automatic(data)
    yield from lost(_NAME, given.source(), found.problems)
    listless = "found by its signature in a damaged file" if found.carved else "not named by the list"
    for destination in found.destinations:
        yield from _destination(given, destination, listless)


def _destination(given: FileInput, found: Destination, listless: str) -> Output:
    listed, link = found.listed, found.link
    path = listed.path if listed else ""
    about = _about(given)
    kept = _of_sandbox(about) or is_watched(path) or (link is not None and matters(link))
    fields: dict[str, Value | None] = link_fields(link) if link else {"target_path": path}
    # Both hold machine and ids; those of the list stay when its stream is gone.
    fields |= {name: value for name, value in _listed(listed).items() if value is not None}
    fields["listed_path"] = path if path.casefold() != str(fields["target_path"]).casefold() else None
    fields["list_note"] = "its link is gone" if link is None else listless if listed is None else None
    used: Moment = listed.used if listed else NoTime("the list does not name it", "")
    place = given.source(found.where)
    yield make_fact(
        "jumplist.entry",
        place,
        {_USED: used},
        {**about, **fields},
        context=not kept,
        tags=guest_tags(link),
    )
    if link:
        yield from target_facts(given, place, link, context=not kept)


def _listed(entry: Listed | None) -> dict[str, Value | None]:
    if entry is None:
        return {}
    return {
        "order": entry.order,
        "access_count": entry.count,
        "pinned": entry.pin is not None,
        **(tracker_fields(entry.tracker) if entry.tracker.machine else {}),
    }


def _custom(given: FileInput, data: bytes) -> Output:
    found = jumplists.read_custom(data)
    yield from lost(_NAME, given.source(), found.problems)
    for order, offered in enumerate(found.offered, 1):
        yield from _offered(given, offered, order)


def _offered(given: FileInput, found: Offered, order: int) -> Output:
    about = _about(given)
    kept = _of_sandbox(about) or matters(found.link)
    place = given.source(f"offset 0x{found.offset:x}")
    yield make_fact(
        "jumplist.offered",
        place,
        times(given),
        {**about, **link_fields(found.link), "list_category": found.category, "order": order},
        context=not kept,
        tags=guest_tags(found.link),
    )
    yield from target_facts(given, place, found.link, context=not kept)


def _about(given: FileInput) -> dict[str, Value | None]:
    fields = file_fields(given)
    application_id = str(fields["file_name"]).partition(".")[0].casefold()
    return {**fields, "application_id": application_id, "application": _applications().get(application_id)}


def _of_sandbox(about: dict[str, Value | None]) -> bool:
    return str(about["application"]).startswith(_SANDBOX)


@cache
def _applications() -> dict[str, str]:
    known = load("jumplists")
    named = {jumplists.app_id(name): program for name, program in known["names"].items()}
    return {**{str(number): program for number, program in known["hashes"].items()}, **named}


_COMMON: dict[str, FieldType] = {
    **FILE_FIELDS,
    **TARGET_FIELDS,
    **TRACKER_FIELDS,
    "application": str,
    "application_id": str,
    "order": int,
}

ARTIFACT = FileArtifact(
    name=_NAME,
    paths=tuple(
        f"{home}/AppData/Roaming/Microsoft/Windows/Recent/{kind}Destinations/*.{kind}Destinations-ms"
        for home in (
            "Users/*",
            "Windows/System32/config/systemprofile",
            "Windows/SysWOW64/config/systemprofile",
            "Windows/ServiceProfiles/*",
        )
        for kind in ("Automatic", "Custom")
    ),
    parse=parse,
    emits={
        "jumplist.entry": Kind(
            "{target_path} was opened[ by {profile_user}] (jump list[ of {application}] {application_id}"
            "[, {access_count} times])[, {list_note}][, perhaps inside a Windows Sandbox{guest_made:flag}]",
            {**_COMMON, "access_count": int, "pinned": bool, "listed_path": str, "list_note": str},
            context=True,
            data_type="olecf:dest_list:entry",
        ),
        "jumplist.offered": Kind(
            "Jump list[ of {application}] {application_id} offers {target_path}[ {link_arguments}]"
            "[ ({list_category})][ to {profile_user}]",
            {**_COMMON, "list_category": str},
            context=True,
        ),
        "link.target": TARGET,
    },
)
