"""Ways of coming back: run keys, services and scheduled tasks, each once however many artifacts hold it.

A task stands in its XML file, in the registry's task cache and in the logs (4698, 106); a service in the registry and
in 7045 and 4697; a Run value in the hive and in Sysmon 13. They are one entry. Every entry is listed; the score says
which to look at first, from place, program and account rather than from the mere shape.

What was recovered from free cells of a hive is no entry of the host any more. It is listed as deleted, together with
what the logs know of it, and apart from an entry of the same name that is there now.
"""

from __future__ import annotations

import re

from forensics.model import Host, PersistenceEntry, stable_id
from forensics.rules import autoruns
from forensics.rules.ranking import worst_first
from forensics.sessions import persistence_scored as scored
from forensics.sessions.persistence_built import handed
from forensics.sessions.persistence_commands import COMMANDED
from forensics.sessions.persistence_entries import Entry, merged
from forensics.sessions.persistence_files import Classes, file_of
from forensics.sessions.persistence_gone import gone as gone_of
from forensics.sessions.persistence_inert import with_inertness
from forensics.sessions.persistence_makers import maker
from forensics.sessions.persistence_scored import judged, worst
from forensics.sessions.persistence_seen import Files, first_seen, last_write
from forensics.sessions.projects import Projects
from forensics.sessions.rows import People, Row, Rows, because, ids_of, is_service_sid, short, stamp

NOTHING = "nothing about its place, program or account stands out"  # the reason of an entry that has none
_WRAPPED = "service.wrapper_config"
_BY_NAME = frozenset({"scheduled_task", "service"})  # these stand in several places under one name
_DEFINED_TASKS = ("task.defined", "task.cached")
_NUL = ("\x00", "\\x00")
_TRIGGER = re.compile(r"(?:^|; )(\w+Trigger)\b")
_SYSTEM_NAMES = frozenset({"system", "localsystem", "nt authority\\system", "s-1-5-18"})


def persistence(rows: Rows, host: Host, label: str) -> tuple[PersistenceEntry, ...]:
    """Every entry of the host, highest score first, then by mechanism and name.

    Nothing is dropped: what is known to be harmless by place and command is listed with score 0 and says so.
    """
    people, projects, files = People(host.users), Projects(rows), Files(rows)
    classes = Classes(rows.of("autorun.configured"))
    found = [_entry(entry, people, projects, files, classes, label) for entry in merged(rows, people)]
    return worst_first(with_inertness(entry, host) for entry in found)


def _entry(
    entry: Entry, people: People, projects: Projects, files: Files, classes: Classes, label: str
) -> PersistenceEntry:
    name = (
        entry.name or entry.first("task_name", "entry_name", "service_name", "value_name", "file_name") or "(unnamed)"
    )
    location = entry.first("location", "key_path") or _log_place(entry)
    user, run_as, as_system = _users(entry, people)
    profile = people.profile(run_as or user, None)
    facts = {**_facts(entry, name, location, run_as or user), "run_as_system": as_system}
    found = judged(entry, facts, projects, profile)
    command, most = found[0].command, worst(found)
    target, no_file = file_of(entry.mechanism, command, _library(entry), profile, entry.rows, classes)
    seen = first_seen(entry.rows, name, entry.mechanism, target, files, people)
    made, (written, written_kind) = maker(entry.rows, people), last_write(entry.rows)
    reasons = [*scored.reasons(found, entry), *_remarks(entry, people), *seen.remarks]
    reasons += made.remarks if most.score else ()
    gone, (is_gone, deleted_at) = entry.deleted, gone_of(entry.rows)
    identity = [entry.mechanism, entry.owner, name.casefold(), _key_of(entry, location), *(["deleted"] if gone else [])]
    return PersistenceEntry(
        id=stable_id("persistence", label, *identity),
        mechanism=entry.mechanism,
        location=location,
        name=name,
        command=command or None,
        user=user if entry.mechanism == "run_key" else run_as or user,
        first_seen=seen.time,
        first_seen_source=seen.source,
        first_seen_bound=seen.bound,
        last_write=written,
        last_write_kind=written_kind,
        made_by=made.name,
        made_by_sid=made.sid,
        made_by_source=made.source,
        score=most.score,
        reasons=tuple(dict.fromkeys(reasons)) or (NOTHING,),
        attack=tuple(sorted(scored.attack_of(most, entry.mechanism))),
        events=ids_of([*entry.rows, *(row for item in found for row in item.built), *seen.rows]),
        host=label,
        deleted=is_gone,
        deleted_at=deleted_at,
        trigger=entry.first("task_trigger", "event_query") or None,
        target=target,
        target_note=no_file,
        built=handed(found, profile),
    )


