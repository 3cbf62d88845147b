"""Windows Sandbox sessions: what the drafts are worth.

The VM layer carries the times, the launch layer the who and how, the configuration what the guest could reach. What
ran inside a sandbox the host cannot know; the reasons say what was seen, with the events, and what was inferred.
"""

from __future__ import annotations

import re
from dataclasses import replace

from forensics.model import CliCall, Finding, Host, Launch, SandboxConfig, SandboxSession, SandboxSettings, stable_id
from forensics.rules.engine import Hit, capped, hits, rules_of, total
from forensics.sessions.hostlife import HostLife
from forensics.sessions.looked import Looked
from forensics.sessions.rows import People, Row, Rows, because, ids_of, is_service_sid, stamp
from forensics.sessions.sandbox_calls import Call, listed, shares_told
from forensics.sessions.sandbox_certainty import certainty
from forensics.sessions.sandbox_cleaned import Cleaned
from forensics.sessions.sandbox_config import Configs
from forensics.sessions.sandbox_counts import counted, undated
from forensics.sessions.sandbox_draft import Drafter
from forensics.sessions.sandbox_end import end_of
from forensics.sessions.sandbox_guard import Told
from forensics.sessions.sandbox_joined import Joined, near
from forensics.sessions.sandbox_known import Known
from forensics.sessions.sandbox_launch import definitions, is_hearsay, opener_of
from forensics.sessions.sandbox_loose import calls_alone, machine, runs_alone
from forensics.sessions.sandbox_network import networked
from forensics.sessions.sandbox_origin import Origin, headless_of, origin_of
from forensics.sessions.sandbox_person import Behind, Persons
from forensics.sessions.sandbox_pieces import Draft, every
from forensics.sessions.sandbox_pipes import Pipes
from forensics.sessions.sandbox_removed import Removal, Removals
from forensics.sessions.sandbox_scripts import scripts
from forensics.sessions.sandbox_unknown import BY_DEFAULT, config_unknown, launch_unknown, lost, no_machine
from forensics.sessions.sandbox_writes import Area, Changes, areas, given, shared, shared_told, written
from forensics.sessions.texts import norm

_TRACES = {
    "compute.created": "it was created",
    "vm.nic_connected": "an adapter was connected",
    "vm.disk_opened": "its disk was opened",
    "process.created": "its worker or proxy process began",
    "file.created": "its disk was made",
    "logon.succeeded": "its worker logged on",
    "usn.file_created": "its disk was made",
    "mft.entry": "its disk was made",
}
_CONFIG = re.compile(r"(?:^|\s)(?:-c|--config)[= ]", re.IGNORECASE)
TECHNIQUE = "T1564.006"  # Hide Artifacts: Run Virtual Instance


