"""Findings out of single rows: tunnelling tools, web shells, Cobalt Strike, credential theft, the group's own files.

Each rule is data (rules/group.yml, rules/tools.yml) over the texts of a row; what a rule finds of one thing is one
finding, however many rows tell of it. A finding is a lead for a person: the sentence says what it may be besides.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from forensics.formats import encodedshell
from forensics.model import Finding
from forensics.rules import load
from forensics.rules.engine import Rule, hits, rules_of
from forensics.rules.watch import is_loopback
from forensics.sessions.rows import Row, Rows, because, ids_of, short
from forensics.sessions.texts import basename, norm, split_command

SECTIONS = ("group", "tools", "attacks")
_COMMANDS = {
    "process.created": "command_line",
    "powershell.script_block": "script_text",
    "powershell.command": "script_text",
    "shell.history_line": "history_line",
    "service.installed": "command_line",
    "service.configured": "command_line",
    "task.defined": "command_line",
    "task.cached": "command_line",
    "task.registered": "command_line",
    "autorun.configured": "command_line",
    "service.wrapper_config": "command_line",
}
_RUNS = ("prefetch.run", "amcache.file", "shimcache.entry", "bam.run", "userassist.run", "pca.launch", "mui.cached")
_FILES = (
    "file.created", "file.deleted", "usn.file_created", "usn.file_renamed", "usn.file_written", "usn.file_deleted",
    "mft.entry",
)  # fmt: skip
_OTHERS = (
    "pipe.created", "pipe.opened", "registry.value_set", "firewall.rule", "firewall.rule_added",
    "firewall.rule_changed", "registry.blob_suspected", "msbuild.inline_task", "beacon.config", "registry.key_changed",
    "network.connected", "connection.allowed", "rdp.client_reached", "share.accessed", "share.configured",
    "account.changed", "logon.succeeded", "process.exit_monitored", "thread.started_elsewhere", "process.opened",
)  # fmt: skip
_PLAIN = (
    "file_description",
    "source_ip",
    "destination_ip",
    "destination_port",
    "share_name",
    "share_path",
    "share_target",
    "share_access",
    "target_user_name",
    "user_name",
    "user_sid",
    "sid_history",
    "value_data",
    "integrity_level",
    "ended_by",
    "target_executable",
)
_SEARCHED = ("command", "decoded", "path", "program")
KINDS = (*_COMMANDS, *_RUNS, *_FILES, *_OTHERS)


class Lead(NamedTuple):
    """A rule with what the engine does not know of it: its level, the name of its finding, and what makes two one."""

    rule: Rule
    level: str
    finding: str
    subject: str
    needs: tuple[str, ...]
    kinds: frozenset[str]

    def may_fit(self, text: str) -> bool:
        """Whether a row with this text (folded) is worth trying the rule on."""
        return not self.needs or any(need in text for need in self.needs)


@cache
def leads() -> tuple[Lead, ...]:
    """Every rule, in the order of the files."""
    return tuple(
        Lead(rule, item["level"], item["finding"], item["subject"], tuple(item.get("needs", ())), _kinds(item["when"]))
        for name in SECTIONS
        for rule, item in zip(rules_of(name, "findings"), load(name)["findings"], strict=True)
    )


def _kinds(when: dict[str, Any] | list[dict[str, Any]]) -> frozenset[str]:
    """The kinds whose rows have the facts that the rule asks for; of a fact that several have, all kinds."""
    found: set[str] = set()
    for part in when if isinstance(when, list) else [when]:
        names = {key.partition("|")[0] for key in part}
        if "kind" in names:
            found |= set(part["kind"] if isinstance(part["kind"], list) else [part["kind"]])
        elif names & {"file", "writer", "folder", "path"}:
            found |= set(_FILES)
        elif names & {"command", "decoded"}:
            found |= set(_COMMANDS)
        else:
            found |= set(KINDS)
    return frozenset(found)


@cache
def _for(kind: str) -> tuple[Lead, ...]:
    return tuple(lead for lead in leads() if kind in lead.kinds)


def findings(rows: Rows, label: str) -> list[Finding]:
    """One finding for each rule and thing, in the order of their first rows."""
    groups: dict[tuple[str, str], tuple[Lead, str, list[Row]]] = {}
    rules = {lead.rule.id: lead for lead in leads()}
    for row in rows.of(*KINDS):
        facts = facts_of(row)
        text = "\n".join(str(facts.get(name, "")) for name in _SEARCHED).casefold()
        for hit in hits((lead.rule for lead in _for(row.kind) if lead.may_fit(text)), facts):
            lead = rules[hit.rule]
            key = (hit.rule, str(facts.get(lead.subject) or ""))
            groups.setdefault(key, (lead, hit.why, []))[2].append(row)
    return [_finding(*group, label) for group in groups.values()]


def _finding(lead: Lead, why: str, rows: list[Row], label: str) -> Finding:
    attack = f" ({', '.join(lead.rule.attack)})" if lead.rule.attack else ""
    count = len(ids_of(rows))
    more = f"; {count} records tell of it" if count > 1 else ""
    return Finding(lead.finding, lead.level, because(f"{lead.rule.id}{attack}: {why}{more}", rows), ids_of(rows), label)


def _really(row: Row) -> str:
    """What a program is by its version resource: its original name, its description, or both."""
    told = (row.get("original_file_name"), row.get("file_description"))
    return ", ".join(dict.fromkeys(text for text in told if text.strip(" -?")))


def facts_of(row: Row) -> dict[str, Any]:
    """The texts of a row by the names that the rules use (listed at the head of rules/group.yml)."""
    command = row.get(_COMMANDS.get(row.kind, "")) if row.kind in _COMMANDS else ""
    program = row.get("executable") or row.get("executable_name") or split_command(command)[0]
    path = row.first("file_path", "path_tail") if row.kind in _FILES else ""
    inner = encodedshell.layers(command) if command else ()
    facts: dict[str, Any] = {
        "kind": row.kind,
        "command": command,
        "command_shown": short(command) or "(no command line recorded)",
        "decoded": "\n".join(inner),
        "decoded_shown": short("; ".join(inner)),
        "program": program if row.kind not in _FILES else path,
        "name": basename(program if row.kind not in _FILES else path),
        "original_name": row.get("original_file_name").casefold(),
        "parent": basename(row.get("parent_executable")),
        "parent_path": row.get("parent_executable"),
        "really": _really(row),
        "parent_command": row.get("parent_command_line"),
        "path": norm(path) if path else "",
        "file": basename(path),
        "folder": norm(path).rpartition("\\")[0] if path else "",
        "is_folder": row.fields.get("is_folder") is True,
        "writer": basename(row.get("executable")) if row.kind in _FILES else "",
    }
    named = ("service_name", "pipe_name", "value_name", "local_ports", "rule_name")
    facts |= {name: row.get(name) for name in (*named, "blob_sha256", "code_sha256", "file_path", "location")}
    facts["key"] = row.first("key_path", "location")
    facts |= {name: row.get(name) for name in _PLAIN}
    facts["looped"] = is_loopback(row.get("source_ip")) if row.get("source_ip") else ""
    facts["ports"] = tuple(filter(None, (row.get("source_port"), row.get("destination_port"))))
    facts["package"] = row.first("entry_name", "value_data")
    facts["direction"] = row.first("direction", "rule_direction").casefold()
    facts["action"] = row.first("action", "rule_action").casefold()
    facts["proved"] = row.fields.get("payload_proved") is True
    facts["servers"] = row.fields.get("beacon_servers")
    facts["signs"] = row.fields.get("code_signs")
    return {name: value for name, value in facts.items() if value not in ("", None, ())}
