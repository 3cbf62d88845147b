"""A described host as triage collections: a KAPE folder and a Velociraptor collector zip.

Layouts as the collectors write them (KapeDocs, Velociraptor's container code and its test collections). A collection's
own file times say nothing, so both keep the original ones: KAPE in its copy log, Velociraptor in its result files.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from testdata.host import Host
from testdata.journal import FIRST_USN
from testdata.render import Files

_COPYLOG = (
    "CopiedTimestamp", "SourceFile", "DestinationFile", "FileSize", "SourceFileSha1", "DeferredCopy", "CreatedOnUtc",
    "ModifiedOnUtc", "LastAccessedOnUtc", "CopyDuration",
)  # fmt: skip
_UNSAFE = frozenset('/\\?"*:|<>%')
_ARTIFACT = "Windows.KapeFiles.Targets"
_JOURNAL = "$Extend/$J"
_FLOW = "F.CT8R3O0P1TANAKA"


def kape(host: Host, files: Files, target: Path) -> Path:
    """Write `target/<host>/C/...` with KAPE's copy and console logs beside `C`; an older folder is replaced."""
    root = target / host.name
    if root.exists():
        shutil.rmtree(root)
    for path, file in files.items():
        place = root / "C" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.data)
    stamp = host.collected.strftime("%Y-%m-%dT%H_%M_%S_0000000")
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(_COPYLOG)
    table.writerows(_copylog_rows(host, files))
    (root / f"{stamp}_(Multiple)_copylog.csv").write_bytes(b"\xef\xbb\xbf" + text.getvalue().encode())
    console = f"KAPE directory tree rebuilt from the scenario of {host.name}\r\nCopied {len(files):,} files\r\n"
    (root / f"{stamp}_ConsoleLog.txt").write_bytes(console.encode())
    return root


def _copylog_rows(host: Host, files: Files) -> Iterator[tuple[str, ...]]:
    for path, file in files.items():
        windows, times = path.replace("/", "\\"), file.times
        sha1 = hashlib.sha1(file.data, usedforsecurity=False).hexdigest()
        yield (
            _kape_time(host.collected), f"C:\\{windows}", f"E:\\triage\\{host.name}\\C\\{windows}",
            str(len(file.data)), sha1, "False", _kape_time(times.birth), _kape_time(times.mtime),
            _kape_time(times.atime), "00:00:00.0010000",
        )  # fmt: skip


def _kape_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond:06d}0"


def escape(component: str) -> str:
    """A path component as Velociraptor writes it into a zip: reserved characters, and a dot or space at an end."""
    last = len(component) - 1
    return "".join(
        f"%{ord(sign):02X}" if sign in _UNSAFE or (sign in ". " and at in (0, last)) else sign
        for at, sign in enumerate(component)
    )


def velociraptor(host: Host, files: Files, target: Path) -> Path:
    """Write the collector zip `target`: uploads by the `auto` accessor, result tables, context."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path, file in files.items():
            _put(archive, "/".join(map(escape, _upload_parts(path))), file.data)
            if path == _JOURNAL:
                _put(archive, "/".join(map(escape, _upload_parts(path))) + ".idx", _document(_ranges(file.data)))
        _put(archive, "uploads.json", _lines(_upload_rows(host, files)))
        _put(archive, f"results/{_ARTIFACT}%2FAll File Metadata.json", _lines(_metadata_rows(files)))
        _put(archive, f"results/{_ARTIFACT}%2FUploads.json", _lines(_result_rows(host, files)))
        _put(archive, "client_info.json", _document(_client(host)))
        _put(archive, "collection_context.json", _document(_context(host, files)))
        _put(archive, "log.json", b"")
    return target


def _upload_parts(path: str) -> list[str]:
    """Where an upload goes: files that Windows keeps to itself come by the `ntfs` accessor, from the raw device."""
    if not path.startswith("$"):
        return ["uploads", "auto", "C:", *path.split("/")]
    return ["uploads", "ntfs", "\\\\.\\C:", *path.replace(_JOURNAL, "$Extend/$UsnJrnl:$J").split("/")]


def _ranges(data: bytes) -> dict[str, Any]:
    """The index of a sparse upload: the hole before the journal is not uploaded."""
    return {
        "ranges": [
            {"file_offset": 0, "original_offset": 0, "file_length": 0, "length": FIRST_USN},
            {"file_offset": 0, "original_offset": FIRST_USN, "file_length": len(data), "length": len(data)},
        ]
    }


def _put(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a member with the date that Go's zip writer leaves when none is set: it means nothing."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 0
    archive.writestr(info, data, compresslevel=9)


def _lines(rows: Iterator[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows).encode()


def _document(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond:06d}Z"


def _upload_rows(host: Host, files: Files) -> Iterator[dict[str, Any]]:
    for path, file in files.items():
        size = len(file.data)
        yield {
            "Timestamp": _iso(host.collected),
            "started": host.collected.strftime("%Y-%m-%d %H:%M:%S +0000 UTC"),
            "vfs_path": "C:\\" + path.replace("/", "\\"),
            "_Components": _upload_parts(path),
            "file_size": size,
            "uploaded_size": size,
            "Type": "",
        }


def _metadata_rows(files: Files) -> Iterator[dict[str, Any]]:
    for path, file in files.items():
        times = file.times
        yield {
            "Created": _iso(times.birth),
            "LastAccessed": _iso(times.atime),
            "Modified": _iso(times.mtime),
            "Changed": _iso(times.mft),
            "Size": len(file.data),
            "SourceFile": "C:\\" + path.replace("/", "\\"),
            "_Source": f"{_ARTIFACT}/All File Metadata",
        }


def _result_rows(host: Host, files: Files) -> Iterator[dict[str, Any]]:
    for path, file in files.items():
        source, times = "C:\\" + path.replace("/", "\\"), file.times
        yield {
            "CopiedOnTimestamp": int(host.collected.timestamp()),
            "SourceFile": source,
            "DestinationFile": source,
            "FileSize": len(file.data),
            "SourceFileSha256": hashlib.sha256(file.data).hexdigest(),
            "Created": _iso(times.birth),
            "Changed": _iso(times.mft),
            "Modified": _iso(times.mtime),
            "LastAccessed": _iso(times.atime),
            "_Source": f"{_ARTIFACT}/Uploads",
        }


def _client(host: Host) -> dict[str, Any]:
    return {"Hostname": host.name, "Fqdn": host.name, "OS": "windows", "Platform": "Microsoft Windows 10 Pro"}


def _context(host: Host, files: Files) -> dict[str, Any]:
    moment = int(host.collected.timestamp()) * 1_000_000_000
    return {
        "session_id": _FLOW,
        "request": {"artifacts": [_ARTIFACT]},
        "create_time": moment,
        "start_time": moment,
        "total_uploaded_files": len(files),
        "total_uploaded_bytes": sum(len(file.data) for file in files.values()),
        "state": 2,
        "artifacts_with_results": [f"{_ARTIFACT}/All File Metadata", f"{_ARTIFACT}/Uploads"],
    }
