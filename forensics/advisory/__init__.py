"""The checklist of the police advisory: each of its recommendations as questions, answered for one host.

The warning of Japan's National Police Agency (January 2025, on MirrorFace) recommends what to look for on a host. For
each point the answer is yes (to be looked at, with the rows that say so), no (the sources that would tell were read and
go back far enough), or that this evidence cannot tell, and why. The questions are data (`rules/advisory.yml`), the
words in English and Japanese (`forensics/locales/`); conclusions of the joins (removed traces, sessions, findings)
answer beside rows. An answer is what was seen, never who did it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from forensics.advisory import autostarts, tunnels
from forensics.advisory.apart import is_own, is_shared, with_shared
from forensics.advisory.desktop import settings, unused
from forensics.advisory.gone import Gone, gone, place
from forensics.advisory.hits import Hits, moment
from forensics.advisory.logons import remote
from forensics.advisory.reach import Reach, Told
from forensics.advisory.removed import few
from forensics.locales import joined, quoted, say
from forensics.logontally import LogonSource
from forensics.model import AdvisoryAnswer, AntiForensic, Coverage, Event, Fact, Host, Said, Verdicts
from forensics.rules import load
from forensics.rules.ranking import strength
from forensics.rules.removals import removals
from forensics.sessions import build
from forensics.sessions.attempts import any_failed, attempts
from forensics.sessions.rows import Row, Rows, ids_of, stamp
from forensics.sessions.texts import basename, split_command

YES, NO, CANNOT_TELL = "yes", "no", "cannot_tell"
_PERSONS = ("S-1-5-21-", "S-1-12-1-")
_UNREAD = ("not_collected", "unreadable", "unknown")
_AT_DESKTOP = "4624 type 10"  # as logontally calls a logon by remote desktop
_INSTALLED = frozenset({"software.installed"})
_RAN = frozenset({"prefetch.run", "process.created", "bam.run", "userassist.run"})  # which say nothing of now
# IIS, Apache, nginx, Tomcat by the names of their services and programs. [M]
_WEB = re.compile(
    r"^(?:w3svc|apache[\w.]*|nginx|tomcat\w*)$|^(?:httpd|nginx|tomcat\w*|w3wp)\.exe$", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Logons:
    """Logons from elsewhere: some of their events, which stand in the timeline, and how many came from where.

    `some`: how many is not known for one computer alone, the events are all there is.
    """

    events: Sequence[Event] = ()
    sources: Sequence[LogonSource] = ()
    some: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, and all that can answer it."""

    question: Mapping[str, Any]
    rows: Rows
    verdicts: Verdicts
    reach: Reach
    logons: Logons = field(default_factory=Logons)
    lost: Gone = field(default_factory=Gone)


@dataclass(slots=True)
class Answer:
    """What one part of an answer says: `found` None where it decides nothing, `unsettled` where "no" is too much."""

    found: bool | None
    why: list[Said]
    events: list[str]
    unsettled: bool = False


def concluded(
    events: Sequence[Event], host: Host, evidence_name: str, undated: Sequence[Fact] = (),
    coverage: Sequence[Coverage] = (), logons: Logons | None = None, prefetch: Collection[str] = (),
    look: Callable[[Verdicts], Verdicts] | None = None, looked_at: Sequence[Coverage] | None = None,
) -> Verdicts:  # fmt: skip
    """What the joins conclude (`sessions.build`), with the checklist answered.

    `logons` are those that no join needs: how many came from where, and some of their events. `look` completes what
    the joins conclude by a look at what they name, before it is answered by. `looked_at` is the
    coverage for the checklist where the joins are given none, since it is that of several computers.
    """
    verdicts = build(events, host, evidence_name, undated, coverage, prefetch)
    verdicts = look(verdicts) if look else verdicts
    known = logons or Logons()
    people = sum((user.sid or "").startswith(_PERSONS) for user in host.users)
    asked = coverage if looked_at is None else looked_at
    rows = Rows([*events, *known.events], undated)
    if any_failed():
        return verdicts  # what a failed join would have told is not denied
    label = host.name or evidence_name
    told = attempts("the checklist", lambda: answers(rows, verdicts, asked, label, known, people))
    return replace(verdicts, advisory=told)


