"""The configuration that a session is joined to, and what the join is worth.

A path in the launch, or the launcher's own list of opened files (the prefetch file of its only run), names the file. A
time only suggests it: such a join says nothing of how the session was started, and its rules count little.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from forensics.rules import load
from forensics.rules.engine import Hit, hits, rules_of
from forensics.sessions.rows import Row, because, short
from forensics.sessions.sandbox_config import Configs, Lost
from forensics.sessions.sandbox_hints import PREFETCH, RECENT, chosen, ranked, told
from forensics.sessions.sandbox_known import Known, facts_of_path
from forensics.sessions.sandbox_pieces import Draft

_UNREAD = "its content is not in the evidence"
_CUT = "; a join by time counts {most} points at most, of which {left} were left for this"
_IF = " (if it ran with this configuration: inference)"


@dataclass(slots=True)
class Joined:
    """A configuration, why it is taken, and the rows; `lost` names one that is not in the evidence.

    `by_time`: nothing but a time speaks for it. `opened`: the launcher's own prefetch file names it. `hints`: what was
    opened or changed as it began. `path`: the place that the launch, or `lost`, names, where no more is known.
    """

    known: Known | None = None
    why: str = ""
    rows: list[Row] = field(default_factory=list)
    lost: str | None = None
    by_time: bool = False
    opened: bool = False
    hints: list[Row] = field(default_factory=list)
    path: str = ""

    def hits(self) -> list[Hit]:
        """The rules that the configuration fulfils; those of a join by time are marked and capped in sum."""
        found = self.known.hits() if self.known else _of_path(self.path)
        if not self.by_time:
            return found
        most = load("sandbox")["joined_by_time_most"]
        left, kept = most, []
        for hit in found:
            weight = min(hit.weight, left)
            cut = _CUT.format(most=most, left=left) if weight < hit.weight else ""
            left -= weight
            kept.append(replace(hit, weight=weight, why=hit.why + _IF + cut))
        return kept


def _of_path(path: str) -> list[Hit]:
    """The rules that a place alone fulfils."""
    return hits(rules_of("sandbox", "config_rules"), facts_of_path(path)) if path else []


def near(configs: Configs, draft: Draft, method: str, start: datetime) -> Joined:
    """By what was opened or touched when it began; of the Store app only the recipes that it saves itself."""
    span = (draft.earliest or start, start)
    seen = ranked([*configs.near(span, draft.executions), *configs.unread(span, draft.executions)])
    if method == "store":
        seen = [item for item in seen if "/localstate/recipes/" in item.name.casefold().replace("\\", "/")]
    best = chosen(seen)
    lost = configs.lost(span, draft.executions) if method != "store" else None
    strong = {PREFETCH, RECENT} if lost and lost.sort == RECENT else {PREFETCH}
    if lost and not (best and strong & set(best.hints)):
        return _lost(lost)
    rows = [row for item in seen for row in item.rows]
    if best is None:
        return Joined(why=told(seen), rows=rows, hints=rows) if seen else Joined()
    if best.known is None:
        why = f"{told(seen)}; {_UNREAD}"
        return Joined(why=why, rows=rows, lost=best.name, by_time=True, hints=rows, path=best.name)
    opened = PREFETCH in best.hints
    return Joined(best.known, told(seen), [*best.known.rows, *rows], by_time=not opened, opened=opened, hints=rows)


def _lost(lost: Lost) -> Joined:
    where = "the launcher's prefetch file of its only run" if lost.sort == PREFETCH else "RecentDocs at that time"
    text = f"{where} names {short(lost.name)}; the file is not in the evidence (inference: it ran with it)"
    opened, place = lost.sort == PREFETCH, lost.name if "\\" in lost.name else ""
    return Joined(
        why=because(text, lost.rows), rows=lost.rows, lost=lost.name, by_time=not opened, opened=opened,
        hints=lost.rows, path=place,
    )  # fmt: skip
