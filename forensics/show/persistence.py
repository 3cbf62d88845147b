"""Autostart entries on the terminal: what and when in the short form; where, by what and what else in the full one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo

from rich.console import Console, Group
from rich.text import Text

from forensics.rules import load
from forensics.rules.autoruns import dated_by_key
from forensics.show.entries import on_host, reasons
from forensics.show.sources import Place, places_told
from forensics.show.terminal import NAME, Document, in_zone, line, moment, said, shortened, told
from forensics.text import one_line

_SHORT = 240
_PLACES = 6  # places of rows that are listed one by one
_WRITTEN = {
    "registry": "key last written", "file": "file last changed", "wmi": "WMI record last written", "log": "logged",
}  # fmt: skip


def worst(entries: Iterable[Document]) -> list[Document]:
    """The entries by score, of one score those that start first; cases of older versions have each host's apart."""
    return sorted(entries, key=lambda entry: (-entry["score"], bool(entry.get("inert"))))


def print_persistence(
    document: Document, entries: Sequence[Document], zone: tzinfo, out: Console, *, full: bool,
    places: Mapping[str, Place] | None = None,
) -> None:  # fmt: skip
    """The lines of each entry; `places` are those of the rows, for the full form."""
    names = Counter((entry["mechanism"], entry["name"].casefold()) for entry in entries)
    for entry in entries:
        alike = names[entry["mechanism"], entry["name"].casefold()] > 1
        out.print(_head(document, entry, zone, alike=alike))
        if entry["command"]:
            out.print(line(f"      {one_line(entry['command'], 0 if full else _SHORT)}"))
        if entry.get("trigger"):
            out.print(line(f"      {told('trigger')}: {one_line(entry['trigger'], 0 if full else _SHORT)}"))
        if full:
            out.print(Group(*_more(entry, zone, dict(places or {})), *reasons(entry, zone, full=True)))


def _head(document: Document, entry: Document, zone: tzinfo, *, alike: bool) -> Text:
    """Score, mechanism, name; entries of one name are told apart by where they stand."""
    head = Text("  ").append(f"{told('score')} {entry['score']:>3}", style="bold yellow" if entry["score"] else "dim")
    head.append(one_line(f"  {told(entry['mechanism'])}  "), style="dim").append(shortened(entry["name"]), style="bold")
    if alike:
        head.append(f"  [{_end_of(_location(entry))}]", style="dim")
    whose = f"  {said('as {user}', user=entry['user'])}" if entry["user"] else ""
    return head.append(one_line(f"{whose}{_state(entry)}{_when(entry, zone)}{on_host(document, entry)}"), style="dim")


def _end_of(place: str) -> str:
    """The end of a long place, by which those of one name are told apart."""
    text = one_line(place)
    return text if len(text) <= NAME else f"…{text[1 - NAME :]}"


def _location(entry: Document) -> str:
    """Where it stands; of one that only a log names our words for that."""
    place = str(entry["location"])
    return told(place) if place.startswith("named in ") else place


def _state(entry: Document) -> str:
    """What keeps the entry from starting: it is gone, or this Windows has given its place up."""
    states = ["deleted"] if entry.get("deleted") else []
    states += ["inert on this Windows"] if entry.get("inert") else []
    return "".join(f"  {told(state)}" for state in states)


def _when(entry: Document, zone: tzinfo) -> str:
    """When it was first there and last written; one time that is both, to the second shown, is told once.

    The registry dates keys, not values: every entry of a Run key has the time of the youngest change to any.
    """
    written = told(_written(entry))
    first, last = (moment(entry[name], zone) for name in ("first_seen", "last_write"))
    if not (entry["first_seen"] or entry["last_write"]):
        return f"  {told('undated')}"
    bound = entry.get("first_seen_bound")
    if not entry["first_seen"]:
        return f"  {written} {last}"
    if not entry["last_write"]:
        return f"  {told('there by' if bound else 'first seen')} {first}"
    if first != last:
        return f"  {told('there by' if bound else 'first seen')} {first}  {written} {last}"
    return f"  {said('there by and {written}' if bound else 'first seen and {written}', written=written)} {last}"


def _written(entry: Document) -> str:
    """What the time of the last write is one of; cases of older versions do not say."""
    usual = "key last written" if dated_by_key(entry["mechanism"]) else "last write"
    return _WRITTEN.get(entry.get("last_write_kind") or "", usual)


def _more(entry: Document, zone: tzinfo, places: dict[str, Place]) -> Iterator[Text]:
    """Where it stands, by which rows, what dates it, its file and technique, and what else may have put it there."""
    if len(one_line(entry["name"])) > NAME:
        yield line(f"      {told('name')}: {entry['name']}")
    yield line(f"      {told('location')}: {_location(entry)}")
    yield from _sources(entry, places)
    if entry.get("first_seen") and entry.get("first_seen_source"):
        dated = in_zone(told(entry["first_seen_source"]), zone)
        yield line(f"      {told('first seen by')}: {dated}")
    if entry.get("made_by"):
        source = f" ({told(entry['made_by_source'])})" if entry.get("made_by_source") else ""
        yield line(f"      {told('made by')}: {entry['made_by']}{source}")
    if target := _target(entry):
        yield line(f"      {told('target')}: {in_zone(target, zone)}")
    if entry["attack"]:
        yield line(f"      ATT&CK: {', '.join(entry['attack'])}")
    about = load("mechanisms")["mechanisms"].get(entry["mechanism"])
    if about and entry["score"]:
        yield line(f"      {told('innocent causes')}: {told(about['innocent'])}")


def _sources(entry: Document, places: dict[str, Place]) -> Iterator[Text]:
    found = places_told(entry, places)
    for path, locator, digest in found[:_PLACES]:
        hashed = f"  SHA-256 {digest}" if digest else ""
        yield line(f"      {told('source')}: {path}  {told(locator) if locator else told('whole file')}{hashed}", "dim")
    if (more := len(found) - _PLACES) > 0:
        yield line(f"      {told('source')}: {said('… and {n} more', n=more)}", "dim")
    if not found and entry["events"]:
        yield line(
            f"      {told('source')}: {told('not in the files of the case (cut, or of an older version)')}", "dim"
        )


def _target(entry: Document) -> str:
    """The file that an entry starts, and what the evidence has of it; else why there is none to look for."""
    note = "; ".join(told(part) for part in (entry.get("target_note") or "").split("; "))
    if not entry.get("target"):
        return note if entry["score"] else ""
    if not (entry["score"] or note or entry.get("target_exists")):
        return ""
    found = [told({True: "there", False: "not there", None: ""}[entry.get("target_exists")])]
    digest = next((name for name in ("sha256", "sha1") if entry.get(f"target_{name}")), "")
    if digest:
        source = entry.get("target_hash_source")
        found.append(f"{digest.upper().replace('SHA', 'SHA-')} {entry[f'target_{digest}']}")
        found[-1] += told(f" (by {source})") if source and source != "the file" else ""
    found.append(_signature(entry))
    return ": ".join(item for item in (", ".join(item for item in (entry["target"], *found) if item), note) if item)


def _signature(entry: Document) -> str:
    """What the signature in the file is worth; nothing of a file that can have none."""
    state = entry.get("target_signature") or ""
    if not state or (state == "not_checked" and not entry.get("target_signature_note")):
        return ""
    by = f" by {entry['target_signer']}" if entry.get("target_signer") else ""
    why = f" ({entry['target_signature_note']})" if entry.get("target_signature_note") else ""
    return told(f"signature {state.replace('_', ' ')}{by}{why}")
