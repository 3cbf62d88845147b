"""Subscriptions of WMI in the repository, in logs and in commands: which rows are of one consumer.

A consumer is known by its namespace, class and name. Two classes may have one name: an intruder's
`CommandLineEventConsumer` called like the consumer that Windows brings is another one, and both are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from forensics.sessions.rows import Row, Rows

GONE = "\0deleted"  # behind the name of a deleted entry beside a live one
_KINDS = ("commandline", "activescript", "logfile", "eventlog", "smtp", "filter")
# As Sysmon's `Type` and 5861 name the classes; the repository's row begins its remark with the class.
_ALSO = {"script": "activescript", "file": "logfile"}
_USUAL = "root\\subscription"
_UNNAMED = "(unnamed)"
_Key = tuple[str, str, str]


def subscriptions(rows: Rows) -> Iterator[tuple[_Key, Row]]:
    """Those of one consumer together; a carved one stands apart from a live one."""
    stored = [row for row in rows.of("autorun.configured") if row.get("mechanism") == "wmi"]
    live = {consumer(row) for row in stored if "carved" not in row.get("reason")}
    carved = {consumer(row) for row in stored}
    for row in stored:
        name = consumer(row)
        yield ("wmi", "", f"{name}{GONE}" if name in live and "carved" in row.get("reason") else name), row
    for row in rows.of("wmi.consumer_changed", "wmi.subscribed"):
        yield ("wmi", "", _fitting(row, live | carved)), row


def consumer(row: Row) -> str:
    """Namespace, class and name of a row's consumer; without a name what it does stands for it."""
    name = row.get("entry_name").casefold()
    if name in ("", _UNNAMED):
        name = f"{_UNNAMED}\\{row.first('command_line', 'event_query').casefold()}"
    return f"{_namespace(row)}\\{_kind(row.first('consumer_type', 'reason'))}\\{name}"


def _kind(text: str) -> str:
    word = text.partition(";")[0].casefold().replace(" ", "")
    return next((kind for kind in _KINDS if kind in word), "") or next(
        (kind for part, kind in _ALSO.items() if part in word), ""
    )


def _namespace(row: Row) -> str:
    """Where the consumer is; Sysmon does not say it, nor does the form of a carved one."""
    place = "" if row.kind == "wmi.consumer_changed" else row.get("location").casefold().replace("/", "\\")
    place = place.removeprefix("\\\\.\\").strip("\\")
    return place if place.startswith("root") else _USUAL


def _fitting(row: Row, stored: Iterable[str]) -> str:
    """The stored consumer that a log means; where it leaves out class or namespace, the only one that fits."""
    own = consumer(row)
    if own in stored:
        return own
    _, _, tail = own.removeprefix(_namespace(row)).partition("\\")
    kind, _, name = tail.partition("\\")
    fits = [key for key in sorted(stored) if key.endswith(f"\\{kind}\\{name}" if kind else f"\\{name}")]
    return fits[0] if len(fits) == 1 else own