def answers(
    rows: Rows, verdicts: Verdicts, coverage: Sequence[Coverage], label: str, logons: Logons | None = None,
    people: int = 0,
) -> tuple[AdvisoryAnswer, ...]:  # fmt: skip
    """Every question of `rules/advisory.yml`, answered for the host `label`, which has profiles of `people` persons."""
    reach = Reach(coverage, rows, verdicts, people)
    lost, known = gone(rows), logons or Logons()
    asked = [Asked(item, rows, verdicts, reach, known, lost) for item in load("advisory")["questions"]]
    found = [_answer(item, label) for item in asked]
    if not (wiped := len(removals(verdicts.anti_forensics))):
        return tuple(found)
    less = say("no.wiped", count=wiped)
    return tuple(replace(item, why=(*item.why, less)) if item.answer == NO else item for item in found)


def _answer(asked: Asked, label: str) -> AdvisoryAnswer:
    ident, question = asked.question["id"], asked.question
    parts = [_verdicts(asked), _hits(asked)]
    if own := _OWN.get(ident):
        parts.insert(0, own(asked))
    why = [sentence for part in parts for sentence in part.why]
    found = any(part.found for part in parts)
    denied = any(part.found is False for part in parts)
    told = asked.reach.ask(question)
    unsettled = any(part.unsettled for part in parts)
    answer = YES if found else NO if denied or (told.tells and not unsettled) else CANNOT_TELL
    if answer == NO and asked.reach.strong and not question.get("now"):
        answer = CANNOT_TELL
        why.insert(0, _removed(asked))
    if answer == NO and not denied:
        why.append(_within(told))
    if not found and not denied:
        why += told.words
    events = dict.fromkeys(ident for part in parts for ident in part.events)
    listed = tuple(events)[: load("advisory")["most_events"]]
    return AdvisoryAnswer(
        ident, say(ident), answer, tuple(dict.fromkeys(why)), listed, label, told.first, told.last, told.sources
    )


def _removed(asked: Asked) -> Said:
    """Why nothing that was is denied on a host that was wiped."""
    return say("no.removed", count=asked.reach.strong)


def _within(told: Told) -> Said:
    """For what time a "no" holds: that of the logs, or what was there when the evidence was taken."""
    if told.first and told.last:
        return say("no.within", first=stamp(told.first), last=stamp(told.last))
    return say("no.as_found")


def _hits(asked: Asked) -> Answer:
    hits = Hits(asked.question, asked.rows, unused(asked.rows), asked.lost)
    return Answer(True if hits else None, hits.said(), list(ids_of(hits.rows)))


def _verdicts(asked: Asked) -> Answer:
    """Conclusions of the joins that answer the question.

    Signs that are only inferred, as that a log is silent, are no "yes" by themselves, but no "no" stands beside them.
    """
    fronts = tuple(asked.question.get("verdicts", {}).get("findings", ()))
    signs = _signs(asked)
    findings = [item for item in asked.verdicts.findings if fronts and item.rule.startswith(fronts)]
    sure = bool(findings) or any(sign.kind not in asked.question.get("inferred", ()) for sign in signs)
    why = [
        say(
            "sign", time=moment(sign.time), level=say(f"level.{sign.level}"), what=quoted(sign.detail),
            causes=joined(map(quoted, sign.innocent_causes)),
        )
        for sign in signs
    ]  # fmt: skip
    why += [
        say("finding", time=moment(item.first), rule=item.rule, level=quoted(item.level), what=quoted(item.why))
        for item in findings
    ]
    most = load("advisory")["most_hits"]
    shown = [*why[:most], say("hit.more", count=len(why) - most)] if len(why) > most else why
    if why and not sure:
        shown = [say("signs.inferred"), *shown]
    return Answer(sure or None, shown, [*_events(signs), *_events(findings)], unsettled=bool(why))


def _signs(asked: Asked) -> list[AntiForensic]:
    """Signs of wiping that the question is about.

    Those that weigh most come first, among these in the order in which the question lists their kinds.
    """
    kinds = list(asked.question.get("verdicts", {}).get("anti_forensics", ()))
    signs = [sign for sign in asked.verdicts.anti_forensics if sign.kind in kinds]
    return sorted(signs, key=lambda sign: (strength(sign.level), kinds.index(sign.kind)))


