"""The terminal itself: consoles, lines out of evidence strings, times in the zone that is shown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from forensics.locales.japanese import in_language
from forensics.sessions.rows import stamp
from forensics.text import one_line
from forensics.times import from_iso, named_zone

Document = dict[str, Any]
COLOURS = {"confirmed": "bold red", "probable": "yellow", "possible": "cyan", "complete": "green", "partial": "yellow",
           "unreadable": "bold red", "not_collected": "magenta", "nothing_found": "dim"}  # fmt: skip
NAME = 80  # characters of a name in a headline
_PIPE_WIDTH = 1_000_000  # no line of a list is longer: what reads a pipe or a file searches whole lines
# A time as the reasons (`sessions.rows.stamp`) and the fields of events (`times.iso`) have it.
_STAMP = re.compile(
    r"(?P<stamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) UTC|(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00)"
)


_LANGUAGE: ContextVar[str] = ContextVar("language", default="en")


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """The language of everything that is printed inside: words and recorded sentences, as far as they are known."""
    before = _LANGUAGE.set(language)
    try:
        yield
    finally:
        _LANGUAGE.reset(before)


def told(text: str) -> str:
    """A word or recorded sentence in the language that is shown."""
    return in_language(text, _LANGUAGE.get())


def said(template: str, **parts: object) -> str:
    """Words of the terminal with values in them, in the language that is shown: the template is what is looked up."""
    return told(template).format(**parts)


class _Console(Console):
    """A console whose reader may go away: who prints hears of it, instead of the process ending with an error."""

    def on_broken_pipe(self) -> None:
        """Not rich's own way, which is to end the process with code 1."""
        raise BrokenPipeError


def zone_of(name: str) -> tzinfo:
    """The zone to show times in, by its name in the zone database or the one that Windows has for it.

    Raises:
        ValueError: neither knows the name.
    """
    return named_zone(name)


def console(*, stderr: bool = False) -> Console:
    """A console that guesses at no markup, and in a pipe or file breaks no line, unless COLUMNS says how wide it is."""
    made = _Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal and not os.environ.get("COLUMNS", "").isdecimal():  # of which rich has made its width
        made.width = _PIPE_WIDTH
    return made


def moment(value: str | None, zone: tzinfo) -> str:
    """An ISO UTC string in the shown zone, to the second, with its offset; `?` for unknown."""
    parsed = from_iso(value) if value else None
    if not isinstance(parsed, datetime):
        return "?"
    return _local(parsed, zone, "seconds")


def _local(when: datetime, zone: tzinfo, precision: str) -> str:
    text = when.astimezone(zone).isoformat(sep=" ", timespec=precision)
    return text.removesuffix("+00:00") + "Z" if zone is UTC else text


def in_zone(text: str, zone: tzinfo) -> str:
    """A sentence of ours with its UTC times in the shown zone, all of one form; files keep them as they are."""

    def convert(match: re.Match[str]) -> str:
        parsed = from_iso(match["stamp"] or match["iso"])
        if not isinstance(parsed, datetime):
            return match.group()
        return stamp(parsed) if zone is UTC else _local(parsed, zone, "milliseconds")

    return _STAMP.sub(convert, text)


def line(text: str, style: str = "") -> Text:
    """Evidence strings as one line of text."""
    return Text(one_line(text), style=style)


def heading(title: str, count: int, note: str) -> Text:
    """The line above a list."""
    text = Text(f"{told(title)}: {count}", style="bold")
    return text.append(f"  ({told(note)})", style="not bold dim") if note else text


def shortened(text: str, most: int = NAME) -> str:
    """A name as a headline has it; the whole stands in the full form."""
    return one_line(text, most)


def print_table(out: Console, columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
    """A table; in a pipe or file its lines end with their last word and are as wide as they must be."""
    heads = [Text(column, style="bold") for column in columns]
    if out.width < _PIPE_WIDTH:
        table = Table(box=None, pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*row)
        out.print(table)
        return
    wide = [max(cell.cell_len for cell in column) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        text = Text()
        for cell, width in zip(row, wide, strict=True):
            text.append_text(cell).append(" " * (width - cell.cell_len + 2))
        text.rstrip()
        out.print(text)


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"


def label_of(evidence: Document) -> str:
    """What a piece of evidence is called on its rows: the host's name, else its own."""
    return evidence["host"].get("name") or str(evidence["name"])


def failure(name: str, why: str) -> None:
    """Say on stderr that a piece of evidence was passed over."""
    console(stderr=True).print(line(f"NOT ANALYSED  {name}: {why}", "bold red"))
