r"""BITS-Client 3 to 5 and 59 to 61: jobs of Windows' background downloader, what they fetched, and for whom.

`bitsadmin` and PowerShell's `Start-BitsTransfer` are a way to bring a program in without a browser: the VS Code CLI
(`code.visualstudio.com/sha/download?build=stable&os=cli-win32-x64`, `vscode_cli_win32_x64_cli.zip`: the names from
memory) or a server. The log is on by default, tells the address, size and owner, and outlives the job. Since Windows 10
event 3 names the process that made the job. Updaters use BITS all day, so only watched addresses, jobs that people made
(`bitsadmin`, scripts; before Windows 10 all that are no service's) and copies within the host are kept, the rest is
context. A path in place of an address is a known way of making a job that is run for its command
(sessions/persistence_logged.py). The target file and the command are in none of the events.

Fields: records of Windows 7 and 10 in public samples. A size of 2^64-1 is "not known yet".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensics.artifacts._evtx import Made, decimal, fact, file_name, guid, kind, named_account, number, pick, utc_text
from forensics.artifacts.base import Deferral, EventArtifact, FieldType
from forensics.formats.evtx import Record
from forensics.model import Fact, Source
from forensics.rules.watch import is_script_host, is_watched

_JOBS = {3: "created", 4: "completed", 5: "cancelled"}
_TRANSFERS = {59: "started", 60: "stopped", 61: "failed"}
_JOB: dict[str, FieldType] = {
    "bits_job": str, "bits_job_id": str, "bits_state": str, "user_name": str, "user_domain": str, "user_sid": str,
    "bits_owner": str, "executable": str, "executable_name": str, "pid": str, "file_count": int,
    "bytes_transferred": int,
}  # fmt: skip
_TRANSFER: dict[str, FieldType] = {
    "bits_job": str, "bits_job_id": str, "bits_transfer_id": str, "bits_state": str, "url": str, "bytes_total": int,
    "bytes_transferred": int, "remote_file_time": str, "proxy": str, "error_code": str,
}  # fmt: skip
_TEXTS = ("jobTitle", "processPath", "jobOwner")
_LOCAL = re.compile(r"(?:file:/{2,3})?(?:[a-z]:[\\/]|\\\\[^\\]|%\w+%)", re.IGNORECASE)
_BY_HAND = "bitsadmin.exe"


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """One step of a job or of one of its files."""
    made = _job(record) if record.event_id in _JOBS else _transfer(record)
    name = "bits.job" if record.event_id in _JOBS else "bits.transfer"
    if name == "bits.transfer":
        kept = _transfer_matters(*_texts(made, "bits_job", "url"))
    elif record.event_id == 3:
        kept = _job_matters(*_texts(made, "bits_job", "executable", "bits_owner"))
    else:
        kept = is_watched(*_texts(made, "bits_job", "executable"))
    yield fact(name, record, source, made, context=not kept)


def _texts(made: Made, *names: str) -> tuple[str, ...]:
    return tuple(str(made.get(name) or "") for name in names)


def _job_matters(title: str, program: str, owner: str) -> bool:
    """Watched names, and jobs that somebody made by hand; where the program is not told, those of no service."""
    name = file_name(program) or ""
    by_hand = name.casefold() == _BY_HAND or is_script_host(name)
    told = by_hand if program else bool(owner) and not owner.casefold().startswith(("nt ", "nt-"))
    return told or is_watched(title, program)


def _transfer_matters(title: str, url: str) -> bool:
    """Watched names, and a path in place of an address."""
    return _LOCAL.match(url) is not None or is_watched(title, url)


def _job(record: Record) -> Made:
    """Up to Windows 8 the elements of 3 are `string` (title), `string2` (owner) and `string3` (process)."""
    owner = pick(record, "jobOwner", "string2")
    program = pick(record, "processPath", "string3")
    return {
        "bits_job": pick(record, "jobTitle", "string"),
        "bits_job_id": guid(pick(record, "jobId")),
        "bits_state": _JOBS[record.event_id],
        **named_account(pick(record, "User") or owner),
        "bits_owner": owner,
        "executable": program,
        "executable_name": file_name(program),
        "pid": decimal(pick(record, "processId")),
        "file_count": number(pick(record, "fileCount")),
        "bytes_transferred": number(pick(record, "bytesTransferred")),
    }


def _transfer(record: Record) -> Made:
    result = number(pick(record, "hr"))
    return {
        "bits_job": pick(record, "name"),
        "bits_job_id": guid(pick(record, "Id")),
        "bits_transfer_id": guid(pick(record, "transferId")),
        "bits_state": _TRANSFERS[record.event_id],
        "url": pick(record, "url"),
        "bytes_total": number(pick(record, "bytesTotal")),
        "bytes_transferred": number(pick(record, "bytesTransferred")),
        "remote_file_time": utc_text(pick(record, "fileTime")),
        "proxy": pick(record, "proxy"),
        "error_code": f"0x{result:08x}" if result else None,
    }


ARTIFACT = EventArtifact(
    name="event_bits",
    wants={"Microsoft-Windows-Bits-Client/Operational": frozenset({*_JOBS, *_TRANSFERS})},
    parse=parse,
    emits={
        "bits.job": kind(
            "BITS job {bits_state}[: {bits_job}][ for {bits_owner}][ by {executable}][, {bytes_transferred} bytes]",
            _JOB,
            context=True,
        ),
        "bits.transfer": kind(
            "BITS transfer {bits_state}[ of {url}][, job {bits_job}][, {bytes_transferred} bytes]"
            "[ of {bytes_total}][, failed with {error_code}]",
            _TRANSFER,
            context=True,
        ),
    },
    providers=frozenset({"Microsoft-Windows-Bits-Client"}),
    defers={
        **{event: Deferral("bits.job", ("jobTitle",)) for event in (4, 5)},
        3: Deferral("bits.job", _TEXTS, pid="processId", matters=_job_matters),
        **{event: Deferral("bits.transfer", ("name", "url"), matters=_transfer_matters) for event in _TRANSFERS},
    },
)
