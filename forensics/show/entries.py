"""What every list on the terminal needs: spans, hosts, reasons, and words for what was left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import tzinfo

from rich.text import Text

from forensics.show.terminal import COLOURS, Document, in_zone, label_of, line, moment, said, told
from forensics.text import one_line

_MOST_REASONS = 6
_POINTS = re.compile(r"\(\+(\d+)\)")
EVENT_IDS = re.compile(r" \[[0-9a-f]{16}[^\]]*\]$")
_JUDGED = ("sandbox_sessions", "sandbox_configs", "tunnel_sessions", "persistence", "anti_forensics", "findings")


def on_host(document: Document, entry: Document) -> str:
    """Which host an entry is about, where the case is about more than one."""
    labels = {label_of(item) for item in document["evidence"]}
    labels |= {other["host"] for part in _JUDGED for other in document.get(part, ())}
    return f"  {said('on {host}', host=entry['host'])}" if len(labels) > 1 and entry["host"] else ""


def judged(entry: Document) -> Text:
    """The certainty in its colour, as the beginning of a headline."""
    return Text("  ").append(told(entry["certainty"]), style=COLOURS.get(entry["certainty"], ""))


def span(item: Document, zone: tzinfo) -> str:
    """From when to when, or what bounds are known of it."""
    start = moment(item["start"] or item.get("start_earliest"), zone)
    if not (item["start"] or item.get("start_earliest")) and item.get("start_latest"):
        start = said("before {time}", time=moment(item["start_latest"], zone))
    return f"{start} – {_end(item, zone)}"


def _end(item: Document, zone: tzinfo) -> str:
    early, late = item.get("end_earliest"), item.get("end_latest")
    if item["end"] or not (early or late):
        return moment(item["end"], zone)
    bounds = [said("not before {time}", time=moment(early, zone))] if early else []
    bounds += [said("not after {time}", time=moment(late, zone))] if late else []
    return f"? ({', '.join(bounds)})"


def reasons(item: Document, zone: tzinfo, *, full: bool) -> list[Text]:
    """The reasons; in the short form what scored and what decided come first, without the event ids."""
    if full:
        return [line(f"      · {in_zone(told(reason), zone)}", "dim") for reason in item["reasons"]]
    ranked = sorted(item["reasons"], key=_rank)
    shown = [EVENT_IDS.sub("", reason) for reason in ranked[:_MOST_REASONS]]
    lines = [line(f"      · {in_zone(told(reason), zone)}", "dim") for reason in shown]
    more = len(ranked) - len(lines)
    words = said("… 1 more reason" if more == 1 else "… {n} more reasons", n=more)
    return [*lines, line(f"      · {words}", "dim")] if more > 0 else lines


def _rank(reason: str) -> tuple[int, int]:
    points = _POINTS.search(reason)
    if points:
        return 0, -int(points.group(1))
    return (1, 0) if reason.startswith(("confirmed", "probable", "possible")) else (2, 0)


def listed(label: str, texts: Sequence[str], most: int, part: str) -> Iterator[Text]:
    """Lines under one word; beyond `most` (0: no limit) the rest is counted, with the part of `show` that has it."""
    shown = texts[:most] if most else texts
    for text in shown:
        yield line(f"      {label:8}{one_line(text, 240 if most else 0)}")
    if more := len(texts) - len(shown):
        yield line(f"      {label:8}{said('… and {n} more: show {part}', n=more, part=part)}", "dim")
