"""Signs that traces were removed, each with what else may have caused it.

A cleared log does not say why. It does say that silence of this log before that time proves nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from forensics.model import AntiForensic, Host
from forensics.rules import load
from forensics.rules.clearing import clearing
from forensics.rules.engine import Hit
from forensics.sessions.looked import Looked
from forensics.sessions.rows import Row, Rows, grouped, ids_of, short, stamp
from forensics.sessions.sandbox_removed import Removal
from forensics.sessions.wiped_files import file_signs
from forensics.sessions.wiped_logs import log_signs
from forensics.sessions.wiped_recorders import history_signs, recorder_signs
from forensics.sessions.wiped_settings import setting_signs
from forensics.sessions.wiped_signs import Found, Scene, capped, weakened
from forensics.times import from_iso

# The command and the record that it leaves in the log it clears; two records of one setting of the clock.
_SAME_ACT = timedelta(seconds=10)
_STOPS = "ANT-11"  # the rule of commands that stop a recorder
_PASSES = ("ANT-10", "ANT-25")  # those of commands that tell Defender to pass something
_FEW = 3  # settings of the clock forward by services that are told one by one
_LAST_ACTS = 20  # commands before one that may be the same act
_MOST_TOLD = 20  # rows that a sign names for what everything of a tunnel tells
_WRITTEN = "Content Modification Time"
_TEXTS = {
    "process.created": "command_line",
    "powershell.script_block": "script_text",
    "powershell.command": "script_text",
    "powershell.started": "host_application",
    "shell.history_line": "history_line",
}


def anti_forensics(
    rows: Rows, host: Host, label: str, removed: Sequence[tuple[Removal, str]] = (), *,
    looked: Looked | None = None, files: Collection[str] = (),
) -> tuple[AntiForensic, ...]:  # fmt: skip
    """Every sign, dated ones in order of time first, of one kind no more than the data allows.

    `removed` are configurations with the session that used each, `looked` says what could be looked at, `files` are
    the names of the prefetch files in the evidence.
    """
    prefetch = frozenset(name.casefold() for name in files)
    scene = Scene(rows, host, label, prefetch)
    found = list(_cleared(scene))
    used = {event for _, sign in found for event in sign.events}
    found += _clock(scene)
    found += _emptied(scene)
    found += [_config_removed(scene, removal, session) for removal, session in removed]
    found += _clearing(scene, used)
    found += log_signs(scene)
    found += setting_signs(scene, _ordering(scene.rows, _STOPS), _ordering(scene.rows, *_PASSES))
    found += recorder_signs(scene, looked or Looked())
    found += history_signs(scene)
    told = {row.id for removal, _ in removed for row in removal.rows}
    found += file_signs(scene, looked or Looked(), told, {removal.path.casefold() for removal, _ in removed})
    return tuple(capped(found))


def _cleared(scene: Scene) -> Iterator[Found]:
    """1102 and 104, each with the command that did it."""
    commands = [row for row, _ in _commands(scene.rows)]
    for row in scene.rows.of("log.cleared"):
        near = [item for item in commands if item.time and row.time and abs(row.time - item.time) <= _SAME_ACT]
        channel = row.first("cleared_channel", "channel") or "event"
        weak = not near and scene.in_setup(row)
        yield weakened(scene.sign("log_cleared", row, [row, *near], channel=channel, by=scene.by(row)), weak)


def _clock(scene: Scene) -> Iterator[Found]:
    """4616 and Kernel-General 1 of one setting are one sign, told by the one that names who did it."""
    rows = scene.rows.of("clock.changed")
    forward = [row for row in rows if _is_catching_up(scene, row)]
    if len(forward) > _FEW:
        most = max(forward, key=_ahead)
        parts = {
            "old": _stamped(most.get("old_time")),
            "new": _stamped(most.get("new_time")),
            "by": scene.by(most).removeprefix(" by "),
        }
        yield scene.sign("time_synchronised", forward[0], forward, count=str(len(forward)), **parts)
    settings: list[list[Row]] = []
    for row in rows:
        if settings and _same_setting(settings[-1][0], row):
            settings[-1].append(row)
        else:
            settings.append([row])
    many = set(ids_of(forward)) if len(forward) > _FEW else set()
    for same in settings:
        if not any(row.id in many for row in same):
            best = next((row for row in same if scene.by(row)), same[0])
            old, new = _stamped(same[0].get("old_time")), _stamped(same[0].get("new_time"))
            weak = _is_correction(scene, best, rows)
            yield weakened(scene.sign("time_changed", same[0], same, old=old, new=new, by=scene.by(best)), weak)


def _stamped(text: str) -> str:
    """A time of a record's field as all others in a sentence are."""
    moment = from_iso(text)
    return stamp(moment) if isinstance(moment, datetime) else text or "unknown"