class Sandboxes:
    """Everything about Windows Sandbox that the rows of one host tell."""

    def __init__(self, rows: Rows, host: Host, host_label: str, life: HostLife, looked: Looked | None = None) -> None:
        self.looked = looked or Looked()
        self.rows, self.life, self.label = rows, life, host_label
        self.people = People(host.users)
        self.configs = Configs(rows)
        self.changes = Changes(rows)
        self.tasks = definitions(rows)
        self.pipes = Pipes(rows, self.people)
        self.persons = Persons(rows, life, self.people)
        self._drafter = Drafter(rows, life, self.people)
        self._drafts = self._drafter.build()
        self.removals = Removals(rows, self.people)
        self.cleaned = Cleaned(rows, self.people)
        self.removed: list[tuple[Removal, str]] = []  # with the session whose configuration it was
        self._logged = bool(rows.of("compute.created", "compute.started", "vm.started", "vm.disk_opened"))

    def sessions(self) -> tuple[SandboxSession, ...]:
        """The sessions in order of time."""
        self.removed.clear()
        return tuple(self._session(draft) for draft in self._drafts)

    def configurations(self) -> tuple[SandboxConfig, ...]:
        """Every configuration, used or not."""
        return self.configs.listed(self.label)

    def write_areas(self) -> list[Area]:
        """The host folders that the guests were given, with their time spans and whether they could write to them."""
        found = []
        for draft in self._drafts:
            known = self._config(draft, origin_of(draft, self.people, self.tasks)).known
            found += given(draft, known.settings if known else None)
        return found

    def findings(self) -> tuple[Finding, ...]:
        """What may tell of sandboxes and is no session: machines that nothing attributes, calls of wsb.exe alone."""
        drafter, people = self._drafter, self.people
        machines = [machine(run, self.label) for run in drafter.unattributed]
        called = calls_alone(drafter.loose_calls, people, self.label)
        alone = runs_alone(drafter.loose_runs, people, self.label)
        return (*machines, *called, *alone, *undated(self.rows, people, self.label))

    def _session(self, draft: Draft) -> SandboxSession:
        origin = self.pipes.complete(draft, origin_of(draft, self.people, self.tasks))
        joined = self._config(draft, origin)
        config_rows, settings = joined.rows, joined.known.settings if joined.known else None
        by_default = _names_none(draft, origin.launch)
        connected, network_why, adapters = networked(draft, joined, self.rows, self.looked, by_default=by_default)
        headless, headless_why = headless_of(draft, origin.launch)
        behind = self.persons.behind(draft, _with_path(origin.launch, joined.known, joined))
        launch = behind.launch
        removal = self.removals.of(launch.wsb_path, draft.first) if launch.wsb_path else None
        counts = counted(draft.executions, self.rows)
        calls = listed(draft.calls)
        wrote = written(self.changes, areas(draft, settings))
        ran = scripts(self.rows, folders := given(draft, settings))
        facts = _facts(draft, launch, headless, connected, calls, _added(draft, settings))
        facts |= {"ancestors": behind.lines, "beside": _beside(settings, by_default=by_default)}
        scored = joined.hits() + hits(rules_of("sandbox", "session_rules"), facts)
        word, word_why = certainty(draft, self._told(draft), joined.hints)
        end = end_of(draft, self.rows, self.life, self.looked)
        openers = opener_of(draft.launch, self.rows) if draft.launch else []
        cleared = self._cleared(draft)
        used = [*every(draft), *(draft.run.basis if draft.run else ()), *origin.rows, *config_rows, *wrote.rows]
        used += [*openers, *cleared, *behind.rows, *ran.rows, *end.rows, *adapters, *counts.rows]
        ident, gone = self._id(draft), [*([removal] if removal else ()), *self.cleaned.of(folders, draft.first)]
        used += [row for item in gone for row in item.rows]
        self.removed += [(item, ident) for item in gone]
        reasons = [
            *_bounds(draft), *end.why, *word_why, no_machine(draft, self.looked, logged=self._logged),
            *(draft.run.marks if draft.run else ()), *draft.notes, *origin.reasons, *behind.reasons, *counts.reasons,
            *launch_unknown(draft, launch, self.looked), joined.why or config_unknown(draft, launch, self.looked),
            *(joined.known.told() if joined.known else ()), *(item.told(end.time) for item in gone),
            *_windowless(headless, settings, draft.calls), *shares_told(draft.calls), *shared_told(draft),
            *network_why, headless_why, *self._gaps(cleared),
            *(because(str(hit), _rows_of(hit, draft, behind, config_rows)) for hit in scored),
            capped(scored), _unjudged(draft, settings, total(scored), by_default=by_default),
            *ran.reasons, *wrote.reasons,
        ]  # fmt: skip
        return SandboxSession(
            id=ident,
            start=draft.start,
            start_earliest=draft.earliest,
            start_latest=draft.latest,
            end=end.time,
            end_kind=end.kind,
            end_earliest=end.earliest,
            end_latest=end.latest,
            vm_id=draft.run.vm_id if draft.run else None,
            launch=launch,
            config=settings,
            networked=connected,
            headless=headless,
            certainty=word,
            score=total(scored),
            reasons=tuple(dict.fromkeys(reason for reason in reasons if reason)),
            attack=_attack(scored_attack=[item for hit in scored for item in hit.attack], method=launch.method),
            events=ids_of(used),
            cli_calls=calls,
            host_writes=wrote.writes,
            host=self.label,
        )

    def _told(self, draft: Draft) -> Told:
        return self._drafter.guard.of(draft.run) if draft.run else Told()

    def _id(self, draft: Draft) -> str:
        vm_id = draft.run.vm_id.casefold() if draft.run and draft.run.vm_id else ""
        return stable_id("sandbox", self.label, vm_id, draft.first, "" if vm_id else every(draft)[0].id)

    def _config(self, draft: Draft, origin: Origin) -> Joined:
        """The configuration and how it was joined."""
        lines = [row for attempt in draft.attempts for row in attempt.rows] + [call.row for call in draft.calls]
        inline = self.configs.carried(lines)
        if inline:
            return Joined(inline, because("the configuration stands in the command line", inline.rows), inline.rows)
        path = origin.launch.wsb_path
        if path:
            known = self.configs.at(path)
            if known and known.tail:  # the rules about the place go by the one that the launch names
                known = replace(known, facts={**known.facts, "path": path})
            if known:
                return Joined(known, because(_by_path(path, known), known.rows), known.rows)
            text = f"the launch names {path}; {lost(path, draft, self.removals, self.looked)}"
            return Joined(why=because(text, _launch_rows(draft)), path=path)
        if _names_none(draft, origin.launch):
            return Joined(why=because(BY_DEFAULT, _launch_rows(draft)))
        if draft.start is None or origin.launch.method == "cli":
            passed = _passed(origin.launch)
            return Joined(why=because(passed, _launch_rows(draft)) if passed else "")
        return near(self.configs, draft, origin.launch.method, draft.start)

    def _cleared(self, draft: Draft) -> list[Row]:
        """The first clearing of the Security log after a session whose launch process is not recorded."""
        if any(row.kind == "process.created" for row in every(draft)):
            return []
        later = (row for row in self.rows.of("log.cleared") if row.time and row.time > draft.first)
        return [row for row in later if "security" in row.first("cleared_channel", "channel").casefold()][:1]

    @staticmethod
    def _gaps(cleared: list[Row]) -> list[str]:
        return [
            because(f"the Security log was cleared at {stamp(row.time)}: process starts before it may be gone", [row])
            for row in cleared
            if row.time
        ]


