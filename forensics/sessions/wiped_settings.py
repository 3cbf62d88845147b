"""Signs that something was kept from being recorded or found: logs, auditing, Sysmon, services, prefetch, Defender."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

from forensics.rules import load
from forensics.sessions.rows import Row, short
from forensics.sessions.wiped_signs import Found, Scene, ordered_by, usual

Order = tuple[Row, str]
_TOGETHER = timedelta(minutes=1)
_FIRST_RECORDS = timedelta(minutes=1)
_SYSMON = "microsoft-windows-sysmon/operational"


def setting_signs(scene: Scene, stopping: Sequence[Order] = (), passing: Sequence[Order] = ()) -> Iterator[Found]:
    """Every sign that settings and their changes give.

    `stopping` are commands that stop a recorder, `passing` those that tell Defender to pass something (with texts).
    """
    yield from _channels(scene)
    yield from _audit(scene)
    yield from _sysmon(scene, [row for row, _ in stopping])
    yield from _services(scene)
    yield from _prefetch(scene)
    yield from _defender(scene, passing)


def _channels(scene: Scene) -> Iterator[Found]:
    for row in scene.rows.of("log.configured"):
        channel = row.get("log_channel")
        if row.fields.get("is_switched_off"):
            yield scene.sign("log_switched_off", row, [row], channel=channel)
        if row.fields.get("is_shrunk"):
            size = str(usual(channel).get("size", "more"))
            yield scene.sign("log_shrunk", row, [row], channel=channel, size=row.get("maximum_bytes"), usual=size)


def _audit(scene: Scene) -> Iterator[Found]:
    """Records of one act (a policy has a dozen subcategories) are one sign."""
    open_: list[Row] = []
    for row in [*scene.rows.of("audit.policy_changed"), None]:
        if row is not None and not row.fields.get("audit_removed"):
            continue
        if open_ and (row is None or not _follows(open_[-1], row)):
            what = "; ".join(dict.fromkeys(f"{i.get('audit_subcategory')}: {i.get('audit_changes')}" for i in open_))
            yield scene.sign("audit_reduced", open_[0], open_, by=scene.by(open_[0]), what=short(what, 300))
            open_ = []
        if row is not None:
            open_.append(row)


def _follows(before: Row, row: Row) -> bool:
    return before.time is not None and row.time is not None and row.time - before.time <= _TOGETHER


def _just_before(order: Row, row: Row) -> bool:
    if order.time is None or row.time is None:
        return False
    return timedelta(0) <= row.time - order.time <= _TOGETHER


def _sysmon(scene: Scene, stopping: Sequence[Row]) -> Iterator[Found]:
    for row in scene.rows.of("sysmon.state_changed"):
        if row.get("state") != "stopped":
            continue
        ordered = [item for item in stopping if _just_before(item, row)]
        if ordered or scene.went_down(row) is False:
            how = f"{scene.by(ordered[-1])}, ordered by a command" if ordered else ""
            yield ordered_by(scene.sign("recorder_stopped", row, [row, *ordered], how=how), scene, ordered)
    logs = [row for row in scene.rows.of("log.described") if row.get("log_channel").casefold() == _SYSMON]
    began = min((row.time for row in logs if row.time), default=None)
    for row in scene.rows.of("sysmon.configured"):
        # The configuration that Sysmon was installed with stands at the beginning of its log, where that is known.
        if row.time is not None and (began is None or row.time - began > _FIRST_RECORDS):
            what = short(row.get("sysmon_configuration") or row.get("hashes"))
            yield scene.sign("recorder_configured", row, [row], by=scene.by(row), what=what)


def _services(scene: Scene) -> Iterator[Found]:
    """A change that the System log tells is one sign with what the hive says of the same service."""
    data = load("antiforensics")
    guards, words = data["guards"], tuple(data["disabled_words"])
    set_up = [row for row in scene.rows.of("service.configured") if _is_off(scene, row)]
    told: set[str] = set()
    for row in scene.rows.of("service.start_type_changed"):
        name = row.get("service_name")
        if name.casefold() in guards and row.get("start_type").casefold() in words:
            told.add(name.casefold())
            same = [item for item in set_up if item.get("service_name").casefold() == name.casefold()]
            by = f", set so{scene.by(row)}" if scene.by(row) else ""
            how = f"{by} (was {row.get('start_type_before') or 'unknown'})"
            role = guards[name.casefold()]
            yield scene.sign("service_switched_off", row, [row, *same], service=name, role=role, how=how)
    for row in set_up:
        name = row.get("service_name")
        if name.casefold() not in told:
            how = f" ({row.get('location')})"
            yield scene.sign("service_switched_off", row, [row], service=name, role=guards[name.casefold()], how=how)


def _is_off(scene: Scene, row: Row) -> bool:
    """Whether a service that records or protects is disabled in the hive."""
    name = row.get("service_name").casefold()
    # Of a server prefetch is off by itself, and with it what keeps it.
    usual = name == "sysmain" and scene.is_server
    guarded = name in load("antiforensics")["guards"]
    return guarded and row.get("start_type") == "disabled" and not row.deleted and not usual


def _prefetch(scene: Scene) -> Iterator[Found]:
    for row in scene.rows.of("prefetch.configured"):
        if row.fields.get("prefetches_programs") is False and not scene.is_server:
            why = f"EnablePrefetcher says {row.get('prefetch_mode')}"
            yield scene.sign("prefetch_off", row, [row], why=why)


def _defender(scene: Scene, passing: Sequence[Order]) -> Iterator[Found]:
    for row in scene.rows.of("antivirus.switched_off"):
        yield scene.sign(
            "protection_off", row, [row], what=f"{row.get('protection')} was switched off", by=scene.by(row)
        )
    for row in scene.rows.of("antivirus.protection_off"):
        what = f"{row.get('protection')} is {row.get('value_data')} ({row.get('setting_origin')})"
        yield scene.sign("protection_off", row, [row], what=what, by="")
    yield from _exclusions(scene, passing)
    for row in scene.rows.of("antivirus.history_removed"):
        yield scene.sign("protection_history_removed", row, [row], by=scene.by(row))


def _exclusions(scene: Scene, passing: Sequence[Order]) -> Iterator[Found]:
    """What Defender's log says of an exclusion is one sign with what the hive says of the same one.

    And with the command just before that names what is passed: the log has no account of it.
    """
    set_up = scene.rows.of("antivirus.exclusion")
    told: set[str] = set()
    for row in scene.rows.of("antivirus.setting_changed"):
        if row.fields.get("is_weakened"):
            what = f"a setting was changed to {short(row.get('setting'))}"
            yield scene.sign("protection_off", row, [row], what=what, by=scene.by(row))
        elif row.fields.get("is_exclusion"):
            now = row.get("setting").casefold()
            same = [item for item in set_up if f"\\{item.get('excluded').casefold()} = " in now]
            told.update(item.id for item in same)
            removed = f"{short(row.get('setting_before'))} no longer, an exclusion was removed"
            what = short(row.get("setting")) or removed
            names = {item.get("excluded").casefold() for item in same} or {_excluded(now)}
            orders = [order for order, text in passing if _just_before(order, row) and _names(text, names)]
            by = scene.by(row) or scene.by_any(reversed(orders))
            yield scene.sign("exclusion_set", row, [row, *same, *orders], what=what, by=by)
    for row in set_up:
        if row.id not in told:
            what = f"the {row.get('exclusion_kind')} {short(row.get('excluded'))} ({row.get('setting_origin')})"
            yield scene.sign("exclusion_set", row, [row], what=what, by="")


def _names(text: str, excluded: Collection[str]) -> bool:
    return any(name and name in text.casefold() for name in excluded)


def _excluded(setting: str) -> str:
    """What is passed, out of a setting as Defender's log has it: `…\\Exclusions\\Paths\\C:\\x = 0x0`."""
    return setting.partition("\\exclusions\\")[2].partition("\\")[2].rpartition(" = ")[0]
