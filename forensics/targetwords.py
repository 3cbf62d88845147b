"""What is said of the file that an autostart entry starts: whether it is there, its hashes, who signed it.

And what that adds to the entry's score (rules/targets.yml). Everything here is a function of what was found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from forensics.formats import authenticode
from forensics.model import Event, Fact, PersistenceEntry
from forensics.naming import Naming
from forensics.rules.engine import hits, rules_of, total
from forensics.sessions.rows import stamp
from forensics.targetplaces import Listed, Looked, Place
from forensics.timeline import events_of

_MOST_EVENTS = 8  # of one file
_HASHES = re.compile(r"\b(SHA1|SHA256)=([0-9A-F]{40,64})\b", re.IGNORECASE)
_LENGTHS = {"SHA1": 40, "SHA256": 64}
_FILE = "the file"
UNCOLLECTED = "not collected"


@dataclass(slots=True)
class Seen:
    """What was found of one path; `folder`: what the entry names is a folder, and was looked for as one."""

    folder: bool = False
    place: Place | None = None
    looked: Looked | None = None
    listed: Listed | None = None
    table: str = ""
    gaps: str = ""
    facts: list[Fact] = field(default_factory=list)
    lost: str = ""


def told(entry: PersistenceEntry, seen: Seen, naming: Naming, *, whole: bool) -> PersistenceEntry:
    """The entry with what was found of its file."""
    exists, note = _existence(seen, whole=whole)
    looked = seen.looked or Looked()
    sums, source, more = _sums(seen, looked)
    signature = looked.signature
    entry = replace(
        entry,
        target_exists=exists,
        target_note="; ".join(
            text for text in (note, "" if exists else _gone(seen), more, _said(seen), seen.lost) if text
        )
        or None,
        target_sha256=sums.get("SHA256"),
        target_sha1=sums.get("SHA1"),
        target_hash_source=source,
        target_publisher=_publisher(seen),
        events=tuple(dict.fromkeys((*entry.events, *_events(seen, naming)))),
    )
    if signature is None:
        return entry
    return _judged(replace(
        entry,
        target_signature=signature.state,
        target_signature_note=signature.detail,
        target_signer=signature.signer,
        target_signer_issuer=signature.issuer,
        target_signer_serial=signature.serial,
        target_signer_thumbprint=signature.thumbprint,
        target_signed_at=signature.signed_at,
    ))  # fmt: skip


def _existence(seen: Seen, *, whole: bool) -> tuple[bool | None, str]:
    """Whether the file is there, and by what, or why that cannot be told."""
    place = seen.place
    if place is not None:
        if place.why:
            return None, f"not looked at: {place.why}"
        if seen.folder:
            return True, "files of this folder are in the evidence"
        return (True, seen.looked.why) if seen.looked else (True, "")
    if seen.listed is None:
        return _nowhere(seen, whole=whole)
    what, table, told = "folder" if seen.folder else "name", f"the $MFT ({seen.table})", seen.listed
    if told.there is None:
        text = f"no such {what} in {table}"
        return (None, f"{text}, but {seen.gaps}") if seen.gaps else (False, text)
    born = f", created {stamp(told.born)}" if told.born else ""
    if told.there:
        return True, f"{'a folder' if seen.folder else 'not at hand'}; {table} lists it in record {told.record}{born}"
    kind = "a folder that was deleted" if seen.folder else "deleted"
    return False, f"{kind}: its record {told.record} in {table} is free{born}"


def _nowhere(seen: Seen, *, whole: bool) -> tuple[bool | None, str]:
    """Nothing has the path; an empty folder cannot be seen among the files of a disk."""
    if whole and seen.folder:
        return None, "no file of this folder is in the evidence"
    return (False, "not in the evidence") if whole else (None, UNCOLLECTED)


def _sums(seen: Seen, looked: Looked) -> tuple[dict[str, str], str | None, str]:
    """The hashes, where they are from, and what records say that differs."""
    own = {name: text for name, text in (("SHA256", looked.sha256), ("SHA1", looked.sha1)) if text}
    recorded = [(fact, sums) for fact in seen.facts if (sums := _recorded(fact))]
    if own:
        other = [fact for fact, sums in recorded if any(own.get(name, text) != text for name, text in sums.items())]
        note = f"another hash of a file at this path: {_record(other[-1])}" if other else ""
        return own, _FILE, note
    if not recorded:
        return {}, None, ""
    sums = recorded[-1][1]
    same = [one for one, others in recorded if all(sums.get(name, text) == text for name, text in others.items())]
    for one in same:
        sums = _recorded(one) | sums
    differs = len(recorded) - len(same)
    note = f"{differs} older records have another hash" if differs else ""
    return sums, ", ".join(dict.fromkeys(_record(one) for one in same[-3:])), note


def _recorded(fact: Fact) -> dict[str, str]:
    """The whole-file hashes that a row has."""
    if fact.fields.get("hash_is_partial"):
        return {}
    found = {
        name.upper(): text.lower()
        for name, text in _HASHES.findall(str(fact.fields.get("hashes", "")))
        if len(text) == _LENGTHS[name.upper()]
    }
    for name, where in (("SHA1", "file_sha1"), ("SHA256", "file_sha256")):
        if text := fact.fields.get(where):
            found[name] = str(text).lower()
    return found


def _record(fact: Fact) -> str:
    """A row that has a hash, in a few words."""
    moment = min(fact.times.values())
    what = {"amcache.file": "Amcache entry written", "mft.resident_content": "content in the $MFT, changed"}
    number = fact.fields.get("event_identifier")
    return f"{what.get(fact.kind, f'Sysmon {number}')} {stamp(moment)}"


def _publisher(seen: Seen) -> str | None:
    """Whom the file itself names as its maker, as Amcache noted it: anybody may write that into a file."""
    told = [text for fact in seen.facts if fact.kind == "amcache.file" and (text := fact.fields.get("publisher"))]
    return str(told[-1]) if told else None


def _gone(seen: Seen) -> str:
    """When it was deleted last, as the change journal or Sysmon has it."""
    for fact in reversed(seen.facts):
        if fact.kind in ("usn.file_deleted", "file.deleted"):
            who = "the change journal" if fact.kind == "usn.file_deleted" else "Sysmon"
            return f"{who} has its deletion at {stamp(min(fact.times.values()))}"
    return ""


def _said(seen: Seen) -> str:
    """What Windows thought of its signature when it was loaded last, by Sysmon: with its catalogues and its roots."""
    for fact in reversed(seen.facts):
        if state := fact.fields.get("signature_status"):
            signer = fact.fields.get("signature_name") or "nobody"
            return f"{_record(fact)} called its signature {state} (by {signer})"
    return ""


def _events(seen: Seen, naming: Naming) -> list[str]:
    events: list[Event] = [event for fact in shown(seen) for event in events_of(fact, naming.of(fact))]
    return [event.id for event in events]


def _judged(entry: PersistenceEntry) -> PersistenceEntry:
    """The entry with what its file's signature adds: to the score by rules/targets.yml, else to the reasons."""
    facts = {
        "mechanism": entry.mechanism, "target": entry.target, "exists": entry.target_exists, "score": entry.score,
        "signature": entry.target_signature, "note": entry.target_signature_note, "signer": entry.target_signer,
    }  # fmt: skip
    found = hits(rules_of("targets"), facts)
    reasons = [str(hit) for hit in found] or ([remark] if (remark := _remark(entry)) else [])
    points = sum(hit.weight for hit in found)
    return replace(
        entry,
        score=total(found) if not entry.score else min(100, entry.score + points),
        reasons=(*entry.reasons, *reasons),
        attack=tuple(sorted({*entry.attack, *(item for hit in found for item in hit.attack)})),
    )


def _remark(entry: PersistenceEntry) -> str:
    """A sentence about a signature that adds nothing to the score."""
    by, state = f"its file is signed by {entry.target_signer}", entry.target_signature
    note = f" ({entry.target_signature_note})" if entry.target_signature_note else ""
    if state == authenticode.VALID and entry.target_signed_at:
        return f"{by} at {stamp(entry.target_signed_at)}{note}, and unchanged (that says nothing of what it loads)"
    if state == authenticode.UNTIMED:
        return f"{by} and unchanged; {entry.target_signature_note}"
    if state == authenticode.UNTRUSTED:
        return f"{by}, whom no root of Microsoft's program stands behind"
    if state == authenticode.NONE:
        asked = entry.target_signature_note or "Windows' own are signed in catalogues, of which none is at hand"
        return f"its file has no signature inside ({asked})"
    return ""


def shown(seen: Seen) -> list[Fact]:
    """The youngest of the rows about a file."""
    return seen.facts[-_MOST_EVENTS:]
