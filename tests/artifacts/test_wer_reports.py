from __future__ import annotations

import pytest

from forensics.artifacts.wer_reports import ARTIFACT
from forensics.safety import safe_fact
from forensics.spool import encode_fact
from forensics.times import from_filetime, to_filetime
from tests.artifacts.file_inputs import run, survives_truncation, utc

PATH = "C:/ProgramData/Microsoft/Windows/WER/ReportArchive/AppCrash_WindowsSandboxCl_1a2b_3c4d_5e6f/Report.wer"
WHEN = utc(2024, 12, 3, 5, 41, 30)


def report(path: str = "C:\\Windows\\System32\\WindowsSandboxClient.exe", *, kind: str = "APPCRASH") -> str:
    """A report of the shape that public ones of Windows 10 have."""
    name = path.rpartition("\\")[2]
    lines = [
        "Version=1", f"EventType={kind}", f"EventTime={to_filetime(WHEN)}", "ReportType=2", "Consent=1",
        "ReportIdentifier=482613d0-3881-4b71-b0db-6e6bfae7e600", f"NsAppName={name}", f"OriginalFilename={name}",
        "Sig[0].Name=アプリケーション名", f"Sig[0].Value={name}", "Sig[1].Name=v", "Sig[1].Value=10.0.19041.3636",
        "Sig[3].Name=障害モジュールの名前", "Sig[3].Value=mstscax.dll", "Sig[6].Name=例外コード",
        "Sig[6].Value=c0000005", "Sig[7].Name=オフセット", "Sig[7].Value=0035c570",
        "DynamicSig[1].Name=OS", "DynamicSig[1].Value=10.0.19045.2.0.0.256.48", f"UI[2]={path}",
        f"LoadedModule[0]={path}", "LoadedModule[1]=C:\\Windows\\SYSTEM32\\ntdll.dll",
        "FriendlyEventName=Stopped working", "AppName=Windows サンドボックス", f"AppPath={path}",
    ]  # fmt: skip
    return "\r\n".join(lines) + "\r\n"


def wide(text: str) -> bytes:
    return b"\xff\xfe" + text.encode("utf-16-le")


def test_a_crash_of_the_sandbox() -> None:
    (fact,), problems = run(ARTIFACT, PATH, wide(report()))
    assert problems == []
    assert not fact.context
    assert fact.times == {"Creation Time": WHEN}
    assert fact.fields == {
        "event_type": "APPCRASH",
        "executable": "C:\\Windows\\System32\\WindowsSandboxClient.exe",
        "executable_name": "WindowsSandboxClient.exe",
        "original_file_name": "WindowsSandboxClient.exe",
        "application_display_name": "Windows サンドボックス",
        "application_version": "10.0.19041.3636",
        "fault_module": "mstscax.dll",
        "error_code": "0xc0000005".removeprefix("0x"),
        "loaded_modules": ("C:\\Windows\\System32\\WindowsSandboxClient.exe", "C:\\Windows\\SYSTEM32\\ntdll.dll"),
        "report_id": "482613d0-3881-4b71-b0db-6e6bfae7e600",
        "report_folder": "AppCrash_WindowsSandboxCl_1a2b_3c4d_5e6f",
    }


def test_others_are_context() -> None:
    other = PATH.replace("WindowsSandboxCl", "notepad.exe")
    (fact,), _ = run(ARTIFACT, other, wide(report("C:\\Windows\\notepad.exe").replace("サンドボックス", "メモ帳")))
    assert fact.context


def test_the_time_of_a_public_report() -> None:
    """The example of a published article: 133211708571634483 is Sat 18 February 2023 05:14:17 UTC."""
    text = report().replace(str(to_filetime(WHEN)), "133211708571634483")
    (fact,), _ = run(ARTIFACT, PATH, wide(text))
    assert fact.times["Creation Time"].replace(microsecond=0) == utc(2023, 2, 18, 5, 14, 17)
    assert fact.times["Creation Time"] == from_filetime(133211708571634483)


def test_other_events_have_no_module() -> None:
    (fact,), _ = run(ARTIFACT, PATH, wide(report(kind="LiveKernelEvent")))
    assert "fault_module" not in fact.fields


@pytest.mark.parametrize("data", [b"", b"\x00" * 512, b"\xff\xfeM\x00Z\x00", b"MZ\x90"])
def test_what_is_no_report(data: bytes) -> None:
    facts, problems = run(ARTIFACT, PATH, data)
    assert facts == []
    assert [item.fault for item in problems] == ["bad_record"]


@pytest.mark.parametrize("time", ["", "x", "99999999999999999999999", "²³", "0"])
def test_a_time_that_is_none(time: str) -> None:
    (fact,), _ = run(ARTIFACT, PATH, wide(report().replace(str(to_filetime(WHEN)), time)))
    assert fact.times == {}
    assert fact.no_times["Creation Time"]


def test_modules_beyond_the_most_are_said() -> None:
    text = report() + "".join(f"LoadedModule[{number}]=C:\\{number}.dll\r\n" for number in range(2, 1202))
    (fact,), (problem,) = run(ARTIFACT, PATH, wide(text))
    assert isinstance(fact.fields["loaded_modules"], tuple)
    assert (len(fact.fields["loaded_modules"]), problem.fault) == (1000, "budget")
    assert "202 more" in problem.detail


def test_a_value_of_megabytes_makes_no_row_of_megabytes() -> None:
    text = report().replace(str(to_filetime(WHEN)), "7" * 500_000) + f"LoadedModule[2]={'m' * 500_000}\r\n"
    (fact,), _ = run(ARTIFACT, PATH, wide(text))
    line = encode_fact(safe_fact(fact))
    assert len(line) < 200_000
    assert line.count("[cut here: 500") == 2


def test_cuts() -> None:
    survives_truncation(ARTIFACT, PATH, wide(report()), step=5)
