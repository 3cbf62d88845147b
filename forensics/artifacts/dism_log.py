r"""dism.log: the command lines of DISM, and who called it through its library.

Switching Windows Sandbox on by command (`dism /online /enable-feature /featurename:Containers-DisposableClientVM`)
stands here word for word, with process auditing off as well. `Enable-WindowsOptionalFeature` and other callers of
DismApi.dll leave the command line of their process. Both name the feature again in what follows, with its state. A log
of 10 MB and more is renamed to dism.log.bak (name from memory), which is read too.

The shape of the lines is from public logs (microsoft/WSL issue 7067, google/glazier issue 459, a feature change on
Server 2016). Those of DismApi.dll that name a feature (`DismEnableFeatureInternal`) are from memory. Stamps are local
time; see `formats/servicinglog.py`.
"""

from __future__ import annotations

import re
from collections import OrderedDict

from forensics.artifacts._servicing import LOG_FIELDS, SERVICING_LOG, LogRows, is_feature, is_sandbox
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats.servicinglog import Line
from forensics.model import Value
from forensics.rules.watch import is_watched

_NAME = "dism_log"
_COMMAND = re.compile(r"^DISM\.EXE: Executing command line:\s*(.+)$", re.IGNORECASE | re.DOTALL)
_PARENT = "Parent process command line:"
_PID = re.compile(r"\bPID=(\d{1,10})\b")
_TOKEN = re.compile(r"top level command token\s{0,2}\(([\w-]{1,60})\)")
_OPTION = re.compile(r'Encountered the option "featurename" with value "([^"]{1,200})"', re.IGNORECASE)
_STATE = re.compile(r"\bFeature ([^\s]{1,200}) with CBS state (\d{1,3})\s{0,2}\((\w{1,60})\)")
_API = re.compile(r"\bDism(Enable|Disable)Feature\w{0,40}")
_FEATURE = re.compile(r"FeatureName:\s{0,4}([^\s,]{1,200})", re.IGNORECASE)
_FAILED = re.compile(r"Failed while processing command ([\w-]{1,60})\.")
_RESULT = re.compile(r"hr:(0x[0-9a-fA-F]{1,8})")
_CALLERS = 256


class _Callers:
    """What was said of each process before: its command line, the verb it was given, whether it meant the Sandbox."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, dict[str, str]] = OrderedDict()

    def of(self, pid: str) -> dict[str, str]:
        """The notes about a process id; the oldest ones are forgotten."""
        notes = self._known.setdefault(pid, {})
        if len(self._known) > _CALLERS:
            self._known.popitem(last=False)
        return notes


def parse(given: FileInput) -> Output:
    """The lines that tell of command lines and features; and a row about the log."""
    rows, callers = LogRows(_NAME, given), _Callers()
    for line in rows.lines(given.fh):
        found = _reading(line, callers)
        if found:
            kind, fields, context = found
            yield from rows.row(kind, line, fields, context=context)
    yield from rows.end()


def _reading(line: Line, callers: _Callers) -> tuple[str, dict[str, Value | None], bool] | None:
    """The kind and fields of a line and whether it is context; None when it says nothing here."""
    command = _COMMAND.match(line.text)
    if command:
        text = command.group(1).strip()
        return "dism.command_line", {"command_line": text}, not (is_watched(text) or is_sandbox(text))
    pid = _PID.search(line.text)
    notes = callers.of(pid.group(1)) if pid else {}
    said: dict[str, Value | None] = {"pid": pid.group(1) if pid else None}
    _, parent, tail = line.text.partition(_PARENT)
    if parent:
        text, _, function = tail.rpartition(" - ")
        notes["command"] = (text if text and function.isalnum() else tail).strip()
        said["command_line"] = notes["command"]
        return "dism.session_started", said, not is_watched(notes["command"])
    token = _TOKEN.search(line.text)
    if token:
        notes["verb"] = token.group(1).casefold()
        return None
    return _failure(line, notes, said) or _feature(line, notes, said)


def _failure(
    line: Line, notes: dict[str, str], said: dict[str, Value | None]
) -> tuple[str, dict[str, Value | None], bool] | None:
    """A command that failed; kept when its process had named the Sandbox."""
    failed = _FAILED.search(line.text)
    if not failed:
        return None
    code = _RESULT.search(line.text)
    fields = said | {
        "action": failed.group(1).casefold(),
        "update_name": notes.get("feature"),
        "error_code": code.group(1).casefold() if code else None,
    }
    return "dism.command_failed", fields, not is_sandbox(notes.get("feature", ""))


def _feature(
    line: Line, notes: dict[str, str], said: dict[str, Value | None]
) -> tuple[str, dict[str, Value | None], bool] | None:
    """A line that names a feature of interest."""
    if not is_feature(line.text.casefold()):
        return None
    context = not is_sandbox(line.text)
    option, api, state = _OPTION.search(line.text), _API.search(line.text), _STATE.search(line.text)
    if option or api:
        named = option or _FEATURE.search(line.text)
        verb = f"{api.group(1).casefold()}-feature" if api else notes.get("verb")
        notes["feature"] = named.group(1) if named else line.text
        name = named.group(1) if named else None
        fields = said | {"action": verb, "update_name": name, "parent_command_line": notes.get("command")}
        return "dism.feature_requested", fields, context
    if state:
        fields = said | {"update_name": state.group(1), "feature_state": state.group(3)}
        return "dism.feature_state", fields, context
    return "dism.feature_named", said, True


_PROCESS = {**LOG_FIELDS, "pid": str}
ARTIFACT = FileArtifact(
    name=_NAME,
    paths=("Windows/Logs/DISM/dism.log", "Windows/Logs/DISM/dism.log.bak", "Windows/Logs/DISM/dism.bak"),
    parse=parse,
    emits={
        "dism.command_line": Kind("DISM was run: {command_line}", {**LOG_FIELDS, "command_line": str}),
        "dism.session_started": Kind(
            "A program used DISM's library: {command_line}", {**_PROCESS, "command_line": str}, context=True
        ),
        "dism.feature_requested": Kind(
            "DISM was asked[ by {parent_command_line}][ to {action}][: {update_name}]",
            {**_PROCESS, "action": str, "update_name": str, "parent_command_line": str},
        ),
        "dism.feature_state": Kind(
            "DISM found feature {update_name} in state {feature_state}",
            {**_PROCESS, "update_name": str, "feature_state": str},
        ),
        "dism.command_failed": Kind(
            "DISM failed to {action}[ {update_name}][, error {error_code}]",
            {**_PROCESS, "action": str, "update_name": str, "error_code": str},
        ),
        "dism.feature_named": Kind("DISM log: {log_message}", _PROCESS, context=True),
        "servicing.log": SERVICING_LOG,
    },
)
