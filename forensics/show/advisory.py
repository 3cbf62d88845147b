"""The checklist of the police advisory on the terminal, in English or Japanese."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from rich.console import Console
from rich.text import Text

from forensics.locales import texts
from forensics.show.terminal import Document, in_zone, label_of, line, moment
from forensics.text import one_line

_STYLES = {"yes": "bold red", "no": "green", "cannot_tell": "magenta"}
_WIDTH = 600
_EVENTS = 6
_ORDER = ("yes", "cannot_tell", "no")


def print_advisory(document: Document, zone: tzinfo, out: Console, language: str = "en") -> None:
    """Every question with its answer, why, and the rows that say so."""
    words = texts(language)
    out.print(Text(words["title"], style="bold"))
    out.print(Text(f"  {words['legend']}", style="dim"))
    for host, answers in _by_host(document, words["host.unnamed"]):
        if host:
            out.print(line(words["host"].format(name=host), "bold"))
        for item in answers:
            out.print(_head(item, language, zone))
            for sentence in item["why"]:
                out.print(line(f"      · {one_line(in_zone(sentence[language], zone), _WIDTH)}"))
            if item["events"]:
                more = f" +{len(item['events']) - _EVENTS}" if len(item["events"]) > _EVENTS else ""
                ids = ", ".join(item["events"][:_EVENTS]) + more
                out.print(line(f"      {words['events'].format(ids=ids)}", "dim"))
    if not document.get("advisory"):
        out.print(Text(f"  {words['none']}", style="yellow"))


def print_short(document: Document, out: Console, language: str = "en") -> None:
    """The answers in the short form: which questions have which answer."""
    words = texts(language)
    for host, answers in _by_host(document, words["host.unnamed"]):
        title = words["title"] + (f" · {host}" if host else "")
        out.print(line(title, "bold"))
        for answer in _ORDER:
            named = [item["id"] for item in answers if item["answer"] == answer]
            if named:
                text = Text(f"  {words[f'answer.{answer}']}: ", style=_STYLES[answer])
                out.print(text.append(one_line(", ".join(named)), style="not bold default"))


def _head(item: Document, language: str, zone: tzinfo) -> Text:
    text = Text("  ")
    answer = item["answer"]
    text.append(f"[{texts(language)[f'answer.{answer}']}]", style=_STYLES[answer])
    text.append(one_line(f" {item['question'][language]}  ({item['id']})"), style="bold")
    if answer == "yes" or not item.get("first"):
        return text
    span = {"first": moment(item["first"], zone), "last": moment(item["last"], zone)}
    return text.append(f"  {texts(language)['period'].format(**span)}", style="dim")


def _by_host(document: Document, unnamed: str) -> Iterator[tuple[str, list[Document]]]:
    """The answers host by host; the host is only named where there are several.

    `unnamed` heads those of files that name no computer.
    """
    answers = document.get("advisory", [])
    hosts = list(dict.fromkeys(item["host"] for item in answers))
    several = len(hosts) > 1 or len({label_of(item) for item in document["evidence"]}) > 1
    for host in hosts:
        yield (host or unnamed if several else ""), [item for item in answers if item["host"] == host]
