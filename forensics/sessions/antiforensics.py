"""Signs that traces were removed, each with what else may have caused it.

A cleared log does not say why. It does say that silence of this log before that time proves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from forensics.model import AntiForensic, Host
from forensics.rules import load
from forensics.rules.engine import hits, rules_of
from forensics.sessions.rows import People, Row, Rows, grouped, ids_of, short
from forensics.sessions.sandbox_removed import Removal

# The command and the record that it leaves in the log it clears.
_SAME_ACT = timedelta(seconds=10)
_MOST_TOLD = 20  # rows that a sign names for what everything of a tunnel tells
_WRITTEN = "Content Modification Time"
_TEXTS = {
    "process.created": "command_line",
    "powershell.script_block": "script_text",
    "shell.history_line": "history_line",
}


def anti_forensics(
    rows: Rows, host: Host, label: str, removed: Sequence[tuple[Removal, str]] = ()
) -> tuple[AntiForensic, ...]:
    """Every sign, dated ones in order of time first; `removed`: what sessions ran with, each with its session."""
    people = People(host.users)
    commands = _commands(rows)
    found: list[tuple[Row, AntiForensic]] = []
    used: set[str] = set()
    for row in rows.of("log.cleared"):
        near = [item for item in commands if item.time and row.time and abs(row.time - item.time) <= _SAME_ACT]
        used |= set(ids_of(near))
        channel = row.first("cleared_channel", "channel") or "event"
        found.append((row, _sign("log_cleared", row, [row, *near], label, channel=channel, by=_by(row, people))))
    for same in _clock_changes(rows):
        row = same[0]
        old, new = row.get("old_time") or "unknown", row.get("new_time") or "unknown"
        found.append((row, _sign("time_changed", row, same, label, old=old, new=new, by=_by(row, people))))
    found += _emptied(rows, label)
    found += [_config_removed(removal, session, label) for removal, session in removed]
    for row in commands:
        if row.id not in used:
            text = short(row.get(_TEXTS[row.kind]))
            found.append((row, _sign("clearing_command", row, [row], label, command=text, by=_by(row, people))))
    return tuple(sign for row, sign in sorted(found, key=lambda item: (*item[0].order, item[1].kind)))


def in_order(signs: Sequence[AntiForensic]) -> tuple[AntiForensic, ...]:
    """Signs of several origins in order of time, dated ones first."""
    return tuple(sorted(signs, key=lambda item: (item.time is None, item.time.isoformat() if item.time else "")))


def _clock_changes(rows: Rows) -> list[list[Row]]:
    """The records of each change: the System and the Security log, or two copies of one log, tell of the same."""
    found: dict[tuple[object, ...], list[Row]] = {}
    for row in rows.of("clock.changed"):
        old, new = row.get("old_time"), row.get("new_time")
        key = (old, new) if old and new else (row.id,)
        found.setdefault(key, []).append(row)
    return list(found.values())


def _emptied(rows: Rows, label: str) -> list[tuple[Row, AntiForensic]]:
    """Logs of a tunnel without a line, where something else tells that this profile's tunnel was used."""
    found = []
    others = [*rows.under("tunnel."), *rows.under("server.")]
    for group in grouped(rows.of("log.empty")):
        profile = group.get("profile_user").casefold()
        told = [row for row in others if row.get("profile_user").casefold() == profile]
        if told:
            row = next((item for item in group.rows if item.meaning == _WRITTEN), group.rows[0])
            stated = replace(row, time=row.time if row.meaning == _WRITTEN else None)
            parts = {"path": group.source.path, "count": str(len(ids_of(told)))}
            found.append((stated, _sign("log_emptied", stated, [*group.rows, *told[:_MOST_TOLD]], label, **parts)))
    return found


def _config_removed(removal: Removal, session: str, label: str) -> tuple[Row, AntiForensic]:
    row = replace(removal.rows[0], time=removal.time)
    by = f" by {removal.by}" if removal.by else ""
    when = "" if removal.time else "; when is not recorded"
    parts = {"path": short(removal.path), "how": removal.how, "by": by, "when": when, "session": session}
    if removal.what == "configuration":
        return row, _sign("config_removed", row, removal.rows, label, **parts)
    return row, _sign("given_removed", row, removal.rows, label, what=removal.what, **parts)


def _commands(rows: Rows) -> list[Row]:
    """The rows whose command removes traces."""
    rules = rules_of("antiforensics")
    return [row for kind, name in _TEXTS.items() for row in rows.of(kind) if hits(rules, {"command": row.get(name)})]


def _by(row: Row, people: People) -> str:
    name = people.complete(row.get("user_name"), row.get("user_sid"))[0] or row.user
    return f" by {name}" if name else ""


def _sign(kind: str, row: Row, rows: list[Row], label: str, **parts: str) -> AntiForensic:
    data = load("antiforensics")[kind]
    detail, causes = data["detail"].format(**parts), tuple(data["innocent_causes"])
    if row.recovered_from:
        detail += f" (the record was recovered from {row.recovered_from})"
    return AntiForensic(row.time, kind, detail, causes, ids_of(rows), label)