def _rows_of(hit: Hit, draft: Draft, behind: Behind, config_rows: list[Row]) -> list[Row]:
    """What a rule rests on."""
    if hit.rule in _config_rules():
        return config_rows or _launch_rows(draft)
    return behind.rows if hit.rule == "WSB-15" and behind.rows else _launch_rows(draft)


def _by_path(path: str, known: Known) -> str:
    text = f"configuration joined by its path {path}"
    if "$recycle.bin" in known.settings.source.casefold() and "$recycle.bin" not in path.casefold():
        text += f", which lies in the recycle bin now, as {known.settings.source}"
    if known.tail:
        text += f", of which only the end is known: {known.settings.source} (inference: it is that file)"
    return text


def _unjudged(draft: Draft, settings: SandboxSettings | None, score: int, *, by_default: bool) -> str:
    """Say that the score is no judgement of a configuration that nobody read."""
    if settings or by_default:
        return ""
    text = f"score {score} without its content: its configuration was not read, so no rule about that was asked"
    return because(text, _launch_rows(draft))


def _launch_rows(draft: Draft) -> list[Row]:
    """The rows that tell how the session was started and driven."""
    rows = [*(draft.launch.every if draft.launch else ()), *(call.row for call in draft.calls)]
    return rows or draft.executions or every(draft)


def _config_rules() -> frozenset[str]:
    return frozenset(rule.id for rule in rules_of("sandbox", "config_rules"))


def _with_path(launch: Launch, known: Known | None, joined: Joined) -> Launch:
    """The launch completed by a configuration that was joined otherwise than by a command line."""
    path = joined.lost or (known.settings.source if known and not known.inline else None)
    if path is None or launch.wsb_path:
        return launch
    method = "file" if launch.method == "unknown" and joined.opened else launch.method
    return replace(launch, method=method, wsb_path=path)


def _bounds(draft: Draft) -> list[str]:
    """Where start, earliest and latest come from."""
    start = draft.start
    if start is None:
        return [_no_start(draft)]
    basis = _start_basis(draft)
    rows = every(draft)
    found = [because(f"start {stamp(start)}: {basis}", [row for row in rows if row.time == start])]
    early, late = draft.earliest, draft.latest
    if early and early < start:
        found.append(because(f"not before {stamp(early)}", [row for row in rows if row.time == early]))
    if late and late > start:
        found.append(because(f"running by {stamp(late)}", [row for row in rows if row.time == late]))
    return found