def _logs(asked: Asked) -> Answer:
    """How far back the host can speak: no answer by itself."""
    reach, why = asked.reach, []
    if oldest := reach.oldest():
        why.append(say("logs.oldest", time=stamp(oldest)))
    for name in load("advisory")["logs"]:
        span = reach.spans.get(name.casefold())
        if span and span.first and span.last:
            why.append(say("log.reach", log=name, first=stamp(span.first), last=stamp(span.last)))
        else:
            why.append(say("log.none", log=name))
    why += [*few(reach.spans), *_kept(asked.rows)]
    named = {name.casefold(): name for name in load("advisory")["logs"]}
    why += [
        say("log.cleared", log=named.get(log, log), time=stamp(time)) for log, time in sorted(reach.cleared.items())
    ]
    return Answer(None, why, [])


def _kept(rows: Rows) -> list[Said]:
    """How large each log may become and what happens when it is full, where its settings were read."""
    said = []
    for row in rows.of("log.configured"):
        how = "off" if row.fields.get("is_switched_off") else "stops" if row.fields.get("keeps_oldest") else "rolls"
        size = row.get("maximum_bytes") or "?"
        said.append(say("log.kept", log=row.get("log_channel"), size=size, how=say(f"log.{how}")))
    return said


def _enabled(asked: Asked) -> Answer:
    known = asked.verdicts.sandbox_capability
    why = [say("sandbox.since", time=stamp(known.enabled_at))] if known.enabled_at else []
    why += [say("sandbox.evidence", what=quoted(text)) for text in known.evidence]
    if known.enabled is None:
        why.append((not why and _absent(asked)) or say("sandbox.on_unknown"))
        if asked.verdicts.sandbox_sessions:
            why.append(say("sandbox.on_if_used", count=len(asked.verdicts.sandbox_sessions)))
    return Answer(known.enabled, why, list(known.events))


def _absent(asked: Asked) -> Said | None:
    """That the program is not in the whole file table of C:, one of too few files for the joins to call that proof."""
    if not asked.reach.ask({"tells": [["mft_entries"]]}).tells:
        return None
    tables = [row for row in asked.rows.of("mft.table") if row.source.path.casefold().startswith("c:")]
    counts = [row.get("file_count") for row in tables if row.get("missing_parts") in ("", "0")]
    return say("sandbox.off_by_absence", count=counts[0]) if counts else None


def _used(asked: Asked) -> Answer:
    sessions = asked.verdicts.sandbox_sessions
    why = [
        say(
            "sandbox.session", time=moment(item.start or item.start_earliest or item.start_latest), id=item.id,
            certainty=quoted(item.certainty), score=item.score, who=item.launch.user or item.launch.user_sid or "?",
        )
        for item in sessions
    ]  # fmt: skip
    machines = [item for item in asked.verdicts.findings if item.rule == "sandbox.unattributed_vm"]
    if machines:
        why.append(say("sandbox.machines", count=len(machines)))
    return Answer(True if sessions or machines else None, why, _events([*sessions, *machines]))


def _present(asked: Asked) -> Answer:
    """Who has a copy of VS Code or the tunnel's programs, since when, whether it is gone, what else speaks of one."""
    rows = Hits(asked.question, asked.rows).rows
    heard = tunnels.programs(asked.question, asked.verdicts)
    who = {row.first("profile_user", "user_name") for row in rows} - {""}
    times = [row.time for row in rows if row.time]
    why = _gone(rows, asked.lost)
    why += [say("times.since", time=stamp(min(times)))] if times else []
    why += [say("vscode.by", who=", ".join(sorted(who)[:20]))] if who else []
    most = load("advisory")["most_hits"]
    why += heard.why[:most]
    if len(heard.why) > most:
        why.append(say("hit.more", count=len(heard.why) - most))
    if not rows and not heard.found:
        why += _renamed(asked)
    return Answer(heard.found or None, why, heard.events, unsettled=heard.weak)


def _gone(rows: Iterable[Row], lost: Gone) -> list[Said]:
    """That all programs that were found are deleted, where nothing says that one is still there."""
    programs = [row for row in rows if row.kind in _INSTALLED or place(row).endswith(".exe")]
    files = [row for row in programs if row.kind not in _RAN]
    if not files or not all(lost.said(row) for row in files):
        return []
    times = [time for row in files if (time := lost.times.get(place(row)))]
    return [say("vscode.gone", time=stamp(max(times)) if times else "?")]


