r"""Reports of Windows Error Reporting: a program crashed or hung, when, and with which modules loaded.

A crash of a sandbox's program or of `vmwp.exe` is the time of a session, with the version of what ran, in a folder that
nobody clears (`ReportArchive\AppCrash_WindowsSandbox*`, `Kernel_*`, `Critical_vmwp*`; names from memory). A loaded
module of an odd path shows a side-loaded DLL. Reports that name nothing watched are context.

Format: `key=value` lines of UTF-16, see `formats/werreport.py`. `EventTime` is a FILETIME of the event. For crashes of
programs (APPCRASH, BEX64, MoAppCrash) signature 3 is the faulting module and 6 or 7 the exception code, as public
reports have it.
"""

from __future__ import annotations

import re

from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats import FormatError, werreport
from forensics.formats.werreport import Report
from forensics.model import Problem, Value, make_fact
from forensics.rules.watch import is_watched
from forensics.times import Moment

_NAME = "wer_reports"
_CRASHES = ("appcrash", "bex", "moappcrash", "mobex")
_CODE = re.compile(r"^(?:0x)?[0-9a-fA-F]{8}$")
_FOLDERS = ("ProgramData/Microsoft/Windows/WER", "Users/*/AppData/Local/Microsoft/Windows/WER")


def parse(given: FileInput) -> Output:
    """One row for the report."""
    data = given.read(werreport.SIZE_LIMIT + 1)
    try:
        report = werreport.read(data)
    except FormatError as error:
        yield Problem("bad_record", _NAME, given.source("offset 0x0"), str(error))
        return
    if len(data) > werreport.SIZE_LIMIT:
        detail = f"{given.size} bytes: only the first {werreport.SIZE_LIMIT} were read"
        yield Problem("truncated", _NAME, given.source(), detail)
    if report.damaged:
        yield Problem("bad_record", _NAME, given.source(), "some characters of the report do not decode")
    if report.modules_left_out:
        detail = f"{len(report.modules)} loaded modules are told, {report.modules_left_out} more are not"
        yield Problem("budget", _NAME, given.source(), detail)
    fields = _fields(given, report)
    named = (report.get("AppPath"), report.get("AppName"), report.get("NsAppName"), given.path, *report.modules)
    moments: dict[str, Moment | None] = {
        "Creation Time": report.moment("EventTime"),
        "Upload Time": report.moment("UploadTime") if report.get("UploadTime") else None,
    }
    if moments["Upload Time"] is None:
        del moments["Upload Time"]
    yield make_fact("wer.report", given.source(), moments, fields, context=not is_watched(*named))


def _fields(given: FileInput, report: Report) -> dict[str, Value | None]:
    crash = report.get("EventType").casefold().startswith(_CRASHES)
    codes = [code for code in (report.signature.get("sig[6]", ""), report.signature.get("sig[7]", "")) if crash]
    path = report.get("AppPath")
    return {
        "event_type": report.get("EventType"),
        "executable": path,
        "executable_name": report.get("NsAppName") or path.replace("/", "\\").rpartition("\\")[2],
        "original_file_name": report.get("OriginalFilename"),
        "application_display_name": report.get("AppName"),
        "application_version": report.signature.get("sig[1]") if crash else None,
        "fault_module": report.signature.get("sig[3]") if crash else None,
        "error_code": next((code.casefold() for code in codes if _CODE.match(code) and int(code, 16) >> 31), None),
        "loaded_modules": report.modules,
        "report_id": report.get("ReportIdentifier"),
        "report_folder": given.path.replace("/", "\\").split("\\")[-2],
        "profile_user": given.profile,
    }


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=tuple(f"{folder}/{kind}/**/Report.wer" for folder in _FOLDERS for kind in ("ReportArchive", "ReportQueue")),
    parse=parse,
    emits={
        "wer.report": Kind(
            "Error report[ ({event_type})][ of {executable}][, module {fault_module}][, code {error_code}]",
            {
                "event_type": str,
                "executable": str,
                "executable_name": str,
                "original_file_name": str,
                "application_display_name": str,
                "application_version": str,
                "fault_module": str,
                "error_code": str,
                "loaded_modules": tuple[str, ...],
                "report_id": str,
                "report_folder": str,
                "profile_user": str,
            },
        )
    },
)
