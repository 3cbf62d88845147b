"""What an autostart entry's commands weigh: each one that any source tells, in normal form, with all that it starts.

Whoever changes an entry leaves a harmless command in one place and his own in another (the XML and the task cache, an
old log record and the key, the second action of a task, the command after a failure). So every distinct command is
judged, the worst one counts, and an entry is known as harmless only when all of them are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from forensics.rules import autoruns, commands, load
from forensics.rules.engine import Hit, Rule, hits, rules_of, total
from forensics.rules.products import quieted
from forensics.sessions.persistence_commands import COMMANDED
from forensics.sessions.persistence_entries import UNTOLD, Entry
from forensics.sessions.projects import Projects, told
from forensics.sessions.rows import Row, because, short

INLINE = "PER-60"  # the rule that rests on the project, not on the entry
_NUMBER = re.compile(r"^(?:d|q)word \(", re.IGNORECASE)
_IN_PROFILE = re.compile(r"[a-z]:[\\/]users[\\/]|%(?:localappdata|appdata|userprofile)%", re.IGNORECASE)
_OTHERS = 5  # that are named in reasons
# What is in effect before what was said once: Windows runs a task out of its cache.
_EFFECT = {
    "service.wrapper_config": 0, "task.cached": 1, "service.configured": 1, "autorun.configured": 1,
    "mft.program_odd": 1, "task.defined": 2,
}  # fmt: skip
_SOURCE = {
    "service.wrapper_config": "the wrapper's configuration", "task.cached": "the task cache",
    "service.configured": "the service's key", "autorun.configured": "where it is configured",
    "task.defined": "the task's XML", "task.updated": "a log's record of the change",
    "task.registered": "a log's record of the making", "service.installed": "a log's record of the installation",
    "registry.value_set": "a log's record of the write", "registry.key_changed": "a log's record of the deletion",
}  # fmt: skip


@dataclass(slots=True)
class Judged:
    """One command of an entry: who tells it, what it weighs, and whose it is when it is known to be harmless."""

    command: str
    library: str
    rows: list[Row]
    known: str | None = None
    hits: list[Hit] = field(default_factory=list)
    built: list[Row] = field(default_factory=list)

    @property
    def score(self) -> int:
        """The points of its rules together."""
        return total(self.hits)


def judged(entry: Entry, facts: Mapping[str, object], projects: Projects, profile: str | None) -> list[Judged]:
    """Every distinct command, the one in effect first; an entry that no source gives a command has one without."""
    found: dict[tuple[str, str], Judged] = {}
    for command, library, row in _told(entry):
        key = (_same(command, profile), library.casefold())
        found.setdefault(key, Judged(command, library, [])).rows.append(row)
    listed = list(found.values()) or [Judged(_written(entry), "", entry.rows)]
    if len(listed) == 1:
        listed[0].rows = entry.rows
    for item in listed:
        item.built = projects.named_in(item.command)
        _judge(item, dict(facts), profile)
    return listed


def worst(found: Sequence[Judged]) -> Judged:
    """The command that counts: the one that weighs most, of equal ones the one in effect."""
    return max(found, key=lambda item: item.score)


def reasons(found: Sequence[Judged], entry: Entry) -> list[str]:
    """Why the entry weighs what it does, and which other commands its sources tell."""
    most = worst(found)
    said = [because(str(hit), most.built if hit.rule == INLINE else most.rows) for hit in most.hits]
    if all(item.known for item in found):
        text = f"known autostart: {found[0].known} (by place and command; signature not checked)"
        said.append(because(text, entry.rows))
    if most is not found[0]:
        text = f"the score is that of a command that {_sources(most)} tells, not of the one in effect: "
        said.append(because(text + short(most.command), most.rows))
    others = [item for item in found[1:] if item is not most]
    said += [
        because(f"{_sources(item)} tells another command: {short(item.command)}", item.rows)
        for item in others[:_OTHERS]
    ]
    if len(others) > _OTHERS:
        said.append(f"and {len(others) - _OTHERS} more commands, none of which weighs more")
    cut = [item.command for item in found if len(item.command.strip()) > commands.LONGEST]
    if cut:
        said.append(f"a command of {len(cut[0])} characters: the rules saw its first and last part only")
    return said


def _sources(item: Judged) -> str:
    return " and ".join(dict.fromkeys(_SOURCE.get(row.kind, "another record") for row in item.rows))


def _told(entry: Entry) -> Iterator[tuple[str, str, Row]]:
    """(command, library, row) of each command that a row tells, what is in effect first, then the newest log."""
    stating = [row for row in entry.rows if _states(row)] or entry.rows
    newest = sorted(stating, key=lambda row: row.order, reverse=True)
    ranked = sorted(newest, key=_weight)
    defined = [row for row in ranked if row.get("command_line")]
    for row in ranked:
        for number, command in enumerate(_commands(row, entry, bool(defined))):
            yield command, row.get("target_path") if not number else "", row
    for command, row in entry.versions:
        yield command, "", row


def _states(row: Row) -> bool:
    """Whether a row says what the entry runs, by itself; what made it is asked where nothing else does."""
    return row.kind != "process.created" and COMMANDED not in row.fields


def _weight(row: Row) -> tuple[int, bool, str]:
    return _EFFECT.get(row.kind, 9), row.time is None, _action(row)


def _action(row: Row) -> str:
    """The actions of one task in their order."""
    return row.source.locator if row.kind in ("task.defined", "task.cached") else ""


def _commands(row: Row, entry: Entry, defined: bool) -> list[str]:
    """What a row says the entry runs; a value's data where the row is about the very value."""
    stated = [row.get("command_line")]
    if row.kind.startswith("registry.") and not row.get("command_line"):
        data = [row.get("value_data"), row.get("old_value_data")]
        stated = [] if defined and entry.listed(row) else [text for text in data if _is_command(text)]
    elif not row.get("command_line") and not defined:
        stated = [row.get("value_data") or row.get("target_path") or row.get("old_value_data")]
    return [text for text in (*stated, row.get("wrapper_command_line")) if text.strip()]


