"""Records that a Sigma rule of the user matches (`timeline --rules DIR`).

An investigator who knows what to look for has it as Sigma rules: published ones, or those that a police warning came
with. Each record is held against them as it is decoded, by the names that Windows gives its fields (the audited process
start by Sigma's mapping of them), and a match is a row of its own beside the row of the record: rule, title, level,
ATT&CK techniques, and what the fields say that the rule asks for. A match is no verdict: the rule's own false positives
are its author's.

It reads whatever channel and id the rules name; what stands here are those of Sigma's categories. Of a rule that
matches very often in one log the first matches are kept and the others are context, which is said. Format: the Sigma
specification (SigmaHQ); the supported subset is in docs/sigma.md. Evaluation: forensics/sigma.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from forensics.artifacts._evtx import fact, kind
from forensics.artifacts.base import EventArtifact, Output
from forensics.formats.evtx import Record
from forensics.model import Fact, Problem, Source
from forensics.rules import load
from forensics.sigma.ruleset import Match, Matcher, Rules, matcher

NAME = "sigma_rules"
MOST_KEPT = 1_000  # matches of one rule in one log, or one part of a large log
_MOST_TEXT = 4_000


def parse(record: Record, source: Source) -> Iterator[Fact]:
    """Nothing: without rules no record matches one (`with_rules` makes what does)."""
    del record, source
    yield from ()


def _fact(match: Match, record: Record, source: Source, *, context: bool) -> Fact:
    rule = match.rule
    said = "; ".join(f"{name}={text}" for name, text in match.fields)
    fields = {
        "sigma_rule": rule.name,
        "sigma_title": rule.title,
        "sigma_level": rule.level,
        "sigma_file": rule.file,
        "sigma_attack": rule.attack or None,
        "sigma_fields": said[:_MOST_TEXT] or None,
    }
    return fact("sigma.matched", record, source, fields, context=context)


class _Finder:
    """The parser of one log: it counts, so that a rule that matches everything costs no memory."""

    def __init__(self, rules: Matcher) -> None:
        self._rules = rules
        self._counts: Counter[str] = Counter()

    def parse(self, record: Record, source: Source) -> Output:
        """The matches of one record."""
        for match in self._rules.matches(record):
            file = match.rule.file
            self._counts[file] += 1
            if self._counts[file] == MOST_KEPT + 1:
                why = f"the rule {match.rule.name} matches more than {MOST_KEPT} records here: the others are context"
                yield Problem("budget", NAME, source, why)
            yield _fact(match, record, source, context=self._counts[file] > MOST_KEPT)


def with_rules(rules: Rules) -> list[EventArtifact]:
    """One artifact for each channel that the rules are about, all of the same name: a log is read for its own ids."""
    ready = matcher(rules.rules)
    return [
        EventArtifact(NAME, {channel: frozenset(ids)}, _Finder(ready).parse, EMITS, sifts=ready.hits)
        for channel, ids in sorted(ready.wants.items())
    ]


def _channels() -> dict[str, frozenset[int]]:
    """The channels and ids of Sigma's categories."""
    table = load("sigma")
    found: dict[str, set[int]] = {}
    for entries in table["categories"].values():
        for entry in entries:
            for channel in table["services"][entry["service"]]:
                found.setdefault(channel, set()).update(entry["ids"])
    return {channel: frozenset(ids) for channel, ids in found.items()}


EMITS = {
    "sigma.matched": kind(
        "Sigma rule matched ({sigma_level}): {sigma_title}[: {sigma_fields}]",
        {
            "sigma_rule": str, "sigma_title": str, "sigma_level": str, "sigma_file": str,
            "sigma_attack": tuple[str, ...], "sigma_fields": str,
        },
    ),
}  # fmt: skip

ARTIFACT = EventArtifact(name=NAME, wants=_channels(), parse=parse, emits=EMITS, on_request=True)
