"""What the artifacts over a file system's own records share: where folders lie, and the fields of a path."""

from __future__ import annotations

from typing import BinaryIO

from forensics.artifacts.base import FieldType, FileInput
from forensics.formats import FormatError
from forensics.formats.mft import TableReader
from forensics.formats.ntfspaths import Folders, Place, reference_text
from forensics.formats.usn import JournalReader
from forensics.model import Value
from forensics.rules.filesystem import FileRule

TABLE = "$MFT"
# As they lie on a volume, and as KAPE, Velociraptor and others name the stream `$J` of `$Extend\$UsnJrnl`.
JOURNALS = (
    "$Extend/$J",
    "$Extend/$UsnJrnl:$J",
    "$Extend/$UsnJrnl%3A$J",
    "$Extend/$UsnJrnl_$J",
    "$Extend/$UsnJrnl$J",
    "$J",
    "$UsnJrnl:$J",
    "$UsnJrnl%3A$J",
)
PATH_FIELDS: dict[str, FieldType] = {
    "file_path": str,
    "path_tail": str,
    "file_name": str,
    "file_reference": str,
    "parent_reference": str,
    "is_folder": bool,
    "file_rule": str,
    "file_meaning": str,
}


def add_table(folders: Folders, table: TableReader) -> None:
    """Note where the folders of a $MFT are."""
    for ref, parent, name in table.folders():
        folders.add_now(ref, parent, name)


def add_journal(folders: Folders, stream: BinaryIO) -> None:
    """Note what a change journal says of folders; what is damaged in it is said by the journal's own artifact."""
    for record in JournalReader(stream):
        if not isinstance(record, FormatError) and record.is_directory and record.name:
            folders.add_change(record.usn, record.file, record.parent, record.name)


def path_fields(
    given: FileInput, place: Place, name: str, ref: int, parent: int, rule: FileRule
) -> dict[str, Value | None]:
    """The fields of a file: its full path when all folders are known, else the end of it that is."""
    path = place.of(name)
    return {
        "file_path": given.drive + path if place.whole else None,
        "path_tail": None if place.whole else path,
        "file_name": name,
        "file_reference": reference_text(ref),
        "parent_reference": reference_text(parent),
        "file_rule": rule.id,
        "file_meaning": rule.what,
    }
