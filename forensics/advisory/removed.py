"""What signs of removed traces take from a "no": sources that they empty, and the silence of a host that was wiped.

A source that was emptied or switched off has nothing to find, so its silence is no answer. Where a strong sign says
that somebody removed traces, nothing found says little of what was: a question about the past is then not denied.
Which signs bear on which artifact is data (`emptied`, `no_removal` and `few_records` of `rules/advisory.yml`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from forensics.locales import say
from forensics.model import AntiForensic, LogSpan, Said
from forensics.rules import load
from forensics.rules.ranking import strength
from forensics.sessions.rows import stamp


def emptied(signs: Iterable[AntiForensic]) -> dict[str, dict[str, int]]:
    """The artifacts that signs say were emptied or switched off: of each the kinds of these signs, and how many."""
    found: dict[str, dict[str, int]] = {}
    for sign in signs:
        for artifact in _emptied_by(sign):
            kinds = found.setdefault(artifact, {})
            kinds[sign.kind] = kinds.get(sign.kind, 0) + 1
    return found


def _emptied_by(sign: AntiForensic) -> Iterator[str]:
    for rule in load("advisory")["emptied"]:
        if sign.kind not in rule["kinds"] or strength(sign.level) > strength(rule.get("least", "weak")):
            continue
        if re.search(rule.get("names", ""), sign.detail.casefold()):
            yield from rule["artifacts"]


def few(spans: Mapping[str, LogSpan]) -> list[Said]:
    """Logs that any running Windows fills and that hold next to nothing, while another log runs on: a remark only."""
    data = load("advisory")["few_records"]
    ends = [(span.until, span.path.rpartition("/")[2]) for span in spans.values() if span.until]
    if not ends:
        return []
    until, other = max(ends)
    said = []
    for name in data["logs"]:
        span = spans.get(name.casefold())
        if span is None or span.until is None or span.first_record is None or span.last_record is None:
            continue
        count = span.last_record - span.first_record + 1
        if count <= data["most"] and until - span.until >= timedelta(hours=data["hours"]):
            parts = {"count": count, "last": stamp(span.until), "other": other, "until": stamp(until)}
            said.append(say("log.few", log=name, **parts))
    return said


__all__ = ["emptied", "few"]
