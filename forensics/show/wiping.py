"""Signs that traces were removed, on the terminal: the strongest first, and with several hosts each host's share.

Order of time hides what matters on a host that was wiped: of many signs the first ones are seldom the gravest.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import tzinfo
from itertools import chain, zip_longest

from rich.console import Console
from rich.text import Text

from forensics.rules.ranking import strength
from forensics.show.entries import on_host
from forensics.show.terminal import Document, heading, in_zone, line, moment, said, told
from forensics.text import one_line

_TOP = 8
_CLOCK = re.compile(
    r" \((?P<clock>the clock (?:showed|may have shown) [-:. \d]+ UTC to [-:. \d]+ UTC (?:twice|\d+ times)): "
    r"(?P<what>[^()]*)\)$"
)
_STYLES = {"strong": "bold red", "medium": "yellow", "weak": "dim"}
_EVENTS = 6
_NONE = "that there is none proves nothing: show coverage"


def strongest_first(signs: Iterable[Document]) -> list[Document]:
    """The signs by their strength, of one strength in their order in the file: that of records where a clock was set.

    Undated ones come last.
    """
    return sorted(signs, key=lambda sign: (strength(sign.get("level", "")), sign["time"] is None))


def print_wiping(document: Document, zone: tzinfo, out: Console) -> None:
    """Every sign, host by host: how far it goes, when, by whom, what else may have caused it, the events."""
    signs = document["anti_forensics"]
    out.print(heading("Traces removed", len(signs), _strengths(signs) or _NONE))
    hosts, clocks = _by_host(signs), _Clocks()
    for host, own in hosts.items():
        if len(hosts) > 1:
            out.print(line(f"{told('Host')} {host or told('unknown host')}: {len(own)}", "bold"))
        for sign in own:
            out.print(_head(document, sign, zone))
            for text in _about(sign, zone, clocks):
                out.print(text)
    clocks.print(zone, out)


def print_strongest(document: Document, zone: tzinfo, out: Console) -> None:
    """The strongest signs in the short form, of several hosts in turn; what is left out is counted by strength."""
    signs = document["anti_forensics"]
    if not signs:
        return
    out.print(heading("Traces removed", len(signs), _strengths(signs)))
    chosen, clocks = _chosen(signs), _Clocks()
    for sign in strongest_first(sign for sign in signs if sign in chosen):
        level = f" ({told(sign['level'])})" if "level" in sign else ""
        text = f"{_kind(sign)}{level}: {clocks.marked(sign['detail'], zone)}{on_host(document, sign)}"
        out.print(line(f"  {moment(sign['time'], zone)}  {text}"))
    clocks.print(zone, out)
    if rest := [sign for sign in signs if sign not in chosen]:
        out.print(
            Text(f"  {said('… {n} more ({levels}): show wiping', n=len(rest), levels=_strengths(rest))}", style="dim")
        )


def print_number(document: Document, out: Console) -> None:
    """How many signs there are, for a reader of the findings, among which they do not stand."""
    if signs := document["anti_forensics"]:
        out.print(
            heading(
                "Traces removed",
                len(signs),
                said("{levels}; they are no findings: show wiping", levels=_strengths(signs)),
            )
        )


def _strengths(signs: list[Document]) -> str:
    """How many there are of each strength."""
    levels = [sign.get("level", "weak") for sign in signs]
    return ", ".join(said(f"{{n}} {level}", n=levels.count(level)) for level in sorted(set(levels), key=strength))


def _by_host(signs: list[Document]) -> dict[str, list[Document]]:
    """The signs of each host, strongest first; the host with the strongest sign comes first."""
    hosts: dict[str, list[Document]] = {}
    for sign in strongest_first(signs):
        hosts.setdefault(sign.get("host") or "", []).append(sign)
    return hosts


def _chosen(signs: list[Document]) -> list[Document]:
    """What the short form has: what is strong or medium before what is weak, and a medium one where there is any."""
    ranked = _by_host(signs)
    grave = {host: [sign for sign in own if sign.get("level", "weak") != "weak"] for host, own in ranked.items()}
    weak = {host: [sign for sign in own if sign.get("level", "weak") == "weak"] for host, own in ranked.items()}
    order = [sign for own in (grave, weak) for sign in _in_turn({host: _each_kind_first(own[host]) for host in own})]
    chosen, rest = order[:_TOP], order[_TOP:]
    medium = next((sign for sign in rest if sign.get("level") == "medium"), None)
    if medium and not any(sign.get("level") == "medium" for sign in chosen):
        chosen[-1] = medium
    return chosen


def _each_kind_first(signs: list[Document]) -> list[Document]:
    """Of each strength the first of every kind before the second of any: ten commands do not hide a cleared log."""
    before: Counter[tuple[str, str]] = Counter()
    placed: list[tuple[int, int, int]] = []
    for sign in signs:
        kind = (sign.get("level", ""), sign["kind"])
        placed.append((strength(kind[0]), before[kind], len(placed)))
        before[kind] += 1
    return [signs[place] for *_, place in sorted(placed)]


def _in_turn(hosts: dict[str, list[Document]]) -> list[Document]:
    """One sign of each host after the other, so that a host with many does not hide one with few."""
    return [sign for sign in chain.from_iterable(zip_longest(*hosts.values())) if sign is not None]


def _head(document: Document, sign: Document, zone: tzinfo) -> Text:
    level = sign.get("level", "weak")
    text = Text("  ").append(told(level), style=_STYLES.get(level, ""))
    who = f"  {told('by whom')}: {sign['user']}" if sign.get("user") else ""
    text.append(f"  {moment(sign['time'], zone)}  ").append(_kind(sign), style="bold")
    return text.append(one_line(f"{who}{on_host(document, sign)}"))


def _kind(sign: Document) -> str:
    """The kind in the language that is shown, with the word that the files have for it."""
    kind = str(sign["kind"])
    return kind if told(kind) == kind else f"{told(kind)} [{kind}]"


class _Clocks:
    """What the clock of a host showed twice: said once below the signs, which have a mark and what is told of them."""

    def __init__(self) -> None:
        self._said: list[str] = []

    def marked(self, detail: str, zone: tzinfo) -> str:
        """The words of a sign, its remark on the clock shortened to the mark."""
        match = _CLOCK.search(detail)
        if match is None:
            return in_zone(told(detail), zone)
        if match["clock"] not in self._said:
            self._said.append(match["clock"])
        mark = f"*{self._said.index(match['clock']) + 1}"
        return f"{in_zone(told(detail[: match.start()]), zone)} ({mark} {told(match['what'])})"

    def print(self, zone: tzinfo, out: Console) -> None:
        """The sentences behind the marks."""
        for number, text in enumerate(self._said, 1):
            out.print(line(f"  *{number} {in_zone(told(text), zone)}", "dim"))


def _about(sign: Document, zone: tzinfo, clocks: _Clocks) -> Iterator[Text]:
    yield line(f"      {clocks.marked(sign['detail'], zone)}")
    for cause in sign["innocent_causes"]:
        yield line(f"      · {told('innocent cause')}: {in_zone(told(cause), zone)}", "dim")
    if sign["events"]:
        more = f" +{len(sign['events']) - _EVENTS}" if len(sign["events"]) > _EVENTS else ""
        yield line(f"      {told('events')}: {', '.join(sign['events'][:_EVENTS])}{more}", "dim")
