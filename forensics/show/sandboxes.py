"""Sandbox sessions on the terminal: when, by whom, with what configuration, what was called and what was written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import tzinfo

from rich.console import Console, Group
from rich.text import Text

from forensics.sessions.sandbox_unknown import BY_DEFAULT
from forensics.show.entries import judged, listed, on_host, reasons, span
from forensics.show.terminal import Document, heading, line, moment, said, told
from forensics.text import one_line

_MOST = 6
_WORTH = 40  # the score from which an unused configuration is named in the summary
_PROGRAM = re.compile(r'^"?[^"]*?\bwsb(?:\.exe)?"?\s+', re.IGNORECASE)

_NETWORK_INFERRED = re.compile(r"(?:not )?networked: .*\binference\b", re.DOTALL)
_SHARED = re.compile(
    r"(?:wsb share was called to open|the machine's settings share) (?P<host>.+?)(?: as .+?)? "
    r"(?:to the running sandbox|with it), (?P<mode>writable|read-only)",
    re.DOTALL,
)
_MODES = {"writable": "rw", "read-only": "ro"}


def print_sandbox(document: Document, zone: tzinfo, out: Console, *, full: bool) -> None:
    """The sandbox sessions, and the configurations: all of them in the full form, else their number and the worst."""
    capability = document["sandbox_capability"]
    enabled = {True: "feature switched on", False: "feature off", None: "feature state unknown"}[capability["enabled"]]
    since = f" since {moment(capability['enabled_at'], zone)}" if capability.get("enabled_at") else ""
    where = on_host(document, capability).lstrip() if capability.get("host") else ""
    note = f"{told(enabled + since)}{' ' + where if where else ''}"
    out.print(heading("Windows Sandbox sessions", len(document["sandbox_sessions"]), one_line(note)))
    for session in document["sandbox_sessions"]:
        out.print(_session(document, session, zone, full=full))
    if configs := document["sandbox_configs"]:
        highest = max(config["score"] for config in configs)
        out.print(heading("Configurations", len(configs), f"highest score {highest}"))
    used = {session["config"]["source"] for session in document["sandbox_sessions"] if session["config"]}
    worth = [item for item in configs if full or (item["score"] >= _WORTH and item["source"] not in used)]
    for config in worth:
        out.print(_configuration(document, config, zone, full=full))


def _configuration(document: Document, config: Document, zone: tzinfo, *, full: bool) -> Group:
    words = (
        "configuration {source} (score {score}, deleted)"
        if config["deleted"]
        else "configuration {source} (score {score})"
    )
    about = said(words, source=config["source"], score=config["score"])
    head = line(f"  {about}{on_host(document, config)}")
    return Group(head, line(f"      {settings(config)}"), *reasons(config, zone, full=full))


def _session(document: Document, session: Document, zone: tzinfo, *, full: bool) -> Group:
    launch = session["launch"]
    network = told({True: "networked", False: "no network", None: "network unknown"}[session["networked"]])
    if any(_NETWORK_INFERRED.match(reason) for reason in session["reasons"]):
        network = said("{network} (inferred)", network=network)
    head = judged(session).append(f"  {span(session, zone)}  {_score(session)}", style="bold")
    head.append(one_line(on_host(document, session)))
    who = launch.get("user") or launch.get("user_sid") or told("unknown user")
    task = f" {launch['task_name']}" if launch.get("task_name") else ""
    how = said(
        "by {method}, as {who}, {network}, end: {end}", method=f"{told(launch['method'])}{task}", who=who,
        network=network, end=told(session["end_kind"]).replace("_", " "),
    )  # fmt: skip
    what = one_line(launch.get("wsb_path") or launch.get("command_line") or "", 0 if full else 240)
    lines = [head, line(f"      {how}{': ' + what if what else ''}"), *_known(session, full=full)]
    return Group(*lines, *_done(session, zone, full=full), *reasons(session, zone, full=full))


def _score(session: Document) -> str:
    unread = session["config"] is None and not session["score"] and not _by_default(session)
    return f"{told('score')} {session['score']}{told(' (configuration not read: no judgement)') if unread else ''}"


def _known(session: Document, *, full: bool) -> Iterator[Text]:
    config, shared = session["config"], _shared(session)
    if config is None:
        none = "none is named: the defaults apply, network on" if _by_default(session) else "not known"
        yield line(f"      {told('config')}  {told(none)}{shared}")
    else:
        source = f"  ({config['source']})" if full else ""
        yield line(f"      {told('config')}  {settings(config)}{shared}{source}")


def _by_default(session: Document) -> bool:
    """Whether its launch is recorded whole and names no configuration: that is known, hence judged."""
    return any(reason.startswith(BY_DEFAULT) for reason in session["reasons"])


def _shared(session: Document) -> str:
    """The folders that its configuration does not have and that were opened to it beside that."""
    inside = {folder["host"].casefold().rstrip("\\") for folder in (session["config"] or {}).get("mapped_folders", ())}
    found: dict[str, str] = {}
    for match in filter(None, map(_SHARED.match, session["reasons"])):
        if match["host"].casefold().rstrip("\\") not in inside:
            found.setdefault(match["host"].casefold(), f"{match['host']} ({_MODES[match['mode']]})")
    return f"; {told('shared while it ran')}: {', '.join(found.values())}" if found else ""


def settings(config: Document) -> str:
    """A configuration on one line: what lets data out and in first; unknown where the default is the version's."""
    words = {True: "on", False: "off", None: "unknown"}
    parts = [
        f"{told(label)} {told(words[config.get(key)])}"
        for label, key in (("network", "networking"), ("clipboard", "clipboard"), ("vGPU", "vgpu"))
    ]
    memory = config.get("memory_mb")
    parts.append(said("memory {n} MB", n=memory) if memory else told("memory unknown"))
    parts += [told("protected client")] if config.get("protected_client") else []
    parts += [_folder(folder) for folder in config["mapped_folders"]] or [
        _without(config, "MappedFolders", "mapped folder")
    ]
    if config["mapped_folders"] and "MappedFolders" in config.get("lost", ()):
        parts.append(told("further mapped folders unknown"))
    command = config.get("logon_command")
    started = f"{told('command')}: {command}" if command else _without(config, "LogonCommand", "logon command")
    return "; ".join([", ".join(parts), started])


def _without(config: Document, element: str, name: str) -> str:
    """Said of what is not there, or of what a damaged file may have had."""
    return told(f"{name} unknown (the file is damaged)" if element in config.get("lost", ()) else f"no {name}")


def _folder(folder: Document) -> str:
    inside = f" -> {folder['sandbox']}" if folder.get("sandbox") else ""
    return f"{told('folder')} {folder['host']}{inside} ({told('ro' if folder['read_only'] else 'rw')})"


def _done(session: Document, zone: tzinfo, *, full: bool) -> Iterator[Text]:
    """The calls of wsb.exe and the host's files that changed; in the short form without the program's path."""
    launch = session["launch"]
    calls = [
        f"{moment(call['time'], zone)}  {call['command_line'] if full else _PROGRAM.sub('', call['command_line'], 1)}"
        for call in session["cli_calls"]
        if full or launch["wsb_path"] or call["command_line"] != launch["command_line"]  # it stands in the line above
    ]
    writes = [f"{moment(made['time'], zone)}  {made['action']}  {made['path']}" for made in session["host_writes"]]
    most = 0 if full else _MOST
    yield from listed("call", calls, most, "sandbox")
    yield from listed("write", writes, most, "sandbox")
