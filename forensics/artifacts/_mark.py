"""The mark of the web as a row, from its stream or from what the $MFT kept of it."""

from __future__ import annotations

from forensics.artifacts.base import Kind
from forensics.formats.zoneid import Mark
from forensics.model import Value

_SHOWN = 4 * 1024


def mark_fields(mark: Mark) -> dict[str, Value | None]:
    """A mark as the fields of a row."""
    return {
        "zone_id": mark.zone,
        "zone_meaning": mark.meaning,
        "host_url": mark.host_url,
        "referrer_url": mark.referrer_url,
        "host_address": mark.host_ip,
        "writer_package": mark.writer,
        "zone_others": mark.others,
        "zone_identifier": mark.text[:_SHOWN],
    }


MARK = Kind(
    "Mark of the web on [{file_path}][?\\{path_tail}][: zone {zone_id}][ ({zone_meaning})][, from {host_url}]"
    "[, linked at {referrer_url}][, written by {writer_package}][; {reason}][, deleted{file_deleted:flag}]",
    {
        "file_path": str,
        "path_tail": str,
        "file_name": str,
        "file_reference": str,
        "file_deleted": bool,
        "profile_user": str,
        "zone_id": int,
        "zone_meaning": str,
        "host_url": str,
        "referrer_url": str,
        "host_address": str,
        "writer_package": str,
        "zone_others": tuple[str, ...],
        "zone_identifier": str,
        "recovered": bool,
        "reason": str,
    },
)
