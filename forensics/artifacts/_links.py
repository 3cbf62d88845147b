r"""What the artifacts of shell links share: the fields of a link, its target's times, and what makes one matter."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime
from urllib.parse import unquote

from forensics.artifacts._tunnel import profile_user, windows_path
from forensics.artifacts.base import FieldType, FileInput, Kind
from forensics.formats import FormatError, shelllink
from forensics.formats.linkinfo import LinkInfo
from forensics.formats.shelllink import Link, Tracker
from forensics.model import Fact, Problem, Source, Value, make_fact
from forensics.rules.watch import is_watched
from forensics.times import Moment, iso

# A Windows Sandbox guest's host name is a GUID, of which NetBIOS keeps 15 characters (that a link holds it is
# inferred, not seen in a sample).
_GUEST = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]", re.IGNORECASE)
_GUEST_PROFILE = "\\users\\wdagutilityaccount\\"
_GUEST_TAG = "sandbox_guest"
_REMOTE = re.compile(r"vscode-remote://([^/\"\s]{1,512})", re.IGNORECASE)
_SHOWN_PROBLEMS = 50

TARGET_FIELDS: dict[str, FieldType] = {
    "target_path": str,
    "target_named_by": str,
    "target_size": int,
    "target_attributes": tuple[str, ...],
    "link_item_path": str,
    "link_arguments": str,
    "link_description": str,
    "link_relative_path": str,
    "link_icon": str,
    "link_window": str,
    "link_run_as_admin": bool,
    "working_directory": str,
    "app_user_model_id": str,
    "remote_authority": str,
    "drive_type": str,
    "volume_serial": str,
    "volume_label": str,
    "network_share": str,
    "code_page_guessed": bool,
    "guest_made": bool,
    "guest_reason": str,
}
TRACKER_FIELDS: dict[str, FieldType] = {
    "tracker_machine": str,
    "tracker_volume_id": str,
    "tracker_file_id": str,
    "tracker_birth_volume_id": str,
    "tracker_birth_file_id": str,
    "tracker_mac": str,
    "tracker_id_time": str,
}
FILE_FIELDS: dict[str, FieldType] = {
    "file_path": str,
    "file_name": str,
    "file_size": int,
    "file_sha256": str,
    "profile_user": str,
}
TARGET = Kind(
    "{target_path} as it was when the shortcut to it was saved[, {target_size} bytes][, volume {volume_serial}]"
    "[ (user {profile_user})]",
    {
        "target_path": str,
        "target_size": int,
        "volume_serial": str,
        "volume_label": str,
        "drive_type": str,
        "tracker_machine": str,
        "guest_made": bool,
        "file_path": str,
        "profile_user": str,
    },
    context=True,
    data_type="windows:lnk:link",
)


def file_fields(given: FileInput) -> dict[str, Value | None]:
    """The fields of the file that holds the link."""
    return {
        "file_path": windows_path(given.path),
        "file_name": given.path.rpartition("/")[2],
        "file_size": given.size,
        "file_sha256": given.sha256,
        "profile_user": profile_user(given),
    }


def link_fields(link: Link) -> dict[str, Value | None]:
    """What a link says, as fields; a second path is shown only where it differs from the first."""
    path, named_by = link.target
    item_path = link.item_path
    why = guest_reason(link)
    remote = _REMOTE.search(link.arguments)
    return {
        "target_path": path,
        "target_named_by": named_by,
        "target_size": link.size,
        "target_attributes": link.attributes,
        "link_item_path": None if path.casefold().endswith(item_path.casefold()) else item_path,
        "link_arguments": link.arguments,
        "link_description": link.description,
        "link_relative_path": link.relative_path,
        "link_icon": link.icon,
        "link_window": link.window if link.window != "normal" else None,
        "link_run_as_admin": link.run_as_administrator or None,
        "working_directory": link.working_directory,
        "app_user_model_id": link.properties.get(shelllink.APP_USER_MODEL_ID),
        "remote_authority": unquote(remote.group(1)) if remote else None,
        **_volume(link.info),
        "guest_made": bool(why) or None,
        "guest_reason": why,
        **tracker_fields(link.tracker),
    }


def _volume(info: LinkInfo) -> dict[str, Value | None]:
    return {
        "drive_type": info.drive_type,
        "volume_serial": info.serial,
        "volume_label": info.label,
        "network_share": info.share,
        "code_page_guessed": info.guessed or None,
    }


def tracker_fields(tracker: Tracker | None) -> dict[str, Value | None]:
    """Machine and object ids; the birth ids only where the file has moved since."""
    if tracker is None:
        return {}
    clock = shelllink.uuid_clock(tracker.file)
    return {
        "tracker_machine": tracker.machine,
        "tracker_volume_id": _id(tracker.volume),
        "tracker_file_id": _id(tracker.file),
        "tracker_birth_volume_id": _id(tracker.birth_volume) if tracker.birth_volume != tracker.volume else None,
        "tracker_birth_file_id": _id(tracker.birth_file) if tracker.birth_file != tracker.file else None,
        "tracker_mac": shelllink.uuid_card(tracker.file),
        "tracker_id_time": iso(clock) if isinstance(clock, datetime) else None,
    }


def _id(identifier: uuid.UUID) -> str | None:
    return str(identifier) if identifier.int else None


def guest_reason(link: Link) -> str:
    """Why a link seems to be made inside a Windows Sandbox, "" when it does not."""
    machine = link.tracker.machine if link.tracker else ""
    if _GUEST.fullmatch(machine):
        return (
            f"machine name {machine} has the form of a Windows Sandbox guest's: a GUID cut to 15 characters (inferred)"
        )
    folders = (link.target[0], link.item_path, link.working_directory)
    if any(_GUEST_PROFILE in f"{path}\\".casefold() for path in folders):
        return "names the profile of WDAGUtilityAccount, the user inside a Windows Sandbox"
    return ""


def guest_tags(link: Link | None) -> tuple[str, ...]:
    """The tag of a link that seems to be made inside a Windows Sandbox."""
    return (_GUEST_TAG,) if link and guest_reason(link) else ()


def matters(link: Link, *more: str) -> bool:
    """Whether a link names something watched, or was made in a sandbox."""
    texts = (*link.target[:1], link.item_path, link.arguments, link.working_directory, link.relative_path, link.icon)
    named = (link.description, *link.properties.values())
    return bool(guest_reason(link)) or is_watched(*texts, *named, *more)


def target_facts(given: FileInput, place: Source, link: Link, *, context: bool) -> Iterator[Fact]:
    """The target's own times as the link keeps them; nothing when it keeps none."""
    moments: dict[str, Moment | None] = {
        "Creation Time": link.created,
        "Content Modification Time": link.modified,
        "Last Access Time": link.accessed,
    }
    if not any(isinstance(moment, datetime) for moment in moments.values()):
        return
    known = link_fields(link)
    fields = {name: known.get(name) for name in TARGET.fields}
    fields |= {"file_path": windows_path(given.path), "profile_user": profile_user(given)}
    yield make_fact("link.target", place, moments, fields, context=context, tags=guest_tags(link))


def lost(artifact: str, source: Source, problems: Iterable[FormatError]) -> Iterator[Problem]:
    """One problem for each thing lost, the many of a hostile file as a number."""
    found = list(problems)
    for error in found[:_SHOWN_PROBLEMS]:
        yield Problem("bad_record", artifact, source, str(error))
    if len(found) > _SHOWN_PROBLEMS:
        yield Problem("bad_record", artifact, source, f"{len(found) - _SHOWN_PROBLEMS} more parts are damaged")