def _renamed(asked: Asked) -> list[Said]:
    """By what a copy under another name was looked for: a "no" says no more than that."""
    names = asked.question["renamed"]
    told = [name for name in names if asked.reach.ask({"tells": [[name]], "records": names}).tells]
    unread = [name for name in names if name not in told and asked.reach.state(name) in _UNREAD]
    weak = ", ".join(name for name in names if name not in (*told, *unread))
    heard, rest = ", ".join(told), ", ".join(unread)
    more = [say("vscode.renamed_weak", names=weak)] if weak else []
    if not told:
        return [say("vscode.by_name", rest=rest) if rest else say("vscode.by_name_all"), *more]
    return [say("vscode.renamed_by", told=heard, rest=rest) if rest else say("vscode.renamed_all", told=heard), *more]


def _tunnels(asked: Asked) -> Answer:
    """Tunnels that their log or a counter of bytes says were connected; hosting that is inferred is told as such."""
    heard = tunnels.traffic(asked.verdicts)
    return Answer(heard.found or None, heard.why, heard.events, unsettled=heard.weak)


def _events(items: Iterable[Any]) -> list[str]:
    return [ident for item in items for ident in item.events]


def _refused(asked: Asked) -> Answer:
    """Remote desktop is refused now where the setting in use says so; that it ever was needs logs that go back."""
    rows, why = settings(asked.rows)
    reached = [item for item in asked.logons.sources if item.manner == _AT_DESKTOP]
    why += [
        say("rdp.reached", address=item.address, count=item.count, who=item.user or "?", first=moment(item.first))
        for item in reached
    ]
    if reached or _hits(asked).found:
        return Answer(bool(reached) or None, why, list(ids_of(rows)))
    if not rows:
        return Answer(None, why, [], unsettled=True)
    told = asked.reach.ask(asked.question)
    if told.tells and not asked.reach.strong:
        return Answer(False, [*why, _within(told), say("rdp.never")], list(ids_of(rows)))
    why += [_removed(asked)] if told.tells else []
    now = asked.reach.ask({**asked.question, "tells": asked.question["tells"][:1]}).tells
    return Answer(None, [*why, say("rdp.not_now")] if now else why, list(ids_of(rows)), unsettled=True)


def _autostarts(asked: Asked) -> Answer:
    found, unsettled, why, events = autostarts.told(asked.verdicts.persistence)
    return Answer(found or None, why, events, unsettled)


def _web(asked: Asked) -> Answer:
    """Whether the host is a web server at all, as far as its services say.

    Unless it is known to be none, "no" needs a log that reaches back: the $MFT alone has what was left there.
    """
    rows = asked.rows.of("service.configured", "service.installed")
    servers = [row for row in rows if not row.deleted and _WEB.search(f"{row.get('service_name')}\n{_program(row)}")]
    names = dict.fromkeys(row.get("service_name") for row in servers)
    absent = not names and asked.reach.ask({"tells": [["services"]]}).tells
    if absent:
        return Answer(None, [say("web.no_server")], [])
    reaches = asked.reach.ask({**asked.question, "tells": [["usn_journal", "event_sysmon"]]}).tells
    why = [say("web.server", names=", ".join(names)) if names else say("web.unknown")]
    return Answer(None, why if reaches else [*why, say("web.no_logs")], [], unsettled=not reaches)


def _program(row: Row) -> str:
    return basename(split_command(row.first("wrapper_command_line", "command_line"))[0])


def _remote(asked: Asked) -> Answer:
    why, events = remote(asked.rows, asked.logons.sources)
    if why and asked.logons.some:
        why.append(say("logon.some"))
    return Answer(True if why else None, why, events)


_OWN: dict[str, Callable[[Asked], Answer]] = {
    "logs.erased": _logs,
    "sandbox.enabled": _enabled,
    "sandbox.used": _used,
    "vscode.present": _present,
    "tunnel.traffic": _tunnels,
    "rdp.enabled": _refused,
    "web.scripts": _web,
    "autostart.suspicious": _autostarts,
    "logon.remote": _remote,
}

__all__ = [
    "CANNOT_TELL", "NO", "YES", "Logons", "answers", "concluded", "is_own", "is_shared", "with_shared",
]  # fmt: skip