def _is_command(text: str) -> bool:
    return text.strip().casefold() not in UNTOLD and not _NUMBER.match(text)


def _written(entry: Entry) -> str:
    """The file itself, of an entry that only a log tells of: it was put there, what it held is not known."""
    made = [row for row in entry.rows if row.kind == "file.created"]
    return f'"{made[0].get("file_path")}"' if made and len(made) == len(entry.rows) else ""


def _same(command: str, profile: str | None) -> str:
    return " ".join(commands.normal(command, profile).casefold().replace('"', "").split())


def _judge(item: Judged, facts: dict[str, object], profile: str | None) -> None:
    mechanism, name, location = (str(facts[part]) for part in ("mechanism", "name", "location"))
    own = mechanism != "service" or not item.library  # no known service loads a library
    # SYSTEM has no use for a program in somebody's profile, whoever's name it has.
    own = own and not (facts.get("run_as_system") and _IN_PROFILE.search(item.command))
    item.known = (own and _known(mechanism, name, item.command)) or autoruns.stock(
        mechanism, location, name, item.command, item.library
    )
    if not item.known:
        facts["inline_task"] = told(item.built) or None
        facts["library"] = commands.normal(item.library, profile) or None
        item.hits = quieted(item.command, facts, _hits(commands.chain(item.command, profile), facts))


def _hits(chain: Sequence[commands.Command], facts: dict[str, object]) -> list[Hit]:
    """The rules that the command fulfils, or one that it starts; each once."""
    found: dict[str, Hit] = {}
    for number, command in enumerate(chain):
        rules = _rules(str(facts["mechanism"]), "persistence", *(() if number else ("autoruns",)))
        own = facts | of_command(command) | {"nested": number > 0, **({"library": None} if number else {})}
        for hit in hits(rules, own, {"command": command.told.strip(), "what": _what(str(facts["name"]), command)}):
            found.setdefault(hit.rule, hit)
    return list(found.values())


def _what(name: str, command: commands.Command) -> str:
    """An entry's name with its command, which for some is the same word."""
    told = command.told.strip()
    return name if told.casefold() in (name.casefold(), "") else f"{name} = {told}"


@cache
def _rules(mechanism: str, *names: str) -> tuple[Rule, ...]:
    """The rules that are not about other mechanisms alone."""
    return tuple(rule for name in names for rule in rules_of(name) if rule.may_match("mechanism", mechanism))


def of_command(command: commands.Command) -> dict[str, object]:
    """The facts of one command, as rules ask for them."""
    return {
        "command": command.normal or None,
        "executable": command.executable or None,
        "executable_name": command.name or None,
        "arguments": command.arguments or None,
        "command_length": len(command.told),
    }


@cache
def _known_entries() -> tuple[tuple[str, str, re.Pattern[str], re.Pattern[str]], ...]:
    flag = re.IGNORECASE
    return tuple(
        (item["name"], item["mechanism"], re.compile(item["entry"], flag), re.compile(item["command"], flag))
        for item in load("persistence")["known"]
    )


def _known(mechanism: str, name: str, command: str) -> str | None:
    """The name of the known harmless entry that this one is, by place and command."""
    if len(command) > autoruns.LONGEST_KNOWN or commands.foreign(command):
        return None
    forms = dict.fromkeys((command.strip(), commands.normal(command)))
    for label, kind, entry, known in _known_entries():
        if kind == mechanism and entry.search(name) and any(known.fullmatch(form) for form in forms):
            return label
    return None


def known_entry(facts: Mapping[str, str]) -> str | None:
    """As the list of known entries sees it; for the rules' own examples."""
    return _known(facts["mechanism"], facts["name"], facts["command"])


def attack_of(most: Judged, mechanism: str) -> Iterable[str]:
    """ATT&CK of what was found, and of the mechanism itself where anything was."""
    found = {item for hit in most.hits for item in hit.attack}
    if most.hits:
        found |= set(load("persistence")["techniques"].get(mechanism, ()))
        found |= set(load("autoruns")["techniques"].get(mechanism, ()))
    return found