def _is_correction(scene: Scene, row: Row, rows: Sequence[Row]) -> bool:
    """Whether a setting is what Windows does by itself.

    By the time service, by set-up, or forward by a service account, as after sleep: where the clock is set back later
    to before that time, it had not been right.
    """
    if scene.of_time_service(row) or scene.in_setup(row):
        return True
    reached = from_iso(row.get("new_time"))
    if not _is_catching_up(scene, row) or not isinstance(reached, datetime):
        return False
    lower = (from_iso(item.get("new_time")) for item in rows if _ahead(item) < timedelta())
    return not any(isinstance(moment, datetime) and moment < reached for moment in lower)


def _ahead(row: Row) -> timedelta:
    """How far a setting put the clock ahead; nothing where the times are no times."""
    old, new = from_iso(row.get("old_time")), from_iso(row.get("new_time"))
    return new - old if isinstance(old, datetime) and isinstance(new, datetime) else timedelta()


def _is_catching_up(scene: Scene, row: Row) -> bool:
    """Whether a service account put the clock forward: what machines do after every sleep or pause."""
    return scene.of_service(row) and _ahead(row) > timedelta()


def _same_setting(one: Row, two: Row) -> bool:
    """Whether two records have the same old and new time, as near as two clocks are read."""
    return all(_near(one.get(name), two.get(name)) for name in ("old_time", "new_time"))


def _near(one: str, two: str) -> bool:
    first, second = from_iso(one), from_iso(two)
    if isinstance(first, datetime) and isinstance(second, datetime):
        return abs(first - second) <= _SAME_ACT
    return one == two


def _emptied(scene: Scene) -> Iterator[Found]:
    """Logs of a tunnel without a line, where something else tells that this profile's tunnel was used."""
    rows = scene.rows
    others = [*rows.under("tunnel."), *rows.under("server.")]
    for group in grouped(rows.of("log.empty")):
        profile = group.get("profile_user").casefold()
        told = [row for row in others if row.get("profile_user").casefold() == profile]
        if told:
            row = next((item for item in group.rows if item.meaning == _WRITTEN), group.rows[0])
            stated = replace(row, time=row.time if row.meaning == _WRITTEN else None)
            parts = {"path": group.source.path, "count": str(len(ids_of(told)))}
            yield scene.sign("log_emptied", stated, [*group.rows, *told[:_MOST_TOLD]], **parts)


def _config_removed(scene: Scene, removal: Removal, session: str) -> Found:
    row = replace(removal.rows[0], time=removal.time)
    by = f" by {removal.by}" if removal.by else ""
    when = "" if removal.time else "; when is not recorded"
    parts = {"path": short(removal.path), "how": removal.how, "by": by, "when": when, "session": session}
    if removal.what == "configuration":
        return scene.sign("config_removed", row, removal.rows, **parts)
    return scene.sign("given_removed", row, removal.rows, what=removal.what, **parts)


def _commands(rows: Rows) -> list[tuple[Row, list[Hit]]]:
    """The rows whose command removes traces or blinds a recorder, with what it does."""
    found = [(row, list(clearing(row.get(name)))) for kind, name in _TEXTS.items() for row in rows.of(kind)]
    return [(row, told) for row, told in found if told]


def _ordering(rows: Rows, *rules: str) -> list[tuple[Row, str]]:
    """The commands that one of these rules knows, with their texts."""
    return [(row, _text(row)) for row, told in _commands(rows) if any(hit.rule in rules for hit in told)]


def _clearing(scene: Scene, used: Collection[str]) -> Iterator[Found]:
    """One sign for a command, whatever number of sources tells of it (4688, Sysmon, PowerShell's own logs)."""
    acts: list[tuple[Row, str, list[Row]]] = []
    points: dict[str, int] = {}
    attack: dict[str, tuple[str, ...]] = {}
    for row, told in _commands(scene.rows):
        what = _what(told)
        points[what] = max(hit.weight for hit in told)
        attack[what] = tuple(dict.fromkeys(one for hit in told for one in hit.attack))
        act = next((item for item in acts[-_LAST_ACTS:] if item[1] == what and _one_act(item[0], row)), None)
        if act is None:
            acts.append((row, what, [row]))
        else:
            act[2].append(row)
    for row, what, rows in acts:
        if not any(item.id in used for item in rows):
            found, sign = scene.sign(
                "clearing_command", row, rows, what=what, command=_text(row), by=scene.by_any(rows)
            )
            known = replace(sign, attack=attack[what] or sign.attack)
            yield weakened((found, known), points[what] <= load("antiforensics")["weakening"], "medium")


def _one_act(one: Row, two: Row) -> bool:
    return one.time is not None and two.time is not None and abs(one.time - two.time) <= _SAME_ACT


def _what(told: list[Hit]) -> str:
    return " and ".join(dict.fromkeys(hit.why for hit in told))


def _text(row: Row) -> str:
    return short(row.get(_TEXTS[row.kind]))
