"""The mark of the web: the stream `Zone.Identifier` that browsers and mail programs write beside a downloaded file.

A small INI text: `[ZoneTransfer]`, then `ZoneId=3` and, by the program, `ReferrerUrl`, `HostUrl`, `HostIpAddress`,
`LastWriterPackageFamilyName`, `AppZoneId`. Source: [MS-FSCC] "Zone.Identifier Stream Name" and Microsoft's URLZONE
enumeration; which program writes which line is what public notes observed. Some tools flatten it onto one line.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from forensics.formats import FormatError
from forensics.formats.textfile import decode

STREAM = "Zone.Identifier"
SIZE_LIMIT = 64 * 1024
_LINES = 200
_VALUE = 4096
_PLAIN = ("zoneid", "hosturl", "referrerurl", "hostipaddress", "lastwriterpackagefamilyname")
# Only from the start of a run of blanks, and all of it: else a stream of nothing but blanks takes a minute.
_FLAT = re.compile(
    r"(?<!\s)\s++(?=(?:ZoneId|HostUrl|ReferrerUrl|HostIpAddress|LastWriterPackageFamilyName|AppZoneId)=)"
)
_ZONES = {0: "this machine", 1: "local intranet", 2: "trusted sites", 3: "internet", 4: "restricted sites"}


class Mark(NamedTuple):
    """What a stream says; `others` are the lines that are not known here, `text` is all of it."""

    zone: int | None
    host_url: str
    referrer_url: str
    host_ip: str
    writer: str
    others: tuple[str, ...]
    text: str

    @property
    def meaning(self) -> str:
        """The zone in words, "" when it is unknown."""
        return _ZONES.get(self.zone, "") if self.zone is not None else ""


def read(data: bytes) -> Mark:
    """Read a stream; FormatError when no line of it is `name=value`."""
    text = decode(data[:SIZE_LIMIT]).text.strip("\x00")
    values: dict[str, str] = {}
    others: list[str] = []
    for line in _FLAT.sub("\n", text).splitlines()[:_LINES]:
        name, equals, value = line.strip().partition("=")
        key = name.strip().casefold()
        if key in _PLAIN and equals and key not in values:
            values[key] = value.strip()[:_VALUE]
        elif line.strip() and not line.strip().casefold().startswith("[zonetransfer"):
            others.append(line.strip()[:_VALUE])
    if not values:
        raise FormatError("empty" if not data else "no line of a mark of the web is in it")
    zone = values.get("zoneid", "")
    known = int(zone) if zone.isascii() and zone.isdigit() and len(zone) < 10 else None
    if known is None and zone:
        others.append(f"ZoneId={zone}")
    host, referrer, address, writer = (values.get(name, "") for name in _PLAIN[1:])
    return Mark(known, host, referrer, address, writer, tuple(others), text)
