"""The configuration that a session is joined to, and what the join is worth.

A path in the launch, or the launcher's own list of opened files (the prefetch file of its only run), names the file. A
time only suggests it: such a join says nothing of how the session was started, and its rules count little.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from forensics.rules import load
from forensics.rules.engine import Hit
from forensics.sessions.rows import Row, because, short
from forensics.sessions.sandbox_config import Configs, Known
from forensics.sessions.sandbox_hints import PREFETCH, RECENT, chosen, told
from forensics.sessions.sandbox_pieces import Draft

_IF = " (if it ran with this configuration: inference)"


@dataclass(slots=True)
class Joined:
    """A configuration, why it is taken, and the rows; `lost` names one that is not in the evidence.

    `by_time`: nothing but a time speaks for it. `opened`: the launcher's own prefetch file names it.
    """

    known: Known | None = None
    why: str = ""
    rows: list[Row] = field(default_factory=list)
    lost: str | None = None
    by_time: bool = False
    opened: bool = False

    def hits(self) -> list[Hit]:
        """The rules that the configuration fulfils; those of a join by time are marked and capped in sum."""
        found = self.known.hits() if self.known else []
        if not self.by_time:
            return found
        left, kept = load("sandbox")["joined_by_time_most"], []
        for hit in found:
            weight = min(hit.weight, left)
            left -= weight
            kept.append(replace(hit, weight=weight, why=hit.why + _IF))
        return kept


def near(configs: Configs, draft: Draft, method: str, start: datetime) -> Joined:
    """By what was opened or touched when it began; of the Store app only the recipes that it saves itself."""
    span = (draft.earliest or start, start)
    found = configs.near(span, draft.executions)
    if method == "store":
        found = [item for item in found if "/localstate/recipes/" in item.name.casefold().replace("\\", "/")]
    best = chosen(found)
    lost = configs.lost(span, draft.executions) if method != "store" else None
    strong = {PREFETCH, RECENT} if lost and lost.sort == RECENT else {PREFETCH}
    if lost and not (best and strong & set(best.hints)):
        where = "the launcher's prefetch file of its only run" if lost.sort == PREFETCH else "RecentDocs at that time"
        text = f"{where} names {short(lost.name)}; the file is not in the evidence (inference: it ran with it)"
        return Joined(why=because(text, lost.rows), rows=lost.rows, lost=lost.name, opened=lost.sort == PREFETCH)
    if not found:
        return Joined()
    rows = [row for item in found for row in item.rows]
    if best is None:
        return Joined(why=told(found), rows=rows)
    opened = PREFETCH in best.hints
    return Joined(best.known, told(found), [*best.known.rows, *rows], by_time=not opened, opened=opened)
