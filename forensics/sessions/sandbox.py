"""Windows Sandbox sessions: what the drafts are worth.

The VM layer carries the times, the launch layer the who and how, the configuration what the guest could reach. What
ran inside a sandbox the host cannot know; the reasons say what was seen, with the events, and what was inferred.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from forensics.model import CliCall, Finding, Host, HostWrite, Launch, SandboxConfig, SandboxSession, SandboxSettings
from forensics.rules import load
from forensics.rules.engine import capped, hits, rules_of, total
from forensics.sessions.exits import image
from forensics.sessions.hostlife import HostLife
from forensics.sessions.rows import People, Row, Rows, because, ids_of, is_service_sid, short, stable_id, stamp
from forensics.sessions.sandbox_certainty import certainty
from forensics.sessions.sandbox_config import Configs, Known
from forensics.sessions.sandbox_draft import Draft, Drafter, every
from forensics.sessions.sandbox_launch import definitions, opener_of, verb_of
from forensics.sessions.sandbox_origin import Origin, headless_of, origin_of
from forensics.sessions.sandbox_vm import VmRun, seconds
from forensics.sessions.texts import inside

_CLOSED = {"crashed": "after a crash", "host_shutdown": "after a shutdown"}
TECHNIQUE = "T1564.006"  # Hide Artifacts: Run Virtual Instance


class Sandboxes:
    """Everything about Windows Sandbox that the rows of one host tell."""

    def __init__(self, rows: Rows, host: Host, host_label: str, life: HostLife) -> None:
        self.rows, self.life, self.label = rows, life, host_label
        self.people = People(host.users)
        self.configs = Configs(rows)
        self.tasks = definitions(rows)
        drafter = Drafter(rows, life, self.people)
        self._drafts = drafter.build()
        self._unattributed = drafter.unattributed

    def sessions(self) -> tuple[SandboxSession, ...]:
        """The sessions in order of time."""
        return tuple(self._session(draft) for draft in self._drafts)

    def configurations(self) -> tuple[SandboxConfig, ...]:
        """Every configuration, used or not."""
        return self.configs.listed(self.label)

    def findings(self) -> tuple[Finding, ...]:
        """VM runs that nothing attributes: they may be sandboxes whose other traces are gone."""
        return tuple(self._finding(run) for run in self._unattributed)

    def _finding(self, run: VmRun) -> Finding:
        name = run.vm_id or "without an id"
        when = f" at {stamp(run.latest)}" if run.latest else ""
        why = (
            f"a virtual machine ({name}) ran{when}; nothing says whether it was Windows Sandbox, WSL, Docker or "
            "another machine: neither disk, owner nor a launch is recorded"
        )
        return Finding("sandbox.unattributed_vm", "informational", why, ids_of(run.rows), self.label)

    def _session(self, draft: Draft) -> SandboxSession:
        origin = origin_of(draft, self.people, self.tasks)
        known, settings_why, config_rows = self._config(draft, origin)
        settings = known.settings if known else None
        networked, network_why = _networked(draft, settings)
        headless, headless_why = headless_of(draft, origin.launch)
        launch = _with_path(origin.launch, known)
        calls = _calls(draft)
        writes, write_rows = self._host_writes(draft, settings)
        scored = known.hits() if known else []
        scored += hits(rules_of("sandbox", "session_rules"), _facts(launch, headless, networked, calls))
        word, word_why = certainty(draft)
        end, end_kind, end_why = self._end(draft)
        openers = opener_of(draft.launch, self.rows) if draft.launch else []
        cleared = self._cleared(draft)
        basis = draft.run.basis if draft.run else []
        used = [*every(draft), *basis, *origin.rows, *config_rows, *write_rows, *openers, *cleared]
        used += list(self.life.shutting_down(end)) if end and end_kind == "host_shutdown" else []
        reasons = [
            *_bounds(draft), end_why, word_why, *(draft.run.marks if draft.run else ()), *draft.notes, *origin.reasons,
            settings_why, network_why, headless_why, *self._gaps(cleared),
            *(because(str(hit), config_rows if hit.rule in _config_rules() else _launch_rows(draft)) for hit in scored),
            capped(scored), self._writes_unseen(settings, writes),
        ]  # fmt: skip
        return SandboxSession(
            id=self._id(draft),
            start=draft.start,
            start_earliest=draft.earliest,
            start_latest=draft.latest,
            end=end,
            end_kind=end_kind,
            vm_id=draft.run.vm_id if draft.run else None,
            launch=launch,
            config=settings,
            networked=networked,
            headless=headless,
            certainty=word,
            score=total(scored),
            reasons=tuple(dict.fromkeys(reason for reason in reasons if reason)),
            attack=_attack(scored_attack=[item for hit in scored for item in hit.attack], method=launch.method),
            events=ids_of(used),
            cli_calls=calls,
            host_writes=writes,
            host=self.label,
        )

    def _id(self, draft: Draft) -> str:
        vm_id = draft.run.vm_id.casefold() if draft.run and draft.run.vm_id else ""
        return stable_id("sandbox", self.label, vm_id, draft.first, "" if vm_id else every(draft)[0].id)

    def _end(self, draft: Draft) -> tuple[datetime | None, str, str]:
        """(end, end_kind, reason); a run without a stop is closed by the next boot where VM logs should hold a stop."""
        if draft.last_stop:
            going_down = self.life.shutting_down(draft.last_stop)
            names = ", ".join(dict.fromkeys(row.kind for row in draft.ends))
            text = f"end {stamp(draft.last_stop)}: the last of {names}"
            if going_down:
                text = because(f"{text}, while the host shut down", [*draft.ends, *going_down])
                return draft.last_stop, "host_shutdown", text
            return draft.last_stop, "stopped", because(text, draft.ends)
        closing = draft.closing
        if closing is None:
            return None, "unknown", "end unknown: no stop is recorded, nor a later shutdown or boot"
        kind = _CLOSED.get(closing.kind, "for an unknown cause")
        if draft.run is None:
            text = f"end unknown, not later than {stamp(closing.latest)} (host down or booted {kind})"
            return None, "unknown", because(text, closing.rows)
        until = "" if closing.latest == closing.time else f", the boot at {stamp(closing.latest)} at the latest"
        text = f"no stop is recorded; closed by the host's restart {kind}: {stamp(closing.time)}{until}"
        return closing.time, closing.kind, because(text, closing.rows)

    def _config(self, draft: Draft, origin: Origin) -> tuple[Known | None, str, list[Row]]:
        """(configuration, how it was joined, its rows)."""
        lines = [row for attempt in draft.attempts for row in attempt.rows] + draft.calls
        inline = self.configs.carried(lines)
        if inline:
            return inline, because("the configuration stands in the command line", inline.rows), inline.rows
        path = origin.launch.wsb_path
        if path:
            known = self.configs.at(path)
            if known:
                return known, because(f"configuration joined by its path {path}", known.rows), known.rows
            return None, f"the launch names {path}; this file is not in the evidence (deleted, or not collected)", []
        if origin.launch.command_line or draft.start is None or origin.launch.method in ("cli", "store"):
            return None, "no configuration file is named: the defaults apply" if origin.launch.command_line else "", []
        found, why, rows = self.configs.near(draft.start, draft.executions)
        if len(found) == 1:
            text = f"configuration {found[0].settings.source} joined by time: {why} (inference)"
            return found[0], because(text, rows), [*found[0].rows, *rows]
        if found:
            names = ", ".join(short(known.settings.source) for known in found)
            return None, because(f"several configurations fit the time ({why}), none is taken: {names}", rows), rows
        return None, "", []

    def _host_writes(self, draft: Draft, settings: SandboxSettings | None) -> tuple[tuple[HostWrite, ...], list[Row]]:
        """Files that the VM worker created in writable mapped folders (the guest's writes appear as its own)."""
        if draft.start is None:
            return (), []
        end = (draft.until or draft.start + seconds("cli_open")) + seconds("host_write_after")
        folders = [folder.host for folder in settings.mapped_folders if not folder.read_only] if settings else []
        workers = load("sandbox")["names"]["worker"]
        rows = [
            row
            for row in self.rows.of("file.created")
            if row.time and draft.first <= row.time <= end and row.get("file_path")
            and image(row) in (*workers, "") and any(inside(row.get("file_path"), folder) for folder in folders)
        ]  # fmt: skip
        return tuple(HostWrite(row.time, row.get("file_path"), "created") for row in rows if row.time), rows

    def _writes_unseen(self, settings: SandboxSettings | None, writes: tuple[HostWrite, ...]) -> str | None:
        """Say that an empty list of writes into a writable mapped folder does not mean that nothing was written."""
        open_folders = [folder.host for folder in settings.mapped_folders if not folder.read_only] if settings else []
        if not open_folders or writes:
            return None
        names = ", ".join(open_folders)
        return f"what was written into {names} is not known: only Sysmon 11 tells of it here, and no such record fits"

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


def _launch_rows(draft: Draft) -> list[Row]:
    """The rows that tell how the session was started and driven."""
    rows = [*(draft.launch.every if draft.launch else ()), *draft.calls]
    return rows or draft.executions or every(draft)


def _config_rules() -> frozenset[str]:
    return frozenset(rule.id for rule in rules_of("sandbox", "config_rules"))


def _with_path(launch: Launch, known: Known | None) -> Launch:
    """The launch completed by a configuration that was joined by time."""
    if known is None or known.inline or launch.wsb_path:
        return launch
    method = "file" if launch.method == "unknown" else launch.method
    return Launch(
        method, launch.user, launch.user_sid, launch.command_line, launch.parent_process, launch.task_name,
        known.settings.source,
    )  # fmt: skip


def _bounds(draft: Draft) -> list[str]:
    """Where start, earliest and latest come from."""
    start = draft.start
    if start is None:
        return ["start unknown: only the end of the run is recorded (the logs begin later)"]
    basis = "the virtual machine's start" if draft.run and draft.run.start else "the launch"
    if draft.launch is None and draft.run is None:
        basis = "the first execution artifact"
    rows = every(draft)
    found = [because(f"start {stamp(start)}: {basis}", [row for row in rows if row.time == start])]
    early, late = draft.earliest, draft.latest
    if early and early < start:
        found.append(because(f"not before {stamp(early)}", [row for row in rows if row.time == early]))
    if late and late > start:
        found.append(because(f"running by {stamp(late)}", [row for row in rows if row.time == late]))
    return found


def _networked(draft: Draft, settings: SandboxSettings | None) -> tuple[bool | None, str]:
    connected = draft.run.networked if draft.run else []
    if connected:
        return True, because("networked: a virtual adapter was connected for this VM", connected)
    if settings is None or settings.networking is None:
        return None, ""
    word = "networked" if settings.networking else "not networked"
    return settings.networking, f"{word}: by its configuration (inference: no adapter event for this VM)"


def _calls(draft: Draft) -> tuple[CliCall, ...]:
    """The wsb.exe calls, each once although two logs may hold it."""
    found: list[CliCall] = []
    for row in sorted(draft.calls, key=lambda item: item.order):
        line = row.get("command_line") or row.get("script_text")
        verb = verb_of(line) or ""
        twin = any(
            call.verb == verb and call.time and row.time and row.time - call.time <= timedelta(seconds=5)
            and (call.command_line == line or row.kind == "powershell.script_block")
            for call in found
        )  # fmt: skip
        if not twin:
            found.append(CliCall(row.time, verb, line))
    return tuple(found)


def _facts(
    launch: Launch, headless: bool | None, networked: bool | None, calls: tuple[CliCall, ...]
) -> dict[str, object]:
    return {
        "method": launch.method,
        "user": launch.user,
        "user_is_service": is_service_sid(launch.user_sid),
        "headless": headless,
        "networked": networked,
        "parent": launch.parent_process,
        "task_name": launch.task_name,
        "task_suffix": f" {launch.task_name}" if launch.task_name else "",
        "cli_verbs": tuple(call.verb for call in calls),
        "cli_lines": tuple(call.command_line for call in calls),
    }


def _attack(scored_attack: list[str], method: str) -> tuple[str, ...]:
    found = {TECHNIQUE, *scored_attack}
    if method == "task":
        found.add("T1053.005")
    return tuple(sorted(found))
