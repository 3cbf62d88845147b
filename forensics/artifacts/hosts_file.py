r"""The hosts file (`drivers\etc\hosts`): names that this machine finds at an address of somebody's choice.

A line for a relay of the tunnels (`*.devtunnels.ms`, `*.tunnels.api.visualstudio.com`) is either an administrator's
block, with 0.0.0.0 or 127.0.0.1 as address, and then no tunnel worked while it stood, or a way around one: a name that
the company's DNS server refuses is answered here. The same way malware silences update and antivirus servers. Lines
that name hosts of the tunnels or of their sign-in are kept (rules/hosts.yml), the others are context. A line has no
time of its own: given are the file's. Format: the comment at the head of the file that Windows brings.
"""

from __future__ import annotations

import ipaddress

from forensics.artifacts._tunnel import cut_line, times, zeroed
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats.textfile import lines
from forensics.model import Problem, Value, make_fact
from forensics.rules.hosts import host_meaning
from forensics.rules.watch import is_watched

_NAME = "hosts_file"
_MOST = 100_000  # block lists have as many
_SHOWN = 1024
_MOST_NAMES = 50


def parse(given: FileInput) -> Output:
    """One row for each line that gives names an address; comments are passed over, other lines are problems."""
    yield from zeroed(_NAME, given)
    told = 0
    for line in lines(given.fh):
        if line.cut:
            yield cut_line(_NAME, given, line.number, line.offset)
        entry, _, comment = line.text.partition("#")
        words = entry.strip("\x00 \t\r\n\ufeff").split()
        if not words:
            continue
        source = given.source(f"line {line.number}")
        if len(words) < 2 or _address(words[0]) is None:
            yield Problem("bad_record", _NAME, source, f"no address and name: {line.text[:200]!r}")
            continue
        told += 1
        if told > _MOST:
            yield Problem("budget", _NAME, source, f"more than {_MOST} lines: the rest is not told")
            return
        fields = _fields(words, comment.strip(), line.number)
        kept = "host_meaning" in fields or is_watched(*words[1:])
        yield make_fact("hosts.entry", source, times(given), fields, context=not kept)


def _fields(words: list[str], comment: str, number: int) -> dict[str, Value | None]:
    address, names = _address(words[0]), tuple(word[:_SHOWN] for word in words[1 : 1 + _MOST_NAMES])
    fields: dict[str, Value | None] = {
        "mapped_address": str(address),
        "host_names": names,
        "name_blocked": bool(address and (address.is_loopback or address.is_unspecified)) or None,
        "line_comment": comment[:_SHOWN],
        "line_number": number,
    }
    meaning = next((found for name in names if (found := host_meaning(name))), None)
    return fields | ({"host_meaning": meaning} if meaning else {})


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=("Windows/System32/drivers/etc/hosts",),
    parse=parse,
    emits={
        "hosts.entry": Kind(
            "The hosts file gives {host_names} the address {mapped_address}[, which blocks the name{name_blocked:flag}]"
            "[; {host_meaning}][ # {line_comment}]",
            {
                "mapped_address": str,
                "host_names": tuple[str, ...],
                "name_blocked": bool,
                "host_meaning": str,
                "line_comment": str,
                "line_number": int,
            },
            context=True,
        )
    },
)
