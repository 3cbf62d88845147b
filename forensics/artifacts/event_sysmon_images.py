"""Sysmon 6, 7 and 29: drivers and libraries as they were loaded, programs as they were written, each with its hashes.

An autostart entry names a file that a triage collection rarely takes: these records say what its hashes were while it
was there, and 6 and 7 what Windows itself thought of its signature then (`Signed`, `Signature`, `SignatureStatus`; with
catalogues and the roots of that machine, which a look at the copy cannot have). 7 is recorded only where somebody asked
for it and is then the largest of all: it is context, whoever loads. Its process is told by name and GUID alone: by its
id all that a watched program loads would count as what it did.

Fields: Sysmon's schema (29 since 4.90); real records of 6 and 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from forensics.artifacts._evtx import (
    USER,
    Made,
    apart,
    decimal,
    fact,
    file_name,
    flag,
    guid,
    kind,
    known,
    named_account,
)
from forensics.artifacts.base import Deferral, EventArtifact, FieldType
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_watched

_KINDS = {6: "driver.loaded", 7: "image.loaded", 29: "file.executable_written"}


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One record of Sysmon about a file that was loaded or written."""
    data, number = record.data, record.event_id
    path, image = known(data.get("TargetFilename" if number == 29 else "ImageLoaded")), known(data.get("Image"))
    fields: Made = {
        **named_account(known(data.get("User"))),
        "file_path": path,
        "file_name": file_name(path),
        "hashes": known(data.get("Hashes")),
        "sysmon_utc_time": apart(data.get("UtcTime"), record, timedelta(seconds=1)),
    }
    if number != 6:
        fields |= {
            "executable": image, "executable_name": file_name(image), "process_guid": guid(data.get("ProcessGuid")),
        }  # fmt: skip
    if number == 29:
        fields["pid"] = decimal(data.get("ProcessId"))
    else:
        fields |= {
            "is_signed": flag(data.get("Signed")),
            "signature_name": known(data.get("Signature")),
            "signature_status": known(data.get("SignatureStatus")),
        }
    if number == 7:
        fields |= {
            "original_file_name": known(data.get("OriginalFileName")),
            "publisher": known(data.get("Company")),
            "product_name": known(data.get("Product")),
        }
    kept = number != 7 and is_watched(path or "")
    yield fact(_KINDS[number], record, source, fields, context=not kept)


def _never(*_: str) -> bool:
    """No library is worth a row by itself."""
    return False


_FILE: dict[str, FieldType] = {
    **USER, "file_path": str, "file_name": str, "hashes": str, "sysmon_utc_time": str,
}  # fmt: skip
_SIGNED: dict[str, FieldType] = {"is_signed": bool, "signature_name": str, "signature_status": str}
_BY: dict[str, FieldType] = {"executable": str, "executable_name": str, "process_guid": str}
_SAID = "[, {hashes}][; signature: {signature_name}][ ({signature_status})]"

ARTIFACT = EventArtifact(
    name="event_sysmon_images",
    wants={"Microsoft-Windows-Sysmon/Operational": frozenset(_KINDS)},
    parse=parse,
    emits={
        "driver.loaded": kind(f"Driver loaded: {{file_path}}{_SAID}", {**_FILE, **_SIGNED}, context=True),
        "image.loaded": kind(
            f"Library loaded: {{file_path}}[ by {{executable}}]{_SAID}",
            {**_FILE, **_BY, **_SIGNED, "original_file_name": str, "publisher": str, "product_name": str},
            context=True,
        ),
        "file.executable_written": kind(
            "Program written: {file_path}[ by {executable}][, {hashes}]", {**_FILE, **_BY, "pid": str}, context=True
        ),
    },
    defers={
        6: Deferral("driver.loaded", ("ImageLoaded",), about=("ImageLoaded",)),
        7: Deferral("image.loaded", ("ImageLoaded",), about=("ImageLoaded",), matters=_never),
        29: Deferral("file.executable_written", ("TargetFilename",), "ProcessId", about=("TargetFilename",)),
    },
)
