"""Findings out of the user's Sigma rules: one for each rule, resting on all records that it matched.

Level and title are the rule author's; the tool adds nothing to them and takes nothing away.
"""

from __future__ import annotations

from collections import defaultdict

from forensics.model import Finding
from forensics.sessions.rows import Row, Rows, because, ids_of, short

_MOST_SHOWN = 3


def sigma_findings(rows: Rows, host: str) -> tuple[Finding, ...]:
    """One finding a rule, in the order of their first matches."""
    matched: dict[str, list[Row]] = defaultdict(list)
    for row in rows.of("sigma.matched"):
        matched[row.get("sigma_rule")].append(row)
    return tuple(_finding(rule, found, host) for rule, found in matched.items())


def _finding(rule: str, found: list[Row], host: str) -> Finding:
    first = found[0]
    attack = first.fields.get("sigma_attack")
    techniques = f" ({', '.join(attack)})" if isinstance(attack, tuple) else ""
    said = list(dict.fromkeys(short(row.get("sigma_fields")) for row in found if row.get("sigma_fields")))
    more = f"; and {len(said) - _MOST_SHOWN} more" if len(said) > _MOST_SHOWN else ""
    shown = f": {'; '.join(said[:_MOST_SHOWN])}{more}" if said else ""
    records = "1 record" if len(found) == 1 else f"{len(found)} records"
    why = f"Sigma rule {first.get('sigma_file')}, {first.get('sigma_title')}{techniques}, matches {records}{shown}"
    return Finding(rule, first.get("sigma_level"), because(why, found), ids_of(found), host)