def _start_basis(draft: Draft) -> str:
    if draft.run and draft.run.start:
        if all(row.kind.startswith(("usn.", "mft.")) for row in draft.run.rows):
            return "its disk was made (inference: that is when a session begins)"
        at_start = [row for row in draft.run.rows if row.time == draft.run.start]
        if any(row.kind in ("compute.started", "vm.started") for row in at_start):
            return "the virtual machine's start"
        kinds = ", ".join(dict.fromkeys(_TRACES.get(row.kind, row.kind) for row in at_start))
        return f"the first trace of the machine ({kinds})"
    return "the launch" if draft.launch else "the first execution artifact"


def _no_start(draft: Draft) -> str:
    """Why there is no start, and when it ran by then."""
    moment, late = draft.latest, draft.active
    if draft.run or not moment:
        return "start unknown: only the end of the run is recorded (the logs begin later)"
    first = {row.kind for row in late if row.time == moment}
    if "capability.used" in first:
        text = (
            f"start unknown: its program held a device at {stamp(moment)}, hence ran; that it does so from the "
            "session's start is inference"
        )
    elif all(is_hearsay(row) for row in late if row.time == moment):
        text = f"start unknown: by {stamp(moment)} it had run; Defender's log does not tell when a program began"
    elif any(row.kind == "bam.run" for row in late):
        text = f"start unknown: active at {stamp(moment)}; BAM keeps when a program was last active, not its start"
    elif any(row.kind == "process.created" for row in late):
        text = f"start unknown: running at {stamp(moment)}, when wsb.exe was asked to work on it"
    else:
        text = f"start unknown: by {stamp(moment)} its prefetch file was written, soon after a start (from memory)"
    return because(text, late)


def _names_none(draft: Draft, launch: Launch) -> bool:
    """Whether the launch is recorded whole and names no configuration."""
    attempt = draft.launch
    whole = attempt is not None and attempt.kind != "client" and bool(launch.command_line)
    return whole and not launch.wsb_path and not _passed(launch)


def _passed(launch: Launch) -> str:
    """Said of a call whose configuration stands elsewhere, in a variable of a script; else ""."""
    if launch.method == "cli" and _CONFIG.search(launch.command_line or ""):
        return "the call passes a configuration that its recorded line does not hold"
    return ""


def _added(draft: Draft, settings: SandboxSettings | None) -> tuple[str, ...]:
    """The writable folders that its configuration does not have: of `wsb share`, and of the machine's settings."""
    known = {norm(folder.host) for folder in settings.mapped_folders} if settings else set()
    folders = [call.share for call in draft.calls if call.share] + [folder for folder, _ in shared(draft)]
    open_ones = (folder.host for folder in folders if not folder.read_only and norm(folder.host) not in known)
    return tuple(dict.fromkeys(open_ones))


def _beside(settings: SandboxSettings | None, *, by_default: bool) -> str:
    """What is known of the configuration that a folder was opened beside."""
    if settings is None:
        return " beside the defaults" if by_default else " (its configuration is not known)"
    return " beside its configuration"


def _windowless(headless: bool | None, settings: SandboxSettings | None, found: list[Call]) -> list[str]:
    """Say that a logon command waits for a logon, which `wsb start` alone does not make."""
    if headless and settings and settings.logon_command and any(call.verb == "start" for call in found):
        text = "its logon command runs only after wsb connect (so the published notes), which is not recorded"
        return [because(text, [call.row for call in found if call.verb == "start"])]
    return []


def _facts(
    draft: Draft,
    launch: Launch,
    headless: bool | None,
    networked: bool | None,
    calls: tuple[CliCall, ...],
    added: tuple[str, ...],
) -> dict[str, object]:
    return {
        "method": launch.method,
        "task_inferred": not launch.task_name and not _task_rows(draft),
        "user": launch.user,
        "user_is_service": is_service_sid(launch.user_sid),
        "headless": headless,
        "networked": networked,
        "parent": launch.parent_process,
        "task_name": launch.task_name,
        "task_suffix": f" {launch.task_name}" if launch.task_name else "",
        "cli_verbs": tuple(call.verb for call in calls),
        "cli_lines": tuple(call.command_line for call in calls),
        "added_folders": added,
    }


def _task_rows(draft: Draft) -> list[Row]:
    """The records of tasks that tell of the launch."""
    rows = draft.launch.every if draft.launch else draft.executions
    return [row for row in rows if row.kind.startswith("task.")]


def _attack(scored_attack: list[str], method: str) -> tuple[str, ...]:
    found = {TECHNIQUE, *scored_attack}
    if method == "task":
        found.add("T1053.005")
    return tuple(sorted(found))
