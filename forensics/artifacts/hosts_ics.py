r"""`hosts.ics`: the names and addresses that Windows' own NAT gave to virtual machines, sandboxes among them.

The "Default Switch" of Hyper-V shares the host's connection, and the sharing service writes a line for each machine
that asked for an address: `172.19.1.2 name.mshome.net # 2022 6 3 15 9 49 33 141`. A sandbox guest is called by a GUID,
so a GUID here is a networked sandbox (inferred), and its address ties it to firewall, proxy and DNS logs. Lines stay
when the machine is gone. The numbers are year, month, day of the week, day, hour, minute, second and millisecond, in a
zone that nobody documents, mostly years ahead for the host itself: the end of the lease (inferred). So the rows have
the file's times only, and the numbers as text. Lines that somebody disabled with a `#` are read, too.

Source: `hosts.ics` files that users published; the line of a sandbox was not seen.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime

from forensics.artifacts._tunnel import cut_line, times, zeroed
from forensics.artifacts.base import FileArtifact, FileInput, Kind, Output
from forensics.formats.textfile import lines
from forensics.model import Problem, Value, make_fact

_NAME = "hosts_ics"
_MOST = 10_000
_LINE = re.compile(r"^(#?)\s*([0-9A-Fa-f:.]{3,45})\s+([^\s#]{1,253})\s*(?:#\s*(.*))?$")
_GUID = re.compile(r"^\{?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?$", re.IGNORECASE)
_DOMAIN = ".mshome.net"


def parse(given: FileInput) -> Output:
    """One row for each line with an address; comments are passed over, other lines are problems."""
    yield from zeroed(_NAME, given)
    told = 0
    for line in lines(given.fh):
        if line.cut:
            yield cut_line(_NAME, given, line.number, line.offset)
        source = given.source(f"line {line.number}")
        fields = _fields(given, line.text)
        if fields is None:
            text = line.text.strip().strip("\x00")
            if text and not text.startswith("#"):
                yield Problem("bad_record", _NAME, source, f"no address and name: {text[:200]!r}")
            continue
        told += 1
        if told > _MOST:
            yield Problem("budget", _NAME, source, f"more than {_MOST} lines: the rest is not told")
            return
        yield make_fact("network.shared_address", source, times(given), fields)


def _fields(given: FileInput, text: str) -> dict[str, Value | None] | None:
    found = _LINE.match(text.strip())  # blanks in front, to be shared out between two `\s*`, took half a minute a line
    address = _address(found[2]) if found else None
    if found is None or address is None:
        return None
    name = found[3]
    bare = name[: -len(_DOMAIN)] if name.casefold().endswith(_DOMAIN) else name
    sandbox = _GUID.match(bare) is not None
    own = bool(given.host.name) and bare.casefold() == (given.host.name or "").casefold()
    return {
        "guest_address": address,
        "guest_name": name,
        "container_id": bare.strip("{}") if sandbox else None,
        "guest_meaning": "named as a sandbox guest is (inferred)" if sandbox else "this host itself" if own else None,
        "lease_end": _moment(found[4] or ""),
        "line_comment": found[4],
        "line_disabled": found[1] == "#" or None,
    }


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _moment(comment: str) -> str | None:
    """The numbers as a date, None when they are none."""
    parts = comment.split()
    if len(parts) != 8 or not all(part.isascii() and part.isdigit() and len(part) < 5 for part in parts):
        return None
    year, month, _, day, hour, minute, second, thousandths = map(int, parts)
    try:
        moment = datetime(year, month, day, hour, minute, second, thousandths * 1000)  # noqa: DTZ001  # no zone is told
    except ValueError:
        return None
    return f"{moment.isoformat(sep=' ', timespec='milliseconds')} (zone unknown)"


ARTIFACT = FileArtifact(
    name=_NAME,
    paths=("Windows/System32/drivers/etc/hosts.ics",),
    parse=parse,
    emits={
        "network.shared_address": Kind(
            "Address {guest_address} was that of {guest_name} (hosts.ics)[; {guest_meaning}][; lease to {lease_end}]"
            "[; the line is disabled{line_disabled:flag}]",
            {
                "guest_address": str,
                "guest_name": str,
                "guest_meaning": str,
                "container_id": str,
                "lease_end": str,
                "line_comment": str,
                "line_disabled": bool,
            },
        )
    },
)