def _library(entry: Entry) -> str:
    """The file that another artifact resolved: a service's library, the target of a shortcut or of a class."""
    return entry.first("target_path")


def _key_of(entry: Entry, location: str) -> str:
    """The part of a location that does not depend on which artifact told it (tasks and services have their name)."""
    if entry.mechanism == "wmi":
        return entry.key  # two consumers of one name and namespace differ by their class
    folded = location.casefold()
    if entry.mechanism not in _BY_NAME | {"run_key"}:
        return folded
    return folded[folded.find("\\currentversion\\") :] if "\\currentversion\\run" in folded else ""


def _log_place(entry: Entry) -> str:
    """Where an entry stands that only a log or a file tells of."""
    row = entry.rows[0]
    return row.source.path if row.kind == "task.defined" else f"named in {row.first('channel') or row.source.path}"


def _users(entry: Entry, people: People) -> tuple[str | None, str | None, bool]:
    """(whose hive, account it runs as, whether that is SYSTEM)."""
    owner = entry.owner
    user, _sid = people.complete("", owner.upper()) if owner.startswith("s-1-") else people.complete(owner, "")
    stated = next((item for row in entry.rows if (item := row.get("profile_user"))), None)
    # Where no hive lists the account, a record that it wrote itself has its name.
    own = (row.get("user_name") for row in entry.rows if owner and row.get("user_sid").casefold() == owner)
    user = user or next((name for name in own if name), None)
    text = entry.first("task_run_as", "service_account")
    run_as, sid = people.complete("", text) if text.upper().startswith("S-1-") else people.complete(text, "")
    as_system = is_service_sid(sid) or text.casefold() in _SYSTEM_NAMES
    if as_system and text.casefold() in _SYSTEM_NAMES:
        run_as = "SYSTEM"
    return stated or user, run_as, as_system


def _facts(entry: Entry, name: str, location: str, run_as: str | None) -> dict[str, object]:
    return {
        "mechanism": entry.mechanism,
        "name": name,
        "location": location,
        "remark": _remark(entry) or None,
        "table_note": entry.first("table_note") or None,
        "run_as": run_as,
        "hidden": _hidden(entry, name),
        "kernel": any(_is_driver(row) for row in entry.rows),
        "task_hidden": any(row.fields.get("task_hidden") is True for row in entry.rows),
        "enabled": next((row.fields["enabled"] for row in entry.rows if "enabled" in row.fields), None),
    }


def _remark(entry: Entry) -> str:
    """What artifacts say of an entry; of a class all of it: one collection may have the machine's class to compare."""
    told = [row.get("reason") for row in entry.rows if not row.deleted] if entry.mechanism == "com" else []
    parts = dict.fromkeys(part for text in told for part in text.split("; ") if part)
    return "; ".join(parts) or entry.first("reason", "consumer_type") or entry.remark


def _is_driver(row: Row) -> bool:
    """By its own word, or by the number that the audit writes: 1 a kernel driver, 2 one of a file system."""
    kind = row.get("service_type").casefold()
    return "driver" in kind or kind in ("0x1", "0x2", "1", "2")


