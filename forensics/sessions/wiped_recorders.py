"""Signs that a recorder was taken away or its switch turned: Sysmon, drivers, PowerShell's logging, the log service.

Settings as they are in the hives, and changes of the same values as Sysmon and the Security log recorded them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from forensics.rules import load
from forensics.rules.recording import channel_at, number_in, switch_at
from forensics.sessions.looked import Looked
from forensics.sessions.rows import Row, grouped, short, stamp
from forensics.sessions.wiped_signs import Found, Scene, usual
from forensics.times import from_iso

_SYSMON = "microsoft-windows-sysmon/operational"
_EVENTLOG_PIPE = "\\eventlog"
_KERNEL_PID = "4"
_REBORN = timedelta(minutes=5)


def recorder_signs(scene: Scene, looked: Looked) -> Iterator[Found]:
    """Every sign of this kind."""
    yield from _missing(scene, looked)
    yield from _unloaded(scene)
    yield from _switches(scene)
    yield from _changes(scene)
    yield from _profiles(scene)
    yield from _moved(scene)
    yield from _reborn(scene)
    yield from _shadows(scene)
    yield from _refused(scene)


def _missing(scene: Scene, looked: Looked) -> Iterator[Found]:
    """Sysmon's log is there and no service of it: it was removed, or was installed under another name."""
    logs = [row for row in scene.rows.of("log.described") if row.get("log_channel").casefold() == _SYSMON]
    if not logs or looked.state("services") != "complete":
        return
    for row in scene.rows.of("service.configured"):
        if not row.deleted and "sysmon" in f"{row.get('service_name')} {row.get('command_line')}".casefold():
            return
    last = from_iso(logs[0].get("last_record_time"))
    ended = replace(logs[0], time=last) if isinstance(last, datetime) else logs[0]
    parts = {"count": logs[0].get("record_count"), "last": stamp(ended.time) if ended.time else "an unknown time"}
    yield scene.sign("recorder_missing", ended, logs[:1], **parts)


def _unloaded(scene: Scene) -> Iterator[Found]:
    """An unloaded driver, unless Windows went down then."""
    for row in scene.rows.of("filter.unloaded"):
        if scene.went_down(row) is not True:
            role = load("antiforensics")["guards"].get(row.get("filter_name").casefold(), "records")
            yield scene.sign("driver_unloaded", row, [row], driver=row.get("filter_name"), role=role, by=scene.by(row))


def _switches(scene: Scene) -> Iterator[Found]:
    for row in scene.rows.of("recording.configured"):
        switch = switch_at(f"{row.get('key_path')}\\{row.get('value_name')}")
        if switch is None or not row.fields.get("is_switched_off"):
            continue
        value = f"{row.get('value_name')} is {row.get('value_data')}" if row.get("value_name") else "the key is there"
        who = f" for {row.get('profile_user')}" if row.get("profile_user") else ""
        yield scene.sign(switch["sign"], row, [row], what=switch["what"] + who, how=value, by="")


def _changes(scene: Scene) -> Iterator[Found]:
    """Sysmon 12 and 13, Security 4657: the moment in which the switch was turned, and by which program."""
    for row in scene.rows.of("registry.value_set", "registry.key_changed"):
        path = "\\".join(part for part in (row.get("key_path"), row.get("value_name")) if part)
        number, switch, channel = number_in(row.get("value_data")), switch_at(path), channel_at(path)
        if channel and number == 0:
            yield scene.sign("log_switched_off", row, [row], channel=channel)
        elif switch is not None and _turned_off(row, switch.get("stops_at"), number):
            program = f", written by {short(row.get('executable'))}" if row.get("executable") else ""
            how = f"{short(path)} was set{program}"
            yield scene.sign(switch["sign"], row, [row], what=switch["what"], how=how, by=scene.by(row))


def _turned_off(row: Row, numbers: list[int] | None, number: int | None) -> bool:
    """Whether a change turns a switch off; one without values by being made."""
    if numbers is None:
        return "delete" not in row.get("action").casefold()
    return row.kind == "registry.value_set" and number in numbers


def _profiles(scene: Scene) -> Iterator[Found]:
    """A profile of PowerShell that keeps every session of it from leaving a history."""
    for row in scene.rows.of("autorun.configured"):
        text = row.get("command_line").casefold()
        if row.get("mechanism") == "powershell_profile" and ("savenothing" in text or "-historysavepath" in text):
            parts = {"what": "the history of PowerShell", "how": f"by the profile {short(row.get('location'))}"}
            yield scene.sign("history_switched_off", row, [row], by="", **parts)


def _moved(scene: Scene) -> Iterator[Found]:
    for row in scene.rows.of("log.configured"):
        path, channel = row.get("log_path").replace("/", "\\").casefold(), row.get("log_channel")
        known = usual(channel)
        if path and known.get("classic") and not path.endswith(f"\\system32\\winevt\\logs\\{channel.casefold()}.evtx"):
            yield scene.sign("log_moved", row, [row], channel=channel, path=short(row.get("log_path")))


def _reborn(scene: Scene) -> Iterator[Found]:
    """The pipe of the event log service was reached over the network, and soon after the service made it anew."""
    opened = [row for row in scene.rows.of("pipe.opened") if _of_kernel(row)]
    for row in scene.rows.of("pipe.created"):
        if row.get("pipe_name").casefold() != _EVENTLOG_PIPE or row.time is None:
            continue
        before = [item for item in opened if item.time and timedelta(0) <= row.time - item.time <= _REBORN]
        if before:
            seconds = str(int((row.time - (before[-1].time or row.time)).total_seconds()))
            yield scene.sign("log_service_crashed", row, [before[-1], row], seconds=seconds)


def _of_kernel(row: Row) -> bool:
    """What comes over the network opens a pipe through the server's driver: in the name of the kernel."""
    return row.get("pipe_name").casefold() == _EVENTLOG_PIPE and row.get("pid") == _KERNEL_PID


def _shadows(scene: Scene) -> Iterator[Found]:
    for row in scene.rows.of("shadow_copy.lost"):
        yield scene.sign(
            "shadows_lost", row, [row], what=row.get("shadows_lost"), volume=row.get("volume_name") or "a volume"
        )


def _refused(scene: Scene) -> Iterator[Found]:
    """A clearing by WMI that came to nothing."""
    for row in scene.rows.of("wmi.operation_failed"):
        text = row.get("wmi_operation").casefold()
        log = "win32_nteventlogfile" in text and "cleareventlog" in text
        shadow = "win32_shadowcopy" in text and "delete" in text
        if log or shadow:
            what = "an event log by WMI" if log else "a shadow copy by WMI"
            parts = {"what": what, "result": row.get("result_code"), "call": short(row.get("wmi_operation"), 200)}
            yield scene.sign("clearing_refused", row, [row], by=scene.by(row), **parts)


def history_signs(scene: Scene) -> Iterator[Found]:
    """Lists of a user's doings that are empty, each once whatever number of layers of the hive tells of it."""
    told: set[tuple[str, str]] = set()
    for group in grouped(scene.rows.of("history.emptied")):
        row = group.rows[0]
        key = (row.source.path, row.get("key_path").casefold())
        if key not in told:
            told.add(key)
            left = row.get("recovered_entries")
            how = f"; {left} entries of it are left in free cells" if left else ""
            who = f" of {row.get('profile_user')}" if row.get("profile_user") else ""
            yield scene.sign("history_emptied", row, group.rows, what=row.get("history_of"), who=who, how=how)
