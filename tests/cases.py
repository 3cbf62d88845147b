"""Cases to save, load and export: kinds of their own, hostile facts, and verdicts with every member set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from forensics.artifacts.base import Kind
from forensics.case import Case
from forensics.model import (
    AdvisoryAnswer,
    AntiForensic,
    CliCall,
    Coverage,
    Event,
    Evidence,
    Fact,
    Fields,
    Finding,
    ForwardedPort,
    Host,
    HostingPeriod,
    HostWrite,
    InstalledExtension,
    Launch,
    LinkedHost,
    LogSpan,
    MappedFolder,
    PersistenceEntry,
    Problem,
    RelayPeriod,
    Said,
    SandboxCapability,
    SandboxConfig,
    SandboxSession,
    SandboxSettings,
    SavedFile,
    Source,
    TunnelClient,
    TunnelCommand,
    TunnelSession,
    User,
    Verdicts,
)
from forensics.timeline import event_store, events_of, undated_of, undated_store

T0 = datetime(2024, 12, 4, 1, 2, 11, 123456, tzinfo=UTC)
HOST = "WS-TANAKA"

KINDS = {
    "process.created": Kind(
        "Process started: {executable}[ ({command_line})][ by {user_name}]",
        {
            "executable": str,
            "command_line": str,
            "user_name": str,
            "pid": str,
            "event_identifier": int,
            "provider": str,
        },
        data_type="windows:evtx:record",
    ),
    "sandbox.config": Kind(
        "Sandbox configuration {file_name}[, networking {wsb_networking}][, folders {wsb_mapped_folders}]",
        {"file_name": str, "wsb_networking": bool, "wsb_mapped_folders": tuple[str, ...], "profile_user": str},
    ),
    "shell.history_line": Kind("{history_line}", {"history_line": str, "line_number": int, "user_sid": str}),
}

NASTY = (
    "田中 太郎 は C:\\Users\\田中\\ドキュメント\\実験.wsb を開いた",
    "emoji 🪞 and 𠮷 and e\u0301",
    "\x1b]0;owned\x07\x1b[2J terminal",
    "lone \ud800 surrogate \udfff",
    "\ud83d\ude00",
    "nul \x00 inside",
    "right\u202eto left\u2066",
    'commas, "quotes", and\nnew\r\nlines\ttabs',
    "line\u2028separator \u2029 next\x85line",
    "None",
    "nan",
    "NaN",
    "NA",
    "#N/A N/A",
    "null",
    "True",
    "1E5",
    "0012345",
    "12",
    " ",
    "x" * 300_000,
    "=cmd|'/C calc'!A0",
    "+1+1",
    "-",
    "@SUM(A1)",
    "[]",
    "[a]",
    "{brace} {0} {executable!r}",
    "\ufeffbom",
    "１２３",
    "inf",
    "C:\\u00e9\\x1b",
)


def source(path: str = "C:/Windows/System32/winevt/Logs/Security.evtx", locator: str = "record 812") -> Source:
    return Source("ws-tanaka.E01", path, "ab" * 32, locator)


def fact(kind: str = "process.created", when: datetime | None = T0, **fields: object) -> Fact:
    values: Fields = fields  # type: ignore[assignment]
    return Fact(kind, source(), {} if when is None else {"Creation Time": when}, values)


def nasty_facts() -> list[Fact]:
    """Every nasty text as command line, user, path and locator, alone and in lists."""
    facts = []
    for index, text in enumerate(NASTY):
        place = Source("ws-tanaka.E01", f"C:/{text[:200]}", None, f"record {index}: {text[:50]}")
        times = {"Creation Time": T0 + timedelta(seconds=index), "Content Modification Time": T0}
        fields: Fields = {"executable": "a.exe", "command_line": text, "user_name": text, "event_identifier": 4688}
        facts.append(Fact("process.created", place, times, {**fields, "pid": str(index)}))
        folders: Fields = {"file_name": text, "wsb_networking": bool(index % 2), "wsb_mapped_folders": (text, "b")}
        facts.append(Fact("sandbox.config", place, {"Creation Time": T0}, folders, tags=("wsb", "a,b")))
        facts.append(Fact("shell.history_line", place, {"End Time": T0}, {"history_line": text, "line_number": index}))
        facts.append(Fact("never.declared", place, {"End Time": T0}, {"history_line": text, "pid": index}))
        reasons = {"Creation Time": f"zero: never set ({text})"}
        facts.append(Fact("shell.history_line", place, {}, {"history_line": text}, reasons))
    return facts


def settings() -> SandboxSettings:
    return SandboxSettings(
        "C:/Windows/System32/default.wsb",
        True,
        None,
        1024,
        "C:\\Users\\WDAGUtilityAccount\\Host\\Public\\AppData\\msiexec.bat",
        None,
        False,
        (MappedFolder("C:\\Users", None, False),),
        {"Foo": "bar"},
    )


def verdicts(events: list[Event]) -> Verdicts:
    """Verdicts in which every member of every class has a value somewhere."""
    ids = tuple(event.id for event in events[:3])
    end = T0 + timedelta(hours=2)
    reasons, attack = ("mapped folder is writable: \u202e 田中", "network on"), ("T1564.006",)
    launch = Launch("task", "SYSTEM", "S-1-5-18", "windowssandbox.exe c:\\x.wsb", "svchost.exe", "\\Upd", "c:\\x.wsb")
    sandbox = SandboxSession(
        "sb-1", T0, T0, T0, end, "stopped", "VM", launch, settings(), True, None, "confirmed", 90, reasons, attack, ids,
        (CliCall(T0, "start", "wsb start"),), (HostWrite(T0, "C:/Users/x", "created"),), HOST,
    )  # fmt: skip
    bounded = SandboxSession(
        "sb-2",
        None,
        T0,
        end,
        None,
        "unknown",
        None,
        Launch(),
        None,
        None,
        None,
        "possible",
        45,
        (),
        (),
        (),
        (),
        (),
        HOST,
        T0,
        end,
    )
    tunnel = TunnelSession(
        "tn-1", "vscode", "田中", "mytunnel", "abc", "jpe1", "octocat", "github", False,
        (HostingPeriod(T0, end, "stopped", "code tunnel", 4242, True), HostingPeriod(*[None] * 6)),
        (TunnelClient(T0, end, "deadbeef", "disconnected", 2, 1, True),), ("pe-1",),
        (SavedFile(T0, "C:/a", "cd" * 32),),
        (TunnelCommand(None, "PSReadLine", "whoami"),), (ForwardedPort(T0, 8080, True),),
        "probable", 75, reasons, ("T1219.001",), ids[:1], 10, 2**40, HOST, "C:\\Users\\田中\\.vscode\\cli",
        (RelayPeriod(T0, None, None),), (InstalledExtension(T0, "ms-python.python", "server.extension_installed"),),
        (LinkedHost("WS-2", "tunnel_id", "abc"),), ("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0",),
    )  # fmt: skip
    entry = PersistenceEntry(
        "pe-1", "run_key", "HKCU\\Run", "Visual Studio Code Tunnel", "code-tunnel.exe", "田中", T0, end, 20, reasons,
        ("T1547.001",), ids[:2], HOST,
    )  # fmt: skip
    return Verdicts(
        (sandbox, bounded),
        (SandboxConfig("C:/Windows/System32/default.wsb", "ef" * 32, True, settings(), 80, reasons, ids[:1], HOST),),
        SandboxCapability(True, T0, ("feature enabled",), ids[:1], HOST),
        (tunnel,),
        (entry,),
        (AntiForensic(T0, "log_cleared", "Security log", ("maintenance",), ids[:1], HOST),),
        (Finding("wsb.template", "high", "matches", ids, HOST, T0, end, "VM", True),),
        (
            AdvisoryAnswer(
                "sandbox.used", Said("Used?", "使われたか"), "yes", (Said("\u202e it", "はい"),), ids[:1], HOST
            ),
        ),
    )


# Of `verdicts`: two sandboxes (one with bounds for its end), hosting and client, persistence, a removal, a finding.
SESSION_ROWS = 2 + 3 + 4 + 2 + 1 + 1


def headers() -> list[Evidence]:
    users = (User("S-1-5-21-1-1001", "田中", "C:\\Users\\田中"),)
    known = Host(HOST, "Windows 10", "19045", "Tokyo Standard Time", -540, users)
    unknown = Host(unknown={"name": "SYSTEM hive not collected"})
    return [
        Evidence("ws-tanaka.E01", "/evidence/ws-tanaka.E01", "ewf", known, 412, {"sha256": "0" * 64}),
        Evidence("kape", "D:\\kape", "folder", unknown, 3),
    ]


def made_case(facts: list[Fact]) -> Case:
    """A whole case of these facts."""
    events = [event for fact in facts for event in events_of(fact, HOST, KINDS)]
    undated = [row for fact in facts if (row := undated_of(fact, HOST, KINDS))]
    problems = [
        Problem("bad_record", "security", source(locator="offset 0x1a0"), "lost \x1b[2J here"),
        Problem("truncated", "prefetch", source("C:/\ud800.pf", ""), "cut"),
    ]
    coverage = Coverage("security", ("Windows/**/Security.evtx",), 1, 10, 9, 4, 2, "partial", "1 record lost",
                        (LogSpan("C:/a.evtx", T0, T0 + timedelta(hours=1), 5, 14), LogSpan("C:/b.evtx")))  # fmt: skip
    return Case(
        evidence=headers(),
        events=event_store(events),
        undated=undated_store(undated),
        verdicts=verdicts(list(event_store(events))),
        problems=problems,
        coverage={"ws-tanaka.E01": [coverage], "kape": []},
        run={"arguments": ["timeline"], "seconds": 1.5, "counts": {"context_in_timeline": 7}},
    )
