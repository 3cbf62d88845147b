"""Whether remote desktop is let in: by the setting of the control set in use, unless a policy says otherwise.

Windows keeps another control set of the last start that went well; what stands there alone does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence

from forensics.locales import say
from forensics.model import Said
from forensics.sessions.rows import Row, Rows


def unused(rows: Rows) -> frozenset[str]:
    """The ids of settings in a control set that is not the current one of its hive, where the hive says which is."""
    current = {row.source.path: row.get("control_set").casefold() for row in rows.of("host.described")}
    return frozenset(
        row.id
        for row in rows.of("rdp.setting")
        if (own := row.get("control_set").casefold()) and current.get(row.source.path, "") not in ("", own)
    )


def settings(rows: Rows) -> tuple[list[Row], list[Said]]:
    """The switches that are in use if all of them refuse, and what is to be said of them and of the others."""
    aside = unused(rows)
    switches = [row for row in rows.of("rdp.setting") if "rdp_allowed" in row.fields and not row.deleted]
    used = [row for row in switches if row.id not in aside]
    said = [
        say("rdp.elsewhere", what=_shown([row])) for row in switches if row.id in aside and row.fields["rdp_allowed"]
    ]
    if not used:
        return [], [say("rdp.unsaid"), *said]
    if any(row.fields["rdp_allowed"] for row in used):
        return [], said
    return used, [say("rdp.off", what=_shown(used)), *said]


def _shown(rows: Sequence[Row]) -> str:
    return "; ".join(f"{row.get('key_path')}\\{row.get('value_name')} = {row.get('value_data')}" for row in rows)