def _hidden(entry: Entry, name: str) -> str | None:
    """How an entry is kept out of sight, in words: by its name, or by what is missing in the task cache.

    Regedit does not show a name that begins with NUL or is too long, as the artifacts tag it; a NUL may stand there
    cleaned. Sysmon calls the default value (Default), so that no name at all is one that it could not print.
    """
    names = (name, *(row.get("value_name") for row in entry.rows))
    cached = [row for row in entry.rows if row.kind == "task.cached"]
    said = {
        "its name begins with NUL": any(text.startswith(_NUL) for text in names),
        "its name holds NUL": any(mark in text for text in names for mark in _NUL if not text.startswith(_NUL)),
        "its name is longer than regedit shows": any(len(text) > autoruns.LONGEST_SHOWN for text in names),
        "a log could not print its name": any(
            row.kind == "registry.value_set" and not row.get("value_name") for row in entry.rows
        ),
        "no list of tasks shows it": any("hidden from" in row.get("reason").casefold() for row in cached),
    }
    return "; ".join(text for text, holds in said.items() if holds) or None


def _remarks(entry: Entry, people: People) -> list[str]:
    """What differs between the artifacts, and what happened to the entry since."""
    found = []
    if gone := entry.deleted:
        how = ", ".join(sorted({row.deleted for row in gone}))
        found.append(because(f"deleted: recovered from free cells ({how}), no longer in effect", gone))
    gone_kinds = ("task.deleted", "wmi.consumer_changed")
    deleted = [row for row in entry.rows if row.kind in gone_kinds and row.get("action") in ("", "Deleted")]
    if deleted and deleted[-1].time:
        found.append(because(f"deleted at {stamp(deleted[-1].time)}", deleted))
    cleared = [row for row in entry.rows if row.kind == "registry.key_changed" and row.time]
    if cleared and cleared[-1].time:
        found.append(because(f"its value was deleted at {stamp(cleared[-1].time)}{_by(cleared[-1], people)}", cleared))
    disabled = [row for row in entry.rows if row.fields.get("enabled") is False]
    if disabled:
        found.append(because("switched off", disabled))
    wrapped = [row for row in entry.rows if row.kind == _WRAPPED or row.get("wrapper_command_line")]
    if wrapped:
        found.append(because("a service wrapper starts this command, the service's own program is another", wrapped))
    found += _told_by_command(entry)
    own = [row.first("wrapper_command_line", "command_line") for row in entry.rows if _states(row)]
    commands = {" ".join(command.casefold().replace('"', "").split()) for command in own} - {""}
    if len(commands) > 1:
        found.append(because("its command changed, or differs between the artifacts", entry.rows))
    if differ := _trigger_kinds(entry):
        found.append(because(differ, [row for row in entry.rows if row.kind in _DEFINED_TASKS]))
    orphan = [row for row in entry.rows if row.kind == "task.cached" and "is gone" in row.get("reason")]
    return found + ([because(orphan[0].get("reason"), orphan)] if orphan else [])


def _by(row: Row, people: People) -> str:
    """Who wrote a registry value, and with what, as far as the record says."""
    name, _sid = people.of(row)
    return (f" by {name}" if name else "") + (f" with {row.get('executable')}" if row.get("executable") else "")


def _states(row: Row) -> bool:
    """Whether a row says what the entry runs, by itself."""
    return row.kind not in (_WRAPPED, "process.created") and COMMANDED not in row.fields


def _told_by_command(entry: Entry) -> list[str]:
    """The command lines that made the entry, or were to: such a record does not say how it ended."""
    made = [row for row in entry.rows if COMMANDED in row.fields]
    if not made:
        return []
    alone = "; nothing else tells of it, so whether it succeeded is not known" if len(made) == len(entry.rows) else ""
    return [because(f"made by command: {short(made[0].get(COMMANDED))}{alone}", made)]


def _trigger_kinds(entry: Entry) -> str:
    """Where the XML and the task cache name other kinds of triggers: the cache is what runs."""
    kinds = []
    for kind in _DEFINED_TASKS:
        told = [text for row in entry.rows if row.kind == kind and not row.deleted if (text := row.get("task_trigger"))]
        # Texts inside a trigger (an event's query) hold semicolons, too, so only words of the schema count.
        kinds.append(frozenset(_TRIGGER.findall("; ".join(told))))
    if not all(kinds) or kinds[0] == kinds[1]:
        return ""
    texts = [", ".join(sorted(kind)) for kind in kinds]
    return f"its triggers differ: {texts[0]} in its XML, {texts[1]} in the task cache, which is what runs"
